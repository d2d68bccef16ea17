"""Attention with a head in a channel, and MACs that name no columns: all stages and the simulator agree on them."""

from dataclasses import replace

import pytest

from pimlir.frontends import preset

SMALL = {"name": "small", "layers": 2, "hidden": 64, "ffn": 48, "vocabulary": 97, "context_length": 6000}


def model(heads: int, kv_heads: int, head_dim: int):
    return replace(preset("llama2-7b"), heads=heads, kv_heads=kv_heads, head_dim=head_dim, **SMALL)


@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_dim", "context", "pasts"),
    [
        (3, 3, 128, 300, (254, 0)),  # one head a channel, a window of tokens begins
        (17, 17, 64, 600, (511,)),  # a pair of heads of which the second needs one channel
        (9, 9, 64, 300, (255, 256)),  # heads of two slots share the channels
        (4, 2, 32, 300, (100, 17, 0)),
        (4, 2, 160, 520, (300,)),  # queries of one key head follow each other; keys cross rows
        (35, 35, 16, 70, (63,)),  # a pair and a head that is left over, most of a part unused
        (34, 17, 96, 40, (15,)),
    ],
)
def test_a_head_in_a_channel(stages, heads, kv_heads, head_dim, context, pasts):
    options = {"machine": "attacc-bank", "policy": "attention-on-pim", "attention": "heads"}
    run = stages(
        model(heads, kv_heads, head_dim), **options, phase="mixed", batch=len(pasts), new_tokens=6, context=context
    )
    run.fill_caches(dict(enumerate(pasts)))
    run.step(*((slot, 2) for slot in range(len(pasts))))
    run.step((0, 1))
    run.same_caches()


def test_heads_without_overlap_are_the_same_bits(stages):
    """Which head a channel works on next changes no sum."""
    from pimlir.passes.pipelines import PipelineOptions, pipeline
    from pimlir.tools.compiler import Compilation

    def logits(in_flight: int):
        from pimlir.backends.emit.image import build_image
        from pimlir.frontends import random_model
        from pimlir.machines import load_machine
        from pimlir.sim.system import System

        source = random_model(model(17, 17, 64))
        options = PipelineOptions("attacc-bank", "attention-on-pim", attention="heads", context=300)
        compilation = Compilation(source.build_module(), options)
        compilation.to("placed")
        passes = pipeline("kernels", options)
        compilation.run(passes.replace("pim-fuse-attention", f"pim-fuse-attention{{in-flight={in_flight}}}"))
        compilation.run(pipeline("machine", options))
        system = System(build_image(compilation.module, load_machine("attacc-bank").to_dict()))
        system.load(source.store)
        for past in range(0, 96, 32):
            system.step([7] * 32, [(0, 32, past, 0)])
        found = system.step([3], [(0, 1, 96, 0)]).logits
        assert found is not None
        return found.tobytes()

    assert logits(1) == logits(2)


@pytest.mark.parametrize(("machine", "operands"), [("aim", "none"), ("attacc", "none"), ("neupims", "row")])
def test_macs_that_name_no_columns(stages, machine, operands):
    options = {"machine": machine, "policy": "all-on-pim", "mac_operands": operands}
    run = stages(model(6, 3, 64), **options, phase="mixed", batch=1, new_tokens=3, context=700)
    run.fill_caches({0: 520})
    run.step((0, 3))
    run.same_caches()
