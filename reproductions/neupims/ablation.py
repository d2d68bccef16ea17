"""Figure 13: what each feature gains, one after another, on GPT3-7B with ShareGPT-like lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from ..figures import Figure, Panel, Point, Row, Series
from .points import BATCHES
from .throughput import QUICK_BATCHES, VARIANTS, speedups, system_points

STEPS = {
    "naive": "npu-pim",
    "dual row buffers": "neupims, round robin, no sub-batches",
    "min-load": "neupims, no sub-batches",
    "sub-batches": "neupims, sub-batches",
}
"""Feature -> the system that has it and those before it."""

LESS_MEMORY = {
    "dual row buffers under sub-batches": "neupims, one row buffer, sub-batches",
    "NeuPIMs' memory under sub-batches": "npu-pim, min-load, sub-batches",
}
"""What only helps when NPU and PIM work at the same time -> the system that interleaves without it."""

MODEL, DATA_SET = "gpt3-7b", "sharegpt"


def _points(quick: bool, seed: int) -> list[Point]:
    batches = QUICK_BATCHES if quick else BATCHES
    systems = (*STEPS.values(), *LESS_MEMORY.values())
    return [
        *system_points(systems, (MODEL,), (DATA_SET,), batches, quick, seed),
        *system_points(tuple(STEPS.values())[1:3], (MODEL,), ("alpaca",), batches, quick, seed),
    ]


def _gains(rows: Sequence[Row], feature: str, suffix: str, data_set: str = DATA_SET) -> dict[int, float]:
    """Throughput with a feature over that without, by batch."""
    names = list(STEPS)
    if feature in LESS_MEMORY:
        system, before = STEPS[names[-1]] + suffix, LESS_MEMORY[feature] + suffix
    else:
        system, before = STEPS[feature] + suffix, STEPS[names[names.index(feature) - 1]] + suffix
    return {batch: gain for (_, found, batch), gain in speedups(rows, system, before).items() if found == data_set}


def _values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float] = {}
    for variant, suffix in VARIANTS.items():
        for feature in (*list(STEPS)[1:], *LESS_MEMORY):
            gains = _gains(rows, feature, suffix)
            for batch, gain in gains.items():
                values[f"{feature}, batch {batch}, {variant}"] = gain
            if set(gains) == set(BATCHES):
                values[f"mean gain of {feature} %, {variant}"] = 100 * (mean(gains.values()) - 1)
        balance, short = _gains(rows, "min-load", suffix), _gains(rows, "min-load", suffix, "alpaca")
        if balance and short:
            values[f"smallest gain of min-load, {variant}"] = min(*balance.values(), *short.values())
            values[f"min-load, sharegpt over alpaca, {variant}"] = mean(balance.values()) / mean(short.values())
    return values


def _panels(rows: Sequence[Row]) -> list[Panel]:
    panels = []
    for variant, suffix in VARIANTS.items():
        over_naive = {
            name: {
                batch: gain
                for (_, data_set, batch), gain in speedups(rows, system + suffix, STEPS["naive"] + suffix).items()
                if data_set == DATA_SET
            }
            for name, system in {**STEPS, **{system: system for system in LESS_MEMORY.values()}}.items()
        }
        batches = sorted(over_naive["naive"])
        series = [Series(name, [gains.get(batch) for batch in batches]) for name, gains in over_naive.items()]
        title = f"GPT3-7B, ShareGPT-like lengths, {variant}"
        categories = [str(batch) for batch in batches]
        panels.append(Panel(title, "batch", "throughput over naive (x)", series, categories=categories))
    return panels


FIG13 = Figure(
    "fig13", "ablation: dual row buffers, min-load assignment, sub-batch interleaving", _points, _values, _panels
)
