"""Tiles of linear layers: the model is near the timing simulator, and what it chooses no slower than what it replaced."""

import numpy as np
import pytest
from xdsl.passes import PassPipeline

from pimlir.backends.emit.image import build_image
from pimlir.dialects.hardware import NpuCore, npu_core
from pimlir.machines import load_machine
from pimlir.passes.kernels.linear_cost import best_load, choose_linear
from pimlir.passes.kernels.tiles import choose_tiles
from pimlir.sim.timing.model import TimingModel
from pimlir.tools.compiler import available_passes, make_context, parse_module

MODULE = """
builtin.module attributes {{llm.bounds = #llm.bounds<phase = decode, sequences = {m}, new_tokens = {m}, context = 128>}} {{
  host.memory @w : tensor<{n}x{k}xf16> layout {layout}
  func.func @layer(%x: !host.buffer<{m}x{k}xf16>, %y: !host.buffer<{m}x{n}xf16>, %rows: index) attributes {{device = "npu"}} {{
    npu.linear %x, @w -> %y rows %rows : !host.buffer<{m}x{k}xf16> -> !host.buffer<{m}x{n}xf16>
    func.return
  }}
  func.func @step(%rows: index, %sequences: index) attributes {{device = "host"}} {{
    %x = host.buffer : !host.buffer<{m}x{k}xf16>
    %y = host.buffer : !host.buffer<{m}x{n}xf16>
    %start = host.start
    %end = host.launch @layer(%x, %y, %rows) after(%start) : !host.buffer<{m}x{k}xf16>, !host.buffer<{m}x{n}xf16>, index
    func.return
  }}
}}
"""
PASSES = (
    "npu-plan-tiles,npu-tile,npu-double-buffer,npu-allocate-scratchpad,npu-insert-semaphores,"
    "assign-memory{capacity=ignore},lower-to-machine"
)

BEFORE = {
    ("neupims", 1, 576, 576): 1743,
    ("neupims", 256, 576, 576): 2626,
    ("neupims", 32, 576, 192): 1410,
    ("neupims", 256, 576, 1536): 4194,
    ("neupims", 1, 1536, 576): 2850,
    ("neupims", 256, 576, 49152): 75022,
    ("neupims", 1, 4096, 4096): 37805,
    ("neupims", 32, 4096, 16384): 147934,
    ("neupims", 256, 4096, 50257): 648460,
    ("neupims", 256, 12288, 12288): 331872,
    ("attacc", 1, 576, 576): 8512,
    ("attacc", 256, 576, 576): 8760,
    ("attacc", 32, 4096, 4096): 92582,
    ("attacc", 256, 4096, 16384): 352944,
    ("attacc", 1, 12288, 12288): 538481,
    ("aim", 1, 576, 1536): 13973,
}
"""Cycles with one tile of a fixed choice a load, two groups of places, and sums drained panel by panel."""


def attached(machine: str) -> NpuCore:
    module = parse_module("builtin.module {}")
    PassPipeline.parse_spec(available_passes(), f"attach-machine{{name={machine}}}").apply(make_context(), module)
    return npu_core(module)


def simulated(machine: str, m: int, k: int, n: int) -> float:
    layout = choose_tiles(m, n, k, attached(machine))
    module = parse_module(MODULE.format(m=m, k=k, n=n, layout=layout))
    PassPipeline.parse_spec(available_passes(), f"attach-machine{{name={machine}}},{PASSES}").apply(
        make_context(), module
    )
    timing = TimingModel(build_image(module, load_machine(machine).to_dict()))
    return timing.launch(0, np.array([0, 0, m], np.int64), 0) / timing.clocks_ps["npu"]


@pytest.mark.parametrize(("case", "before"), BEFORE.items(), ids=lambda value: str(value))
def test_no_layer_is_slower(case, before):
    machine, m, k, n = case
    cycles = simulated(machine, m, k, n)
    assert cycles <= before
    launch = load_machine(machine).npu.launch_cycles  # pyright: ignore[reportOptionalMemberAccess]
    # DRAM delivers about 0.88 of its peak, which the model leaves out.
    assert 0.86 * (cycles - launch) <= choose_linear(m, n, k, attached(machine)).cycles <= 1.15 * (cycles - launch)


def test_a_depth_need_not_divide_the_inputs():
    """Five folds of 128 rows instead of six of 96, once the activations and not the weights take the time."""
    core = attached("neupims")
    assert choose_linear(256, 576, 576, core).tile_k == 128
    assert 576 % choose_linear(1, 576, 576, core).tile_k == 0


def test_loads_grow_with_the_distance_of_the_memory():
    sizes = (32, 4096, 32, 4096, 64)
    near, far = attached("neupims"), attached("attacc")
    assert best_load(1, 4096, far, sizes, 1 << 30).load_tiles > best_load(1, 4096, near, sizes, 1 << 30).load_tiles


def test_loads_fit_the_room_that_is_left():
    sizes = (128, 4096, 128, 4096, 8)
    core = attached("neupims")
    for room in (1 << 22, 1 << 18, 100_000):
        plan = best_load(1, 4096, core, sizes, room)
        assert plan.load_slots * plan.load_bytes <= room
    assert best_load(1, 4096, core, sizes, 0).load_tiles == 1
