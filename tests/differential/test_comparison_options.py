"""Options that make a step behave like simulators that run operator by operator change its time, not its results."""

from dataclasses import replace

import numpy as np
import pytest

from pimlir.frontends import preset, random_model
from pimlir.passes.pipelines import PipelineOptions
from pimlir.sim.system import System
from pimlir.sim.timing.model import TimingModel
from pimlir.tools.compiler import compile_model

CONFIG = replace(
    preset("llama2-7b"), name="small", layers=2, hidden=64, heads=4, kv_heads=2, head_dim=16, ffn=96, vocabulary=97
)
STEPS = [[(0, 5, 0, 0)], [(0, 3, 0, 1)], [(0, 1, 5, 0), (1, 1, 3, 1)]]
ROUNDING = 2.0**-7
"""As in conftest.py: a kernel of its own stores what a larger one kept in fp32."""


def run(policy: str, **options) -> tuple[list[np.ndarray], int, int]:
    """Logits of each step, reads of main memory and time of all."""
    model = random_model(CONFIG)
    image = compile_model(
        model.build_module(),
        PipelineOptions("tiny-dual", policy, batch=2, new_tokens=8, context=64, **options),
    )
    timing = TimingModel(image)
    system = System(image, timing)
    system.load(model.store)
    logits = []
    for sequences in STEPS:
        result = system.step(list(range(sum(new for _, new, _, _ in sequences))), sequences)
        assert result.logits is not None
        logits.append(result.logits)
    return logits, timing.statistics()["commands"]["rd"], system.now_ps


@pytest.mark.parametrize("policy", ["npu-only", "attention-on-pim"])
@pytest.mark.parametrize("sub_batches", [False, True])
def test_results_are_those_of_the_usual_program(policy, sub_batches):
    usual, reads, time_ps = run(policy, sub_batches=sub_batches)
    found, more_reads, longer_ps = run(policy, sub_batches=sub_batches, serial_kernels=True, spill_buffers=True)
    for mine, theirs in zip(found, usual, strict=True):
        assert np.abs(mine - theirs).max() <= ROUNDING * np.sqrt(np.mean(theirs**2))
    assert more_reads > reads and longer_ps > time_ps


def test_spilling_alone_changes_no_bit():
    usual, *_ = run("attention-on-pim", serial_kernels=True)
    found, *_ = run("attention-on-pim", serial_kernels=True, spill_buffers=True)
    assert all((mine == theirs).all() for mine, theirs in zip(found, usual, strict=True))
