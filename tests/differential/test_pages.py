"""Caches in pages: all stages and the simulator agree when sequences grow side by side into pages that alternate."""

from dataclasses import replace

import pytest

from pimlir.frontends import preset
from pimlir.sim.system import SimulationError

SMALL = {"name": "small", "layers": 2, "hidden": 64, "ffn": 48, "vocabulary": 97, "context_length": 6000}


def model(heads: int, kv_heads: int, head_dim: int):
    return replace(preset("llama2-7b"), heads=heads, kv_heads=kv_heads, head_dim=head_dim, **SMALL)


CASES = [
    (model(4, 2, 16), {"machine": "neupims", "policy": "attention-on-pim", "cache_channels": 1, "cache_slots": 33}, 32),
    (model(3, 3, 48), {"machine": "neupims", "policy": "attention-on-pim", "cache_channels": 2, "cache_slots": 17}, 16),
    (model(17, 17, 64), {"machine": "attacc-bank", "policy": "attention-on-pim", "attention": "heads"}, 1),
    (model(4, 2, 160), {"machine": "attacc-bank", "policy": "attention-on-pim", "attention": "heads"}, 1),
    (model(4, 2, 16), {"machine": "neupims", "policy": "npu-only"}, 1),
]


@pytest.mark.parametrize(("config", "options", "second"), CASES)
def test_sequences_that_share_channels_grow_in_turn(stages, config, options, second):
    """`second` is the slot that shares the channels of slot 0; both cross the ends of pages at different times."""
    sizes = {"phase": "mixed", "batch": 2, "new_tokens": 100, "context": 640}
    run = stages(config, ("kernels", "machine"), **options, page_tokens=1, **sizes)
    run.step((0, 20), (second, 80))
    for _ in range(4):
        run.step((second, 100))
    run.step((0, 70), (second, 30))
    run.step((0, 1), (second, 4))
    run.step((second, 1), (0, 1))
    values = run.system.pages.usage()["values"]
    assert values["page_tokens"] == 512 and values["used"] == 3


def test_a_page_that_nobody_gave_is_a_fault(stages):
    run = stages(model(4, 2, 16), ("machine",), machine="neupims", policy="npu-only", page_tokens=1, context=640)
    run.step((0, 4))
    run.system.pages.release(0)
    run.system.pages.grow = lambda slot, tokens: None
    with pytest.raises(SimulationError, match=r"page.*index"):
        run.system.step([3], [(0, 1, 4, 0)])
