"""The interpreter of each stage: how it is chosen, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from xdsl.rewriter import InsertPoint, Rewriter

from pimlir.dialects import npu
from pimlir.frontends import preset, random_model
from pimlir.interpreters.kernels import KernelsInterpreter
from pimlir.interpreters.llm import LlmInterpreter
from pimlir.interpreters.machine import MachineInterpreter
from pimlir.interpreters.placed import PlacedInterpreter
from pimlir.interpreters.run import make_interpreter
from pimlir.passes.pipelines import PipelineOptions
from pimlir.tools.compiler import Compilation

CONFIG = replace(
    preset("llama2-7b"),
    name="small",
    layers=2,
    hidden=32,
    heads=2,
    kv_heads=1,
    head_dim=16,
    ffn=48,
    vocabulary=37,
    context_length=24,
)
MODEL = random_model(CONFIG)
INTERPRETERS = {
    "model": LlmInterpreter,
    "llm": LlmInterpreter,
    "placed": PlacedInterpreter,
    "kernels": KernelsInterpreter,
    "machine": MachineInterpreter,
}


def module_at(stage: str, **options):
    options = {"machine": "tiny", "policy": "attention-on-pim", "batch": 2, "new_tokens": 4, **options}
    return Compilation(MODEL.build_module(), PipelineOptions(**options)).to(stage)


def interpreter_at(stage: str, **options):
    return make_interpreter(module_at(stage, **options), MODEL.store, slots=2, context=24)


@pytest.mark.parametrize("stage", INTERPRETERS)
def test_the_module_decides_which_interpreter_runs_it(stage):
    interpreter = interpreter_at(stage)
    assert type(interpreter) is INTERPRETERS[stage]
    ids = interpreter.step([1, 2, 3], [(0, 2, 0, 1), (2, 1, 0, 0)])
    assert ids.dtype == np.int32 and ids.shape == (2,)
    assert interpreter.logits.shape == (2, CONFIG.vocabulary)
    assert np.array_equal(ids, interpreter.logits.argmax(axis=-1))


@pytest.mark.parametrize("stage", ["placed", "kernels", "machine"])
def test_steps_beyond_the_bounds_are_refused(stage):
    interpreter = interpreter_at(stage)
    for tokens, table, message in (
        ([1] * 5, [(0, 5, 0, 0)], "5 new tokens, expected at most 4"),
        ([1], [(0, 1, 24, 0)], r"needs 24 \+ 1 tokens in slot 0"),
        ([1], [(0, 1, 0, 2)], "in slot 2, the cache has 2 slots"),
        ([1, 2], [(0, 1, 0, 0)], "the sequences have 1 rows, expected 2"),
    ):
        with pytest.raises(ValueError, match=message):
            interpreter.step(tokens, table)


def test_a_wait_that_nobody_posts_is_an_error():
    module = module_at("machine", policy="npu-only")
    operation = next(op for op in module.walk() if getattr(op, "posts", None) is not None)
    operation.properties.pop("posts")
    with pytest.raises(ValueError, match="of a semaphore that holds 0"):
        MachineInterpreter(module, MODEL.store).step([1], [(0, 1, 0, 0)])


def test_accesses_outside_a_memory_are_errors():
    module = module_at("machine", policy="npu-only")
    load = next(op for op in module.walk() if isinstance(op, npu.instructions.LoadOp))
    fields = {name: value + (1 << 40) * (name == "local") for name, value in load.values().items()}
    wrong = npu.instructions.LoadOp(fields)
    Rewriter.insert_op(wrong, InsertPoint.before(load))
    with pytest.raises(ValueError, match=r"npu.load.*local memory: bytes \[.*\) are not in \[0, "):
        MachineInterpreter(module, MODEL.store).step([1], [(0, 1, 0, 0)])
