"""Whole generation steps against AttAcc's simulator: exact where both compute, within a band where it reads a stale table."""

from typing import Any

import pytest

from pimlir.frontends import preset
from pimlir.sim.analytic.attention import StackAttention
from pimlir.sim.analytic.decode_step import System
from pimlir.sim.analytic.energy import COMPUTE, MEMORY, total_pj
from pimlir.sim.analytic.shapes import ATTACC_MODELS, DecoderShape
from pimlir.sim.functional.errors import SimulationError

GPT = ATTACC_MODELS["GPT-175B"]
COMPUTED = ["G01", "G02", "G09", "G10", "G20", "G30", "C01", "C02", "C03", "C05"]
SIMULATED = ["U01", "U02", "U04", "U05", "U06", "U07", "U08", "U09"]
"""Runs without stacks, and those whose attention that simulator simulated instead of looking it up."""

CACHED = ["G03", "G04", "G06", "G08", "C04"]
"""Runs with its table of attention cycles, which is up to 49 % off its own code."""


@pytest.fixture(scope="module")
def generation(machine):
    """The published configuration of a row, run here with the mistakes of the published sums."""
    times = {}

    def run(row, sample_tokens=0):
        name: str = "attacc-bank"
        attention: Any = {"dgx-attacc": "pim", "dgx-cpu": "cpu"}.get(row["system"], "xpu")
        if attention == "pim":
            name = f"attacc-{row['pim']}{'' if row['power_constraint'] == 'True' else '-uncapped'}"
            if name not in times:
                times[name] = StackAttention(machine(name), sample_tokens, fenced=False)
        if "h100" in row["config_id"]:
            name = "attacc-bank-h100"
        system = System(
            machine(name),
            attention,
            times.get(name) if attention == "pim" else None,
            int(row["cores"]),
            row["pipe_level"] == "True",
            row["is_parallel"] == "True",
            as_published=True,
        )
        element_bytes = 2 if row["dtype"] == "W16A16" else 1
        batch, prompt, output = (int(row[key]) for key in ("bs", "Lin", "Lout"))
        return system.generate(ATTACC_MODELS[row["model"]], batch, prompt, output, element_bytes)

    return run


def rows(measured, names):
    found = [row for row in measured("system_runs.csv") if row["config_id"][:3] in names]
    assert len(found) == len(names)
    return found


@pytest.mark.parametrize("name", COMPUTED + SIMULATED)
def test_steps_are_exact_where_the_published_simulator_computes_them(measured, generation, name):
    (row,) = rows(measured, [name])
    found = generation(row)
    assert found.time_ms == pytest.approx(float(row["g_time_ms"]), rel=1e-9)
    assert found.tokens_per_s == pytest.approx(float(row["tokens_per_s"]), rel=1e-6)
    levels = {
        "g_dram_energy": MEMORY,
        "g_l2_energy": ("l2",),
        "g_l1_energy": ("l1",),
        "g_reg_energy": ("register",),
        "g_alu_energy": ("xpu_alu", "pim_alu"),
        "g_comm_energy": ("link",),
        "g_energy_nJ": (*MEMORY, *COMPUTE, "link"),
    }
    for column, kept in levels.items():
        assert total_pj(found.energy_j, kept) == pytest.approx(float(row[column]) * 1e-9, rel=1e-9), column


@pytest.mark.parametrize("name", CACHED)
def test_steps_are_near_where_it_reads_its_table(measured, generation, name):
    (row,) = rows(measured, [name])
    found = generation(row)
    assert found.time_ms == pytest.approx(float(row["g_time_ms"]), rel=0.01)
    assert total_pj(found.energy_j) == pytest.approx(float(row["g_energy_nJ"]) * 1e-9, rel=0.01)


