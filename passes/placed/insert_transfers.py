"""Send what an xPU and its PIM stacks hand each other over the link between them."""

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import IndexType, ModuleOp, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ...dialects.xpu import PROCESSOR


@dataclass(frozen=True)
class InsertTransfersPass(ModulePass):
    """Before each launch on the PIM send the rows that it reads, after it those that it writes, on machines with an xPU.

    The rows are those that the xPU counted when it wrote the buffers. Elsewhere NPU and PIM share their buffers, and
    nothing changes.

    Before:

        %e1 = host.launch @layer_0_xpu(%x, %q, %k, %v, %rows, %layer) after(%e0) : …
        %e2 = host.launch @layer_1_pim(%k, %v, %q, %o, %c0, %sequences, %layer) after(%e1) : …
        %e3 = host.launch @layer_2_xpu(%o, %y, %rows, %layer) after(%e2) : …

    After:

        %e1 = host.launch @layer_0_xpu(%x, %q, %k, %v, %rows, %layer) after(%e0) : …
        %t1 = host.transfer %k, %v, %q rows %rows after(%e1) : !host.buffer<54x1536xf16>, …
        %e2 = host.launch @layer_1_pim(%k, %v, %q, %o, %c0, %sequences, %layer) after(%t1) : …
        %t2 = host.transfer %o rows %rows after(%e2) : !host.buffer<54x1536xf32>
        %e3 = host.launch @layer_2_xpu(%o, %y, %rows, %layer) after(%t2) : …
    """

    name = "insert-transfers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if op.attributes.get(PROCESSOR) != StringAttr("xpu"):
            return
        functions = {f.sym_name.data: f for f in op.ops if isinstance(f, func.FuncOp)}
        rows_of: dict[SSAValue, SSAValue] = {}
        for launch in [inner for inner in op.walk() if isinstance(inner, host.LaunchOp)]:
            kernel = functions[launch.symbol]
            if kernel.attributes[host.DEVICE] == StringAttr("xpu"):
                rows = next((a for a in launch.arguments if isinstance(a.type, IndexType)), None)
                rows_of |= {buffer: rows for buffer in _buffers(launch, kernel, host.WriteOp) if rows is not None}
            elif kernel.attributes[host.DEVICE] == StringAttr("pim"):
                _send(launch, kernel, rows_of)


def _send(launch: host.LaunchOp, kernel: func.FuncOp, rows_of: dict[SSAValue, SSAValue]) -> None:
    read, written = (list(_buffers(launch, kernel, kind)) for kind in (host.ReadOp, host.WriteOp))
    read = [buffer for buffer in read if buffer in rows_of]
    if not read:
        raise PassFailedException(
            f"launch of @{launch.symbol} reads nothing that the xPU wrote: how many rows is it for?"
        )
    rows = rows_of[read[0]]
    there = host.TransferOp(read, rows, launch.after)
    there.queue = launch.queue
    there.event.name_hint = "sent"
    later = host.LaunchOp(launch.symbol, list(launch.arguments), [there.event])
    later.queue = launch.queue
    later.event.name_hint = launch.event.name_hint
    last = later.event
    ops: list[Operation] = [there, later]
    if written:
        back = host.TransferOp(written, rows, [later.event])
        back.queue = launch.queue
        back.event.name_hint = "back"
        last = back.event
        ops.append(back)
    Rewriter.insert_op(ops, InsertPoint.before(launch))
    launch.event.replace_all_uses_with(last)
    Rewriter.erase_op(launch)


def _buffers(launch: host.LaunchOp, kernel: func.FuncOp, kind: type[Operation]) -> Iterator[SSAValue]:
    """Buffers of the plan that a kernel reads or writes, in the order of its arguments."""
    used = {_whole(op.buffer) for op in kernel.walk() if isinstance(op, kind)}  # pyright: ignore[reportAttributeAccessIssue]
    for passed, argument in zip(launch.arguments, kernel.body.block.args, strict=True):
        if argument in used:
            yield passed


def _whole(buffer: SSAValue) -> SSAValue:
    """The argument that a view is of."""
    return _whole(buffer.owner.buffer) if isinstance(buffer.owner, host.ViewOp) else buffer
