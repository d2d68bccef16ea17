"""Compute queries, keys and values of some heads on the xPU while others attend on the PIM."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, xpu
from ...dialects.pim import structured as pim
from ...dialects.pim.types import HeadKeysAttr
from ...dialects.structured import symbol_of
from ..tile_builder import memory_table


@dataclass(frozen=True)
class PipelineHeadsPass(ModulePass):
    """Cut attention and the product before it in `groups` of heads that follow each other on both devices (head-level
    pipelining, AttAcc section 6.1). The product of a group runs under the attention of the group before; what is sent back
    has a launch queue of its own, so that it does not wait for the groups that follow. The projection needs all heads and
    stays whole.

    Before:

        %e1 = host.launch @layer_0_xpu(%x, %q, %k, %v, %rows, %layer) after(%e0) : …
        %t1 = host.transfer %k, %v, %q rows %rows after(%e1) : …
        %e2 = host.launch @layer_1_pim(%k, %v, %q, %o, %c0, %sequences, %layer) after(%t1) : …
        %t2 = host.transfer %o rows %rows after(%e2) : …

    After `pipeline-heads{groups=2}`:

        %e1 = host.launch @layer_0_xpu(%x, %q, %k, %v, %rows, %layer) after(%e0) : …
        %e2 = host.launch @layer_0_xpu_heads(%x, %q, %k, %v, %rows, %layer) after(%e1) : …
        %t1 = host.transfer %k, %v, %q rows %rows after(%e2) {parts = 2 : i64} : …
        %e3 = host.launch @layer_1_pim_0(%k, %v, %q, %o, %c0, %sequences, %layer) after(%t1) : …
        %t2 = host.transfer %o rows %rows after(%e3) {parts = 2 : i64, queue = 1 : i64} : …
        %e4 = host.launch @layer_0_xpu_heads(%x, %q, %k, %v, %rows, %layer) after(%e2) : …
        %t3 = host.transfer %k, %v, %q rows %rows after(%e4) {parts = 2 : i64} : …
        %e5 = host.launch @layer_1_pim_1(%k, %v, %q, %o, %c0, %sequences, %layer) after(%t3) : …
        %t4 = host.transfer %o rows %rows after(%e5) {parts = 2 : i64, queue = 1 : i64} : …
    """

    name = "pipeline-heads"

    groups: int = 2

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = {f.sym_name.data: f for f in op.ops if isinstance(f, func.FuncOp)}
        found = False
        for launch in [inner for inner in op.walk() if isinstance(inner, host.LaunchOp)]:
            kernel = functions[launch.symbol]
            attends = [inner for inner in kernel.walk() if isinstance(inner, pim.AttendOp)]
            if attends:
                found = True
                self.check(attends[0], op)
                _Stage(launch, functions, self.groups).cut()
        if not found:
            raise PassFailedException("pipeline-heads finds no pim.attend: it needs caches with a head in a channel")

    def check(self, attend: pim.AttendOp, module: ModuleOp) -> None:
        layout = memory_table(module.ops)[symbol_of(attend.keys)]
        heads = layout.type.get_shape()[2]  # pyright: ignore[reportAttributeAccessIssue]
        assert isinstance(layout.layout, HeadKeysAttr)
        if self.groups < 2 or heads % self.groups:
            raise PassFailedException(f"groups is {self.groups}, expected a divisor of the {heads} key heads from 2 on")
        if layout.layout.integer("slots") == 1:
            raise PassFailedException("pipeline-heads needs a batch: the heads of one sequence attend at the same time")


class _Stage:
    """The launches of one attention: product, transfer there, attention, transfer back."""

    def __init__(self, launch: host.LaunchOp, functions: dict[str, func.FuncOp], groups: int):
        self.attention, self.functions, self.groups = launch, functions, groups
        there, back = launch.after[0].owner, next(iter(launch.event.uses)).operation
        product = there.after[0].owner if isinstance(there, host.TransferOp) else None
        if not isinstance(product, host.LaunchOp) or not isinstance(back, host.TransferOp) or launch.queue is not None:
            raise PassFailedException(
                f"launch of @{launch.symbol} is not between two transfers after a kernel of the xPU, of one batch"
            )
        assert isinstance(there, host.TransferOp)
        plan = product.parent_op()
        while plan is not None and not isinstance(plan, func.FuncOp):
            plan = plan.parent_op()
        assert plan is not None
        launched = [op.symbol for op in plan.walk() if isinstance(op, host.LaunchOp)]
        for symbol in (product.symbol, launch.symbol):
            if launched.count(symbol) != 1:
                raise PassFailedException(
                    f"@{symbol} has {launched.count(symbol)} launches, expected 1: it is taken apart"
                )
        self.product, self.there, self.back = product, there, back

    def cut(self) -> None:
        product, projection = self.product_of_group(), self.kernels_of_groups()
        built: list[Operation] = []
        previous, last = self.product.event, self.back.event
        for kernel in projection:
            part = host.LaunchOp(product, list(self.product.arguments), [previous])
            there = self.transfer(self.there, part.event)
            attention = host.LaunchOp(kernel, list(self.attention.arguments), [there.event])
            back = self.transfer(self.back, attention.event)
            back.queue = host.integer(1)
            built += [part, there, attention, back]
            previous, last = part.event, back.event
        Rewriter.insert_op(built, InsertPoint.before(self.there))
        self.back.event.replace_all_uses_with(last)
        for op in (self.back, self.attention, self.there):
            Rewriter.erase_op(op)

    def transfer(self, whole: host.TransferOp, after: SSAValue) -> host.TransferOp:
        part = host.TransferOp(list(whole.buffers), whole.rows, [after])
        part.parts = host.integer(self.groups)
        return part

    def product_of_group(self) -> str:
        """A kernel with the product of a group of heads, which is taken from the one before the attention."""
        kernel = self.functions[self.product.symbol]
        block = kernel.body.block
        assert block.last_op is not None
        op = block.last_op.prev_op
        if not isinstance(op, xpu.ProductOp):
            raise PassFailedException(f"@{self.product.symbol} does not end with a product")
        name = f"{self.product.symbol}_heads"
        group = kernel.clone()
        group.sym_name = StringAttr(name)
        Rewriter.erase_op(op)
        for inner in list(group.body.block.ops)[:-1]:
            if inner.next_op is not group.body.block.last_op:
                Rewriter.erase_op(inner)
        (product,) = list(group.body.block.ops)[:-1]
        assert isinstance(product, xpu.ProductOp)
        width = product.values()["n"].constant
        fields = {**product.values(), "n": width // self.groups}
        source = product.attributes["source"]
        assert isinstance(source, StringAttr)
        Rewriter.replace_op(product, xpu.ProductOp(fields, source=source), [])
        Rewriter.insert_op([group], InsertPoint.after(kernel))
        self.functions[name] = group
        return name

    def kernels_of_groups(self) -> list[str]:
        """The kernels of attention, one for each group."""
        kernel = self.functions[self.attention.symbol]
        names: list[str] = []
        for group in range(self.groups):
            clone = kernel.clone()
            clone.sym_name = StringAttr(f"{self.attention.symbol}_{group}")
            for op in clone.walk():
                if isinstance(op, pim.AttendOp | pim.KVAppendOp):
                    op.group, op.groups = host.integer(group), host.integer(self.groups)
            Rewriter.insert_op([clone], InsertPoint.before(kernel))
            names.append(clone.sym_name.data)
        Rewriter.erase_op(kernel)
        return names
