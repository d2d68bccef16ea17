"""The right energy of attention: every byte over the parts of the path that it takes, every lane that computes."""

from dataclasses import replace

import pytest

from pimlir.sim.analytic.attention import StackAttention
from pimlir.sim.analytic.energy import DRAM_PATH, MEMORY, attention_pj, total_pj
from pimlir.sim.analytic.operators import generation_step
from pimlir.sim.analytic.shapes import ATTACC_MODELS

HEADS, LENGTH, DIM = 80, 2048, 128
PJ_PER_BIT = {"bank": 0.55, "bg": 1.56, "buffer": 3.29}


def ledger(machine, placement, as_published=False, element_bytes=2, model="GPT-175B"):
    """Attention of one device with 16 heads a stack, with the head dimension of GPT-3 by default."""
    model_machine = machine(f"attacc-{placement}")
    shape = ATTACC_MODELS[model]
    ops = {op.name: op for op in generation_step(shape, 8, 1, LENGTH, element_bytes, True)}
    score, softmax = (replace(ops[name], count=HEADS) for name in ("score", "softmax"))
    commands = StackAttention(model_machine)(HEADS // 5, LENGTH, shape.head_dim, element_bytes).commands
    return attention_pj(model_machine, commands, score, softmax, as_published)


@pytest.mark.parametrize("placement", PJ_PER_BIT)
def test_keys_and_values_are_read_once(machine, placement):
    found = ledger(machine, placement)
    operands = 2 * HEADS * LENGTH * DIM * 2 * 8 * 8  # bits of all devices
    assert found["cell_read"] == pytest.approx(operands * 0.44)
    assert found["cell_activate"] == pytest.approx(operands * 0.11)


@pytest.mark.parametrize("placement", PJ_PER_BIT)
def test_moves_cost_little_beside_the_operands(machine, placement):
    found = ledger(machine, placement)
    operands = 2 * HEADS * LENGTH * DIM * 2 * 8 * 8 * PJ_PER_BIT[placement]
    assert operands <= total_pj(found, DRAM_PATH) <= 1.12 * operands


def test_units_on_the_buffer_die_move_nothing_through_the_stack(machine):
    found = ledger(machine, "buffer")
    operands = 2 * HEADS * LENGTH * DIM * 2 * 8 * 8
    assert found["tsv"] == pytest.approx(operands * 0.5)


def test_both_products_are_computed_once(machine):
    macs = 2 * HEADS * LENGTH * DIM * 8
    softmax = 5 * HEADS * LENGTH / 2 * 8
    assert ledger(machine, "bank")["pim_alu"] == pytest.approx((macs + softmax) * 0.32)
    assert ledger(machine, "bank", as_published=True)["pim_alu"] == pytest.approx((macs / 2 + softmax) * 0.32)


def test_padded_lanes_compute_too(machine):
    """Dimension 160 in one-byte elements fills 1.25 columns of four banks, so 2 are read."""
    found = ledger(machine, "bank", element_bytes=1, model="MT-530B")
    useful = 2 * HEADS * LENGTH * 160 * 8
    assert found["cell_read"] == pytest.approx(useful * 8 * 0.44 * 256 / 160)
    assert found["pim_alu"] > useful * 0.32 * 256 / 160


def test_the_published_sum_counts_moves_sixteen_times_too_low(machine):
    right, published = (ledger(machine, "bank", flag) for flag in (False, True))
    commands = StackAttention(machine("attacc-bank"))(HEADS // 5, LENGTH, DIM, 2).commands
    moves, operands = commands["move_result"] + commands["move_vector"], commands["write_gb"]
    assert published["tsv"] * 8 * (2 * moves + operands) / (moves + operands) == pytest.approx(right["tsv"])
    assert published["softmax_sram"] == right["softmax_sram"]
    assert total_pj(published, MEMORY) < total_pj(right, MEMORY)


def test_a_power_limit_does_not_change_the_energy_of_a_command(machine):
    energies = [StackAttention(machine(f"attacc-bank{name}"))(16, 512, 128, 2).commands for name in ("", "-uncapped")]
    assert energies[0] == energies[1]
