"""All runs of the published simulator that were repeated, with its mistakes put back: step time and energy of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..deviations import published_table
from ..figures import Figure, Panel, Point, Row, Series
from ..rows import number
from .points import generation_point

TABLE = "attacc-runs.csv"
SLOW = ("attacc-buffer", "attacc-bg", "LLAMA", "MT")


def _points(quick: bool, seed: int) -> list[Point]:
    return [
        generation_point(
            run["id"],
            run["model"],
            int(run["element_bytes"]),
            run["system"],
            int(run["batch"]),
            int(run["prompt"]),
            int(run["output"]),
            {"run": run["id"], "system": run["system"], "optimisations": run["optimisations"] or None},
            **({"optimisations": run["optimisations"]} if run["optimisations"] else {}),
            as_published=True,
        )
        for run in published_table(TABLE)
        if not (quick and int(run["output"]) > 128 and f"{run['system']} {run['model']}".startswith(SLOW))
        and not (quick and run["model"] != "GPT-175B")
    ]


def _values(rows: Sequence[Row]) -> Mapping[str, float]:
    values: dict[str, float] = {}
    for row in rows:
        for column in ("step_ms", "joule_per_token"):
            value = number(row, column)
            assert value is not None
            values[f"{row['run']} {column}"] = value
    return values


def _panels(rows: Sequence[Row]) -> list[Panel]:
    published = {run["id"]: run for run in published_table(TABLE)}
    panels = []
    for column, title in (("step_ms", "Time of a step"), ("joule_per_token", "Energy per token")):
        names = [str(row["run"]) for row in rows]
        deviations = []
        for row, name in zip(rows, names, strict=True):
            value = number(row, column)
            assert value is not None
            deviations.append(100 * (value / float(published[name][column]) - 1))
        series = [Series("deviation", deviations)]
        panels.append(
            Panel(f"{title} against the published simulator", "run", "deviation (%)", series, categories=names)
        )
    return panels


RUNS = Figure(
    "runs",
    "every repeated run of the published simulator, with its mistakes put back",
    _points,
    _values,
    _panels,
    "analytic",
)
