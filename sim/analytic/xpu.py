"""Time and traffic of an operator on a GPU-like device: a roofline whose traffic comes from a search over two levels of tiles.

Model and constants are those of AttAcc's simulator (c600051, devices.py), so that its figures can be held against ours;
what is odd about it is listed in docs/explanation/analytic-xpu.md.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .operators import Kind, Operator

L1_TILES = np.array([8, 16, 32, 64, *range(128, 513, 64)], float)
L1_TILE_K = 32
L2_STEPS_K = 64  # an L2 tile holds 1/64 of k; found by experiment, says devices.py
REGISTER_TILE = 16


@dataclass(frozen=True)
class Tiles:
    """Tile sizes of the two levels and the products' blocks of work."""

    l1_m: float
    l1_n: float
    l2_m: float
    l2_n: float


@dataclass(frozen=True)
class Cost:
    """What one operator takes on one device: nanoseconds, bytes by level, register accesses, arithmetic operations."""

    time_ns: float
    bound: str  # compute or memory
    memory_bytes: float
    l2_bytes: float
    l1_bytes: float
    register_accesses: float
    flops: float


class AnalyticXpu:
    """One device of an `[xpu]` or `[cpu]` section; costs are remembered by operator."""

    def __init__(self, section: dict[str, Any]):
        self._section = section
        self._costs: dict[Operator, Cost] = {}

    def cost(self, op: Operator) -> Cost:
        """Time and traffic of an operator that is neither an all-reduce nor a transfer."""
        if op not in self._costs:
            self._costs[op] = self._cost(op)
        return self._costs[op]

    def tiles(self, op: Operator) -> Tiles:
        """The tiles with the least traffic; the search prefers tiles of L1 that keep all cores busy."""
        section, m, n, k = self._section, op.m, op.n, op.k
        tm, tn = np.minimum(L1_TILES, m)[:, None], np.minimum(L1_TILES, n)[None, :]
        size = ((tm + tn) * L1_TILE_K + tm * tn) * op.element_bytes
        traffic = _product_traffic(op, tm, tn)
        cost = traffic * (1 / self._utilization(op, tm, tn)) ** 2
        l1_m, l1_n = _least(np.where(size <= section["l1_bytes"], cost, np.inf), tm, tn)

        tm, tn = _multiples(l1_m, m)[:, None], _multiples(l1_n, n)[None, :]
        size = ((tm + tn) * (k / L2_STEPS_K) + tm * tn) * op.element_bytes
        fits = (size <= section["l2_bytes"]) | ((tm == l1_m) & (tn == l1_n))
        one = op.element_bytes
        traffic = np.ceil(m / tm) * n * k * one + np.ceil(n / tn) * m * k * one + m * n * one
        return Tiles(l1_m, l1_n, *_least(np.where(fits, traffic, np.inf), tm, tn))

    def _cost(self, op: Operator) -> Cost:
        section = self._section
        if op.kind in (Kind.FC, Kind.MATMUL):
            tiles = self.tiles(op)
            utilization = float(self._utilization(op, np.array(tiles.l1_m), np.array(tiles.l1_n)))
            memory = float(_product_traffic(op, tiles.l2_m, tiles.l2_n))
            l2 = float(_product_traffic(op, tiles.l1_m, tiles.l1_n))
            l1 = float(_product_traffic(op, REGISTER_TILE, REGISTER_TILE))
            registers = 3 * op.m * op.n * op.k * op.count
        else:
            utilization = float(self._utilization(op, np.array(1.0), np.array(1.0)))
            memory = l2 = l1 = registers = op.elementwise_bytes
        compute_ns = op.flops / (
            self._peak_flops_per_ns(op.element_bytes) * section["compute_utilization"] * utilization
        )
        bandwidth = section["memory_bytes_per_ns"] * section["memory_utilization"] * utilization
        if fitted := self._fitted_ns(op, memory):
            memory_ns = fitted
        else:
            memory_ns = memory / bandwidth
            if section["l2_bytes_per_ns"]:
                memory_ns = max(memory_ns, l2 / section["l2_bytes_per_ns"])
        bound = "compute" if compute_ns > memory_ns else "memory"
        return Cost(max(compute_ns, memory_ns), bound, memory, l2, l1, registers, op.flops)

    def _peak_flops_per_ns(self, element_bytes: int) -> float:
        return self._section["peak_tflops"] * 1000 * (2 // element_bytes)

    def _fitted_ns(self, op: Operator, size: float) -> float:
        """Time of an activation or norm by the device's fit; 0 where it has none."""
        prefix = {Kind.ACTIVATION: "activation", Kind.NORM: "norm"}.get(op.kind)
        if prefix is None or not self._section["fitted_bytes_per_ns"]:
            return 0.0
        scale = self._section["fitted_bytes_per_ns"] / self._section["memory_bytes_per_ns"]
        return self._section[f"{prefix}_ns_per_byte"] * scale * size + self._section[f"{prefix}_latency_ns"]

    def _utilization(self, op: Operator, tm: np.ndarray, tn: np.ndarray) -> np.ndarray:
        """Share of the cores that have a block of work, averaged over the waves of blocks."""
        cores = self._section["cores"]
        blocks = np.full(np.broadcast(tm, tn).shape, float(op.count))
        if op.kind == Kind.FC:
            blocks = np.ceil(op.m / tm) * np.ceil(op.n / tn) * op.count
        return blocks / (np.ceil(blocks / cores) * cores) if cores else np.ones_like(blocks)


def _product_traffic(op: Operator, tm: Any, tn: Any) -> Any:
    """Bytes that products in tiles of tm x tn read and write: each operand once for every tile of the other side."""
    scale = op.element_bytes * op.count
    return np.ceil(op.n / tn) * op.m * op.k * scale + np.ceil(op.m / tm) * op.n * op.k * scale + op.m * op.n * scale


def _multiples(tile: float, size: float) -> np.ndarray:
    return np.append(np.arange(1, int(size / tile) + 1) * tile, size)


def _least(cost: np.ndarray, tm: np.ndarray, tn: np.ndarray) -> tuple[float, float]:
    row, column = np.unravel_index(np.argmin(cost), cost.shape)
    return float(tm[row, 0]), float(tn[0, column])
