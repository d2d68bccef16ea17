"""Attention of groups of heads is attention of all: structured ops, instructions and the simulator compute the same bits."""

from dataclasses import replace

import numpy as np
from xdsl.rewriter import InsertPoint, Rewriter

from pimlir.backends.emit.image import build_image
from pimlir.dialects import host
from pimlir.dialects.pim import structured as pim
from pimlir.frontends import preset, random_model
from pimlir.interpreters.run import make_interpreter
from pimlir.machines import load_machine
from pimlir.passes.pipelines import PipelineOptions, pipeline
from pimlir.sim.system import System
from pimlir.tools.compiler import Compilation

SHAPE = {"layers": 1, "hidden": 64, "ffn": 48, "vocabulary": 97, "heads": 4, "kv_heads": 4, "head_dim": 16}
OPTIONS = PipelineOptions("attacc-bank", "attention-on-pim", attention="heads", context=64, batch=2, new_tokens=6)
STEPS = ([(0, 3, 0, 0), (3, 2, 0, 1)], [(0, 1, 3, 0), (1, 1, 2, 1)])


def cut(module, groups: int) -> None:
    """Every op of attention once for each group, appends first."""
    for kind in (pim.KVAppendOp, pim.AttendOp):
        for op in [inner for inner in module.walk() if isinstance(inner, kind)]:
            for group in range(groups):
                part = op.clone()
                part.group, part.groups = host.integer(group), host.integer(groups)
                Rewriter.insert_op(part, InsertPoint.before(op))
            Rewriter.erase_op(op)


def logits(groups: int):
    model = random_model(replace(preset("llama2-7b"), name="small", context_length=64, **SHAPE))
    compilation = Compilation(model.build_module(), OPTIONS)
    compilation.to("placed")
    compilation.run(pipeline("kernels", OPTIONS))
    if groups > 1:
        cut(compilation.module, groups)
    interpreter = make_interpreter(compilation.module.clone(), model.store, 2, 64)
    compilation.run(pipeline("machine", OPTIONS))
    system = System(build_image(compilation.module, load_machine("attacc-bank").to_dict()))
    system.load(model.store)
    interpreted, simulated = [], []
    for rows in STEPS:
        tokens = list(range(5, 5 + sum(new for _, new, _, _ in rows)))
        interpreter.step(tokens, rows)
        interpreted.append(np.array(interpreter.logits))
        found = system.step(tokens, rows).logits
        assert found is not None
        simulated.append(found)
    return np.concatenate(interpreted), np.concatenate(simulated)


def test_groups_of_heads_compute_what_all_heads_compute():
    whole, cut_in_two = logits(1), logits(2)
    np.testing.assert_array_equal(cut_in_two[0], whole[0])
    np.testing.assert_array_equal(cut_in_two[1], whole[1])
