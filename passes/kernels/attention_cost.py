"""Scores and context of one sequence on the arrays or on the vector unit: which is faster, and with which loads.

Keys and values are read once, head by head; everything else is in local memory. Times are cycles of the NPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from ...dialects.hardware import F16_BYTES, NpuCore
from ..placed.ragged import token_tile
from .array_cycles import ceildiv, drain_cycles, fold_cycles, preload_cycles
from .linear_cost import DESCRIPTORS, RING_SHARE, TIE, gemv_cycles, transfer_cycles

UNITS = ("array", "vector")

_LARGEST_LOAD = 32  # tiles

_CONFLICTS = 0.05
"""Time that larger loads of the context may cost: small ones of heads in turn meet in the same banks, which no term shows."""


@dataclass(frozen=True)
class AttentionShape:
    """`rows` new tokens with `keys` keys each: `heads` KV heads, each with `group` query heads, of `head_dim` elements."""

    rows: int
    keys: int
    heads: int
    group: int
    head_dim: int


@dataclass(frozen=True)
class AttentionPlan:
    """The unit that multiplies, tokens of one load, places for loads, and the cycles that the model expects."""

    unit: str
    load_tokens: int
    load_slots: int
    cycles: int


@cache
def choose_attention(
    what: str, shape: AttentionShape, core: NpuCore, units: tuple[str, ...], room_bytes: int, page_tokens: int = 0
) -> AttentionPlan:
    """The fastest plan for `what`, scores or context, on one of `units`; among equals the largest load.

    A load stays in a page of `page_tokens`, if the cache has pages.
    """
    plans: list[AttentionPlan] = []
    for unit in units if core.arrays else ("vector",):
        tile = tile_tokens(what, unit, core)
        for tiles in (1 << power for power in range(_LARGEST_LOAD.bit_length())):
            in_page = page_tokens % (tiles * tile) == 0
            if tiles == 1 or (in_page and tiles * tile <= shape.keys + tile - 1):
                plans.append(_plan(what, unit, tiles * tile, shape, core))
    fitting = [plan for plan in plans if 2 * plan.load_tokens * shape.head_dim * F16_BYTES <= room_bytes] or plans[:1]
    fastest = min(plan.cycles for plan in fitting)
    near = [plan for plan in fitting if plan.cycles <= (1 + TIE) * fastest]
    unit = min(near, key=lambda plan: UNITS.index(plan.unit)).unit
    limit = min(plan.cycles for plan in fitting if plan.unit == unit) * (1 + (_CONFLICTS if what == "context" else TIE))
    best = max((p for p in fitting if p.unit == unit and p.cycles <= limit), key=lambda p: p.load_tokens)
    slots = min(best.load_slots, room_bytes // (best.load_tokens * shape.head_dim * F16_BYTES))
    return replace(best, load_slots=max(2, slots))


def heads_together(rows: int, heads: int, head_bytes: int, core: NpuCore) -> int:
    """KV heads whose sums, twice, take at most the accumulators: their context is computed side by side."""
    limit = core.accumulator_bytes // (2 * rows * head_bytes)
    return max(count for count in range(1, max(1, min(heads, limit)) + 1) if heads % count == 0)


def tile_tokens(what: str, unit: str, core: NpuCore) -> int:
    """Tokens of the smallest load: a side of the array, or what a row of probabilities holds a multiple of."""
    if unit == "vector" or not core.arrays:
        return token_tile(core)
    return core.array_cols if what == "scores" else core.array_rows


def _plan(what: str, unit: str, tokens: int, shape: AttentionShape, core: NpuCore) -> AttentionPlan:
    size = tokens * shape.head_dim * F16_BYTES
    loads = shape.heads * int(ceildiv(shape.keys, tokens))
    busy, held = _unit_cycles(what, unit, tokens, shape, core)
    transfer = float(transfer_cycles(size, core))
    waiting = core.dma_latency_cycles + core.row_latency_cycles + transfer + held
    share = (core.scratchpad_bytes + core.accumulator_bytes) // RING_SHARE // size
    wanted = 2 + int(2 * waiting / max(transfer, busy))
    slots = max(2, min(wanted, share, loads))
    flights = max(1, min(DESCRIPTORS, (core.dma_outstanding_bytes or 1 << 60) // size))
    interval = max(transfer, busy, (core.row_latency_cycles + transfer) / flights, waiting / slots)
    first = core.dma_latency_cycles + core.row_latency_cycles + transfer
    last = held if unit == "vector" else held + drain_cycles(core)
    return AttentionPlan(unit, tokens, slots, int(first + (loads - 1) * interval + last + _drain(what, shape, core)))


def _unit_cycles(what: str, unit: str, tokens: int, shape: AttentionShape, core: NpuCore) -> tuple[float, float]:
    """Cycles of one load's products: of the machine when all arrays are busy, and until the load is used up."""
    m, group, head_dim = shape.rows, shape.group, shape.head_dim
    if unit == "vector":
        # Sums of the context of one load are where the next load of the head goes on.
        independent = (
            1 << 30 if what == "scores" else group * heads_together(m, shape.heads, group * head_dim * 4, core)
        )
        k, n = (head_dim, tokens) if what == "scores" else (tokens, head_dim)
        product = float(gemv_cycles(m, k, n, independent, core))
        return group * product, group * product + core.vector_latency_cycles
    side = core.array_rows if what == "scores" else core.array_cols
    part = max(size for size in range(1, side + 1) if head_dim % size == 0)
    parts = head_dim // part
    tiles = tokens // tile_tokens(what, unit, core)
    k = part if what == "scores" else core.array_rows
    fold = max(float(fold_cycles(m, k, core)), float(preload_cycles(k, core)), group * max(m, core.min_stream_rows))
    issue = tiles * parts * (1 + group)
    # Scores use another array for every tile, the context one for each part of the heads that are summed up together.
    if what == "scores":
        chains = shape.heads * int(ceildiv(shape.keys, tokens)) * tiles
    else:
        chains = parts * heads_together(m, shape.heads, group * head_dim * 4, core)
    work = tiles * parts * fold
    return max(issue, work / min(core.arrays, chains)), max(issue, work if what == "context" else parts * fold)


def _drain(what: str, shape: AttentionShape, core: NpuCore) -> int:
    if what == "scores":
        return 0
    elements = shape.rows * shape.heads * shape.group * shape.head_dim
    return max(core.vector_min_cycles, int(ceildiv(elements, core.vector_lanes))) + core.vector_latency_cycles
