"""What a reproduced paper consists of: figures, the points that each is computed from, and the charts that show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

Value = str | int | float | bool | None
Row = Mapping[str, Value]

PAPERS = {"attacc": "AttAcc! (ASPLOS 2024)", "neupims": "NeuPIMs (ASPLOS 2024)"}
"""Name -> title. Each has a module of its name with a `PAPER`, and published numbers in `published/NAME.toml`."""


@dataclass(frozen=True)
class Point:
    """One run of a figure. Points with equal `run` and `arguments` are one run, whatever figures they are in.

    `run(**arguments)` gives a row of results; it is a function of a module, so that another process finds it, and depends
    on nothing but its arguments. `labels` are columns that the figure puts before them. `seconds` is the CPU time of the
    run, measured alone on a core of 2.4 GHz.
    """

    name: str
    run: Callable[..., Row]
    arguments: Mapping[str, Value]
    seconds: float
    labels: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Series:
    """Values of one colour: for bars one per category, for lines at `x`. None leaves a place empty.

    `keys` name the published numbers that are drawn as marks over them.
    """

    name: str
    y: Sequence[float | None]
    x: Sequence[float] = ()
    keys: Sequence[str] = ()


@dataclass(frozen=True)
class Panel:
    """One diagram; `stacked` bars of a category stand on each other, series by series, and the marks of the last series are
    those of the whole.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    kind: Literal["bars", "stacked", "lines"] = "bars"
    categories: Sequence[str] = ()


@dataclass(frozen=True)
class Figure:
    """A figure or table of a paper.

    `points(quick, seed)` are its runs; quick ones are fewer, but the same. `values(rows)` are the numbers that are held
    against published ones, by the keys of those, as far as the rows tell them. `panels(rows)` are its diagrams.
    """

    name: str
    title: str
    points: Callable[[bool, int], Sequence[Point]]
    values: Callable[[Sequence[Row]], Mapping[str, float]]
    panels: Callable[[Sequence[Row]], Sequence[Panel]]
    label: Literal["analytic", "simulated"] = "simulated"


@dataclass(frozen=True)
class Paper:
    """A paper's figures in the order in which they are shown; `sources` are the files that decide results, as globs."""

    name: str
    figures: Sequence[Figure]
    sources: Sequence[str]

    def figure(self, name: str) -> Figure | None:
        """The figure of that name."""
        return next((figure for figure in self.figures if figure.name == name), None)


def load_paper(name: str) -> Paper:
    """The paper of a name in PAPERS."""
    return import_module(f".{name}", __package__).PAPER
