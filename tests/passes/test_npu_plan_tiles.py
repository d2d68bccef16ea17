"""Plans change where and when products are computed, not what: both units of attention give the same bits."""

import numpy as np
import pytest

from pimlir.dialects import host
from pimlir.dialects.npu import structured as npu
from pimlir.frontends import ModelConfig, random_model
from pimlir.passes.pipelines import PipelineOptions, pipeline
from pimlir.sim.system import System
from pimlir.tools.compiler import Compilation

CONFIG = ModelConfig("small", "llama", 2, 96, 6, 3, 16, 192, 96, 128, tied_head=True)
STEPS = [
    ([5, 6, 7, 8, 9, 1, 2, 3] * 5, [(0, 37, 0, 0), (37, 3, 0, 1)]),
    ([11, 12], [(0, 1, 37, 0), (1, 1, 3, 1)]),
    ([13, 14, 15], [(0, 2, 38, 0), (2, 1, 4, 1)]),
]


def compiled(machine: str, attention: str, load_tokens: int | None = None) -> Compilation:
    options = PipelineOptions(machine, "npu-only", batch=2, new_tokens=40, context=128)
    compilation = Compilation(random_model(CONFIG).build_module(), options)
    compilation.to("placed")
    plan = f"npu-plan-tiles{{attention={attention}}}"
    compilation.run(pipeline("kernels", options).replace("npu-plan-tiles", plan))
    compilation.stage = "kernels"
    for op in compilation.module.walk():
        if isinstance(op, npu.ScoresOp | npu.ContextOp) and load_tokens is not None:
            op.load_tokens = host.integer(load_tokens)
    return compilation


def logits(compilation: Compilation) -> np.ndarray:
    system = System(compilation.image())
    system.load(random_model(CONFIG).store)
    results = [system.step(tokens, table).logits for tokens, table in STEPS]
    return np.concatenate([found[:2] for found in results if found is not None])


@pytest.mark.parametrize("machine", ["tiny", "tiny-dual"])
def test_units_and_loads_give_the_same_bits(machine):
    expected = logits(compiled(machine, "array", 16))
    assert np.isfinite(expected).all() and expected.any()
    for attention, load_tokens in (("array", 48), ("vector", 16), ("vector", 64), ("auto", None)):
        np.testing.assert_array_equal(logits(compiled(machine, attention, load_tokens)), expected)


def test_a_unit_can_be_forced():
    for unit in ("array", "vector"):
        ops = [op for op in compiled("tiny", unit).module.walk() if isinstance(op, npu.ScoresOp | npu.ContextOp)]
        assert ops and {op.unit for op in ops} == {npu.UnitAttr(npu.Unit(unit))}
