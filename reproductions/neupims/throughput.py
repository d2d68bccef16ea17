"""Figure 12: throughput of the three systems over models, data sets and batch sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import mean

from ..figures import Figure, Panel, Point, Row, Series
from .points import BATCHES, DATA_SETS, GPU, MODELS, draws, step_point

SYSTEMS = ("npu-only", "npu-pim", "neupims")
VARIANTS = {"as published": ", as published", "default": ""}
SMALL = ("gpt3-7b", "gpt3-13b", "gpt3-30b")
"""The models of the mean."""

QUICK_BATCHES = (64, 256, 512)
RATIOS = {
    "neupims over npu-only": ("neupims", "npu-only"),
    "neupims over npu-pim": ("neupims", "npu-pim"),
    "npu-pim over npu-only": ("npu-pim", "npu-only"),
    "neupims over gpu-only": ("neupims", GPU),
    "gpu-only over npu-only": (GPU, "npu-only"),
}
IN_TURN = "neupims over npu-only with heads in turn"
"""The NPU alone attends as in the paper's simulator, by a fit to that."""

Setting = tuple[str, str, int]
"""Model, data set, batch."""


def system_points(
    systems: Sequence[str],
    models: Sequence[str],
    data_sets: Sequence[str],
    batches: Sequence[int],
    quick: bool,
    seed: int,
    variants: Iterable[str] = tuple(VARIANTS.values()),
) -> list[Point]:
    """Points for every combination, with the same draws for all systems."""
    return [
        step_point(f"{system}{suffix}", model, data_set, batch, seed + draw)
        for suffix in variants
        for model in models
        for data_set in data_sets
        for batch in batches
        for system in systems
        for draw in draws(model, quick)
    ]


def throughput(rows: Sequence[Row], column: str = "tokens_per_s") -> dict[str, dict[Setting, float]]:
    """Mean tokens/s of the draws, by system and setting."""
    found: dict[str, dict[Setting, list[float]]] = {}
    for row in rows:
        if row.get(column) is not None:
            setting = (str(row["model"]), str(row["data_set"]), int(row["batch"] or 0))
            found.setdefault(str(row["system"]), {}).setdefault(setting, []).append(float(row[column] or 0))
    return {
        system: {setting: mean(values) for setting, values in settings.items()} for system, settings in found.items()
    }


def speedups(rows: Sequence[Row], above: str, below: str, column: str = "tokens_per_s") -> dict[Setting, float]:
    """Throughput of a system over that of another one, of which it is in `column`, by setting."""
    high, low = throughput(rows).get(above, {}), throughput(rows, column).get(below, {})
    return {setting: value / low[setting] for setting, value in high.items() if setting in low}


def _points(quick: bool, seed: int) -> list[Point]:
    models = ("gpt3-7b",) if quick else tuple(MODELS)
    batches = QUICK_BATCHES if quick else BATCHES
    return [
        *system_points((GPU,), models, tuple(DATA_SETS), batches, quick, seed, ("",)),
        *system_points(SYSTEMS, models, tuple(DATA_SETS), batches, quick, seed),
    ]


def _values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float] = {}
    whole = {setting[0] for setting in throughput(rows).get("neupims", {})} >= set(SMALL)
    for variant, suffix in VARIANTS.items():
        ratios = {
            name: {s: r for s, r in speedups(rows, _name(above, suffix), _name(below, suffix)).items() if s[0] in SMALL}
            for name, (above, below) in RATIOS.items()
        }
        if suffix:
            ratios[IN_TURN] = {
                s: r
                for s, r in speedups(
                    rows, f"neupims{suffix}", f"npu-only{suffix}", "heads_in_turn_tokens_per_s"
                ).items()
                if s[0] in SMALL
            }
        for name, found in ratios.items():
            of_7b = [r for s, r in found.items() if s[0] == "gpt3-7b"]
            if of_7b:
                values[f"mean {name}, GPT3-7B, {variant}"] = mean(of_7b)
            if not (found and whole):  # a mean of fewer models is another number
                continue
            values[f"mean {name}, {variant}"] = mean(found.values())
            values[f"largest {name}, {variant}"] = max(found.values())
            values[f"smallest {name}, {variant}"] = min(found.values())
            for data_set in DATA_SETS:
                values[f"mean {name}, {data_set}, {variant}"] = mean(r for s, r in found.items() if s[1] == data_set)
        gain = ratios["neupims over npu-pim"]
        if gain and set(gain) == set(ratios["npu-pim over npu-only"]):
            values[f"settings out of order, {variant}"] = len(list(_out_of_order(ratios)))
            values[f"falls with the batch, sharegpt, {variant}"] = len(list(_falls(gain, "sharegpt")))
            values[f"alpaca gains more, {variant}"] = sum(
                gain[model, "alpaca", batch] > gain[model, "sharegpt", batch]
                for model, data_set, batch in gain
                if data_set == "alpaca"
            )
    return values


def _name(system: str, suffix: str) -> str:
    """GPUs have no variants."""
    return system if system == GPU else system + suffix


def _out_of_order(ratios: Mapping[str, Mapping[Setting, float]]) -> Iterator[Setting]:
    """Settings of at least 128 sequences in which NPU alone < naive < NeuPIMs does not hold."""
    for setting, over_naive in ratios["neupims over npu-pim"].items():
        if setting[2] >= 128 and (over_naive <= 1 or ratios["npu-pim over npu-only"][setting] <= 1):
            yield setting


def _falls(gain: Mapping[Setting, float], data_set: str) -> Iterator[Setting]:
    """Settings in which the gain is smaller than with the next smaller batch."""
    before: dict[str, float] = {}
    for (model, found, batch), ratio in sorted(gain.items()):
        if found == data_set:
            if ratio < before.get(model, 0):
                yield model, found, batch
            before[model] = ratio


def _panels(rows: Sequence[Row]) -> list[Panel]:
    found = throughput(rows)
    panels = []
    for variant, suffix in VARIANTS.items():
        for data_set in DATA_SETS:
            base = f"npu-only{suffix}"
            settings = sorted(setting for setting in found.get(base, {}) if setting[1] == data_set)
            over = {system: speedups(rows, _name(system, suffix), base) for system in (GPU, *SYSTEMS)}
            series = [Series(system, [ratios.get(each) for each in settings]) for system, ratios in over.items()]
            names = [f"{model.removeprefix('gpt3-')} {batch}" for model, _, batch in settings]
            title = f"{data_set}-like lengths, {variant}"
            panels.append(Panel(title, "model, batch", "throughput over NPU alone (x)", series, categories=names))
    return panels


FIG12 = Figure("fig12", "throughput of the NPU alone, naive NPU + PIM, NeuPIMs", _points, _values, _panels)
