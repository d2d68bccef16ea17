"""The studies of the design: where the units sit, what the two optimisations gain, energy, and limits on a step's time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..figures import Figure, Panel, Point, Row, Series
from ..rows import find, known, number, ratio
from .points import OPTIMISATIONS, bandwidth, generation_point, studies, within_limit
from .systems import MODELS, OUTPUT, PROMPT, own_point, same_point

PLACEMENTS = {"bank": "bank", "bg": "bank group", "buffer": "buffer die"}
HEADS = 188
"""Of a stack, as in the published simulator's table of attention cycles (LLAMA-65B with batch 117)."""


def _placement_points(quick: bool, seed: int) -> list[Point]:
    lengths = (2048,) if quick else (512, 1024, 2048, 4096)
    cost = {"bank": 6e-8, "bg": 4e-7, "buffer": 4.5e-7}
    stacks = [
        Point(
            f"{placement}, {length} tokens",
            bandwidth,
            {"placement": placement, "heads": HEADS, "length": length},
            cost[placement] * HEADS * length,
            {"result": "simulated", "study": "one stack", "placement": placement},
        )
        for placement in PLACEMENTS
        for length in lengths
    ]
    systems = (
        ("attacc-bank", "attacc-bg")
        if quick
        else [f"attacc-{placement}{limit}" for placement in PLACEMENTS for limit in ("", "-uncapped")]
    )
    models = ("GPT-175B",) if quick else tuple(MODELS)
    return stacks + [same_point(model, system) for model in models for system in systems]


def _placement_values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float | None] = {}
    for placement in PLACEMENTS:
        row = find(rows, placement=placement, length=2048)
        for limit in ("capped", "uncapped"):
            values[f"{placement} bandwidth, {limit}"] = number(row, f"{limit}_bandwidth")
    bank = find(rows, placement="bank", length=2048)
    capped, uncapped = (number(bank, f"{limit}_bandwidth") for limit in ("capped", "uncapped"))
    values["bank, cost of the power limit"] = uncapped / capped if capped and uncapped else None
    for row in rows:
        if row.get("step_ms"):
            values[f"{row['model']} {row['system']} tokens/s"] = number(row, "tokens_per_s")
    return known(values)


def _placement_panels(rows: Sequence[Row]) -> list[Panel]:
    values = _placement_values(rows)
    one_stack = [
        Series(
            limit,
            [values.get(f"{placement} bandwidth, {limit}") for placement in PLACEMENTS],
            keys=[f"{placement} bandwidth, {limit}" for placement in PLACEMENTS],
        )
        for limit in ("capped", "uncapped")
    ]
    models = [model for model in MODELS if find(rows, model=model)]
    systems = [
        Series(
            f"{name}{', uncapped' if limit else ''}",
            [values.get(f"{model} attacc-{placement}{limit} tokens/s") for model in models],
            keys=[f"{model} attacc-{placement}{limit} tokens/s" for model in models],
        )
        for placement, name in PLACEMENTS.items()
        for limit in ("", "-uncapped")
    ]
    return [
        Panel(
            f"Attention of one stack, {HEADS} heads of 2,048 tokens",
            "place of the units",
            "bandwidth (multiple of the stack's pins)",
            one_stack,
            categories=list(PLACEMENTS.values()),
        ),
        Panel(
            "Whole system, 2,048 + 2,048 tokens",
            "",
            "throughput (tokens/s)",
            [series for series in systems if any(series.y)],
            categories=models,
        ),
    ]


PLACEMENT = Figure(
    "placement",
    "placement study: units at banks, bank groups, buffer die, with and without power limit",
    _placement_points,
    _placement_values,
    _placement_panels,
    "analytic",
)


def _ablation_points(quick: bool, seed: int) -> list[Point]:
    return [
        generation_point(
            f"{model} {how}",
            model,
            element_bytes,
            "attacc-bank",
            batch,
            PROMPT,
            OUTPUT,
            {"system": "attacc-bank", "optimisations": how},
            **({} if how == "both" else {"optimisations": how}),
        )
        for model, (element_bytes, batch) in MODELS.items()
        for how in OPTIMISATIONS
        if model == "GPT-175B" or not quick
    ]


def _ablation_values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float | None] = {}
    for model in MODELS:
        found = {how: find(rows, model=model, optimisations=how) for how in OPTIMISATIONS}
        for how, row in found.items():
            values[f"{model} step ms, {how}"] = number(row, "step_ms")
        values[f"{model} gain of pipelining"] = ratio(found["none"], found["pipelined"], "step_ms")
        values[f"{model} further gain of co-processing"] = ratio(found["pipelined"], found["both"], "step_ms")
    return known(values)


def _ablation_panels(rows: Sequence[Row]) -> list[Panel]:
    parts = {
        "attention": "attention_ms",
        "QKV, projection": "qkv_projection_ms",
        "feed-forward": "feed_forward_ms",
        "all-reduce, links": "communication_ms",
        "norms, activations": "other_ms",
    }
    panels = []
    for model, (_, batch) in MODELS.items():
        found = {how: find(rows, model=model, optimisations=how) for how in OPTIMISATIONS}
        if not any(found.values()):
            continue
        series = [Series(name, [number(row, column) for row in found.values()]) for name, column in parts.items()]
        series[-1] = replace(series[-1], keys=[f"{model} step ms, {how}" for how in OPTIMISATIONS])
        panels.append(
            Panel(
                f"{model}, batch {batch}, 2,048 + 2,048 tokens",
                "optimisations",
                "time of a step (ms)",
                series,
                "stacked",
                list(OPTIMISATIONS),
            )
        )
    return panels


