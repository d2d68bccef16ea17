"""Slots change when data moves, not what is computed: every depth gives the same bits."""

import numpy as np
import pytest
from xdsl.utils.exceptions import PassFailedException

from pimlir.dialects import host
from pimlir.dialects.npu import structured as npu
from pimlir.dialects.npu.semaphore import AdvanceOp
from pimlir.frontends import Model, ModelConfig, build_module, random_model
from pimlir.passes.npu.npu_double_buffer import NpuDoubleBufferPass
from pimlir.passes.pipelines import PipelineOptions
from pimlir.sim.system import System
from pimlir.tools.compiler import Compilation, make_context

CONFIG = ModelConfig("small", "llama", 2, 96, 6, 3, 16, 192, 96, 64, tied_head=True)


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model(CONFIG)


def logits(model: Model, machine: str, policy: str, depth: int) -> np.ndarray:
    """Logits of a prompt of two sequences and of one more token for each."""
    options = PipelineOptions(machine, policy, batch=2, new_tokens=8, context=32, depth=depth)
    system = System(Compilation(model.build_module(), options).image())
    system.load(model.store)
    first = system.step([5, 6, 7, 8, 9, 1, 2, 3], [(0, 5, 0, 0), (5, 3, 0, 1)])
    second = system.step([11, 12], [(0, 1, 5, 0), (1, 1, 3, 1)])
    assert first.logits is not None and second.logits is not None
    return np.concatenate([first.logits, second.logits])


@pytest.mark.parametrize(("machine", "policy"), [("tiny", "npu-only"), ("tiny-dual", "attention-on-pim")])
def test_every_depth_gives_the_same_results(model: Model, machine: str, policy: str):
    serial = logits(model, machine, policy, 1)
    assert np.isfinite(serial).all() and serial.any()
    for depth in (2, 3):
        np.testing.assert_array_equal(logits(model, machine, policy, depth), serial)


def slots(depth: int, planned: bool = False) -> list[int]:
    compilation = Compilation(build_module(CONFIG), PipelineOptions("tiny", new_tokens=4))
    module = compilation.to("kernels")
    for op in module.walk():
        if isinstance(op, npu.LinearOp | npu.ScoresOp | npu.ContextOp) and not planned:
            op.load_slots = None
    compilation.run(f"npu-tile,npu-double-buffer{{depth={depth}}}")
    advances = sum(isinstance(op, AdvanceOp) for op in module.walk())
    buffers = [op for op in module.walk() if isinstance(op, host.BufferOp)]
    assert advances == sum(op.slot_count > 1 for op in buffers)
    return [op.slot_count for op in buffers if planned or op.planned_slots is None]


def test_depth_one_leaves_everything_serial():
    assert set(slots(1)) == {1}


def test_only_what_loads_fill_takes_the_depth():
    two, three = slots(2), slots(3)
    assert {b // a for a, b in zip(two, three, strict=True)} == {1}
    loaded = [(a, b) for a, b in zip(two, three, strict=True) if a != b]
    assert loaded and all(3 * a == 2 * b for a, b in loaded)
    assert {a for a, b in zip(two, three, strict=True) if a == b} == {1, 2}


def test_planned_slots_stand_instead_of_the_depth():
    changed = sum(a != b for a, b in zip(slots(2), slots(3), strict=True))
    planned = sum(a != b for a, b in zip(slots(2, planned=True), slots(3, planned=True), strict=True))
    assert planned < changed


def test_a_depth_below_one_is_refused():
    with pytest.raises(PassFailedException, match="depth is 0, expected at least 1"):
        NpuDoubleBufferPass(depth=0).apply(make_context(), build_module(CONFIG))
