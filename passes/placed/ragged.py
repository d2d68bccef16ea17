"""Sizes of ragged attention matrices in buffers."""

from ...dialects import llm
from ...dialects.hardware import NpuCore, PimMemory

DEFAULT_TILE = 128
"""Tile edge on machines without a systolic array, where only the vector unit and the scratchpad limit it."""


def token_tile(core: NpuCore) -> int:
    """Keys that the NPU works on at a time: the width of its array."""
    return max(core.array_cols, core.array_rows) if core.arrays else DEFAULT_TILE


def padded_context(bounds: llm.BoundsAttr, core: NpuCore, memory: PimMemory) -> int:
    """Keys for which a row of scores has room: the context, rounded up to whole tiles and whole channels."""
    unit = max(token_tile(core), memory.banks, memory.column_elements)
    return -(-bounds.context.data // unit) * unit
