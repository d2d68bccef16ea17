"""On-chip addresses: buffers that live at the same time never overlap, aligned, and within what the module says is used."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block
from xdsl.utils.exceptions import PassFailedException

from pimlir.dialects import host
from pimlir.dialects.hardware import CORE_KEY, NpuCoreAttr, npu_core
from pimlir.frontends import ModelConfig, build_module
from pimlir.passes.npu.npu_allocate_scratchpad import NpuAllocateScratchpadPass
from pimlir.passes.pipelines import PipelineOptions
from pimlir.tools.compiler import Compilation

SMOLLM2 = ModelConfig("smollm2", "llama", 2, 576, 9, 3, 64, 1536, 1536, 512, tied_head=True)
SMALL = ModelConfig("small", "llama", 2, 96, 6, 3, 16, 192, 96, 64, tied_head=True)
BEFORE = "npu-tile,pim-expand,npu-double-buffer"


def allocated(config: ModelConfig, **options: Any) -> ModuleOp:
    """A module after allocation."""
    compilation = Compilation(build_module(config), PipelineOptions(**options, ignore_capacity=True))
    compilation.to("kernels")
    compilation.run(f"{BEFORE},npu-allocate-scratchpad")
    return compilation.module


def allocate_again(module: ModuleOp, scratchpad: int) -> None:
    """Allocate on a machine with a scratchpad of another size and hardly any accumulators."""
    core = replace(npu_core(module), scratchpad_bytes=scratchpad, accumulator_bytes=npu_core(module).align_bytes)
    module.attributes[CORE_KEY] = NpuCoreAttr(core)
    NpuAllocateScratchpadPass().apply(Context(), module)


def functions(module: ModuleOp) -> dict[str, list[FuncOp]]:
    found: dict[str, list[FuncOp]] = {"host": [], "kernel": []}
    for op in module.ops:
        if isinstance(op, FuncOp):
            found["host" if op.attributes[host.DEVICE].data == "host" else "kernel"].append(op)  # pyright: ignore[reportAttributeAccessIssue]
    return found


def buffers(function: FuncOp) -> list[host.BufferOp]:
    return [op for op in function.walk() if isinstance(op, host.BufferOp)]


def extent(buffer: host.BufferOp) -> tuple[str, int, int]:
    """Space, first byte and the byte after the last."""
    assert buffer.address is not None and isinstance(buffer.result.type, host.BufferType)
    first = buffer.address.value.data
    return buffer.result.type.space.data, first, first + buffer.size_bytes


def overlap(a: host.BufferOp, b: host.BufferOp) -> bool:
    (space, first, last), (other_space, other_first, other_last) = extent(a), extent(b)
    return space == other_space and first < other_last and other_first < last


def users(buffer: host.BufferOp, block: Block) -> list[int]:
    """Positions in the body of the kernel of the ops (loops as a whole) that use a buffer."""
    positions: list[int] = []
    for position, op in enumerate(block.ops):
        if any(buffer.result in inner.operands for inner in op.walk()):
            positions.append(position)
    return positions


def body(function: FuncOp) -> Block:
    """The loop over sequences, in kernels that have one, whose iterations have nothing to do with each other."""
    for op in function.body.block.ops:
        if isinstance(op, scf.ForOp) and isinstance(op.body.block.first_op, host.SequenceOp):
            return op.body.block
    return function.body.block


def check(module: ModuleOp) -> int:
    """Raises unless all places are right; returns how many pairs of kernel buffers share bytes."""
    found = functions(module)
    plan = [buffer for function in found["host"] for buffer in buffers(function)]
    assert not [pair for pair in combinations(plan, 2) if overlap(*pair)]
    shared = 0
    for function in found["kernel"]:
        own = buffers(function)
        assert not [(a, b) for a in own for b in plan if overlap(a, b)]
        for a, b in combinations(own, 2):
            if overlap(a, b):
                shared += 1
                uses_a, uses_b = (users(buffer, body(function)) for buffer in (a, b))
                assert max(uses_a) < min(uses_b) or max(uses_b) < min(uses_a)
    align = npu_core(module).align_bytes
    for buffer in [*plan, *(b for function in found["kernel"] for b in buffers(function))]:
        space, first, last = extent(buffer)
        used = module.attributes[host.USED_BYTES + space]
        assert isinstance(used, IntegerAttr) and last <= used.value.data
        assert first % align == 0
    return shared


@pytest.mark.parametrize("policy", ["npu-only", "attention-on-pim", "all-on-pim"])
@pytest.mark.parametrize("machine", ["neupims", "attacc", "aim"])
def test_with_room_every_buffer_has_its_own_bytes(machine: str, policy: str):
    assert check(allocated(SMOLLM2, machine=machine, policy=policy, new_tokens=4)) == 0


def test_without_room_buffers_share_bytes_when_their_lives_do_not_touch():
    module = allocated(SMALL, machine="tiny")
    used = module.attributes[host.USED_BYTES + "local"]
    assert isinstance(used, IntegerAttr)
    shared: list[int] = []
    with pytest.raises(PassFailedException):
        for scratchpad in range(used.value.data // 32 * 32, 0, -2048):
            allocate_again(module, scratchpad)
            shared.append(check(module))
    assert shared[0] == 0 < shared[-1]


def test_a_kernel_that_does_not_fit_is_named_with_the_limit():
    message = (
        r"kernel @\w+ needs \d+ bytes of on-chip buffers, machine tiny has 49184 in its scratchpad and accumulators: "
    )
    with pytest.raises(PassFailedException, match=message):
        allocate_again(allocated(SMALL, machine="tiny"), 49152)
    with pytest.raises(PassFailedException, match=r"the plan needs \d+ bytes of on-chip buffers"):
        allocate_again(allocated(SMALL, machine="tiny"), 4096)


def test_the_softmax_buffer_is_a_space_of_its_own():
    module = allocated(SMALL, machine="tiny", policy="attention-on-pim", new_tokens=4)
    spaces = [extent(b)[0] for fs in functions(module).values() for f in fs for b in buffers(f)]
    assert "softmax" in spaces
    used = module.attributes[host.USED_BYTES + "softmax"]
    assert isinstance(used, IntegerAttr) and used.value.data > 0
    check(module)
