"""Shapes of published models, without weights: what the experiments of the PIM papers run on.

Shapes come from the model's own paper unless `source` says otherwise.
"""

from dataclasses import replace
from typing import Any

from ..dialects.llm import ActivationKind
from .config import ModelConfig
from .errors import ModelFileError


def _llama(name: str, layers: int, hidden: int, heads: int, kv_heads: int, ffn: int, context: int, source: str):
    return ModelConfig(
        name=name,
        architecture="llama",
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=hidden // heads,
        ffn=ffn,
        vocabulary=32000,
        context_length=context,
        source=source,
    )


def _gpt(name: str, layers: int, hidden: int, heads: int, source: str):
    return ModelConfig(
        name=name,
        architecture="gpt",
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        ffn=4 * hidden,
        vocabulary=50257,
        context_length=2048,
        norm="layer",
        position="learned",
        activation=ActivationKind.GELU_TANH,
        gated=False,
        biases=True,
        tied_head=True,
        source=source,
    )


def _opt(name: str, layers: int, hidden: int, heads: int, source: str):
    return replace(
        _gpt(name, layers, hidden, heads, source),
        architecture="opt",
        vocabulary=50272,
        position_offset=2,
        activation=ActivationKind.RELU,
    )


_LLAMA1 = "Touvron et al. 2023, LLaMA, table 2; ffn from the released checkpoints"
_LLAMA2 = "Touvron et al. 2023, Llama 2; shapes of the released checkpoints"
_GPT3 = "Brown et al. 2020, table 2.1"
_NEUPIMS = "NeuPIMs (ASPLOS'24), GPT-3 variants of its evaluation; 13B rounds GPT-3's hidden size 5140 to 5120"

PRESETS: dict[str, ModelConfig] = {
    config.name: config
    for config in (
        _llama("llama2-7b", 32, 4096, 32, 32, 11008, 4096, _LLAMA2),
        _llama("llama2-70b", 80, 8192, 64, 8, 28672, 4096, _LLAMA2),
        _llama("llama-7b", 32, 4096, 32, 32, 11008, 2048, _LLAMA1),
        _llama("llama-65b", 80, 8192, 64, 64, 22016, 2048, _LLAMA1),
        _gpt("gpt3-7b", 32, 4096, 32, _NEUPIMS),
        _gpt("gpt3-13b", 40, 5120, 40, _NEUPIMS),
        _gpt("gpt3-30b", 48, 7168, 56, _NEUPIMS),
        _gpt("gpt3-175b", 96, 12288, 96, _GPT3),
        _gpt(
            "gpt3-89b",
            48,
            12288,
            96,
            "AttAcc (ASPLOS'24), attacc_simulator config.py: GPT-3 175B with half of its layers",
        ),
        _gpt("mt-nlg-530b", 105, 20480, 128, "Smith et al. 2022, Megatron-Turing NLG, section 2.2"),
        _opt("opt-66b", 64, 9216, 72, "Zhang et al. 2022, OPT, table 1"),
    )
}


def preset(name: str, **overrides: Any) -> ModelConfig:
    """A preset by name; keywords replace fields, as in `preset("gpt3-175b", context_length=4096)`."""
    if name not in PRESETS:
        raise ModelFileError(f"unknown model '{name}', expected one of: {', '.join(sorted(PRESETS))}")
    return replace(PRESETS[name], **overrides)
