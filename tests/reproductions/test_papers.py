"""What holds of every reproduced paper: its points, its published numbers, its sources."""

import pytest

from pimlir.reproductions.deviations import load_published
from pimlir.reproductions.figures import PAPERS, load_paper
from pimlir.reproductions.store import ROOT, PointStore

ALL = {name: load_paper(name) for name in PAPERS}
FIGURES = [pytest.param(figure, id=f"{name} {figure.name}") for name, paper in ALL.items() for figure in paper.figures]


@pytest.mark.parametrize("figure", FIGURES)
def test_quick_points_are_some_of_all(figure, tmp_path):
    store = PointStore(tmp_path, "code")
    quick, full = ([store.key(point) for point in figure.points(quick, 0)] for quick in (True, False))
    assert set(quick) <= set(full)
    assert len({point.name for point in figure.points(False, 0)}) == len(full)


@pytest.mark.parametrize("name", PAPERS)
def test_published_numbers_belong_to_figures_and_say_where_they_stand(name):
    figures = {figure.name for figure in ALL[name].figures}
    for check in load_published(name).checks:
        assert check.figure in figures
        assert check.published is None or check.published_at, check.key
        assert check.simulator is None or check.simulator_at, check.key


@pytest.mark.parametrize("name", PAPERS)
def test_sources_of_the_points_exist(name):
    for pattern in ALL[name].sources:
        assert list(ROOT.glob(pattern)), pattern
