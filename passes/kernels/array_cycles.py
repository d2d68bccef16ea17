"""Cycles of a matrix product on systolic arrays, in closed form: what tiles are chosen by.

A fold is what an array holds at once: array_rows x array_cols weights (weight-stationary) or results (output-stationary).
Sources: SCALE-Sim 3.0.0 for folds that follow each other; initiation intervals for folds that overlap, as in ONNXim and as
the timing simulator counts them (docs/explanation/tiling.md). All arguments may be NumPy arrays.
"""

from __future__ import annotations

import numpy as np

from ...dialects.hardware import NpuCore

Count = int | np.ndarray


def ceildiv(a: Count, b: Count) -> Count:
    """Quotient, rounded up."""
    return -(-a // b)


def weight_stationary(core: NpuCore) -> bool:
    """Whether the weights are what stays in the arrays."""
    return core.dataflow == "weight_stationary"


def preload_cycles(k: Count, core: NpuCore) -> Count:
    """Cycles in which k rows of weights enter an array."""
    return ceildiv(k, core.weight_rows_per_cycle)


def fold_cycles(m: Count, k: Count, core: NpuCore) -> Count:
    """Cycles from one fold to the next on the same array, with m rows of activations and a depth of k.

    Weight-stationary, k at most array_rows: m rows stream through k rows of weights. Output-stationary, m at most
    array_rows: k products go into each result.
    """
    if weight_stationary(core):
        stream = np.maximum(m, core.min_stream_rows)
        if core.array_overlap:
            return np.maximum(stream, preload_cycles(k, core))
        return preload_cycles(core.array_rows, core) + stream + drain_cycles(core)
    return k if core.array_overlap else k + drain_cycles(core)


def drain_cycles(core: NpuCore) -> int:
    """Cycles from the last operand that enters an array to the last result that leaves it."""
    return max(0, core.array_rows + core.array_cols - 2)


def folds(m: Count, k: Count, n: Count, core: NpuCore) -> Count:
    """Folds of an m x k x n product."""
    return ceildiv(k if weight_stationary(core) else m, core.array_rows) * ceildiv(n, core.array_cols)


def array_cycles(m: int, k: int, n: int, core: NpuCore) -> int:
    """Cycles of an m x k x n product on one array whose operands are always there, from first load to last result."""
    if not core.array_overlap:
        return int(folds(m, k, n, core) * fold_cycles(m, k, core))
    if not weight_stationary(core):
        return int(folds(m, k, n, core) * k) + drain_cycles(core)
    depths = [min(core.array_rows, k - first) for first in range(0, k, core.array_rows)]
    panels = int(ceildiv(n, core.array_cols))
    starts = sum(int(fold_cycles(m, depth, core)) for depth in depths) * panels
    # The first weights enter before anything streams; the last fold holds up nothing.
    first, last = int(preload_cycles(depths[0], core)), max(m, core.min_stream_rows)
    return starts - int(fold_cycles(m, depths[0], core)) + first + last + drain_cycles(core)
