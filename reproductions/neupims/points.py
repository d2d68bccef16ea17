"""The run behind NeuPIMs' figures: one decode step of a drawn batch on one system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from ...frontends.presets import preset
from ...machines.loader import load_machine
from ...sim.analytic.decode_step import System
from ...sim.analytic.shapes import DecoderShape
from ...tools.batch import lengths_of
from ..figures import Point, Row
from .device import LayerTimes, time_layers
from .kinds import CHOICES, KINDS, kind_of

MODELS = {"gpt3-7b": (4, 1), "gpt3-13b": (4, 1), "gpt3-30b": (4, 2), "gpt3-175b": (8, 4)}
"""Tensor parallel devices and pipeline stages of each model (table 3)."""

DATA_SETS = {"alpaca": "alpaca-like", "sharegpt": "sharegpt-like"}
BATCHES = (64, 128, 256, 384, 512)
DRAWS = {"gpt3-7b": 2}
"""Of a batch, by model; one for the others."""


def decode_step(model: str, tensor_parallel: int, stages: int, data_set: str, batch: int, seed: int, kind: str) -> Row:
    """Throughput of `batch` sequences on `stages` x `tensor_parallel` devices.

    Sequences are drawn, each at a random point of its output. With stages the batch is cut in as many parts, of which each
    stage has one at a time; the first is run. `tokens_per_s` counts all devices together; utilisation and energy are those
    of layers alone. Of the CHOICES of `kind` the fastest counts, which the column `kind` names.
    """
    config = preset(model)
    lengths = _lengths(data_set, batch, seed, config.context_length)
    layers = config.layers // stages
    choices = {
        each: time_layers(config, tensor_parallel, stages, lengths, KINDS[each]) for each in CHOICES.get(kind, (kind,))
    }
    kind = min(choices, key=lambda each: choices[each].stage_ps(layers))
    found = choices[kind]
    stage_s = found.stage_ps(layers) / 1e12
    layer_energy_pj = found.energy_pj()
    memory_pj = sum(energy for part, energy in layer_energy_pj.items() if _is_memory(part))
    devices_layers = tensor_parallel * config.layers / found.sequences
    return {
        "kind": kind,
        **_setting(model, tensor_parallel, stages, data_set, batch, seed),
        "mean_tokens": sum(lengths) / len(lengths),
        "tokens_per_s": found.sequences / stage_s,
        "step_ms": 1e3 * stage_s * stages,
        "layer_cycles": found.layer_ps / 1e3,
        "append_cycles": found.tags_ps.get("kv_append", 0.0) / 1e3,
        "exchange_cycles": found.exchange_ps / 1e3,
        **_heads_in_turn(found, config.heads // tensor_parallel, layers, kind),
        **_utilisation(found),
        "memory_pj_per_token": memory_pj * devices_layers,
        "npu_pj_per_token": (sum(layer_energy_pj.values()) - memory_pj) * devices_layers,
        "memory_w": memory_pj / found.layer_ps,
    }


HEAD_PS, HEAD_BLOCK_PS, HEAD_BLOCK_TOKENS = 535_000, 292_500, 128
"""Attention of a head as the paper's simulator times the NPU alone: a fit to its ten runs of `published/neupims-runs.csv`."""


def _heads_in_turn(found: LayerTimes, heads: int, layers: int, kind: str) -> Mapping[str, float]:
    """Throughput of the NPU alone if heads were attended one after another, as the paper's simulator does, by a fit."""
    if kind != "npu-only, as published":
        return {}
    stage_ps = found.stage_ps(layers) + layers * (in_turn_ps(heads, found.past) - found.attention_ps)
    return {"heads_in_turn_tokens_per_s": found.sequences / (stage_ps / 1e12)}


