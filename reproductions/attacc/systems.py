"""The system comparison: throughput over GPUs alone, each system with the largest batch that fits, and with the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..figures import Figure, Panel, Point, Row, Series
from ..rows import find, known, number, ratio
from .points import generation_point, studies

MODELS = {"LLAMA-65B": (2, 117), "GPT-175B": (2, 54), "MT-530B": (1, 49)}
"""Models of the paper: bytes of an element, batch in its simulator's configurations of 2,048 + 2,048 tokens."""

PROMPT, OUTPUT = 2048, 2048
OWN = {
    "dgx-base": "dgx",
    "dgx-large": "dgx",
    "dgx-2x": "dgx-2x",
    "attacc-bank": "attacc-bank",
    "attacc-separate": "attacc-bank",
}
SAME = ("dgx", "dgx-2x", "attacc-bank")


def own_point(model: str, role: str) -> Point:
    """A system with the largest batch that fits it."""
    element_bytes, _ = MODELS[model]
    batch = studies().largest_batches(model, element_bytes, PROMPT, OUTPUT)[role]
    labels = {"system": role, "kind": "largest batch"}
    return generation_point(
        f"{model} {role}, largest batch", model, element_bytes, OWN[role], batch, PROMPT, OUTPUT, labels
    )


def same_point(model: str, system: str) -> Point:
    """A system with the batch of the published simulator's runs."""
    element_bytes, batch = MODELS[model]
    labels = {"system": system, "kind": "same batch"}
    return generation_point(
        f"{model} {system}, batch {batch}", model, element_bytes, system, batch, PROMPT, OUTPUT, labels
    )


def _points(quick: bool, seed: int) -> list[Point]:
    roles = ("dgx-base", "dgx-large", "attacc-bank") if quick else OWN
    systems = ("dgx", "attacc-bank") if quick else SAME
    return [
        *(own_point(model, role) for model in MODELS for role in roles),
        *(same_point(model, system) for model in MODELS for system in systems),
        *(_host(as_published) for as_published in (True, False)),
    ]


def _host(as_published: bool) -> Point:
    kind = "as published" if as_published else "all heads"
    labels = {"system": "dgx-cpu", "kind": kind}
    name = f"GPT-175B dgx-cpu, batch 32, {kind}"
    return generation_point(name, "GPT-175B", 2, "dgx-cpu", 32, PROMPT, 64, labels, as_published=as_published)


def _values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float | None] = {}
    for model in MODELS:
        own = {role: find(rows, model=model, system=role, kind="largest batch") for role in OWN}
        for role in ("dgx-base", "dgx-large", "dgx-2x"):
            values[f"{model} over {role}"] = ratio(own["attacc-bank"], own[role], "tokens_per_s")
        values[f"{model} over dgx-base, separate memory"] = ratio(
            own["attacc-separate"], own["dgx-base"], "tokens_per_s"
        )
        same = {system: find(rows, model=model, system=system, kind="same batch") for system in SAME}
        values[f"{model} over dgx, same batch"] = ratio(same["attacc-bank"], same["dgx"], "tokens_per_s")
        values[f"{model} over dgx-2x, same batch"] = ratio(same["attacc-bank"], same["dgx-2x"], "tokens_per_s")
    for kind in ("as published", "all heads"):
        values[f"dgx-cpu tokens/s, {kind}"] = number(find(rows, system="dgx-cpu", kind=kind), "tokens_per_s")
    return known(values)


def _panels(rows: Sequence[Row]) -> list[Panel]:
    values = _values(rows)
    models = list(MODELS)
    keys = {
        "over DGX base": "{} over dgx-base",
        "over DGX large": "{} over dgx-large",
        "over 2 x DGX": "{} over dgx-2x",
        "over DGX, same batch": "{} over dgx, same batch",
    }
    speedups = [
        Series(
            name,
            [values.get(key.format(model)) for model in models],
            keys=[key.format(model) for model in models],
        )
        for name, key in keys.items()
    ]
    throughput = [
        Series(
            role,
            [number(find(rows, model=model, system=role, kind="largest batch"), "tokens_per_s") for model in models],
        )
        for role in OWN
    ]
    return [
        Panel("Throughput of DGX + AttAcc over GPUs alone", "", "speedup (x)", speedups, categories=models),
        Panel("Each system with its largest batch", "", "throughput (tokens/s)", throughput, categories=models),
    ]


SYSTEMS = Figure(
    "systems",
    "system comparison: throughput over DGX base, large, two DGX, host; 2,048 + 2,048 tokens",
    _points,
    _values,
    _panels,
    "analytic",
)
