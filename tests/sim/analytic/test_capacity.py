"""What fits into the memory of a system, and how heads are dealt to stacks."""

import pytest

from pimlir.frontends import preset
from pimlir.sim.analytic.capacity import (
    assign_heads,
    heads_of_fullest_stack,
    kv_bytes,
    largest_batch,
    required_bytes,
    weight_bytes,
)
from pimlir.sim.analytic.shapes import ATTACC_MODELS, DecoderShape

GPT = ATTACC_MODELS["GPT-175B"]


def test_required_bytes_are_those_of_the_published_simulator(measured):
    for row in measured("system_runs.csv"):
        element_bytes = 2 if row["dtype"] == "W16A16" else 1
        batch, prompt, output = (int(row[key]) for key in ("bs", "Lin", "Lout"))
        found = required_bytes(ATTACC_MODELS[row["model"]], batch, prompt, output, element_bytes)
        assert found == pytest.approx(float(row["required_cap"]), rel=1e-12), row["config_id"]


def test_sizes_are_those_of_the_model():
    assert weight_bytes(GPT, 2) == 96 * 12 * 12288**2 * 2
    assert kv_bytes(GPT, 4096, 2) == pytest.approx(19.3e9, rel=0.01)  # AttAcc section 3: 18 GiB
    assert weight_bytes(DecoderShape.of(preset("mt-nlg-530b")), 1) == weight_bytes(ATTACC_MODELS["MT-530B"], 1)


@pytest.mark.parametrize(("prompt", "output", "batch"), [(2048, 2048, 17), (128, 128, 281), (128, 2048, 33)])
def test_batches_that_fill_640_gib(machine, prompt, output, batch):
    assert largest_batch(machine("attacc-bank"), GPT, prompt, output, 2, pim=False) == batch


@pytest.mark.parametrize("pim", [False, True])
def test_the_largest_batch_fits_and_the_next_one_does_not(machine, pim):
    model = machine("attacc-bank")
    batch = largest_batch(model, GPT, 2048, 2048, 2, pim)
    memory = 640 * 2**30 * (2 if pim else 1)
    assert required_bytes(GPT, batch, 2048, 2048, 2) <= memory < required_bytes(GPT, batch + 1, 2048, 2048, 2)


def test_keys_and_values_in_the_stacks_alone_allow_less(machine):
    model = machine("attacc-bank")
    separate = largest_batch(model, GPT, 2048, 2048, 2, pim=True, pooled=False)
    assert separate * kv_bytes(GPT, 4095, 2) <= 640 * 2**30 < (separate + 1) * kv_bytes(GPT, 4095, 2)
    assert separate < largest_batch(model, GPT, 2048, 2048, 2, pim=True)


def test_a_model_that_does_not_fit_has_no_batch(machine):
    assert largest_batch(machine("attacc-bank"), ATTACC_MODELS["MT-530B"], 2048, 2048, 2, pim=False) == 0


def test_grouped_heads_shrink_keys_and_values():
    llama = DecoderShape.of(preset("llama2-70b"))
    assert kv_bytes(llama, 1000, 2) * 8 == kv_bytes(ATTACC_MODELS["LLAMA-65B"], 1000, 2)


def test_equal_heads_are_dealt_evenly():
    held = assign_heads([2048] * 648, 5)
    assert max(map(len, held)) == heads_of_fullest_stack(648, 5) == 130


def test_long_heads_are_kept_apart():
    held = assign_heads([100, 100, 100, 3000, 3000, 200], 2)
    assert sorted(map(sum, held)) == [3200, 3300]
    assert sorted(length for stack in held for length in stack) == [100, 100, 100, 200, 3000, 3000]
