"""The experiments of AttAcc's paper keep its shapes; bars from the paper and from runs of its simulator."""

import pytest

from pimlir.sim.analytic.shapes import ATTACC_MODELS

SHORT = 64  # output tokens of sweeps


@pytest.mark.parametrize(
    ("model", "element_bytes", "batch", "speedup"),
    [("GPT-175B", 2, 54, 2.21), ("LLAMA-65B", 2, 117, 2.87), ("MT-530B", 1, 49, 1.93)],
)
def test_speedups_with_the_same_batch(studies, model, element_bytes, batch, speedup):
    dgx, attacc = studies.sweep(model, element_bytes, [(batch, 2048, 2048)])
    assert dgx.step_ms / attacc.step_ms == pytest.approx(speedup, rel=0.01)
    assert attacc.joule_per_token < 0.75 * dgx.joule_per_token


@pytest.fixture(scope="module")
def bandwidth(studies):
    return {(row.placement, row.capped): row.bandwidth for row in studies.placement_study()}


def test_bandwidth_of_the_placements(bandwidth):
    published = {"bank": (7.8, 10.5), "bank_group": (2.4, 3.5), "buffer": (0.9, 0.9)}
    for placement, values in published.items():
        for capped, expected in zip((True, False), values, strict=True):
            assert bandwidth[placement, capped] == pytest.approx(expected, rel=0.1)


def test_the_power_limit_costs_a_third_at_banks_and_nothing_at_the_buffer(bandwidth):
    assert 1.30 <= bandwidth["bank", False] / bandwidth["bank", True] <= 1.40
    assert bandwidth["buffer", False] == bandwidth["buffer", True]


def test_throughput_does_not_depend_on_the_prompt_where_attention_is_hidden(studies):
    rows = studies.sweep("GPT-175B", 2, [(32, prompt, SHORT) for prompt in (128, 2048)])
    short, long = (row for row in rows if row.system == "attacc-bank")
    assert short.tokens_per_s == pytest.approx(1140, rel=0.01)
    assert long.tokens_per_s == pytest.approx(1140, rel=0.01)


def test_speedup_rises_with_batch_and_with_length(studies):
    def gains(points):
        rows = studies.sweep("GPT-175B", 2, points)
        return [dgx.step_ms / attacc.step_ms for dgx, attacc in zip(rows[::2], rows[1::2], strict=True)]

    assert gains([(32, 2048, SHORT), (54, 2048, SHORT), (78, 2048, SHORT)]) == pytest.approx(
        [1.65, 1.83, 2.22], rel=0.01
    )
    assert gains([(32, 128, SHORT), (32, 512, SHORT), (32, 1024, SHORT)]) == pytest.approx([1.13, 1.24, 1.37], rel=0.01)


def test_optimisations_gain_what_the_paper_says(studies):
    step = {row.system: row.step_ms for row in studies.ablation("GPT-175B", 2, 54, 2048, SHORT)}
    assert 1.05 < step["none"] / step["pipelined"] <= 1.15
    assert 1.03 < step["pipelined"] / step["both"] <= 1.10
    assert step["both"] < min(step["pipelined"], step["co-processing"]) < step["none"]


def test_systems_with_their_own_largest_batches(studies):
    rows = {row.system: row for row in studies.system_comparison("GPT-175B", 2, 2048, SHORT)}
    assert rows["dgx-base"].batch < rows["attacc-separate"].batch < rows["attacc-bank"].batch == rows["dgx-large"].batch
    throughput = {name: row.tokens_per_s for name, row in rows.items()}
    assert throughput["dgx-base"] < throughput["dgx-large"] < throughput["dgx-2x"] < throughput["attacc-bank"]
    saved = 1 - rows["attacc-bank"].joule_per_token / rows["dgx-base"].joule_per_token
    assert 0.60 < saved < 0.72  # the paper: 66 %


def test_all_systems_with_the_same_batch(studies):
    rows = {row.system: row for row in studies.same_batch("GPT-175B", 2, 32, 512, 8)}
    order = ["attacc-bank", "attacc-bg", "dgx", "dgx-cpu"]
    times = [rows[name].step_ms for name in order]
    assert times == sorted(times)
    assert rows["attacc-bank"].attention_ms < rows["attacc-bg"].attention_ms < rows["attacc-buffer"].attention_ms


def test_a_limit_on_the_step_hurts_gpus_more(studies):
    """The paper: within 30 ms GPUs are left with a batch of one or none."""
    shape = ATTACC_MODELS["GPT-175B"]
    dgx, attacc = (
        studies.batch_within(system, shape, 2, 4095, 30, most=60) for system in (studies.gpus(), studies.attacc())
    )
    assert dgx <= 1
    assert attacc > 40
