"""A model cut over devices computes what the whole model does, at every stage, and its image what stage `machine` does."""

from dataclasses import replace

import numpy as np
import pytest

from pimlir.frontends import ModelConfig, preset, random_model
from pimlir.frontends.shards import shard_stores
from pimlir.interpreters.llm import LlmInterpreter
from pimlir.interpreters.sharded import ShardedInterpreter
from pimlir.passes.pipelines import PipelineOptions
from pimlir.sim.system import System
from pimlir.tools.compiler import Compilation

ROUNDING = 2.0**-7
"""As in conftest.py; partial sums are rounded to f16 before they are added, which is one rounding more."""


def model(base: str, **changes) -> ModelConfig:
    return replace(preset(base), name="small", context_length=6000, **changes)


GROUPED = model("llama2-7b", layers=4, hidden=96, heads=12, kv_heads=6, head_dim=16, ffn=96, vocabulary=257)
BIASED = model("opt-66b", layers=4, hidden=64, heads=6, kv_heads=6, head_dim=16, ffn=144, vocabulary=97)
TIED = replace(GROUPED, architecture="tied", tied_head=True, layers=1)

STEPS = [[(2, 5)], [(2, 1), (1, 2), (0, 3)], [(1, 1), (0, 1), (2, 1)]]


def cut(config: ModelConfig, stage: str, **options) -> tuple[Compilation, list]:
    """The module of a stage for each device of a mesh, and the stores of the devices."""
    small = random_model(config)
    compilation = Compilation(
        small.build_module(),
        PipelineOptions(**{"machine": "tiny", "batch": 3, "new_tokens": 8, "context": 64, **options}),
    )
    return compilation, shard_stores(compilation.to(stage), small.store)


def run(engine, config: ModelConfig, steps=STEPS) -> list[tuple[np.ndarray, np.ndarray]]:
    """Next tokens and logits of each step."""
    past, results = dict.fromkeys(range(3), 0), []
    for sequences in steps:
        table, row = [], 0
        for slot, new in sequences:
            table.append((row, new, past[slot], slot))
            past[slot], row = past[slot] + new, row + new
        tokens = np.random.default_rng(row).integers(0, config.vocabulary, row, np.int32)
        results.append((engine.step(tokens, table), engine.logits))
    return results


class Simulated:
    """A simulated system as the interpreters are used."""

    def __init__(self, system: System):
        self.system = system

    def step(self, tokens, table):
        result = self.system.step(tokens.tolist(), table)
        assert result.next is not None and result.logits is not None
        self.logits = result.logits
        return result.next


def same(found, expected, bound: float) -> None:
    for (ids, logits), (other_ids, other_logits) in zip(found, expected, strict=True):
        size = np.sqrt(np.mean(np.square(other_logits, dtype=np.float64)))
        assert np.abs(logits.astype(np.float64) - other_logits).max() <= bound * size
        best = np.sort(other_logits, axis=-1)
        clear = best[:, -1] - best[:, -2] > 2 * bound * size
        assert np.array_equal(ids[clear], other_ids[clear])


MESHES = [
    *((config, mesh) for config in (GROUPED, BIASED) for mesh in ((2, 1), (3, 1), (1, 2), (2, 2), (6, 1), (3, 4))),
    (TIED, (2, 1)),
    (TIED, (6, 1)),
]


@pytest.mark.parametrize(("config", "mesh"), MESHES, ids=[f"{config.architecture}-{mesh}" for config, mesh in MESHES])
def test_the_devices_together_compute_what_one_does(config, mesh):
    tensor, stages = mesh
    compilation, stores = cut(config, "llm", batch=3 * stages, tensor_parallel=tensor, pipeline_stages=stages)
    small = random_model(config)
    whole = LlmInterpreter(small.build_module(), small.store, slots=3, context=64)
    sharded = ShardedInterpreter(compilation.module, stores, slots=3, context=64)
    same(run(sharded, config), run(whole, config), ROUNDING)


def random_cut(seed: int) -> tuple[ModelConfig, int, int]:
    """A model with grouped queries or biases whose heads, KV heads and inner features T devices can share."""
    rng = np.random.default_rng(seed)
    tensor, stages = (int(rng.choice(counts)) for counts in ([2, 3, 4, 5], [1, 2]))
    kv_heads, llama = tensor * int(rng.integers(1, 3)), bool(rng.random() < 0.6)
    shape = {
        "layers": stages * int(rng.integers(1, 3)),
        "hidden": int(rng.choice([48, 80, 112])),
        "kv_heads": kv_heads,
        "heads": kv_heads * (int(rng.integers(1, 4)) if llama else 1),
        "head_dim": int(rng.choice([8, 16, 24])),
        "ffn": tensor * int(rng.integers(8, 40)),
        "vocabulary": int(rng.integers(90, 300)),
        "tied_head": bool(rng.random() < 0.5),
    }
    return model("llama2-7b" if llama else "opt-66b", **shape), tensor, stages


@pytest.mark.parametrize("seed", range(12))
def test_random_models_on_random_meshes_compute_the_same(seed):
    config, tensor, stages = random_cut(seed)
    compilation, stores = cut(config, "llm", batch=3 * stages, tensor_parallel=tensor, pipeline_stages=stages)
    small = random_model(config)
    whole = LlmInterpreter(small.build_module(), small.store, slots=3, context=64)
    same(run(ShardedInterpreter(compilation.module, stores, slots=3, context=64), config), run(whole, config), ROUNDING)


@pytest.mark.parametrize("sub_batches", [False, True])
@pytest.mark.parametrize(
    ("machine", "policy"), [("tiny", "npu-only"), ("tiny-dual", "attention-on-pim"), ("aim", "all-on-pim")]
)
def test_every_stage_and_the_image_compute_the_same(machine, policy, sub_batches):
    options = {"machine": machine, "policy": policy, "tensor_parallel": 3, "sub_batches": sub_batches}
    compilation, stores = cut(GROUPED, "llm", **options)
    results = {}
    for stage in ("llm", "placed", "kernels", "machine"):
        module = compilation.to(stage).clone()
        results[stage] = run(ShardedInterpreter(module, stores, slots=3, context=64), GROUPED)
    system = System(compilation.image(), devices=3)
    system.load(*stores)
    results["image"] = run(Simulated(system), GROUPED)
    same(results["placed"], results["llm"], ROUNDING)
    same(results["kernels"], results["placed"], ROUNDING)
    same(results["machine"], results["kernels"], ROUNDING)
    same(results["image"], results["machine"], 0.0)
