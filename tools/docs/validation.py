"""The page that holds the committed results of `pimlir reproduce` against published numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...reproductions.deviations import TABLE_COLUMNS, Deviation, as_dict, cells, load_published
from ...reproductions.figures import PAPERS, Figure, Paper, load_paper
from ...reproductions.results import deviations_of, read_csv
from .text import table

INTRODUCTION = """# Validation: results against published numbers

Each table holds values that `pimlir reproduce` computed against what the paper says and what the paper's own simulator gives.
A band says which values pass; a value without one is only reported. Rows are in [`docs/results`](../results); the published
numbers and where they stand in `reproductions/published`. How to run it: [reproduce a
paper](../how-to/reproduce-a-paper.md).

*Simulated* results come from commands on the memory controller or programs on the simulator, *analytic* ones from
[formulas](analytic-xpu.md) for all but attention in the stacks."""


def page(results: Path) -> str:
    """All papers that have results in the folder."""
    return "\n\n".join([INTRODUCTION, *(part for name in PAPERS for part in _paper(load_paper(name), results))])


def _paper(paper: Paper, results: Path) -> Iterator[str]:
    found = {figure: results / f"{paper.name}-{figure.name}.csv" for figure in paper.figures}
    figures = [
        (figure, deviations_of(paper, figure, read_csv(path), quick=False))
        for figure, path in found.items()
        if path.exists()
    ]
    if not figures:
        return
    published = load_published(paper.name)
    yield f"## {PAPERS[paper.name]}"
    yield f"*paper*: {published.paper}. *its simulator*: {published.simulator}."
    yield table(
        ("figure", "result", "values", "in their bands", "largest distance from the simulator"),
        [_summary(figure, deviations) for figure, deviations in figures],
    )
    for figure, deviations in figures:
        yield f"### {figure.name}"
        yield f"{figure.title[0].upper()}{figure.title[1:]} ({figure.label})."
        yield table(
            tuple(name.rstrip(">") for name in TABLE_COLUMNS),
            [cells(as_dict(deviation)) for deviation in deviations],
        )
        notes = [f"- {', '.join(keys)}: {note}" for note, keys in _notes(deviations).items()]
        if notes:
            yield "\n".join(notes)


def _notes(deviations: list[Deviation]) -> dict[str, list[str]]:
    """The values that each note is about."""
    keys: dict[str, list[str]] = {}
    for check in (deviation.check for deviation in deviations):
        if check.note:
            keys.setdefault(check.note, []).append(check.key)
    return keys


def _summary(figure: Figure, deviations: list[Deviation]) -> tuple[str, ...]:
    banded = [deviation for deviation in deviations if deviation.check.band is not None]
    good = sum(deviation.status == "ok" for deviation in banded)
    distances = [
        abs(percent)
        for deviation in deviations
        if (percent := deviation.percent(deviation.check.simulator)) is not None
    ]
    link = f"[{figure.name}](#{figure.name})"
    distance = f"{max(distances):.1f} %" if distances else ""
    return link, figure.label, str(len(deviations)), f"{good} of {len(banded)}", distance
