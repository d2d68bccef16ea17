"""Rows of elements between memory (f16, f32, i32) and float32 scratch, and the sums whose order is fixed."""

import numpy as np

from ...backends.isa.spec import F16, F32
from .half import (
    LANES,
    copy,
    load_half,
    load_int,
    narrow_lanes,
    store_half,
    store_int,
    tree_sum,
    widen_lanes,
)
from .jit import bare

CHUNK = np.int64(1024)
"""Elements of a row that are in scratch at a time; a multiple of LANES, so that lanes continue across chunks."""


@bare
def element_bytes(dtype):
    """Size of an element of an instruction's type field."""
    return 2 if dtype == F16 else 4


@bare
def widen_row(target, source, offset, count):
    """target[:count] (float32) = the f16 row at byte `offset`."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        widen_lanes(target, 4 * i, source, offset + 2 * i)
    for i in range(whole, count):
        target[i] = load_half(source, offset + 2 * i)


@bare
def narrow_row(target, offset, source, count):
    """The f16 row at byte `offset` = source[:count], rounded to nearest even."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        narrow_lanes(target, offset + 2 * i, source, 4 * i)
    for i in range(whole, count):
        store_half(target, offset + 2 * i, source[i])


@bare
def read_row(target, memory, offset, dtype, count):
    """Load a row of any element type as float32."""
    if dtype == F16:
        widen_row(target, memory, offset, count)
    elif dtype == F32:
        copy(target, 0, memory, offset, 4 * count)
    else:
        for i in range(count):
            target[i] = np.float32(load_int(memory, offset + 4 * i))


@bare
def write_row(memory, offset, dtype, source, count):
    """Store float32 as a row of any element type: f16 rounds to nearest even, i32 towards zero and saturates."""
    if dtype == F16:
        narrow_row(memory, offset, source, count)
    elif dtype == F32:
        copy(memory, offset, source, 0, 4 * count)
    else:
        for i in range(count):
            store_int(memory, offset + 4 * i, _to_int(source[i]))


@bare
def _to_int(value):
    if value != value:
        return np.int32(0)
    return np.int32(min(max(np.float64(value), -2147483648.0), 2147483647.0))


@bare
def add_lanes(lanes, values, count):
    """lanes[c mod 16] += values[c], c ascending. `lanes` is float32[16]; c = 0 is lane 0."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        for lane in range(LANES):
            lanes[lane] += values[i + lane]
    for i in range(whole, count):
        lanes[i - whole] += values[i]


@bare
def total(lanes):
    """Halving-tree sum of the 16 lanes."""
    return tree_sum(lanes)
