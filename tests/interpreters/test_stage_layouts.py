"""The layouts of main memory, written element by element here and block by block in the simulator, agree."""

from dataclasses import replace

import numpy as np
import pytest

from pimlir.frontends import preset, random_model
from pimlir.interpreters.machine import MachineInterpreter
from pimlir.passes.pipelines import PipelineOptions
from pimlir.sim.system import System
from pimlir.tools.compiler import Compilation

CONFIG = replace(
    preset("llama2-7b"),
    name="small",
    layers=3,
    hidden=208,
    heads=5,
    kv_heads=5,
    head_dim=48,
    ffn=144,
    vocabulary=257,
    context_length=300,
)


@pytest.fixture(params=["npu-only", "attention-on-pim", "all-on-pim"])
def memories(request):
    """Main memory of the interpreter and of the simulator, loaded with the same weights."""
    model = random_model(CONFIG)
    compilation = Compilation(model.build_module(), PipelineOptions("tiny", request.param, batch=3, new_tokens=3))
    system = System(compilation.image())
    system.load(model.store)
    interpreter = MachineInterpreter(compilation.to("machine"), model.store)
    rng = np.random.default_rng(0)
    for region in system.image.regions:
        if region.symbol in ("keys", "values"):
            cache = rng.standard_normal(region.shape).astype(np.float16)
            interpreter.main.store(region.symbol, cache)
            system.memory.load_region(region, cache)
    return interpreter.main, system


def test_all_bytes_of_main_memory_are_the_same(memories):
    main, system = memories
    linear = system.image.linear_bytes
    assert np.array_equal(main.linear[:linear], system.memory.flat[:linear])
    rows = system.memory.rows[main.first_row :] if main.banks.size else system.memory.rows[:0]
    assert np.array_equal(main.banks, rows.transpose(2, 1, 0, 3)[:, :, : main.banks.shape[2]])


def test_what_is_stored_is_read_back(memories):
    main, _ = memories
    for symbol, op in main.memories.items():
        if op.source is not None:
            values = np.random.default_rng(1).standard_normal(op.type.get_shape()).astype(np.float16)
            main.store(symbol, values)
            assert np.array_equal(main.read(symbol), values), symbol
