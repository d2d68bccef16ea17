"""Sizes of ragged attention matrices in buffers."""

from math import lcm

from ...dialects import llm
from ...dialects.hardware import NpuCore, PimMemory

DEFAULT_TILE = 128
"""Tile edge on machines without a systolic array, where only the vector unit and the scratchpad limit it."""

_COLUMN_ELEMENTS = 16
"""f16 elements of a PIM column (backends/isa/pim.py), which a PIM that reads probabilities takes at a time."""


def token_tile(core: NpuCore) -> int:
    """Keys that a row of probabilities holds a multiple of: whole tiles of scores, of values, and whole PIM columns."""
    return lcm(core.array_cols, core.array_rows, _COLUMN_ELEMENTS) if core.arrays else DEFAULT_TILE


def padded_context(bounds: llm.BoundsAttr, core: NpuCore, memory: PimMemory) -> int:
    """Keys for which a row of scores has room: the context, rounded up to whole tiles and whole channels."""
    unit = lcm(token_tile(core), memory.banks, memory.column_elements)
    return -(-bounds.context.data // unit) * unit
