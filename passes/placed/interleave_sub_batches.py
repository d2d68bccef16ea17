"""Split the batch of a step in two halves whose launches wait only for their own half, so that devices overlap."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, func, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host

HALVES = (0, 1)


@dataclass(frozen=True)
class InterleaveSubBatchesPass(ModulePass):
    """Launch every kernel of the plan twice, once for each half of the batch.

    The plan takes two more arguments, the token rows and the sequences of the first half. Each half is a chain of events
    on a launch queue of its own: while one half computes on the NPU, the attention of the other can be on the PIM
    (sub-batch interleaving, NeuPIMs section 6.2). What devices exchange is cut in the same way. Weights are read once for each half, so it pays for large batches.

    Before:

        %2 = scf.for %layer = %c0 to %c30 step %c1 iter_args(%previous = %done) -> (!host.event) {
          %done_1 = host.launch @layer_0_npu(%x, %q, %rows, %layer) after(%previous) : …
          %done_2 = host.launch @layer_1_pim(%q, %o, %c0, %sequences, %layer) after(%done_1) : …

    After:

        %2, %3 = scf.for %layer = %c0 to %c30 step %c1 iter_args(%previous = %done, %previous_1 = %done_0) -> (!host.event, !host.event) {
          %done_1 = host.launch @layer_0_npu(%x, %q, %first_rows, %layer) after(%previous) {queue = 0 : i64} : …
          %done_2 = host.launch @layer_0_npu(%x_1, %q_1, %other_rows, %layer) after(%previous_1) {queue = 1 : i64} : …
          %done_3 = host.launch @layer_1_pim(%q, %o, %c0, %first_sequences, %layer) after(%done_1) {queue = 0 : i64} : …
          %done_4 = host.launch @layer_1_pim(%q, %o, %first_sequences, %sequences, %layer) after(%done_2) {queue = 1 : i64} : …
    """

    name = "interleave-sub-batches"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = {f.sym_name.data: f for f in op.ops if isinstance(f, func.FuncOp)}
        plans = [f for f in functions.values() if f.attributes.get(host.DEVICE) == StringAttr("host")]
        if len(plans) != 1:
            raise PassFailedException(
                f"the module has {len(plans)} host plans, expected 1: run llm-outline-kernels first"
            )
        (plan,) = plans
        if len(plan.body.block.args) != len(host.PLAN_ARGUMENTS):
            raise PassFailedException("the plan has sub-batches already")
        _Interleaving(plan, functions).run()


class _Interleaving:
    """Builds the new body of the plan. `events` maps an event of the old plan to those of the halves."""

    def __init__(self, plan: func.FuncOp, kernels: dict[str, func.FuncOp]):
        self.plan, self.kernels = plan, kernels
        self.events: dict[SSAValue, tuple[SSAValue, SSAValue]] = {}
        self.views: dict[tuple[SSAValue, SSAValue], SSAValue] = {}
        self.prologue: list[Operation] = []

    def run(self) -> None:
        block = self.plan.body.block
        self.rows, self.sequences = block.args
        self.first_rows, self.first_sequences = (
            block.insert_arg(IndexType(), len(host.PLAN_ARGUMENTS) + index) for index in range(2)
        )
        self.first_rows.name_hint, self.first_sequences.name_hint = "first_rows", "first_sequences"
        zero = arith.ConstantOp(IntegerAttr(0, IndexType()))
        others = [arith.SubiOp(self.rows, self.first_rows), arith.SubiOp(self.sequences, self.first_sequences)]
        for op, hint in zip((zero, *others), ("c0", "other_rows", "other_sequences"), strict=True):
            op.results[0].name_hint = hint
        self.zero, self.other_rows, self.other_sequences = zero.result, *(op.result for op in others)
        self.prologue += [zero, *others]
        body = self.ops(block)
        for op in reversed(list(block.ops)):
            op.detach()
            op.erase(safe_erase=False)
        block.add_ops([*self.prologue, *body])
        self.plan.update_function_type()

    def ops(self, block: Block) -> list[Operation]:
        built: list[Operation] = []
        for op in list(block.ops):
            match op:
                case host.BufferOp() | arith.ConstantOp():
                    op.detach()
                    self.prologue.append(op)
                case host.StartOp():
                    op.detach()
                    built.append(op)
                    self.events[op.result] = (op.result, op.result)
                case host.LaunchOp():
                    launches = tuple(self.launch(op, half) for half in HALVES)
                    built += launches
                    self.events[op.event] = (launches[0].event, launches[1].event)
                case host.CollectiveOp():
                    exchanges = tuple(self.exchange(op, half) for half in HALVES)
                    built += exchanges
                    self.events[op.event] = (exchanges[0].event, exchanges[1].event)
                case scf.ForOp():
                    built.append(self.loop(op))
                case scf.YieldOp():
                    built.append(scf.YieldOp(*(event for value in op.arguments for event in self.events[value])))
                case func.ReturnOp():
                    built.append(func.ReturnOp())
                case _:
                    raise PassFailedException(f"{op.name} in a plan has no form for sub-batches")
        return built

    def loop(self, op: scf.ForOp) -> scf.ForOp:
        carried = [event for value in op.iter_args for event in self.events[value]]
        body = Block(arg_types=[IndexType(), *(host.EventType() for _ in carried)])
        body.args[0].name_hint = op.body.block.args[0].name_hint
        op.body.block.args[0].replace_all_uses_with(body.args[0])
        for index, argument in enumerate(op.body.block.args[1:]):
            pair = body.args[1 + 2 * index], body.args[2 + 2 * index]
            for half in pair:
                half.name_hint = argument.name_hint
            self.events[argument] = pair
        body.add_ops(self.ops(op.body.block))
        loop = scf.ForOp(op.lb, op.ub, op.step, carried, Region(body))
        for index, result in enumerate(op.results):
            self.events[result] = loop.results[2 * index], loop.results[2 * index + 1]
        return loop

    def launch(self, op: host.LaunchOp, half: int) -> host.LaunchOp:
        arguments = self.of_sequences(op, half) or self.of_rows(op, half)
        launch = host.LaunchOp(op.symbol, arguments, [self.events[event][half] for event in op.after])
        launch.queue = host.integer(half)
        launch.event.name_hint = op.event.name_hint
        return launch

    def exchange(self, op: host.CollectiveOp, half: int) -> host.CollectiveOp:
        """What the devices exchange of a half."""
        counts = self.halves_of(op.rows)
        values = {op.rows: counts[half], **{event: self.events[event][half] for event in op.after}}
        if half:
            buffers = [operand for operand in op.operands if isinstance(operand.type, host.BufferType)]
            values |= {buffer: self.view(buffer, counts[0]) for buffer in buffers}
        exchange = op.moved(values)
        exchange.queue = host.integer(half)
        exchange.event.name_hint = op.event.name_hint
        return exchange

    def halves_of(self, count: SSAValue) -> tuple[SSAValue, SSAValue]:
        """Rows or sequences of each half."""
        if count is self.rows:
            return self.first_rows, self.other_rows
        return self.first_sequences, self.other_sequences

    def of_sequences(self, op: host.LaunchOp, half: int) -> list[SSAValue] | None:
        """Arguments of a kernel that loops over a range of sequences; None for any other kernel."""
        kernel = self.kernels[op.symbol]
        for loop in kernel.body.block.ops:
            if isinstance(loop, scf.ForOp) and isinstance(loop.body.block.first_op, host.SequenceOp):
                arguments = list(op.arguments)
                bounds = (self.zero, self.first_sequences, self.sequences)
                for bound, value in ((loop.lb, bounds[half]), (loop.ub, bounds[half + 1])):
                    arguments[kernel.body.block.args.index(bound)] = value  # pyright: ignore[reportArgumentType]
                return arguments
        return None

    def of_rows(self, op: host.LaunchOp, half: int) -> list[SSAValue]:
        """Arguments of a kernel that works on the first rows of its buffers: for the second half, on views."""
        counts: dict[SSAValue, tuple[SSAValue, SSAValue]] = {
            count: self.halves_of(count) for count in (self.rows, self.sequences)
        }
        counted = [argument for argument in op.arguments if argument in counts]
        if len(counted) != 1:
            raise PassFailedException(
                f"launch of @{op.symbol} counts {len(counted)} things, expected rows or sequences"
            )
        first = counts[counted[0]][0]
        return [
            counts[argument][half]
            if argument in counts
            else self.view(argument, first)
            if half and isinstance(argument.type, host.BufferType)
            else argument
            for argument in op.arguments
        ]

    def view(self, buffer: SSAValue, first: SSAValue) -> SSAValue:
        if (buffer, first) not in self.views:
            op = host.ViewOp(buffer, first)
            op.result.name_hint = buffer.name_hint
            self.prologue.append(op)
            self.views[buffer, first] = op.result
        return self.views[buffer, first]
