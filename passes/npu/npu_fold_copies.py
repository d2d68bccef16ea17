"""Let element-wise ops read fp32 sums themselves instead of a rounded copy of them."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from ...dialects import host
from ...dialects.npu.structured import BiasOp, Elementwise, ElementwiseOp
from ..kernels.buffers import kernels


@dataclass(frozen=True)
class NpuFoldCopiesPass(ModulePass):
    """Remove a copy to a buffer of the kernel whose only readers are later element-wise ops: they convert while reading.

    Saves an instruction and a rounding for each sum that a PIM returns. The source must not change in between, and a
    reader must not use the buffer for its result.

    Before:

        npu.elementwise copy %sums -> %o rows %rows : !host.buffer<32x576xf32> -> !host.buffer<32x576xf16>
        npu.elementwise add %x, %o -> %h rows %rows : !host.buffer<32x576xf16>, !host.buffer<32x576xf16> -> !host.buffer<32x576xf16>

    After:

        npu.elementwise add %x, %sums -> %h rows %rows : !host.buffer<32x576xf16>, !host.buffer<32x576xf32> -> !host.buffer<32x576xf16>
    """

    name = "npu-fold-copies"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in kernels(op, "npu"):
            for inner in list(function.body.block.ops):
                if isinstance(inner, ElementwiseOp) and inner.kind.data == Elementwise.COPY:
                    _fold(inner, function)


def _fold(copy: ElementwiseOp, function: FuncOp) -> None:
    target = copy.y.owner
    if not isinstance(target, host.BufferOp) or isinstance(copy.a.owner, host.ViewOp):
        return
    readers = [use.operation for use in copy.y.uses if use.operation is not copy]
    if not readers or not all(_only_reads(reader, copy) for reader in readers):
        return
    order = {op: index for index, op in enumerate(function.body.block.ops)}
    last = max(order[reader] for reader in readers)
    if any(_may_write(op, copy) for op, index in order.items() if order[copy] < index <= last):
        return
    copy.y.replace_all_uses_with(copy.a)
    Rewriter.erase_op(copy)
    Rewriter.erase_op(target)


def _only_reads(op: Operation, copy: ElementwiseOp) -> bool:
    return isinstance(op, ElementwiseOp | BiasOp) and op.y is not copy.y and op.rows is copy.rows


def _may_write(op: Operation, copy: ElementwiseOp) -> bool:
    """Whether `op` names the source other than as an input of an element-wise op."""
    if copy.a not in op.operands:
        return False
    return not isinstance(op, ElementwiseOp | BiasOp) or op.y is copy.a