def test_the_buffer_placement_reads_twice_what_a_fresh_published_run_counts(measured, generation):
    """It counts one of two pseudo-channels, except in the first step, whose result it reads back from its table."""
    (row,) = rows(measured, ["U03"])
    found = generation(row)
    assert found.time_ms == pytest.approx(float(row["g_time_ms"]), rel=1e-9)
    keys = [-(-length // 2) * 2 for length in range(2049, 2064)]
    bits = [2 * 120 * tokens * 128 * 2 * 8 * GPT.layers for tokens in keys]
    missing = total_pj(found.energy_j, MEMORY) - float(row["g_dram_energy"]) * 1e-9
    assert missing == pytest.approx(sum(bits[1:]) / 15 / 2 * 3.29e-12, rel=1e-6)


@pytest.mark.long
def test_all_steps_are_within_their_bands(measured, generation):
    for row in measured("system_runs.csv"):
        found = generation(row, sample_tokens=256 if row["pim"] == "buffer" else 0)
        assert found.time_ms == pytest.approx(float(row["g_time_ms"]), rel=0.05), row["config_id"]
        assert total_pj(found.energy_j) == pytest.approx(float(row["g_energy_nJ"]) * 1e-9, rel=0.02), row["config_id"]


def test_prefill_runs_on_the_xpus(measured, machine):
    (row,) = rows(measured, ["G30"])
    found = System(machine("attacc-bank")).prefill(GPT, 54, 2048, 2)
    times = sum(line.time_ns for line in found) * GPT.layers * 1e-6
    assert times == pytest.approx(float(row["s_time_ms"]), rel=1e-9)


def test_the_host_attends_to_the_heads_of_all_devices(machine):
    """Published: each of two processors has the heads of one of eight GPUs, so three quarters of the work are missing."""
    right, published = (System(machine("attacc-bank"), "cpu", as_published=flag) for flag in (False, True))
    steps = [{row.op.name: row.time_ns for row in system.step(GPT, 8, 1024, 2)} for system in (right, published)]
    assert steps[0]["score"] == pytest.approx(4 * steps[1]["score"])
    assert steps[0]["transfer_qkv"] == pytest.approx(8 * steps[1]["transfer_qkv"])


def test_any_model_description_of_the_frontends_can_be_run(machine):
    system = System(machine("attacc-bank"), "pim", pipelined=True, co_processing=True)
    for name in ("llama2-70b", "opt-66b", "gpt3-175b"):
        shape = DecoderShape.of(preset(name))
        assert system.generate(shape, 4, 64, 3, 2).time_ms > 0
    assert DecoderShape.of(preset("gpt3-175b")) == DecoderShape("gpt3-175b", 96, 12288, 96, 96, 128, 49152, "gelu")


def test_grouped_heads_take_the_advantage_from_the_stacks(machine):
    """Units use each key once, GPUs once for all queries of a group (AttAcc section 8)."""

    def gain(kv_heads):
        shape = DecoderShape("grouped", 1, 8192, 64, kv_heads, 128, 8192, "gelu")
        steps = [
            {row.op.name: row.time_ns for row in system.step(shape, 108, 1024, 2)}
            for system in (System(machine("attacc-bank")), System(machine("attacc-bank"), "pim"))
        ]
        gpu, stacks = (step["score"] + step["context"] for step in steps)
        return gpu / stacks

    assert gain(64) > 2 * gain(8)


@pytest.mark.parametrize(("attention", "section"), [("xpu", "xpu"), ("cpu", "xpu"), ("pim", "xpu")])
def test_machines_without_the_section_are_refused(machine, attention, section):
    with pytest.raises(SimulationError, match=rf"^machine tiny has no \[{section}\], which its analytic model needs$"):
        System(machine("tiny"), attention)


def test_each_pim_device_needs_its_xpu(machine):
    with pytest.raises(SimulationError, match=r"^found 16 xPUs, expected 8: one for each PIM device$"):
        System(machine("attacc-bank"), "pim", devices=16)


def test_a_generation_needs_a_second_token(machine):
    with pytest.raises(SimulationError, match="found 1 output tokens, expected at least 2"):
        System(machine("attacc-bank")).generate(GPT, 1, 128, 1, 2)


def test_a_ragged_batch_of_equal_lengths_is_a_batch(machine):
    system = System(machine("attacc-bank"), "pim", pipelined=True)
    assert system.ragged_step(GPT, [512] * 20, 2) == system.step(GPT, 20, 512, 2)


def test_a_ragged_batch_takes_as_long_as_its_fullest_stack(machine):
    system = System(machine("attacc-bank"), "pim")

    def attention(lengths):
        return next(row.time_ns for row in system.ragged_step(GPT, lengths, 2) if row.op.name == "score")

    mixed, equal = attention([256, 768] * 20), attention([512] * 40)
    assert equal < 1.1 * mixed < 1.3 * equal
    assert attention([256] * 39 + [2048]) > attention([256] * 40)


def test_a_ragged_batch_needs_sequences(machine):
    with pytest.raises(SimulationError, match="found 0 sequences"):
        System(machine("attacc-bank"), "pim").ragged_step(GPT, [], 2)
