"""Figure 14: tensor and pipeline parallelism for 256 requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..figures import Figure, Panel, Point, Row, Series
from ..rows import find, known, number, ratio
from .points import step_point
from .throughput import VARIANTS

MODEL, DATA_SET, BATCH = "gpt3-7b", "sharegpt", 256
SHAPES = ((4, 1), (8, 1), (4, 2), (2, 4), (8, 2), (4, 4))
"""Tensor parallel devices, pipeline stages."""


def _points(quick: bool, seed: int) -> list[Point]:
    return [
        step_point(f"neupims{suffix}", MODEL, DATA_SET, BATCH, seed, shape)
        for suffix in VARIANTS.values()
        for shape in SHAPES
    ]


def _row(rows: Sequence[Row], suffix: str, shape: tuple[int, int]) -> Row | None:
    return find(rows, system=f"neupims{suffix}", tensor_parallel=shape[0], stages=shape[1])


def _values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float | None] = {}
    for variant, suffix in VARIANTS.items():
        found = {shape: _row(rows, suffix, shape) for shape in SHAPES}
        for (tensor, stages), row in found.items():
            tokens = number(row, "tokens_per_s")
            values[f"TP{tensor} PP{stages} tokens/s a device, {variant}"] = tokens and tokens / (tensor * stages)
        for above, below in (((8, 1), (4, 2)), ((8, 1), (2, 4)), ((8, 2), (4, 4))):
            key = f"TP{above[0]} PP{above[1]} over TP{below[0]} PP{below[1]}, {variant}"
            values[key] = ratio(found[above], found[below], "tokens_per_s")
        for more in ((8, 1), (4, 2)):
            over = ratio(found[more], found[4, 1], "tokens_per_s")
            values[f"TP{more[0]} PP{more[1]} over TP4 PP1, a device, {variant}"] = over and over * 4 / (
                more[0] * more[1]
            )
    return known(values)


def _panels(rows: Sequence[Row]) -> list[Panel]:
    names = [f"TP{tensor} PP{stages}" for tensor, stages in SHAPES]
    series = [
        Series(variant, [number(_row(rows, suffix, shape), "tokens_per_s") for shape in SHAPES])
        for variant, suffix in VARIANTS.items()
    ]
    return [Panel("GPT3-7B, 256 requests", "devices", "throughput (tokens/s)", series, categories=names)]


FIG14 = Figure("fig14", "tensor and pipeline parallelism, 256 requests of GPT3-7B", _points, _values, _panels)
