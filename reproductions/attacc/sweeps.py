"""Throughput of GPT-175B over the length of the prompt, and over the batch; 64 output tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..figures import Figure, Panel, Point, Row, Series
from ..rows import find, known, number, ratio
from .points import OPTIMISATIONS, generation_point

MODEL, OUTPUT = "GPT-175B", 64
BATCH, PROMPTS = 32, (128, 256, 512, 1024, 1536, 2048, 3072, 4032)
BATCH_PROMPT, BATCH_SIZES = 2048, (1, 2, 4, 8, 16, 32, 54, 78, 100)
KEPT_WHEN_QUICK = {128, 512, 1024, 2048, 3072, 1, 16, 32, 54, 78}
LINES = ("dgx", "dgx-2x", "attacc-bank", "attacc-bg", "attacc-buffer")


def _point(system: str, batch: int, prompt: int, optimisations: str = "both") -> Point:
    how = {} if optimisations == "both" else {"optimisations": optimisations}
    suffix = "" if optimisations == "both" else f", {optimisations}"
    labels = {"system": system, "optimisations": optimisations if system.startswith("attacc") else None}
    name = f"{system}, batch {batch}, prompt {prompt}{suffix}"
    return generation_point(name, MODEL, 2, system, batch, prompt, OUTPUT, labels, **how)


def _lengths_points(quick: bool, seed: int) -> list[Point]:
    systems = ("dgx", "attacc-bank") if quick else LINES
    prompts = [prompt for prompt in PROMPTS if prompt in KEPT_WHEN_QUICK or not quick]
    plain = [_point(system, BATCH, prompt) for system in systems for prompt in prompts]
    return plain + [_point("attacc-bank", BATCH, prompt, "none") for prompt in prompts]


def _lengths_values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float | None] = {}
    for prompt in PROMPTS:
        dgx = find(rows, system="dgx", prompt=prompt)
        attacc = find(rows, system="attacc-bank", prompt=prompt, optimisations="both")
        values[f"dgx tokens/s, prompt {prompt}"] = number(dgx, "tokens_per_s")
        values[f"attacc-bank tokens/s, prompt {prompt}"] = number(attacc, "tokens_per_s")
        values[f"attacc-bank over dgx, prompt {prompt}"] = ratio(attacc, dgx, "tokens_per_s")
    short, long = (find(rows, system="attacc-bank", prompt=prompt, optimisations="both") for prompt in (128, 2048))
    values["attacc-bank tokens/s, prompt 2048 over 128"] = ratio(long, short, "tokens_per_s")
    return known(values)


def _lines(rows: Sequence[Row], column: str, xs: Sequence[int]) -> list[Series]:
    """One line per system, and one for stacks without optimisations."""
    kinds = [(system, "both" if system.startswith("attacc") else None) for system in LINES]
    lines = []
    for system, how in [*kinds, ("attacc-bank", "none")]:
        name = f"{system}, no optimisation" if how == "none" else system
        y = [number(find(rows, **{column: x, "system": system, "optimisations": how}), "tokens_per_s") for x in xs]
        suffix = "" if how in (None, "both") else f", {how}"
        if any(y):
            lines.append(Series(name, y, xs, [f"{system} tokens/s, {column} {x}{suffix}" for x in xs]))
    return lines


def _lengths_panels(rows: Sequence[Row]) -> list[Panel]:
    return [
        Panel(
            f"{MODEL}, batch {BATCH}, {OUTPUT} output tokens",
            "prompt (tokens)",
            "throughput (tokens/s)",
            _lines(rows, "prompt", PROMPTS),
            "lines",
        )
    ]


LENGTHS = Figure(
    "lengths",
    "length sweep: throughput over the prompt; GPT-175B, batch 32",
    _lengths_points,
    _lengths_values,
    _lengths_panels,
    "analytic",
)


def _batches_points(quick: bool, seed: int) -> list[Point]:
    sizes = [size for size in BATCH_SIZES if size in KEPT_WHEN_QUICK or not quick]
    systems = ("dgx", "dgx-2x", "attacc-bank") if quick else LINES
    plain = [_point(system, size, BATCH_PROMPT) for system in systems for size in sizes]
    return plain + [
        _point("attacc-bank", size, BATCH_PROMPT, how) for how in OPTIMISATIONS if how != "both" for size in sizes
    ]


def _batches_values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float | None] = {}
    for row in rows:
        how = row["optimisations"]
        suffix = "" if how in (None, "both") else f", {how}"
        values[f"{row['system']} tokens/s, batch {row['batch']}{suffix}"] = number(row, "tokens_per_s")
    for size in BATCH_SIZES:
        dgx = find(rows, system="dgx", batch=size)
        attacc = find(rows, system="attacc-bank", batch=size, optimisations="both")
        values[f"attacc-bank over dgx, batch {size}"] = ratio(attacc, dgx, "tokens_per_s")
    return known(values)


def _batches_panels(rows: Sequence[Row]) -> list[Panel]:
    values = _batches_values(rows)
    sizes = [size for size in BATCH_SIZES if f"attacc-bank over dgx, batch {size}" in values]
    keys = [f"attacc-bank over dgx, batch {size}" for size in sizes]
    gain = Series("attacc-bank over dgx", [values[key] for key in keys], sizes, keys)
    title = f"{MODEL}, prompt {BATCH_PROMPT}, {OUTPUT} output tokens"
    lines = _lines(rows, "batch", BATCH_SIZES)
    return [
        Panel(title, "batch (sequences)", "throughput (tokens/s)", lines, "lines"),
        Panel("Gain with the same batch", "batch (sequences)", "speedup (x)", [gain], "lines"),
    ]


BATCHES = Figure(
    "batches",
    "batch sweep: throughput over the batch; GPT-175B, prompts of 2,048 tokens",
    _batches_points,
    _batches_values,
    _batches_panels,
    "analytic",
)
