"""NeuPIMs' figures: the committed results are what the code computes, complete, and explained where they leave their bands."""

from pathlib import Path

import pytest

from pimlir.frontends.presets import preset
from pimlir.reproductions.deviations import published_table
from pimlir.reproductions.neupims import PAPER
from pimlir.reproductions.neupims.device import LAYERS, DeviceKind, device_part, time_layers
from pimlir.reproductions.neupims.kinds import CHOICES, KINDS, kind_of
from pimlir.reproductions.neupims.points import MODELS, decode_step, in_turn_ps, step_point
from pimlir.reproductions.neupims.runs import shape
from pimlir.reproductions.neupims.throughput import speedups
from pimlir.reproductions.results import deviations_of, read_csv
from pimlir.reproductions.rows import find

RESULTS = Path(__file__).parents[2] / "docs" / "results"
FIGURES = {figure.name: figure for figure in PAPER.figures}


@pytest.fixture(scope="module")
def committed():
    return {name: read_csv(RESULTS / f"neupims-{name}.csv") for name in FIGURES}


@pytest.mark.parametrize("name", FIGURES)
def test_committed_results_are_complete(committed, name):
    figure = FIGURES[name]
    assert [row["point"] for row in committed[name]] == [point.name for point in figure.points(False, 0)]
    found = deviations_of(PAPER, figure, committed[name], quick=False)
    assert found
    assert [deviation.check.key for deviation in found if deviation.status == "missing"] == []


@pytest.mark.parametrize("name", FIGURES)
def test_what_lies_outside_its_band_has_its_reason_written_down(committed, name):
    found = deviations_of(PAPER, FIGURES[name], committed[name], quick=False)
    assert [each.check.key for each in found if each.status == "outside" and not each.check.note] == []


@pytest.mark.parametrize("name", FIGURES)
def test_committed_results_are_what_the_code_computes(committed, name):
    points = FIGURES[name].points(False, 0)
    for point in sorted(points, key=lambda point: point.seconds)[:2]:
        expected = find(committed[name], point=point.name)
        assert expected is not None
        for column, value in point.run(**point.arguments).items():
            wanted = pytest.approx(expected[column], rel=1e-8) if isinstance(value, float) else expected[column]
            assert value == wanted, f"{point.name}, {column}"


def test_counts_of_commands_are_those_of_the_simulator(committed):
    runs = {run["id"]: run for run in published_table("neupims-runs.csv")}
    for row in committed["runs"]:
        run = runs[row["run"]]
        for command in ("copy_row", "act_pim", "mac", "read_result", "pre_pim"):
            if run[command] and row["system"] != "drb_sbi":
                assert row[command] == int(run[command]), f"{row['run']}, {command}"


@pytest.mark.parametrize("name", FIGURES)
def test_diagrams_name_their_axes(committed, name):
    for panel in FIGURES[name].panels(committed[name]):
        assert panel.y_label and panel.title and panel.series and panel.categories
        assert all(len(series.y) == len(panel.categories) for series in panel.series)


def test_a_device_has_its_heads_and_its_part_of_the_feed_forward_network():
    for model, (devices, _) in MODELS.items():
        whole = preset(model)
        part = device_part(whole, devices)
        assert part.heads * devices == whole.heads and part.ffn * devices == whole.ffn
        assert (part.hidden, part.head_dim, part.layers) == (whole.hidden, whole.head_dim, whole.layers)


def test_all_systems_get_the_same_sequences():
    points = [step_point(system, "gpt3-7b", "alpaca", 64, 1) for system in ("npu-only", "neupims")]
    first, second = ({**point.arguments, "kind": ""} for point in points)
    assert first == second


def test_longer_sequences_take_longer_and_appends_can_be_left_out():
    kind = DeviceKind("neupims", assignment="round-robin")
    config = shape(256, 2)
    short, long = (time_layers(config, 1, 1, [length] * 4, kind) for length in (31, 511))
    assert long.layer_ps > short.layer_ps
    assert "kv_append" in short.tags_ps
    alone = time_layers(config, 1, 1, [31] * 4, DeviceKind("neupims", assignment="round-robin", as_simulated=True))
    assert "kv_append" not in alone.tags_ps and alone.commands["mac"] == short.commands["mac"]


def test_all_layers_take_the_first_ones_and_steady_ones():
    found = time_layers(shape(256, 2), 1, 1, [63] * 4, DeviceKind("neupims"))
    assert found.between_stages_ps == 0 and found.stage_ps(LAYERS) == found.first_ps
    assert found.stage_ps(LAYERS + 2) == found.first_ps + 2 * found.layer_ps


def test_speedups_are_ratios_of_means_over_draws():
    rows = [
        {"system": system, "model": "m", "data_set": "d", "batch": 8, "tokens_per_s": tokens}
        for system, tokens in (("a", 1.0), ("a", 3.0), ("b", 4.0), ("b", 4.0))
    ]
    assert speedups(rows, "b", "a") == {("m", "d", 8): 2.0}


def test_devices_exchange_sums_and_stages_activations_unless_as_simulated():
    config = shape(256, 4)
    kinds = (DeviceKind("neupims"), DeviceKind("neupims", as_simulated=True))
    whole, alone = (time_layers(config, 2, 2, [63] * 8, kind) for kind in kinds)
    assert whole.exchange_ps > 0 and whole.between_stages_ps > 0
    assert alone.exchange_ps == alone.between_stages_ps == 0
    assert whole.sequences == alone.sequences == 4


@pytest.mark.parametrize(
    ("system", "sequences", "kind"),
    [
        ("neupims, as published", 255, "neupims, no sub-batches, as published"),
        ("neupims, as published", 256, "neupims, sub-batches, as published"),
        ("npu-pim, as published", 512, "npu-pim, as published"),
        ("neupims, sub-batches", 64, "neupims, sub-batches"),
    ],
)
def test_as_published_neupims_interleaves_large_batches_only(system, sequences, kind):
    assert kind_of(system, sequences) == kind and kind in KINDS


def test_by_default_neupims_takes_the_faster_choice():
    choices = ("neupims", *CHOICES["neupims"])
    taken, *each = (decode_step("gpt3-7b", 8, 1, "alpaca", 64, 0, kind) for kind in choices)
    assert taken == max(each, key=lambda row: float(row["tokens_per_s"] or 0))
    assert each[0]["tokens_per_s"] != each[1]["tokens_per_s"]


def test_the_npu_alone_with_heads_in_turn_is_what_its_simulator_gives():
    """The fit is within 2 % of attention in the runs of that simulator, and takes the place of our attention only."""
    for run in published_table("neupims-runs.csv"):
        if run["system"] == "npuonly":
            heads = int(run["heads"]) // int(run["tensor_parallel"])
            fitted = in_turn_ps(heads, [int(run["tokens"]) - 1] * int(run["batch"])) / 1000
            assert fitted == pytest.approx(float(run["attention_cycles"]), rel=0.02), run["id"]
