"""The files of a reproduced figure: rows as CSV, deviations as JSON, diagrams as PNG; and reading rows again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..backends.isa.atomic_file import atomic_file
from .deviations import Deviation, as_dict, compare, load_published, passed
from .figures import Figure, Paper, Point, Row, Value
from .plots import can_plot, write_png


def join_rows(points: Sequence[Point], found: Mapping[str, Row], label: str) -> list[Row]:
    """One row per finished point: its name, what kind of result it is, the figure's labels, the results."""
    return [
        {"point": point.name, "result": label, **point.labels, **found[point.name]}
        for point in points
        if point.name in found
    ]


def csv_text(rows: Sequence[Row]) -> str:
    """Rows under all columns that any of them has; numbers with ten digits, an empty cell for what a row lacks."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue()


def read_csv(path: Path) -> list[Row]:
    """Rows as `csv_text` wrote them; empty cells are None."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{column: _value(cell) for column, cell in row.items()} for row in csv.DictReader(file)]


def write_figure(folder: Path, paper: Paper, figure: Figure, rows: Sequence[Row], quick: bool) -> dict[str, Any]:
    """Write PAPER-FIGURE.csv, .json and, if matplotlib is there, .png; the content of the JSON file."""
    published = load_published(paper.name)
    deviations = deviations_of(paper, figure, rows, quick)
    name = f"{paper.name}-{figure.name}"
    files = [f"{name}.csv", f"{name}.json"]
    folder.mkdir(parents=True, exist_ok=True)
    if rows and can_plot():
        files.append(f"{name}.png")
        with atomic_file(folder / files[-1]) as path:
            write_png(
                path, f"{published.paper.split(',')[0]}: {figure.title}", figure.panels(rows), published.of(figure.name)
            )
    content = {
        "paper": paper.name,
        "figure": figure.name,
        "title": figure.title,
        "result": figure.label,
        "quick": quick,
        "published": published.paper,
        "simulator": published.simulator,
        "deviations": [as_dict(deviation) for deviation in deviations],
        "ok": passed(deviations),
        "files": [str(folder / file) for file in files],
    }
    with atomic_file(folder / files[0]) as path:
        path.write_text(csv_text(rows), encoding="utf-8")
    with atomic_file(folder / files[1]) as path:
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return content


def deviations_of(paper: Paper, figure: Figure, rows: Sequence[Row], quick: bool) -> list[Deviation]:
    """All checks of a figure with the values that its rows give."""
    return compare(load_published(paper.name).of(figure.name), figure.values(rows), quick)


def _cell(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _value(cell: str) -> Value:
    if cell in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[cell]
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
