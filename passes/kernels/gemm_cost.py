"""Tiles of a matrix product whose operands and results are in main memory: enumerated, and scored by cost model.

A tile of results stays in the accumulators while the depth streams by, so the depth is always the innermost loop; the other
two come in either order. The model is explained in docs/explanation/tiling.md; times are cycles of the NPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from ...dialects.hardware import F16_BYTES, NpuCore
from .array_cycles import ceildiv, drain_cycles, fold_cycles, weight_stationary
from .linear_cost import MATRIX_ISSUE_CYCLES, tile_depths, transfer_cycles

_FORMS = (("mn", "tile"), ("nm", "tile"), ("mn", "rows"), ("mn", "all"), ("nm", "all"))
"""Which of rows (m) and columns (n) of the result is the outermost loop, and what waits in local memory for one store: a
tile, all columns of its rows, everything."""

TIE = 0.01
"""Part of the time that less traffic may cost."""

MOST_SLOTS = 6
"""Places for an operand beyond which nothing is gained."""

ROWS_AT_ONCE = 16
"""Rows of main memory that are open for scattered pieces at a time, or fewer when strides meet in few channels: measured
on the timing simulator, 4 to 30."""

_CUTS = (*range(1, 33), 48, 64, 96, 128, 192, 256, 384, 512)


@dataclass(frozen=True)
class GemmTiles:
    """Tiles of tile_m x (depths tiles of tile_k) x (group tiles of tile_n), for a matrix of padded_k x padded_n weights.

    `sum_slots` is 2 if one tile of results is drained while the next is computed; `keep` says what part of the results is
    stored at once. `cycles` and `dram_bytes` are what the model expects.
    """

    order: str
    tile_m: int
    tile_k: int
    tile_n: int
    depths: int
    group: int
    padded_k: int
    padded_n: int
    sum_slots: int
    load_slots: int
    keep: str
    cycles: int
    dram_bytes: int


@cache
def choose_gemm(m: int, k: int, n: int, core: NpuCore, element_bytes: int = F16_BYTES) -> GemmTiles:
    """The fastest tiles of an m x k x n product; among those within TIE, the least traffic."""
    sizes = [
        _best(_candidates(m, k, n, tile_k, tile_n, core, element_bytes))
        for tile_k in tile_depths(k, core.array_rows)
        for tile_n in sorted({min(core.array_cols, n), _even(n, core.array_cols)})
    ]
    fastest = min(tiles.cycles for tiles in sizes)
    return min(
        (tiles for tiles in sizes if tiles.cycles <= (1 + TIE) * fastest), key=lambda t: (t.dram_bytes, t.cycles)
    )


def _even(size: int, limit: int) -> int:
    """Equal parts of `size`, as few as a limit allows, in whole multiples of 8."""
    parts = -(-size // limit)
    return min(limit, -(-size // (8 * parts)) * 8)


def _candidates(m: int, k: int, n: int, tile_k: int, tile_n: int, core: NpuCore, element_bytes: int) -> _Candidates:
    depth, panels = -(-k // tile_k), -(-n // tile_n)
    rows = {min(m, -(-m // (8 * cuts)) * 8) for cuts in _CUTS}
    rounds = {-(-panels // -(-panels // min(cuts, panels))) for cuts in _CUTS}
    depths = [count for count in range(1, depth + 1) if depth % count == 0]
    axes = np.meshgrid(sorted(rows), sorted(rounds), depths, range(len(_FORMS)), (1, 2), indexing="ij")
    tile_m, round_count, depths_at_once, form, slots = (axis.ravel() for axis in axes)
    group = -(-panels // round_count)
    sizes = (m, k, n, tile_k, tile_n, depth, element_bytes)
    return _Candidates(*sizes, tile_m, round_count, group, depths_at_once, form, slots, core)


def _best(found: _Candidates) -> GemmTiles:
    fits = found.fits
    found = found.those(fits if fits.any() else found.local_bytes == found.local_bytes.min())
    cycles, dram = found.cycles(), found.dram_bytes
    near = np.flatnonzero(cycles <= (1 + TIE) * cycles.min())
    best = min(near, key=lambda index: (dram[index], cycles[index]))
    order, keep = _FORMS[found.form[best]]
    return GemmTiles(
        order,
        int(found.tile_m[best]),
        found.tile_k,
        found.tile_n,
        int(found.depths[best]),
        int(found.group[best]),
        found.depth * found.tile_k,
        int(found.rounds[best] * found.group[best]) * found.tile_n,
        int(found.slots[best]),
        int(found.load_slots[best]),
        keep,
        int(cycles[best]),
        int(dram[best]),
    )


@dataclass(frozen=True)
class _Candidates:
    """All candidates at once: integers for the product, arrays for what differs between them."""

    m: int
    k: int
    n: int
    tile_k: int
    tile_n: int
    depth: int
    element_bytes: int
    tile_m: np.ndarray
    rounds: np.ndarray
    group: np.ndarray
    depths: np.ndarray
    form: np.ndarray
    slots: np.ndarray
    core: NpuCore

    @cached_property
    def row_tiles(self) -> np.ndarray:
        """Tiles of rows."""
        return -(-self.m // self.tile_m)

    def those(self, chosen: np.ndarray) -> _Candidates:
        """Some of the candidates."""
        names = ("tile_m", "rounds", "group", "depths", "form", "slots")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    def orders(self, name: str) -> np.ndarray:
        """Where the outer loop is this one."""
        return np.array([order == name for order, _ in _FORMS])[self.form]

    def keeps(self, name: str) -> np.ndarray:
        """Where so much of the results is kept."""
        return np.array([keep == name for _, keep in _FORMS])[self.form]

    @cached_property
    def operand_bytes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of a tile of activations, of weights, and of results."""
        deep, wide = self.depths * self.tile_k, self.group * self.tile_n
        stored = wide * np.where(self.keeps("tile"), 1, self.rounds)
        high = self.tile_m * np.where(self.keeps("all"), self.row_tiles, 1)
        return (
            self.tile_m * deep * self.element_bytes,
            deep * wide * self.element_bytes,
            high * stored * self.element_bytes,
        )

    @cached_property
    def local_bytes(self) -> np.ndarray:
        """Two places for each operand and for the results, one for all results."""
        a, w, c = self.operand_bytes
        return 2 * (a + w) + np.where(self.keeps("all"), c, 2 * c)

    @cached_property
    def load_slots(self) -> np.ndarray:
        """Places for each operand: two, or more where there is room."""
        a, w, _ = self.operand_bytes
        room = self.core.scratchpad_bytes - (self.local_bytes - 2 * (a + w))
        return np.clip(room // (a + w), 2, MOST_SLOTS)

    @cached_property
    def fits(self) -> np.ndarray:
        """Whether scratchpad and accumulators hold it."""
        sums = self.slots * self.tile_m * self.group * self.tile_n * 4
        return (self.local_bytes <= self.core.scratchpad_bytes) & (sums <= self.core.accumulator_bytes)

    @cached_property
    def dram_bytes(self) -> np.ndarray:
        """Traffic: an operand is read once if its tile stays while the inner loop runs."""
        row_tiles, depth_blocks = self.row_tiles, self.depth // self.depths
        whole = depth_blocks == 1
        a_stays, w_stays = whole & self.orders("mn"), whole & self.orders("nm")
        a = self.m * self.k * np.where(a_stays, 1, self.rounds)
        w = self.depth * self.tile_k * self.rounds * self.group * self.tile_n * np.where(w_stays, 1, row_tiles)
        return (a + w + self.m * self.n) * self.element_bytes

    @cached_property
    def pieces(self) -> tuple[np.ndarray, np.ndarray]:
        """Parts of rows in a load of activations and in a store, which move one by one as a tile has not the whole row."""
        loads = np.where(self.depth // self.depths > 1, self.tile_m, 0)
        stores = np.where(self.keeps("tile") & (self.rounds > 1), self.tile_m, 0)
        return loads, stores

    @cached_property
    def array_cycles(self) -> np.ndarray:
        """Cycles in which the arrays are busy."""
        row_tiles = self.row_tiles
        last = self.m - (row_tiles - 1) * self.tile_m
        turns = self.rounds * ceildiv(self.group, self.core.arrays)
        if weight_stationary(self.core):
            rest = self.k - (self.depth - 1) * self.tile_k
            cycles = sum(
                tiles * (steps * fold_cycles(rows, deep, self.core))
                for tiles, rows in ((row_tiles - 1, self.tile_m), (1, last))
                for steps, deep in ((self.depth - 1, self.tile_k), (1, rest))
            )
        else:
            fold = fold_cycles(self.m, self.k, self.core)
            heights = (row_tiles - 1) * ceildiv(self.tile_m, self.core.array_rows) + ceildiv(last, self.core.array_rows)
            cycles = heights * fold
        issue = MATRIX_ISSUE_CYCLES * row_tiles * self.rounds * self.depth * self.group
        return np.maximum(turns * cycles, issue)

    def cycles(self) -> np.ndarray:
        """Expected cycles, from the first load to the last store."""
        core = self.core
        a, w, c = self.operand_bytes
        latency = core.dma_latency_cycles + core.row_latency_cycles
        results = self.tile_m * self.group * self.tile_n
        drain = np.maximum(core.vector_min_cycles, ceildiv(results, core.vector_lanes))
        tiles = self.row_tiles * self.rounds
        scattered_load, scattered_store = (pieces * core.row_latency_cycles / ROWS_AT_ONCE for pieces in self.pieces)
        first = latency + transfer_cycles(a + w, core) + scattered_load
        waits = drain + core.vector_latency_cycles + drain_cycles(core)
        compute = self.array_cycles + np.where(self.slots == 1, (tiles - 1) * waits, 0)
        loads = tiles * (self.depth // self.depths)
        traffic = transfer_cycles(self.dram_bytes, core) + loads * scattered_load + tiles * scattered_store
        # A load cannot start before the one that had its place is used up.
        per_load = self.array_cycles / loads
        read = transfer_cycles(self.dram_bytes / loads, core)
        turn = (latency + read + per_load + drain_cycles(core)) / self.load_slots * loads
        work = np.maximum(np.maximum(compute, traffic), turn)
        last = waits + latency + transfer_cycles(c, core) + scattered_store
        return first + work + last
