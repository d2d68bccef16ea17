"""Draws the panels of a figure into one PNG; matplotlib is only needed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .deviations import Check
from .figures import Panel, Series

COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#8c8c8c")
MARKS: Mapping[str, Any] = {"paper": {"marker": "D", "s": 26}, "its simulator": {"marker": "o", "s": 22}}
MARK_STYLE: Mapping[str, Any] = {"edgecolors": "black", "facecolors": "white", "linewidths": 1.1, "zorder": 4}
PANEL_INCHES = (6.4, 3.9)


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def write_png(path: Path, title: str, panels: Sequence[Panel], checks: Sequence[Check]) -> None:
    """Panels side by side, at most three in a row, with marks for the published numbers of the checks."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = len(panels) if len(panels) <= 3 else 2
    lines = -(-len(panels) // columns)
    wide = max(len(panel.categories) for panel in panels) / 14
    width = PANEL_INCHES[0] * columns * min(max(wide, {1: 1.3, 2: 1.0, 3: 0.8}[columns]), 1.6)
    sheet = Figure(figsize=(width, PANEL_INCHES[1] * lines + 0.4), layout="constrained")
    FigureCanvasAgg(sheet)
    sheet.suptitle(title, fontsize=11)
    published = {
        "paper": {check.key: check.published for check in checks if check.published is not None},
        "its simulator": {check.key: check.simulator for check in checks if check.simulator is not None},
    }
    for index, panel in enumerate(panels):
        axes = sheet.add_subplot(lines, columns, index + 1)
        places = {"bars": _bars, "stacked": _stacked, "lines": _lines}[panel.kind](axes, panel)
        for who, numbers in published.items():
            found = [(x, numbers[key]) for x, key in places if key in numbers]
            if found:
                axes.scatter(*zip(*found, strict=True), label=who, **MARKS[who], **MARK_STYLE)
        _label(axes, panel)
    sheet.savefig(path, format="png", dpi=110, metadata={"Software": None})


def _label(axes: Any, panel: Panel) -> None:
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.grid(axis="y", linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.categories:
        many = len(panel.categories) > 8
        axes.set_xticks(range(len(panel.categories)), panel.categories, fontsize=7 if many else 9)
        axes.tick_params("x", labelrotation=90 if many else 0)
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(fontsize=8, frameon=False, ncols=2 if panel.kind == "stacked" else 1)


Places = list[tuple[float, str]]
"""Where which published number would be."""


def _bars(axes: Any, panel: Panel) -> Places:
    """Groups of bars, one group per category."""
    width = 0.8 / len(panel.series)
    places: Places = []
    for index, series in enumerate(panel.series):
        xs = [group + (index - (len(panel.series) - 1) / 2) * width for group in range(len(panel.categories))]
        axes.bar(xs, [value or 0.0 for value in series.y], width * 0.92, label=series.name, color=_colour(index))
        places += _places(xs, series)
    return places


def _stacked(axes: Any, panel: Panel) -> Places:
    """One bar per category."""
    below = [0.0] * len(panel.categories)
    xs = range(len(panel.categories))
    for index, series in enumerate(panel.series):
        heights = [value or 0.0 for value in series.y]
        axes.bar(xs, heights, 0.6, bottom=below, label=series.name, color=_colour(index))
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.set_ylim(0, 1.4 * max(below))  # room for the legend
    return _places(xs, panel.series[-1])


def _lines(axes: Any, panel: Panel) -> Places:
    places: Places = []
    for index, series in enumerate(panel.series):
        found = [(x, y) for x, y in zip(series.x, series.y, strict=True) if y is not None]
        style = {"marker": "o", "markersize": 3.5, "linewidth": 1.4, "color": _colour(index)}
        axes.plot([x for x, _ in found], [y for _, y in found], label=series.name, **style)
        places += _places(series.x, series)
    axes.set_ylim(bottom=0)
    return places


def _places(xs: Sequence[float], series: Series) -> Places:
    return list(zip(xs, series.keys, strict=True)) if series.keys else []


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
