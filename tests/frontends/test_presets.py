"""Presets have the sizes that their names promise."""

from math import prod

import pytest

from pimlir.frontends import PRESETS, ModelFileError, preset
from pimlir.frontends.config import weight_specs

# Parameters in units of 10^9; the published counts (LLaMA, Llama 2, OPT, GPT-3), computed 4-d shapes for the rest.
PARAMETERS = {
    "llama2-7b": 6.738,
    "llama2-70b": 68.977,
    "llama-7b": 6.738,
    "llama-65b": 65.286,
    "gpt3-7b": 6.66,
    "gpt3-13b": 12.85,
    "gpt3-30b": 30.0,
    "gpt3-89b": 87.6,
    "gpt3-175b": 174.6,
    "mt-nlg-530b": 529.6,
    "opt-66b": 65.7,
}


@pytest.mark.parametrize("name", PRESETS)
def test_parameter_count(name):
    count = sum(prod(spec.shape) for spec in weight_specs(preset(name)).values())
    assert count / 1e9 == pytest.approx(PARAMETERS[name], rel=0.004)


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_states_its_source(name):
    assert preset(name).name == name
    assert preset(name).source


def test_a_preset_can_be_changed():
    assert preset("gpt3-175b", context_length=4096).context_length == 4096


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(ModelFileError, match="unknown model 'gpt5', expected one of: gpt3-13b, gpt3-175b"):
        preset("gpt5")


def test_impossible_shapes_are_refused():
    with pytest.raises(ModelFileError, match="heads is 32, expected a multiple of kv_heads 5"):
        preset("llama2-7b", kv_heads=5)
    with pytest.raises(ModelFileError, match="layers is 0, expected at least 1"):
        preset("llama2-7b", layers=0)
