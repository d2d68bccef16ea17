"""What the tests of reproductions share: points of a toy module, and a toy paper."""

import sys
from pathlib import Path

import pytest

from pimlir.reproductions import deviations, figures
from pimlir.reproductions.figures import Figure, Panel, Paper, Point, Series
from pimlir.tools.main import main

HERE = Path(__file__).parent
TOML = """
paper = "Toys, measured by Alice"
simulator = "toybox 1.0, run by Bob"

[[group]]
figure = "doubles"
unit = "x"
within_percent = 10
of = "published"
checks = [
    { key = "twice 1", published = 2.1, published_at = "table 1", simulator = 2.0 },
    { key = "twice 3", published = 6.0 },
    { key = "twice 100", published = 10.0, within_percent = 5, note = "We do not know why." },
]

[[group]]
figure = "deaths"
checks = [{ key = "value 1", range = [0, 2] }]
"""


@pytest.fixture
def toys(monkeypatch):
    """The module of toy runs, importable in workers as well: they take over this process's path."""
    monkeypatch.syspath_prepend(str(HERE))
    import toy_points  # pyright: ignore[reportMissingImports]

    yield toy_points
    sys.modules.pop("toy_points")


@pytest.fixture
def pimlir(capsys, tmp_path, monkeypatch):
    """Runs `pimlir` in this process, in a folder of the test: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def toy_paper(toys, tmp_path, monkeypatch):
    """A paper `toy` with the figures doubles (its value 100 lies outside its band, but is not in quick runs) and deaths."""

    def doubles(quick, seed):
        numbers = (1, 3) if quick else (1, 3, 100)
        return [Point(f"double {n}", toys.double, {"value": n}, 0.1, {"number": n, "seed": seed}) for n in numbers]

    def deaths(quick, seed):
        return [
            Point("dies", toys.killed, {"value": 1}, 0.1, {"number": 1}),
            Point("lives", toys.double, {"value": 2}, 0.1, {"number": 2}),
        ]

    def values(rows):
        return {f"twice {row['number']}": row["twice"] for row in rows}

    def panels(rows):
        keys = [f"twice {row['number']}" for row in rows]
        bars = Series("twice", [row["twice"] for row in rows], keys=keys)
        line = Series("twice", [row["twice"] for row in rows], [row["number"] for row in rows], keys)
        return [
            Panel("as bars", "number", "twice (1)", [bars, bars], categories=keys),
            Panel("stacked", "number", "twice (1)", [bars, bars], "stacked", keys),
            Panel("as a line", "number", "twice (1)", [line], "lines"),
        ]

    made = (
        Figure("doubles", "twice a number", doubles, values, panels),
        Figure("deaths", "some die", deaths, values, panels),
    )
    paper = Paper("toy", made, ("reproductions/figures.py",))
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "toy.toml").write_text(TOML)
    monkeypatch.setattr(deviations, "PUBLISHED", tmp_path / "published")
    monkeypatch.setattr(figures, "PAPERS", {"toy": "Toys (2026)"})
    monkeypatch.setattr(figures, "load_paper", {"toy": paper}.__getitem__)
    deviations.load_published.cache_clear()
    yield paper
    deviations.load_published.cache_clear()
