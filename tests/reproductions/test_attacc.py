"""AttAcc's figures: the committed results are what the code computes, complete, in their bands and in the paper's order."""

from pathlib import Path

import pytest

from pimlir.reproductions.attacc import PAPER
from pimlir.reproductions.results import deviations_of, read_csv
from pimlir.reproductions.rows import find
from pimlir.reproductions.store import PointStore

RESULTS = Path(__file__).parents[2] / "docs" / "results"
FIGURES = {figure.name: figure for figure in PAPER.figures}
CHEAP_SECONDS = 0.2


@pytest.fixture(scope="module")
def committed():
    return {name: read_csv(RESULTS / f"attacc-{name}.csv") for name in FIGURES}


def values(committed, figure):
    return FIGURES[figure].values(committed[figure])


@pytest.mark.parametrize("name", FIGURES)
def test_committed_results_are_complete_and_in_their_bands(committed, name):
    figure = FIGURES[name]
    assert [row["point"] for row in committed[name]] == [point.name for point in figure.points(False, 0)]
    found = deviations_of(PAPER, figure, committed[name], quick=False)
    assert found
    assert [deviation.check.key for deviation in found if deviation.status not in ("ok", "-")] == []


@pytest.mark.parametrize("name", ["placement", "lengths", "batches", "latency-limit", "runs"])
def test_committed_results_are_what_the_code_computes(committed, name):
    cheap = [point for point in FIGURES[name].points(False, 0) if point.seconds < CHEAP_SECONDS]
    assert len(cheap) > 1
    for point in cheap[:: max(1, len(cheap) // 4)]:
        expected = find(committed[name], point=point.name)
        assert expected is not None
        for column, value in point.run(**point.arguments).items():
            wanted = pytest.approx(expected[column], rel=1e-8) if isinstance(value, float) else expected[column]
            assert value == wanted, f"{point.name}, {column}"


def test_quick_points_need_no_more_than_two_minutes_of_cpu(tmp_path):
    store = PointStore(tmp_path, "code")
    points = {store.key(point): point for figure in PAPER.figures for point in figure.points(True, 0)}
    assert sum(point.seconds for point in points.values()) < 120


@pytest.mark.parametrize("name", FIGURES)
def test_diagrams_name_their_axes_and_published_numbers(committed, name):
    for panel in FIGURES[name].panels(committed[name]):
        assert panel.y_label and panel.title and panel.series
        assert panel.categories or (panel.x_label and all(series.x for series in panel.series))
        for series in panel.series:
            assert len(series.y) == len(panel.categories or series.x)
            assert not series.keys or len(series.keys) == len(series.y)


def test_gains_are_in_the_order_of_the_paper(committed):
    found = values(committed, "systems")
    base, large = (
        [found[f"{model} over {role}"] for model in ("MT-530B", "GPT-175B", "LLAMA-65B")]
        for role in ("dgx-base", "dgx-large")
    )
    assert base == sorted(base, reverse=True)
    assert large == sorted(large)


def test_banks_are_faster_than_bank_groups_than_the_buffer_die(committed):
    found = values(committed, "placement")
    for model in ("LLAMA-65B", "GPT-175B", "MT-530B"):
        rates = [found[f"{model} attacc-{placement} tokens/s"] for placement in ("bank", "bg", "buffer")]
        assert rates == sorted(rates, reverse=True)


def test_gain_grows_with_the_prompt_and_with_large_batches(committed):
    lengths, batches = values(committed, "lengths"), values(committed, "batches")
    for gains in (
        [lengths[f"attacc-bank over dgx, prompt {n}"] for n in (128, 512, 1024, 2048, 3072)],
        [batches[f"attacc-bank over dgx, batch {n}"] for n in (16, 32, 54, 78, 100)],
    ):
        assert gains == sorted(gains)


def test_a_limit_on_the_step_hurts_gpus_first(committed):
    batch = {(row["system"], row["limit_ms"]): row["batch"] for row in committed["latency-limit"]}
    assert batch["dgx-large", 30] == 0 and batch["attacc-bank", 30] > 50
