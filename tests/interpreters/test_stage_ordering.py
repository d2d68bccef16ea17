"""Programs order their queues: no two accesses race, and the checker notices when a semaphore is missing."""

from dataclasses import replace

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.rewriter import InsertPoint, Rewriter

from pimlir.dialects.instruction import InstructionOp
from pimlir.dialects.npu.instructions import PreloadOp, SyncOp
from pimlir.frontends import ModelConfig, preset, random_model
from pimlir.interpreters.ordering import OrderingChecker
from pimlir.passes.pipelines import PipelineOptions
from pimlir.tools.compiler import Compilation

LLAMA = replace(
    preset("llama2-7b"),
    name="small",
    layers=2,
    hidden=48,
    heads=6,
    kv_heads=3,
    head_dim=32,
    ffn=80,
    vocabulary=101,
    context_length=1100,
)
OPT = replace(
    preset("opt-66b"),
    name="small",
    layers=2,
    hidden=48,
    heads=3,
    kv_heads=3,
    head_dim=16,
    ffn=80,
    vocabulary=101,
    context_length=200,
)
STEPS = [[(0, 2, 130, 0), (2, 2, 20, 1)], [(0, 1, 132, 0)]]


def machine_module(config: ModelConfig = LLAMA, **options) -> ModuleOp:
    options = {"machine": "tiny", "batch": 2, "new_tokens": 4, "context": 150, **options}
    return Compilation(random_model(config).build_module(), PipelineOptions(**options)).to("machine")


def races(module: ModuleOp, config: ModelConfig = LLAMA, steps=STEPS) -> dict:
    checker = OrderingChecker(module, random_model(config).store)
    for table in steps:
        checker.step(np.arange(sum(new for _, new, _, _ in table)), table)
    return checker.races


@pytest.mark.parametrize("policy", ["npu-only", "attention-on-pim", "all-on-pim"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_programs_have_no_races(policy, depth):
    assert not races(machine_module(policy=policy, depth=depth))


@pytest.mark.parametrize(
    ("machine", "policy"), [("tiny-dual", "all-on-pim"), ("attacc", "npu-only"), ("aim", "npu-only")]
)
def test_programs_of_a_biased_model_have_no_races(machine, policy):
    assert not races(machine_module(OPT, machine=machine, policy=policy), OPT)


def test_buffers_that_share_addresses_have_no_races(tmp_path):
    machine = tmp_path / "narrow.toml"
    machine.write_text(
        'name = "narrow"\nextends = ["tiny"]\nsource = "invented"\ndescription = "tiny with little local memory"\n'
        "[npu]\nscratchpad_bytes = 19200\naccumulator_bytes = 32\n"
    )
    config = replace(LLAMA, hidden=96)
    module = machine_module(config, machine=str(machine), context=64)
    assert not races(module, config, [[(0, 3, 0, 0), (3, 1, 0, 1)]])


def test_sums_over_rows_of_a_value_cache_have_no_races():
    """The chunks of a group of dimensions are in one channel, whose `read_acc`s add in order."""
    config = replace(LLAMA, head_dim=64, layers=1)
    module = machine_module(
        config, machine="neupims", policy="attention-on-pim", phase="decode", batch=1, new_tokens=1, context=520
    )
    assert not races(module, config, [[(0, 1, 515, 0)]])


def test_the_post_of_a_preload_tells_nothing_of_matmuls_before_it():
    module = machine_module(OPT, context=32)
    nothing = {"array": 0, "weights": 0, "weights_stride": 0, "k": 0, "n": 0}
    for sync in [op for op in module.walk() if isinstance(op, SyncOp) and op.posts is not None]:
        if sync.attributes["queue"] == StringAttr("mx"):
            preload = PreloadOp(nothing, sync.semaphores("waits"), sync.semaphores("posts"))
            Rewriter.insert_op(preload, InsertPoint.before(sync))
            Rewriter.erase_op(sync)
    found = races(module, OPT, [[(0, 3, 0, 0)]])
    assert found and all("mx: matmul" in earlier for earlier, _ in found)


def test_nearly_every_missing_wait_is_a_race():
    """A wait may be implied by others, so one in six may go unnoticed. There are more sequences than slots in a ring."""
    module = machine_module(OPT, context=32, batch=4, new_tokens=6)
    waiting = [op for op in module.walk() if isinstance(op, InstructionOp) and op.waits is not None][::3]
    missed = 0
    for op in waiting:
        waits = op.properties.pop("waits")
        missed += not races(module, OPT, [[(0, 3, 0, 0), (3, 1, 9, 1), (4, 1, 20, 2), (5, 1, 5, 3)]])
        op.properties["waits"] = waits
    assert missed <= len(waiting) // 6
