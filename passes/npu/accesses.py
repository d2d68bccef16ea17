"""What an instruction reads and writes, and in which queue it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.dialects.builtin import StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.dialects.scf import ForOp
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import host
from ...dialects.instruction import InstructionOp

Place = SSAValue | str
"""A buffer, or the symbol of a tensor in main memory."""


@dataclass(frozen=True)
class Access:
    place: Place
    writes: bool


def queue_of(op: InstructionOp) -> str:
    """The queue that executes an instruction."""
    queue = op.attributes.get("queue")
    return queue.data if isinstance(queue, StringAttr) else op.OPCODE.queue


def accesses(op: InstructionOp) -> list[Access]:
    """The buffers and main-memory tensors that the address fields of an instruction name."""
    values = op.values()
    found: list[Access] = []
    for names, writes in ((op.OPCODE.reads, False), (op.OPCODE.writes, True)):
        for name in names:
            for value in values[name].terms:
                if isinstance(value.owner, host.AddressOfOp):
                    found.append(Access(value.owner.symbol, writes))
                elif isinstance(value.type, host.BufferType):
                    found.append(Access(value, writes))
    return found


def conflict(a: Access, b: Access) -> bool:
    """Whether the order of two accesses matters."""
    return (a.writes or b.writes) and (a.place == b.place or _overlap(a.place, b.place))


def _overlap(a: Place, b: Place) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return False
    first, second = a.owner, b.owner
    if not isinstance(first, host.BufferOp) or not isinstance(second, host.BufferOp):
        return False
    if first.address is None or second.address is None:
        return False
    start, other = first.address.value.data, second.address.value.data
    return start < other + second.size_bytes and other < start + first.size_bytes


def enclosing_loops(op: Operation, function: FuncOp) -> list[ForOp]:
    """Loops around `op`, outermost first."""
    loops: list[ForOp] = []
    parent = op.parent_op()
    while parent is not None and parent is not function:
        if isinstance(parent, ForOp):
            loops.append(parent)
        parent = parent.parent_op()
    return loops[::-1]


def common_loop(ops: Iterable[Operation], function: FuncOp) -> ForOp | None:
    """The innermost loop that contains all `ops`."""
    common: list[ForOp] | None = None
    for op in ops:
        loops = enclosing_loops(op, function)
        if common is None:
            common = loops
        else:
            length = 0
            while length < min(len(common), len(loops)) and common[length] is loops[length]:
                length += 1
            common = common[:length]
    return common[-1] if common else None


def top_level(op: Operation, block: Block) -> Operation:
    """The ancestor of `op` (or itself) that is directly in `block`."""
    while op.parent_block() is not block:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op


def instruction_users(value: SSAValue) -> list[InstructionOp]:
    """The instructions that use a value in a field."""
    return [use.operation for use in value.uses if isinstance(use.operation, InstructionOp)]
