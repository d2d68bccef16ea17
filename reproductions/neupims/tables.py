"""Tables 4 and 5: how busy the arrays and the units in the banks are, and what power and energy the memory takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from ..figures import Figure, Panel, Point, Row, Series
from ..rows import known
from .points import BATCHES, draws, step_point
from .throughput import SMALL, SYSTEMS, VARIANTS, speedups, system_points

COMPARED = {
    "as published": ("npu-only", "npu-pim", "neupims, sub-batches"),
    "default": ("npu-only", "npu-pim", "neupims"),
}
"""Systems of table 4 by variant; as published NeuPIMs interleaves, whatever it costs."""

UNITS = {
    "NPU": "npu_utilisation",
    "NPU, products at work": "npu_busy",
    "PIM": "pim_utilisation",
    "PIM, attention at work": "pim_busy",
}
"""The paper does not say which it means. Its simulator counts cycles in which the arrays work at all, and cycles in which
PIM commands are in a channel's queue: the second and the fourth.
"""


def _means(rows: Sequence[Row], column: str) -> dict[str, float]:
    """Mean of a column by system."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(str(row["system"]), []).append(float(row[column] or 0))
    return {system: mean(values) for system, values in found.items()}


def _utilisation_points(quick: bool, seed: int) -> list[Point]:
    return [
        step_point(f"{system}{suffix}", "gpt3-30b", "sharegpt", 256, seed + draw)
        for variant, suffix in VARIANTS.items()
        for system in COMPARED[variant]
        for draw in draws("gpt3-30b", quick)
    ]


def _utilisation_values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float | None] = {}
    for unit, column in UNITS.items():
        found = _means(rows, column)
        for variant, suffix in VARIANTS.items():
            for system in COMPARED[variant]:
                if not unit.startswith("PIM") or system != "npu-only":
                    values[f"{unit} %, {system}, {variant}"] = _scaled(found.get(system + suffix), 100)
            _, naive, neupims = (system + suffix for system in COMPARED[variant])
            gain = _quotient(found.get(neupims), found.get(naive))
            values[f"{unit}, neupims over npu-pim, {variant}"] = gain
    return known(values)


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else scale * value


def _quotient(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _saved_percent(found: Mapping[str, float], system: str, base: str) -> float | None:
    left = _quotient(found.get(system), found.get(base))
    return None if left is None else 100 * (1 - left)


def _utilisation_panels(rows: Sequence[Row]) -> list[Panel]:
    panels = []
    for variant, suffix in VARIANTS.items():
        series = [
            Series(
                unit,
                [_scaled(_means(rows, column).get(system + suffix), 100) for system in COMPARED[variant]],
                keys=[f"{unit} %, {system}, {variant}" for system in COMPARED[variant]],
            )
            for unit, column in UNITS.items()
        ]
        panels.append(
            Panel(f"GPT3-30B, batch 256, {variant}", "", "utilisation (%)", series, categories=COMPARED[variant])
        )
    return panels


TABLE4 = Figure(
    "table4",
    "utilisation of NPU and PIM; GPT3-30B, batch 256, ShareGPT-like lengths",
    _utilisation_points,
    _utilisation_values,
    _utilisation_panels,
)


def _energy_points(quick: bool, seed: int) -> list[Point]:
    models, batches = (("gpt3-7b",), (256,)) if quick else (SMALL, BATCHES)
    return system_points(SYSTEMS, models, ("sharegpt",), batches, quick, seed)


def _energy_values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float | None] = {}
    power, energy, npu = (_means(rows, column) for column in ("memory_w", "memory_pj_per_token", "npu_pj_per_token"))
    whole = {system: energy[system] + npu[system] for system in energy}
    for variant, suffix in VARIANTS.items():
        neupims, alone = f"neupims{suffix}", f"npu-only{suffix}"
        values[f"memory power over npu-only, {variant}"] = _quotient(power.get(neupims), power.get(alone))
        speed = speedups(rows, neupims, alone)
        values[f"speed over npu-only, {variant}"] = mean(speed.values()) if speed else None
        values[f"memory energy saved %, {variant}"] = _saved_percent(energy, neupims, alone)
        values[f"energy with NPU saved %, {variant}"] = _saved_percent(whole, neupims, alone)
        for system in SYSTEMS:
            values[f"memory W, {system}, {variant}"] = power.get(system + suffix)
    return known(values)


def _energy_panels(rows: Sequence[Row]) -> list[Panel]:
    panels = []
    for column, scale, title, label in (
        ("memory_w", 1, "Power of a device's memory", "memory power (W)"),
        ("memory_pj_per_token", 1e-9, "Energy of all memory", "memory energy (mJ/token)"),
    ):
        found = _means(rows, column)
        series = [
            Series(variant, [_scaled(found.get(system + suffix), scale) for system in SYSTEMS])
            for variant, suffix in VARIANTS.items()
        ]
        panels.append(Panel(title, "", label, series, categories=SYSTEMS))
    return panels


TABLE5 = Figure(
    "table5",
    "power and energy of the memory, a MAC in all banks at four times a read; ShareGPT-like lengths",
    _energy_points,
    _energy_values,
    _energy_panels,
)
