"""Tiles of a linear layer: all that the machine can hold, scored by the larger of compute and traffic plus start and end.

Activations and results stay in local memory, weights stream through it once. The model is explained in
docs/explanation/tiling.md; times are cycles of the NPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ...dialects.hardware import F16_BYTES, NpuCore
from .array_cycles import ceildiv, drain_cycles, fold_cycles, preload_cycles

DESCRIPTORS = 64
"""Transfers of one DMA queue that may be on their way, as in the timing simulator."""

MATRIX_ISSUE_CYCLES = 2
"""What the matrix queue takes to hand a fold to an array: a preload and a matmul."""

RING_SHARE = 8
"""Part of the local memory, as a divisor, that the weights of one layer may take on their way to the arrays."""

TIE = 0.002
"""Part of the time that the model cannot tell apart."""

VECTOR_DEPTH, VECTOR_WIDTH, VECTOR_GROUP = 1024, 128, 8
"""Largest tiles, and panels in turn, of a product on the vector unit, which itself has no limit."""

_EDGE = 16  # tiles come in multiples of it where that costs nothing: whole DRAM accesses
_WIDTH = 8


@dataclass(frozen=True)
class LinearTiles:
    """How an outputs x inputs matrix is cut: tiles of tile_k x tile_n, `group` of them for as many arrays at once.

    `load_tiles` tiles come with one load, into one of `load_slots` places. `cycles` is what the model expects of the layer.
    """

    tile_k: int
    tile_n: int
    padded_k: int
    padded_n: int
    group: int
    load_tiles: int
    load_slots: int
    cycles: int

    @property
    def load_bytes(self) -> int:
        """Bytes of one load."""
        return self.load_tiles * self.tile_k * self.tile_n * F16_BYTES


@cache
def choose_linear(rows: int, outputs: int, inputs: int, core: NpuCore) -> LinearTiles:
    """The fastest tiles for at most `rows` rows of activations; of those within TIE, the fewest bytes, then instructions."""
    found = _candidates(rows, outputs, inputs, core)
    cycles, padded = linear_cycles(rows, inputs, core, *found.T), found[:, 1] * found[:, 3]
    near = cycles <= (1 + TIE) * cycles.min()
    tiles = padded // (found[:, 0] * found[:, 2])
    instructions = 2 * tiles + tiles // found[:, 5]
    best = min(np.flatnonzero(near), key=lambda index: (padded[index], instructions[index], cycles[index]))
    return planned(rows, inputs, core, *map(int, found[best]))


def planned(rows: int, inputs: int, core: NpuCore, *sizes: int) -> LinearTiles:
    """The tiles (tile_k, padded_k, tile_n, padded_n, group, load_tiles) with their slots and their time."""
    tile_k, padded_k, tile_n, padded_n, group, load = sizes
    cycles = int(linear_cycles(rows, inputs, core, *sizes))
    return LinearTiles(tile_k, tile_n, padded_k, padded_n, group, load, int(load_slots(rows, core, *sizes)), cycles)


def best_load(rows: int, inputs: int, core: NpuCore, sizes: tuple[int, ...], room_bytes: int) -> LinearTiles:
    """The best loads for tiles (tile_k, padded_k, tile_n, padded_n, group) that main memory has already.

    `room_bytes` is what is left of the local memory. A place for the smallest load is taken anyway.
    """
    tile_k, padded_k, tile_n, _, group = sizes
    loads = _loads(tile_k * tile_n * F16_BYTES, group, padded_k // tile_k, core)
    plans = [planned(rows, inputs, core, *sizes, load) for load in loads]
    fitting = [plan for plan in plans if min(2, plan.load_slots) * plan.load_bytes <= room_bytes] or plans[:1]
    plans = [replace(plan, load_slots=max(1, min(plan.load_slots, room_bytes // plan.load_bytes))) for plan in fitting]
    near = (1 + TIE) * min(plan.cycles for plan in plans)
    return max((plan for plan in plans if plan.cycles <= near), key=lambda plan: plan.load_tiles)


def linear_cycles(rows, inputs, core: NpuCore, tile_k, padded_k, tile_n, padded_n, group, load):
    """Expected cycles of a layer. Everything about the tiles may be an array."""
    depth, rounds = padded_k // tile_k, padded_n // (tile_n * group)
    load_bytes = load * tile_k * tile_n * F16_BYTES
    loads = rounds * depth * group // load
    transfer = transfer_cycles(load_bytes, core)
    first = core.dma_latency_cycles + core.row_latency_cycles + transfer
    slots = load_slots(rows, core, tile_k, padded_k, tile_n, padded_n, group, load)
    flights = np.maximum(1, np.minimum(DESCRIPTORS, (core.dma_outstanding_bytes or 1 << 60) // load_bytes))
    interval = np.maximum(transfer, (core.row_latency_cycles + transfer) / flights)
    interval = np.maximum(interval, (first + held_cycles(rows, tile_k, tile_n, core)) / slots)
    step = group_cycles(rows, tile_k, tile_n, group, core)
    short = group_cycles(rows, inputs - (depth - 1) * tile_k, tile_n, group, core)
    after_last_load = np.maximum(load // group - 1, 0) * step + short
    drain = np.maximum(core.vector_min_cycles, ceildiv(rows * group * tile_n, core.vector_lanes))
    compute = rounds * ((depth - 1) * step + short + (0 if core.arrays else drain + core.vector_latency_cycles))
    work = np.maximum(np.maximum((loads - 1) * interval + after_last_load, compute), rounds * drain)
    return first + work + drain_cycles(core) + drain + core.vector_latency_cycles


def load_slots(rows, core: NpuCore, tile_k, padded_k, tile_n, padded_n, group, load):
    """A group, and twice what arrives while a load is on its way or held, within its share of the local memory."""
    size = load * tile_k * tile_n * F16_BYTES
    waiting = core.dma_latency_cycles + core.row_latency_cycles + held_cycles(rows, tile_k, tile_n, core)
    ahead = ceildiv(group, load) + ceildiv(2 * waiting * core.dram_bytes_per_kilocycle, 1000 * size)
    share = (core.scratchpad_bytes + core.accumulator_bytes) // RING_SHARE // size
    everything = padded_k * padded_n // (load * tile_k * tile_n)
    return np.minimum(np.maximum(2, np.minimum(ahead, share)), everything)


def held_cycles(rows, tile_k, tile_n, core: NpuCore):
    """How long weights stay in their slot before an array has taken them, or the vector unit has used them."""
    if not core.arrays:
        return gemv_cycles(rows, tile_k, tile_n, 1, core)
    return preload_cycles(tile_k, core) + fold_cycles(rows, tile_k, core)


def group_cycles(rows, k, n, group, core: NpuCore):
    """Cycles of one depth of a group: arrays side by side, or products of the vector unit one after the other."""
    if core.arrays:
        return np.maximum(fold_cycles(rows, k, core), MATRIX_ISSUE_CYCLES * group)
    return group * gemv_cycles(rows, k, n, group, core)


def gemv_cycles(rows, k, n, independent, core: NpuCore):
    """Cycles from one gemv to the next; each goes on with the sums of the one `independent` before it."""
    busy = np.maximum(core.vector_min_cycles, ceildiv(rows * k * n, core.vector_lanes) * core.gemv_cycles)
    return np.maximum(busy, (busy + core.vector_latency_cycles) / independent)


def transfer_cycles(size, core: NpuCore):
    """Cycles in which main memory delivers `size` bytes at its best."""
    if not core.dram_bytes_per_kilocycle:
        return size * 0 + core.dma_issue_cycles
    return np.maximum(core.dma_issue_cycles, size * 1000 / core.dram_bytes_per_kilocycle)


def _candidates(rows: int, outputs: int, inputs: int, core: NpuCore) -> np.ndarray:
    """Rows of (tile_k, padded_k, tile_n, padded_n, group, load_tiles)."""
    found = []
    widest = core.array_cols if core.arrays else VECTOR_WIDTH
    for tile_k in tile_depths(inputs, core.array_rows if core.arrays else VECTOR_DEPTH):
        depth = int(ceildiv(inputs, tile_k))
        for tile_n in range(min(_WIDTH, widest), widest + 1, _WIDTH):
            panels = int(ceildiv(outputs, tile_n))
            fewest = int(ceildiv(panels, _arrays(rows, tile_n, core)))
            for rounds in range(fewest, min(panels, fewest + 3) + 1):
                group = int(ceildiv(panels, rounds))
                for load in _loads(tile_k * tile_n * F16_BYTES, group, depth, core):
                    found.append((tile_k, depth * tile_k, tile_n, rounds * group * tile_n, group, load))
    return np.array(found, np.int64)


def _arrays(rows: int, tile_n: int, core: NpuCore) -> int:
    """Panels to work on side by side, whose results, twice, fit the accumulators; at least one."""
    return max(1, min(core.arrays or VECTOR_GROUP, core.accumulator_bytes // (2 * 4 * rows * tile_n)))


def tile_depths(inputs: int, limit: int) -> list[int]:
    """Depths of a tile: the fewest cuts of the inputs and some more, whole or rounded up."""
    fewest = -(-inputs // limit)
    exact = {-(-inputs // cuts) for cuts in range(fewest, min(2 * fewest, fewest + 4) + 1)}
    rounded = {min(limit, -(-size // _EDGE) * _EDGE) for size in exact}
    return sorted({size for size in exact if inputs % size == 0} | rounded)


def _loads(tile_bytes: int, group: int, depth: int, core: NpuCore) -> list[int]:
    """Numbers of consecutive tiles that a load may bring: part of a group, or whole groups, of one round."""
    limit = max(1, (core.dma_outstanding_bytes or core.scratchpad_bytes // RING_SHARE) // tile_bytes)
    parts = [load for load in range(1, min(group, limit) + 1) if group % load == 0]
    whole = [group * count for count in range(2, min(depth, limit // group) + 1) if depth % count == 0]
    return parts + whole
