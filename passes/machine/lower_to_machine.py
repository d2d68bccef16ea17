"""Fold the places of buffers and tensors into instructions: after this, one op is one instruction."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ...dialects.affine_fields import AffineSum, encode_fields
from ...dialects.instruction import InstructionOp
from ..tile_builder import memory_table


@dataclass(frozen=True)
class LowerToMachinePass(ModulePass):
    """Replace kernel buffers and `host.address_of` in instruction fields by numbers.

    Arguments of kernels stay: a buffer that the plan passes arrives as its address in a register.

    Before:

        %w = host.address_of @attn_norm_rows
        npu.load(dram = %w + 1152 * %layer, …, local = %gain, …)

    After:

        npu.load(dram = 56623104 + 1152 * %layer, …, local = 1843200, …)
    """

    name = "lower-to-machine"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        memories = memory_table(op.ops)
        for function in op.ops:
            if isinstance(function, FuncOp) and function.attributes.get(host.DEVICE) in _DEVICES:
                for inner in function.walk():
                    if isinstance(inner, InstructionOp):
                        _fold(inner, memories)
                for inner in list(function.walk(reverse=True)):
                    unused = not any(result.uses for result in inner.results)
                    if isinstance(inner, host.BufferOp | host.AddressOfOp | host.ViewOp) and unused:
                        Rewriter.erase_op(inner)


_DEVICES = (StringAttr("npu"), StringAttr("pim"), StringAttr("xpu"))


def _fold(op: InstructionOp, memories) -> None:
    fields = {}
    for name, value in op.values().items():
        folded = AffineSum(value.constant)
        for operand, coefficient in value.terms.items():
            place = _place(operand, memories)
            folded += AffineSum.of(operand if place is None else place) * coefficient
        fields[name] = folded
    waits, posts = op.semaphores("waits"), op.semaphores("posts")
    operands, entries = encode_fields(fields)
    for which in ("waits", "posts"):
        op.properties.pop(which, None)
    op.operands = operands
    op.fields = op.FIELDS_ATTR(entries)
    if waits:
        op.add_semaphores("waits", waits)
    if posts:
        op.add_semaphores("posts", posts)


def _place(value: SSAValue, memories) -> int | None:
    """The address or row that a value stands for, None for a run-time value."""
    owner = value.owner
    if isinstance(owner, host.BufferOp):
        if owner.address is None:
            raise PassFailedException("a host.buffer has no address: run npu-allocate-scratchpad first")
        return owner.address.value.data
    if isinstance(owner, host.AddressOfOp):
        memory = memories.get(owner.symbol)
        place = None if memory is None else memory.row if memory.address is None else memory.address
        if place is None:
            raise PassFailedException(f"host.memory @{owner.symbol} has no place: run assign-memory first")
        return place.value.data
    return None
