"""How many pages the caches of a module get."""

from __future__ import annotations

from math import gcd

from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm
from ...dialects.hardware import PimMemory
from ...dialects.pim.types import HeadKeysAttr, HeadValuesAttr, KeysAttr, ValuesAttr
from ...dialects.record import RecordAttr, page_tokens


def paged_caches(module: ModuleOp) -> list[host.MemoryOp]:
    """The caches that are in pages."""
    memories = [op for op in module.ops if isinstance(op, host.MemoryOp)]
    return [op for op in memories if page_tokens(op.layout)]


def set_pages(cache: host.MemoryOp, pages: int) -> None:
    """Fix the number of pages."""
    layout = cache.layout
    assert isinstance(layout, RecordAttr)
    cache.layout = type(layout).of(**{**dict(layout.data), "pages": pages})


def enough_pages(cache: host.MemoryOp, module: ModuleOp, memory: PimMemory) -> int:
    """Pages of a group of channels with which no step of full sequences can run out."""
    bounds = module.attributes[llm.BOUNDS]
    assert isinstance(bounds, llm.BoundsAttr) and isinstance(cache.type, TensorType)
    slots = cache.type.get_shape()[1]
    if isinstance(cache.layout, KeysAttr | ValuesAttr):
        slots = -(-slots * cache.layout.integer("channels") // memory.channels)
    elif isinstance(cache.layout, HeadKeysAttr | HeadValuesAttr):
        slots //= gcd(slots, memory.channels)
    return slots * -(-bounds.context.data // page_tokens(cache.layout))


def share_rest(caches: list[host.MemoryOp], sizes: list[int], wanted: list[int], rest: int, where: str) -> list[int]:
    """Pages of each cache: as many as wanted, or for the same number of tokens what fits in the rest of the memory.

    `sizes` of a page and `rest` are in the same unit.
    """
    if sum(size * count for size, count in zip(sizes, wanted, strict=True)) <= rest:
        return wanted
    step = max(page_tokens(cache.layout) for cache in caches)
    per_step = [-(-step // page_tokens(cache.layout)) for cache in caches]
    cost = sum(size * count for size, count in zip(sizes, per_step, strict=True))
    if cost > rest:
        raise PassFailedException(f"pages for {step} tokens need {cost} {where}, the weights leave {max(0, rest)}")
    return [min(want, count * (rest // cost)) for want, count in zip(wanted, per_step, strict=True)]
