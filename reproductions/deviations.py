"""Our values against published ones: checks from `published/*.toml`, how far off each is, and whether it is in its band."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, Literal

PUBLISHED = Path(__file__).parent / "published"


@dataclass(frozen=True)
class Check:
    """A number to compare. `published` is the paper's, `simulator` that of a run of the paper's own simulator.

    `band` holds the lowest and the highest value that pass; without one the value is only reported. `published_at` and
    `simulator_at` say where the numbers are, `note` what is known about a difference.
    """

    figure: str
    key: str
    unit: str
    published: float | None
    published_at: str
    simulator: float | None
    simulator_at: str
    band: tuple[float, float] | None
    band_text: str
    note: str


@dataclass(frozen=True)
class Deviation:
    """A check and our value, None if the points it needs have failed."""

    check: Check
    value: float | None

    @property
    def status(self) -> Literal["ok", "outside", "missing", "-"]:
        """`-` without a band."""
        if self.value is None:
            return "missing"
        if self.check.band is None:
            return "-"
        low, high = self.check.band
        return "ok" if low <= self.value <= high else "outside"

    def percent(self, reference: float | None) -> float | None:
        """How far off a reference the value is; None also for a reference of 0."""
        return None if not reference or self.value is None else 100 * (self.value / reference - 1)


@dataclass(frozen=True)
class Published:
    """The published numbers of a paper: who measured them, and the checks."""

    paper: str
    simulator: str
    checks: Sequence[Check]

    def of(self, figure: str) -> list[Check]:
        """The checks of a figure."""
        return [check for check in self.checks if check.figure == figure]


@cache
def load_published(paper: str) -> Published:
    """The file `published/PAPER.toml`: groups of checks, whose other keys hold for each of them, tables, and notes for all
    checks of a figure whose key matches one of some patterns.
    """
    content = tomllib.loads((PUBLISHED / f"{paper}.toml").read_text(encoding="utf-8"))
    checks = [_check({**group, **item}) for group in content["group"] for item in group["checks"]]
    for table in content.get("table", []):
        checks += _table_checks(table)
    for note in content.get("note", []):
        checks = [_noted(check, note) for check in checks]
    keys = [(check.figure, check.key) for check in checks]
    assert len(set(keys)) == len(keys), f"{paper}.toml has a check twice"
    return Published(content["paper"], content["simulator"], checks)


def published_table(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file beside the TOML files."""
    with (PUBLISHED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _check(item: Mapping[str, Any]) -> Check:
    band, text = None, ""
    if "range" in item:
        low, high = item["range"]
        band, text = (low, high), f"{low:g} to {high:g}"
    elif "within_percent" in item:
        percent, of = item["within_percent"], item["of"]
        around = item[of]
        band = (around * (1 - percent / 100), around * (1 + percent / 100))
        text = f"±{percent:g} % of {'paper' if of == 'published' else of}"
    return Check(
        item["figure"],
        item["key"],
        item.get("unit", ""),
        item.get("published"),
        item.get("published_at", ""),
        item.get("simulator"),
        item.get("simulator_at", ""),
        band,
        text,
        item.get("note", ""),
    )


def _table_checks(table: Mapping[str, Any]) -> list[Check]:
    """One check per row of a file and per column that the table lists and the row has; the key is `ROW COLUMN`."""
    return [
        _check(
            {
                **column,
                "figure": table["figure"],
                "key": f"{row[table['row']]} {column['column']}",
                "simulator": float(row[column["column"]]),
                "simulator_at": f"{table['file']}, {row[table['row']]}",
            }
        )
        for row in published_table(table["file"])
        for column in table["columns"]
        if row[column["column"]]
    ]


def _noted(check: Check, note: Mapping[str, Any]) -> Check:
    meant = check.figure == note["figure"] and any(fnmatch(check.key, pattern) for pattern in note["keys"])
    return replace(check, note=note["note"]) if meant else check


def compare(checks: Sequence[Check], values: Mapping[str, float], partial: bool) -> list[Deviation]:
    """Every check with its value; those without one are left out if only a part was to run."""
    return [Deviation(check, values.get(check.key)) for check in checks if not partial or check.key in values]


def passed(deviations: Sequence[Deviation]) -> bool:
    """Whether nothing lies outside its band or is missing."""
    return all(deviation.status in ("ok", "-") for deviation in deviations)


def as_dict(deviation: Deviation) -> dict[str, Any]:
    """For JSON."""
    check = deviation.check
    return {
        "value": check.key,
        "unit": check.unit,
        "here": deviation.value,
        "published": check.published,
        "published_at": check.published_at,
        "published_percent": deviation.percent(check.published),
        "simulator": check.simulator,
        "simulator_at": check.simulator_at,
        "simulator_percent": deviation.percent(check.simulator),
        "band": check.band,
        "band_text": check.band_text,
        "note": check.note,
        "status": deviation.status,
    }


TABLE_COLUMNS = ("value", "here>", "paper>", "off by>", "its simulator>", "off by>", "band", "")


def cells(item: Mapping[str, Any]) -> tuple[str, ...]:
    """A line of the deviation table, by TABLE_COLUMNS, from a deviation `as_dict`."""
    unit = f" {item['unit']}" if item["unit"] else ""
    return (
        item["value"],
        _number(item["here"], unit),
        _number(item["published"], unit),
        _percent(item["published_percent"]),
        _number(item["simulator"], unit),
        _percent(item["simulator_percent"]),
        item["band_text"],
        item["status"],
    )


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{text}{unit}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{round(value, 1) or 0.0:+.1f} %"  # no -0.0
