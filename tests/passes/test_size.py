"""Modules stay small: the cost of compiling follows the number of distinct kernels, not the size of the model."""

import pytest

from pimlir.frontends import ModelConfig, build_module, preset
from pimlir.passes.pipelines import POLICIES, STAGES, PipelineOptions
from pimlir.tools.compiler import Compilation

LIMIT = 3000
MACHINES = ("neupims", "attacc", "aim")
SMOLLM2 = ModelConfig("smollm2", "llama", 30, 576, 9, 3, 64, 1536, 49152, 8192, tied_head=True)
MODELS = {config.name: config for config in (SMOLLM2, *map(preset, ("gpt3-7b", "gpt3-175b", "llama2-70b")))}


def op_counts(config: ModelConfig, machine: str, policy: str) -> dict[str, int]:
    """Ops of the module at each stage, for a batch of decoding sequences; memory that is too small does not matter."""
    options = PipelineOptions(machine, policy, "decode", batch=2, context=512, ignore_capacity=True)
    compilation = Compilation(build_module(config), options)
    return {stage: sum(1 for _ in compilation.to(stage).walk()) for stage in STAGES}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("machine", MACHINES)
def test_a_module_of_any_stage_is_small(machine: str, policy: str):
    counts = {name: op_counts(config, machine, policy) for name, config in MODELS.items()}
    assert all(count < LIMIT for stages in counts.values() for count in stages.values()), counts
    small, large = counts["gpt3-7b"], counts["gpt3-175b"]
    assert all(small[stage] == large[stage] for stage in STAGES[:-1])
    # Tails of uneven splits over units and chunks take a few scalars more.
    assert large["machine"] <= 1.25 * small["machine"]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_number_of_layers_does_not_show(policy: str):
    few, many = (op_counts(preset("gpt3-7b", layers=layers), "neupims", policy) for layers in (31, 997))
    assert few == many
