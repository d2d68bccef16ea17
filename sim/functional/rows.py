"""Rows of elements between memory (f16, f32, i32) and float32 scratch, and the sums whose order is fixed."""

import numpy as np
from numba import njit

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

CHUNK = 1024
"""Elements of a row that are in scratch at a time; a multiple of LANES, so that lanes continue across chunks."""


@njit(cache=True)
def element_bytes(dtype):
    """Size of an element of an instruction's type field."""
    return 2 if dtype == F16 else 4


@njit(cache=True)
def widen_row(target, at, source, offset, count):
    """target[at : at + count] (float32) = the f16 row at byte `offset`."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        widen_lanes(target, 4 * (at + i), source, offset + 2 * i)
    for i in range(whole, count):
        target[at + i] = load_half(source, offset + 2 * i)


@njit(cache=True)
def narrow_row(target, offset, source, at, count):
    """The f16 row at byte `offset` = source[at : at + count], rounded to nearest even."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        narrow_lanes(target, offset + 2 * i, source, 4 * (at + i))
    for i in range(whole, count):
        store_half(target, offset + 2 * i, source[at + i])


@njit(cache=True)
def read_row(target, at, memory, offset, dtype, count):
    """Load a row of any element type as float32."""
    if dtype == F16:
        widen_row(target, at, memory, offset, count)
    elif dtype == F32:
        copy(target, 4 * at, memory, offset, 4 * count)
    else:
        for i in range(count):
            target[at + i] = np.float32(load_int(memory, offset + 4 * i))


@njit(cache=True)
def write_row(memory, offset, dtype, source, at, count):
    """Store float32 as a row of any element type: f16 rounds to nearest even, i32 towards zero."""
    if dtype == F16:
        narrow_row(memory, offset, source, at, count)
    elif dtype == F32:
        copy(memory, offset, source, 4 * at, 4 * count)
    else:
        for i in range(count):
            store_int(memory, offset + 4 * i, np.int32(source[at + i]))


@njit(cache=True)
def add_lanes(lanes, values, at, count):
    """lanes[c mod 16] += values[at + c], c ascending. `lanes` is float32[16]; c = 0 is lane 0."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        for lane in range(LANES):
            lanes[lane] += values[at + i + lane]
    for i in range(whole, count):
        lanes[i - whole] += values[at + i]


@njit(cache=True)
def total(lanes):
    """Halving-tree sum of the 16 lanes."""
    return tree_sum(lanes, 0)