def in_turn_ps(heads: int, past: Sequence[int]) -> int:
    """Attention of a layer for sequences with `past` tokens before the new one, head after head."""
    blocks = sum(-(-(tokens + 1) // HEAD_BLOCK_TOKENS) for tokens in past)
    return heads * (len(past) * HEAD_PS + blocks * HEAD_BLOCK_PS)


GPU = "gpu-only"


def gpu_step(model: str, tensor_parallel: int, stages: int, data_set: str, batch: int, seed: int) -> Row:
    """The same batch on as many A100 with 40 GB, by formulas; all sequences have the mean length."""
    config = preset(model)
    lengths = _lengths(data_set, batch, seed, config.context_length)[: batch // stages]
    mean_tokens = sum(lengths) / len(lengths)
    system = System(load_machine("attacc-bank-a100-40gb").to_dict(), devices=tensor_parallel)
    step_ms = system.generate(DecoderShape.of(config), len(lengths), round(mean_tokens), 2, 2).time_ms
    return {
        **_setting(model, tensor_parallel, stages, data_set, batch, seed),
        "mean_tokens": mean_tokens,
        "tokens_per_s": len(lengths) * stages / (step_ms / 1e3),
        "step_ms": step_ms,
    }


def _setting(model: str, tensor_parallel: int, stages: int, data_set: str, batch: int, seed: int) -> Row:
    """The columns that say what a row is about."""
    return {
        "model": model,
        "tensor_parallel": tensor_parallel,
        "stages": stages,
        "data_set": data_set,
        "batch": batch,
        "seed": seed,
    }


@cache
def _lengths(data_set: str, batch: int, seed: int, longest: int) -> list[int]:
    return lengths_of(f"{DATA_SETS[data_set]}:{batch}", seed, longest - 1)


def _is_memory(component: str) -> bool:
    return component.startswith(("command.", "event.dram", "event.pim", "static.memory"))


def _utilisation(found: LayerTimes) -> Mapping[str, float]:
    """Products per cycle of the arrays and of the units in the banks, of what they could do; the part of the time in which
    a kernel with matrix products runs, and in which attention is on the PIM.
    """
    npu, memory = found.machine["npu"], found.machine["memory"]
    npu_cycles = found.layer_ps * npu["clock_mhz"] / 1e6
    peak = npu["arrays"] * npu["array_rows"] * npu["array_cols"]
    return {
        "npu_utilisation": found.events["array_mac"] / peak / npu_cycles,
        "npu_busy": found.arrays_ps / found.layer_ps,
        "pim_busy": found.pim_ps / found.layer_ps,
        "pim_utilisation": found.pim_mac_busy_cycles / memory["channels"] / (found.layer_ps / memory["clock_ps"]),
    }


SECONDS = 0.4
SECONDS_PER_SEQUENCE = 0.0025
"""CPU time to compile, and of a sequence in the simulated layers."""


def draws(model: str, quick: bool) -> range:
    """Which draws of a batch are run."""
    return range(1 if quick else DRAWS.get(model, 1))


def step_point(
    system: str, model: str, data_set: str, batch: int, seed: int, parallel: tuple[int, int] | None = None
) -> Point:
    """A point for `decode_step`; without `parallel` with the paper's devices for the model."""
    tensor_parallel, stages = parallel or MODELS[model]
    arguments = {
        "model": model,
        "tensor_parallel": tensor_parallel,
        "stages": stages,
        "data_set": data_set,
        "batch": batch,
        "seed": seed,
    }
    devices = f"TP{tensor_parallel} PP{stages}"
    name = f"{system}, {model} {devices}, {data_set} {batch}, draw {seed}"
    if system == GPU:
        return Point(name, gpu_step, arguments, 0.1, {"result": "analytic", "system": system})
    seconds = SECONDS + SECONDS_PER_SEQUENCE * batch
    kind = kind_of(system, batch // stages)
    seconds *= len(CHOICES.get(kind, (kind,)))
    return Point(name, decode_step, {**arguments, "kind": kind}, seconds, {"system": system})