ABLATION = Figure(
    "ablation",
    "what head-level pipelining and feed-forward co-processing gain",
    _ablation_points,
    _ablation_values,
    _ablation_panels,
    "analytic",
)


def _energy_points(quick: bool, seed: int) -> list[Point]:
    systems = ("dgx", "attacc-bank") if quick else ("dgx", "attacc-bank", "attacc-bg", "attacc-buffer")
    return [
        *(own_point(model, role) for model in MODELS for role in ("dgx-base", "attacc-bank")),
        *(same_point(model, system) for model in MODELS for system in systems),
    ]


def _energy_values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float | None] = {}
    for model in MODELS:
        base, attacc = (
            find(rows, model=model, system=role, kind="largest batch") for role in ("dgx-base", "attacc-bank")
        )
        left = ratio(attacc, base, "joule_per_token")
        values[f"{model} saved over dgx-base %"] = None if left is None else 100 * (1 - left)
        same = {
            system: find(rows, model=model, system=system, kind="same batch")
            for system in ("dgx", "attacc-bank", "attacc-bg", "attacc-buffer")
        }
        for system, row in same.items():
            values[f"{model} {system} J/token"] = number(row, "joule_per_token")
        values[f"{model} efficiency over dgx"] = ratio(same["dgx"], same["attacc-bank"], "joule_per_token")
    return known(values)


def _energy_panels(rows: Sequence[Row]) -> list[Panel]:
    parts = {"memory": "memory", "arithmetic, caches": "compute", "links": "link"}
    panels = []
    for model, (_, batch) in MODELS.items():
        found = [row for row in rows if row["model"] == model and row["kind"] == "same batch"]
        names = [str(row["system"]) for row in found]
        series = [
            Series(name, [number(row, f"{column}_joule_per_token") for row in found]) for name, column in parts.items()
        ]
        series[-1] = replace(series[-1], keys=[f"{model} {name} J/token" for name in names])
        panels.append(Panel(f"{model}, batch {batch}", "", "energy (J/token)", series, "stacked", names))
    return panels


ENERGY = Figure(
    "energy",
    "energy per token of GPUs alone and with stacks; 2,048 + 2,048 tokens",
    _energy_points,
    _energy_values,
    _energy_panels,
    "analytic",
)


LIMITS_MS = (25, 30, 35, 40, 50, 60, 70)
MEAN_TOKENS = 3072
"""Length in the middle of a generation of 2,048 + 2,048 tokens, at which the limit must hold."""


def _limit_points(quick: bool, seed: int) -> list[Point]:
    largest = studies().largest_batches("GPT-175B", 2, PROMPT, OUTPUT)
    systems = {"dgx-large": "dgx", "attacc-bank": "attacc-bank"}
    limited = [
        Point(
            f"{role} within {limit} ms",
            within_limit,
            {
                "model": "GPT-175B",
                "element_bytes": 2,
                "system": system,
                "limit_ms": limit,
                "tokens": MEAN_TOKENS,
                "most": largest[role],
            },
            0.1,
            {"system": role},
        )
        for role, system in systems.items()
        for limit in LIMITS_MS
    ]
    alone = generation_point(
        "dgx-large, batch 1", "GPT-175B", 2, "dgx", 1, MEAN_TOKENS - 1, 2, {"system": "dgx-large", "limit_ms": None}
    )
    return [*limited, alone]


def _limit_values(rows: Sequence[Row]) -> Mapping[str, float]:
    alone = find(rows, system="dgx-large", batch=1, limit_ms=None)
    return known(
        {
            "within 30 ms over dgx with batch 1": ratio(
                find(rows, system="attacc-bank", limit_ms=30), alone, "tokens_per_s"
            ),
            "dgx batch within 50 ms": number(find(rows, system="dgx-large", limit_ms=50), "batch"),
            "dgx step ms, batch 1": number(alone, "step_ms"),
        }
    )


def _limit_panels(rows: Sequence[Row]) -> list[Panel]:
    def line(role: str, column: str, key: str = "") -> Series:
        found = [number(find(rows, system=role, limit_ms=limit), column) for limit in LIMITS_MS]
        return Series(role, found, LIMITS_MS, [key.format(limit) for limit in LIMITS_MS])

    throughput = [line(role, "tokens_per_s") for role in ("dgx-large", "attacc-bank")]
    batch = [line("dgx-large", "batch", "dgx batch within {} ms"), line("attacc-bank", "batch")]
    limit = "limit of a step (ms)"
    return [
        Panel("GPT-175B within a limit, 3,072 tokens", limit, "throughput (tokens/s)", throughput, "lines"),
        Panel("Largest batch within the limit and the memory", limit, "sequences", batch, "lines"),
    ]


LATENCY_LIMIT = Figure(
    "latency-limit",
    "throughput when a step must not take longer than a limit; GPT-175B",
    _limit_points,
    _limit_values,
    _limit_panels,
    "analytic",
)
