"""Split loops over sequences that only the vector unit works in, so that the sequences hide each other's latencies."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects import host
from ...dialects.affine_fields import AffineSum, encode_fields
from ...dialects.instruction import InstructionOp
from ...dialects.structured import buffer_type
from ..kernels.buffers import kernels
from .accesses import instruction_users, queue_of


@dataclass(frozen=True)
class NpuSplitLoopsPass(ModulePass):
    """Turn a loop over sequences with several instructions of the vector unit into one loop per instruction.

    Within a sequence every step of a softmax needs the one before; between sequences nothing does. The unit works in order,
    so it stands still for the latency of each step unless other sequences' steps come between. Buffers of the kernel get a
    place for each sequence, by its first row. Loops that also load, store or use an array stay: their queues overlap.

    Before:

        scf.for %sequence = %begin to %end step %c1 {
          %first, %new, %past, %slot = host.sequence %sequence
          npu.reduce(op = max, dst = %statistic, a = %scores + 512 * %first, …)
          npu.binary(op = sub, dst = %scores + 512 * %first, a = %scores + 512 * %first, b = %statistic, …)
        }

    After:

        scf.for %sequence = %begin to %end step %c1 {
          %first, %new, %past, %slot = host.sequence %sequence
          npu.reduce(op = max, dst = %statistic + 16 * %first, a = %scores + 512 * %first, …)
        }
        scf.for %sequence_1 = %begin to %end step %c1 {
          %first_1, %new_1, %past_1, %slot_1 = host.sequence %sequence_1
          npu.binary(op = sub, dst = %scores + 512 * %first_1, a = %scores + 512 * %first_1, b = %statistic + 16 * %first_1, …)
        }
    """

    name = "npu-split-loops"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in kernels(op, "npu"):
            for loop in [each for each in function.body.block.ops if isinstance(each, scf.ForOp)]:
                if _can_split(loop):
                    _give_places(loop, function)
                    _split(loop)


def _can_split(loop: scf.ForOp) -> bool:
    """Whether a loop goes over sequences and has only instructions of the vector unit, at least two, in a row."""
    instructions = [op for op in loop.body.block.ops if isinstance(op, InstructionOp)]
    return (
        isinstance(loop.body.block.first_op, host.SequenceOp)
        and len(instructions) > 1
        and all(queue_of(op) == "vx" for op in instructions)
        and not any(op.regions for op in loop.body.block.ops)
        and all(_own_rows(op, loop) for op in instructions)
    )


def _own_rows(op: InstructionOp, loop: scf.ForOp) -> bool:
    """Whether what an instruction writes belongs to its sequence: rows from its first one on, or a buffer of the kernel."""
    sequence = _sequence(loop)
    values = op.values()
    return all(
        sequence.first_row in values[name].terms or any(_is_local(value, loop) for value in values[name].terms)
        for name in op.OPCODE.writes
    )


def _sequence(loop: scf.ForOp) -> host.SequenceOp:
    first = loop.body.block.first_op
    assert isinstance(first, host.SequenceOp)
    return first


def _is_local(value: SSAValue, loop: scf.ForOp) -> bool:
    """Whether a value is a buffer that only this loop uses, with a row for each of the step."""
    return isinstance(value.owner, host.BufferOp) and all(user.parent_op() is loop for user in instruction_users(value))


def _give_places(loop: scf.ForOp, function: FuncOp) -> None:
    """Let the buffers of the loop be addressed by the first row of the sequence."""
    first = AffineSum.of(_sequence(loop).first_row)
    for buffer in [op for op in function.body.block.ops if isinstance(op, host.BufferOp)]:
        if not _is_local(buffer.result, loop):
            continue
        kind = buffer_type(buffer.result)
        for user in instruction_users(buffer.result):
            fields = {
                name: value + first * (kind.size_bytes // kind.shape[0] * value.terms.get(buffer.result, 0))
                for name, value in user.values().items()
            }
            user.operands, entries = encode_fields(fields)
            user.fields = user.FIELDS_ATTR(entries)


def _split(loop: scf.ForOp) -> None:
    """One copy of the loop for each instruction, each with the scalars that it needs."""
    count = sum(isinstance(op, InstructionOp) for op in loop.body.block.ops)
    copies = [loop.clone() for _ in range(count)]
    for kept, copy in enumerate(copies):
        ops = list(copy.body.block.ops)
        instructions = [op for op in ops if isinstance(op, InstructionOp)]
        for op in reversed(ops):
            unused = isinstance(op, InstructionOp) and op is not instructions[kept]
            if unused or _is_unused_scalar(op):
                op.detach()
                op.erase()
    block = loop.parent_block()
    assert block is not None
    block.insert_ops_before(copies, loop)
    loop.detach()
    loop.erase()


def _is_unused_scalar(op: Operation) -> bool:
    scalar = not isinstance(op, InstructionOp | host.SequenceOp | scf.YieldOp)
    return scalar and not any(any(result.uses) for result in op.results)
