"""Give every buffer of the plan and of the kernels an address in on-chip memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ...dialects.hardware import npu_core, pim_memory
from ...dialects.npu.instructions import MatmulOp, PreloadOp
from ...dialects.structured import buffer_type
from .accesses import top_level


@dataclass(frozen=True)
class NpuAllocateScratchpadPass(ModulePass):
    """Allocate `host.buffer`s: those of the plan for good, those of a kernel above them while they are live.

    Local memory is the scratchpad followed by the accumulators. When the buffers of a kernel do not fit side by side,
    those share addresses whose live ranges (in ops of the kernel's body) do not touch. Buffers in the softmax buffer of
    the PIM are allocated there.
    The module attributes `host.used_bytes.local` and `host.used_bytes.softmax` say how much of each space is in use.
    Fails if a space is too small, naming the kernel, the bytes and the limit.

    Before:

        %normed = host.buffer : !host.buffer<32x576xf16>

    After:

        %normed = host.buffer {address = 1835008 : i64} : !host.buffer<32x576xf16>
    """

    name = "npu-allocate-scratchpad"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        core = npu_core(op)
        limits = {
            "local": core.scratchpad_bytes + core.accumulator_bytes,
            "softmax": pim_memory(op).softmax_buffer_bytes,
        }
        functions = [f for f in op.ops if isinstance(f, FuncOp) and host.DEVICE in f.attributes]
        top = {"local": 0, "softmax": 0}
        align = core.align_bytes
        for function in functions:
            if function.attributes[host.DEVICE] == StringAttr("host"):
                for buffer in _buffers(function):
                    space = _space(buffer)
                    buffer.address = host.integer(top[space])
                    top[space] = _round_up(top[space] + buffer.size_bytes, align)
        for space, limit in limits.items():
            _check(top[space], limit, space, "the plan", core.name)
        used, of_arrays = dict(top), dict(top)
        kernels = [function for function in functions if function.attributes[host.DEVICE] != StringAttr("host")]
        for function in sorted(kernels, key=lambda function: not _uses_arrays(function)):
            # A kernel of the vector unit may run beside one of the arrays if the plan has several launch queues.
            apart = _has_queues(functions) and not _uses_arrays(function)
            base = dict(of_arrays) if apart else top
            for space, limit in limits.items():
                ranges = [_live_range(b, function) for b in _buffers(function) if _space(b) == space]
                # Sharing an address orders the queues that use it, so it is kept for want of room.
                side_by_side = base[space] + sum(_round_up(r.buffer.size_bytes, align) for r in ranges)
                if side_by_side <= limit:
                    ranges = [_LiveRange(r.buffer, 0, 0) for r in ranges]
                end = _place(ranges, base[space], align)
                _check(end, limit, space, f"kernel @{function.sym_name.data}", core.name)
                used[space] = max(used[space], end)
            if _uses_arrays(function):
                of_arrays = {space: _round_up(size, align) for space, size in used.items()}
        for space, size in used.items():
            op.attributes[host.USED_BYTES + space] = host.integer(size)


def _uses_arrays(function: FuncOp) -> bool:
    return any(isinstance(op, PreloadOp | MatmulOp) for op in function.walk())


def _has_queues(functions: Iterable[FuncOp]) -> bool:
    return any(
        isinstance(op, host.LaunchOp) and op.queue is not None and op.queue.value.data > 0
        for function in functions
        for op in function.walk()
    )


@dataclass
class _LiveRange:
    buffer: host.BufferOp
    first: int
    last: int


def _buffers(function: FuncOp) -> Iterable[host.BufferOp]:
    return [op for op in function.walk() if isinstance(op, host.BufferOp)]


def _live_range(buffer: host.BufferOp, function: FuncOp) -> _LiveRange:
    block = _body(function)
    order: dict[Operation, int] = {op: index for index, op in enumerate(block.ops)}
    uses = [order[top_level(use.operation, block)] for use in buffer.result.uses]
    return _LiveRange(buffer, min(uses, default=0), max(uses, default=0))


def _body(function: FuncOp) -> Block:
    """Where the lives of buffers are measured: in the loop over sequences of a kernel that has one, and no more.

    An iteration leaves nothing on chip to the next one, so what holds within an iteration holds for all.
    """
    loops = [op.body.block for op in function.body.block.ops if isinstance(op, scf.ForOp)]
    over_sequences = [block for block in loops if isinstance(block.first_op, host.SequenceOp)]
    return over_sequences[0] if len(over_sequences) == 1 else function.body.block


def _place(ranges: list[_LiveRange], base: int, align: int) -> int:
    """First fit, larger buffers first; returns the end of the highest."""
    placed: list[_LiveRange] = []
    end = base
    for current in sorted(ranges, key=lambda r: (-r.buffer.size_bytes, r.first)):
        neighbours = sorted(
            (_address(other.buffer), other.buffer.size_bytes)
            for other in placed
            if other.first <= current.last and current.first <= other.last
        )
        address = base
        for start, size in neighbours:
            if address + current.buffer.size_bytes <= start:
                break
            address = max(address, _round_up(start + size, align))
        current.buffer.address = host.integer(address)
        placed.append(current)
        end = max(end, address + current.buffer.size_bytes)
    return end


def _address(buffer: host.BufferOp) -> int:
    assert buffer.address is not None
    return buffer.address.value.data


def _space(buffer: host.BufferOp) -> str:
    return buffer_type(buffer.result).space.data


def _round_up(value: int, align: int) -> int:
    return -(-value // align) * align


def _check(end: int, limit: int, space: str, who: str, machine: str) -> None:
    if end > limit:
        name = "scratchpad and accumulators" if space == "local" else "softmax buffer"
        raise PassFailedException(
            f"{who} needs {end} bytes of on-chip buffers, machine {machine} has {limit} in its {name}: "
            "fewer new tokens or a shorter context need less"
        )
