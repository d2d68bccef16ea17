"""Cut the step into kernels, one per run of ops on the same device, and a host plan that launches them."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects import arith, func, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp, StringAttr, TensorType
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm
from ...dialects.hardware import npu_core, pim_memory
from ...dialects.llm.attention_ops import ragged_type
from ..llm.model_checks import find_step
from .collectives import collective_of
from .ragged import padded_context

ROWS, SEQUENCES = "rows", "sequences"
"""What the first dimension of a value counts: token rows or sequences of the step."""

_ELEMENTWISE = (llm.AddOp, llm.MulOp, llm.ActivationOp, llm.BiasAddOp, llm.CastOp)


@dataclass(frozen=True)
class LlmOutlineKernelsPass(ModulePass):
    """Outline placed ops into kernels; the step becomes the host plan.

    Ops are taken in an order that keeps each device busy as long as it can go on; a run of ops of one device becomes a
    kernel. Ops that look at the sequence table work on one sequence at a time: their kernel loops over the sequences
    from `begin` to `end` and reads and writes the rows of each. On the NPU new keys and values of all sequences are stored
    by a kernel before the one that reads them, or each sequence would wait for the stores of the last. Values that cross
    kernels become `host.buffer`s in on-chip memory, whose sizes come from `#llm.bounds`. Each launch waits for the one before.
    What devices exchange over the link is no kernel but an op of the plan, on a buffer in place.

    With `serial` an op that needs a result of its kernel begins a new one: nothing of it, not even its weights, is on its
    way while the other computes. Simulators that run a model operator by operator behave like that.

    Before (placed by `llm-place`):

        %x = llm.embed %tokens, %table {device = "npu"} : tensor<?xi32>, tensor<49152x576xf16> -> tensor<?x576xf16>

    After:

        func.func @start_0_npu(%tokens: !host.buffer<32xi32>, %x: !host.buffer<32x576xf16>, %rows: index) attributes {device = "npu"} {
          %tokens_1 = host.read %tokens rows %rows : !host.buffer<32xi32> -> tensor<?xi32>
          …
          host.write %x_1, %x rows %rows : tensor<?x576xf16> -> !host.buffer<32x576xf16>
          func.return
        }
        func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
          …
          %e = host.launch @start_0_npu(%tokens, %x, %rows) after(%start) : …
        }
    """

    name = "llm-outline-kernels"

    serial: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        bounds = op.attributes.get(llm.BOUNDS)
        if not isinstance(bounds, llm.BoundsAttr):
            raise PassFailedException("the module has no llm.bounds: run llm-specialize first")
        step = find_step(op)
        plan = _Plan(op, bounds, self.serial).build(step)
        step.detach()
        step.erase()
        op.body.block.add_ops([*plan.kernels, plan.function])


@dataclass
class _Group:
    """A kernel to be: consecutive ops of one device that count the same thing."""

    device: str
    per_sequence: bool
    count: str
    ops: list[Operation] = field(default_factory=list)


class _Plan:
    """Builds kernels and plan while walking the step."""

    def __init__(self, module: ModuleOp, bounds: llm.BoundsAttr, serial: bool):
        self.module = module
        self.bounds = bounds
        self.serial = serial
        self.kernels: list[func.FuncOp] = []
        self.buffers: dict[SSAValue, SSAValue] = {}
        self.count_of: dict[SSAValue, str] = {}
        index = IndexType()
        self.block = Block(arg_types=[index, index])
        self.rows, self.sequences = self.block.args
        self.rows.name_hint, self.sequences.name_hint = "rows", "sequences"
        self.constants: dict[int, SSAValue] = {}
        self.allocations: list[Operation] = []
        self.function = func.FuncOp("step", ([], []), Region(Block()))

    def build(self, step: func.FuncOp) -> _Plan:
        tokens, self.seqs, self.kv = step.body.block.args
        self.count_of[tokens] = ROWS
        self.buffers[tokens] = self.allocate(tokens, "tokens")
        start = host.StartOp()
        body: list[Operation] = [start]
        self.block_ops(step.body.block, body, start.result, None, "start")
        self.block.add_ops([*self.allocations, *body, func.ReturnOp()])
        self.function = func.FuncOp("step", ([IndexType(), IndexType()], []), Region(self.block))
        self.function.attributes[host.DEVICE] = StringAttr("host")
        return self

    def constant(self, value: int) -> SSAValue:
        if value not in self.constants:
            op = arith.ConstantOp(IntegerAttr(value, IndexType()))
            op.result.name_hint = f"c{value}"
            self.constants[value] = op.result
            self.allocations.append(op)
        return self.constants[value]

    def allocate(self, value: SSAValue, role: str | None = None) -> SSAValue:
        """A new buffer that holds `value`."""
        op = host.BufferOp(self.buffer_type(value), role)
        op.result.name_hint = value.name_hint
        self.allocations.append(op)
        return op.result

    def buffer_type(self, value: SSAValue) -> host.BufferType:
        rows = (self.bounds.new_tokens if self.count_of[value] == ROWS else self.bounds.sequences).data
        if isinstance(value.type, llm.RaggedType):
            space = "softmax" if self.stays_in_softmax_buffer(value) else "local"
            context = padded_context(self.bounds, npu_core(self.module), pim_memory(self.module))
            heads = ragged_type(value).heads.data
            return host.BufferType([rows, heads, context], ragged_type(value).element_type, space)
        assert isinstance(value.type, TensorType)
        return host.BufferType([rows, *value.type.get_shape()[1:]], value.type.element_type)

    def stays_in_softmax_buffer(self, value: SSAValue) -> bool:
        """Whether scores or probabilities go from PIM to PIM through the softmax unit."""
        ops = [value.owner, *(use.operation for use in value.uses)]
        return any(isinstance(op, llm.SoftmaxOp) and _device(op) == "pim" for op in ops if isinstance(op, Operation))

    def block_ops(
        self, block: Block, out: list[Operation], event: SSAValue, layer: SSAValue | None, scope: str
    ) -> SSAValue:
        """Append the launches of one block to `out`; returns the last event."""
        segment: list[Operation] = []
        kernel_index = 0
        for op in block.ops:
            if isinstance(op, scf.ForOp | scf.YieldOp | func.ReturnOp):
                groups = _groups(segment, self.count_of, self.serial)
                self.allocate_results(groups)
                if isinstance(op, scf.YieldOp):
                    self.tie_yield(op, groups)
                if isinstance(op, func.ReturnOp):
                    self.name_result(op)
                event = self.launches(groups, out, event, layer, scope, kernel_index)
                kernel_index += len(groups)
                segment = []
                if isinstance(op, scf.ForOp):
                    event = self.layer_loop(op, out, event)
                    scope = "end"
            elif not isinstance(op, arith.ConstantOp | llm.GetWeightOp):
                segment.append(op)
        return event

    def layer_loop(self, op: scf.ForOp, out: list[Operation], event: SSAValue) -> SSAValue:
        body = Block(arg_types=[IndexType(), host.EventType()])
        body.args[0].name_hint, body.args[1].name_hint = "layer", "previous"
        for initial, carried, result in zip(op.iter_args, op.body.block.args[1:], op.results, strict=True):
            self.buffers[carried] = self.buffers[result] = self.buffers[initial]
            self.count_of[carried] = self.count_of[result] = self.count_of[initial]
        ops: list[Operation] = []
        self.layer_argument = op.body.block.args[0]
        last = self.block_ops(op.body.block, ops, body.args[1], body.args[0], "layer")
        body.add_ops([*ops, scf.YieldOp(last)])
        lower, upper, step = (self.constant(_constant_value(value)) for value in (op.lb, op.ub, op.step))
        loop = scf.ForOp(lower, upper, step, [event], Region(body))
        out.append(loop)
        return loop.results[0]

    def allocate_results(self, groups: list[_Group]) -> None:
        """Buffers for results that another kernel, the loop or the caller uses."""
        for group in groups:
            members = set(group.ops)
            for op in group.ops:
                if group.device == host.LINK:
                    self.exchange_in_place(op)
                    continue
                for result in op.results:
                    if any(use.operation not in members for use in result.uses):
                        self.buffers[result] = self.allocate(result)

    def exchange_in_place(self, op: Operation) -> None:
        """The result takes the buffer of the first operand, which nobody else may need."""
        operand = op.operands[0]
        for result in op.results:
            if not operand.has_one_use():
                raise PassFailedException(f"{op.name} replaces its operand, which has {len(list(operand.uses))} uses")
            self.buffers[result] = self.buffers[operand]

    def tie_yield(self, op: scf.YieldOp, groups: list[_Group]) -> None:
        """Let each yielded value take the buffer of the loop's argument, which must be dead by then."""
        loop = op.parent_op()
        assert isinstance(loop, scf.ForOp)
        order = [inner for group in groups for inner in group.ops]
        for carried, value in zip(loop.body.block.args[1:], op.arguments, strict=True):
            producer = value.owner
            if not isinstance(producer, Operation) or producer not in order:
                raise PassFailedException("the layer loop must yield values that its body computes")
            for use in carried.uses:
                late = order.index(use.operation) > order.index(producer)
                if late or (use.operation is producer and not isinstance(producer, _ELEMENTWISE)):
                    raise PassFailedException(
                        f"{use.operation.name} reads the loop-carried value after {producer.name} replaced it: "
                        "both live in one buffer"
                    )
            own = self.buffers.pop(value, None)
            if own is not None and isinstance(own.owner, Operation) and own.owner in self.allocations:
                self.allocations.remove(own.owner)
            self.buffers[value] = self.buffers[carried]

    def name_result(self, op: func.ReturnOp) -> None:
        """The returned ids and the logits they come from are buffers that the caller reads."""
        (value,) = op.arguments
        ids = self.buffers[value].owner
        assert isinstance(ids, host.BufferOp) and isinstance(value.owner, llm.ArgmaxOp | llm.AllArgmaxOp)
        ids.role = StringAttr("next")
        logits = value.owner.logits
        if logits not in self.buffers:
            self.buffers[logits] = self.allocate(logits)
        owner = self.buffers[logits].owner
        assert isinstance(owner, host.BufferOp)
        owner.role = StringAttr("logits")

    def launches(
        self,
        groups: list[_Group],
        out: list[Operation],
        event: SSAValue,
        layer: SSAValue | None,
        scope: str,
        first_index: int,
    ) -> SSAValue:
        for index, group in enumerate(groups, first_index):
            if group.device == host.LINK:
                event = self.exchange(group, out, event)
            else:
                event = self.launch(group, f"{scope}_{index}", out, event, layer)
        return event

    def exchange(self, group: _Group, out: list[Operation], event: SSAValue) -> SSAValue:
        """What the devices exchange, as an op of the plan."""
        (op,) = group.ops
        built = collective_of(op, self.buffers, self.rows if group.count == ROWS else self.sequences, event)
        built.event.name_hint = "done"
        out.append(built)
        return built.event

    def launch(
        self,
        group: _Group,
        name: str,
        out: list[Operation],
        event: SSAValue,
        layer: SSAValue | None,
    ) -> SSAValue:
        kernel = _Kernel(self, group, layer is not None)
        function = kernel.build(f"{name}_{group.device}")
        self.kernels.append(function)
        arguments = list(kernel.buffer_arguments)
        if group.per_sequence:
            arguments += [self.constant(0), self.sequences]
        else:
            arguments.append(self.rows if group.count == ROWS else self.sequences)
        if layer is not None:
            arguments.append(layer)
        op = host.LaunchOp(function.sym_name.data, arguments, [event])
        op.event.name_hint = "done"
        out.append(op)
        return op.event


class _Kernel:
    """Builds the function of one group."""

    def __init__(self, plan: _Plan, group: _Group, in_layer: bool):
        self.plan, self.group = plan, group
        self.in_layer = in_layer
        self.block = Block()
        self.values: dict[SSAValue, SSAValue] = {}
        self.buffer_arguments: list[SSAValue] = []
        self.views: dict[SSAValue, SSAValue] = {}
        self.prologue: list[Operation] = []

    def build(self, name: str) -> func.FuncOp:
        members = set(self.group.ops)
        inputs: list[SSAValue] = []
        outputs: list[SSAValue] = []
        for op in self.group.ops:
            for operand in op.operands:
                if operand in self.plan.buffers and operand.owner not in members and operand not in inputs:
                    inputs.append(operand)
            outputs += [result for result in op.results if result in self.plan.buffers]
        for value in [*inputs, *outputs]:
            self.add_buffer(self.plan.buffers[value])
        self.add_scalars()
        index = {buffer: argument for buffer, argument in zip(self.buffer_arguments, self.block.args, strict=False)}
        for value in inputs:
            buffer, rows = self.place(value, index[self.plan.buffers[value]])
            read = host.ReadOp(buffer, rows, value.type)
            read.result.name_hint = value.name_hint
            self.values[value] = read.result
            self.prologue.append(read)
        body = self.body()
        epilogue: list[Operation] = []
        for value in outputs:
            buffer, rows = self.place(value, index[self.plan.buffers[value]])
            epilogue.append(host.WriteOp(self.values[value], buffer, rows))
        ops = [*self.prologue, *body, *epilogue]
        self.block.add_ops([*(self.sequence_loop(ops) if self.group.per_sequence else ops), func.ReturnOp()])
        function = func.FuncOp(name, ([argument.type for argument in self.block.args], []), Region(self.block))
        function.attributes[host.DEVICE] = StringAttr(self.group.device)
        return function

    def sequence_loop(self, ops: list[Operation]) -> list[Operation]:
        """`ops` for every sequence of the range that the kernel was launched for."""
        self.loop_body.add_ops([self.table, *ops, scf.YieldOp()])
        one = arith.ConstantOp(IntegerAttr(1, IndexType()))
        one.result.name_hint = "c1"
        return [one, scf.ForOp(self.begin, self.end, one, [], Region(self.loop_body))]

    def add_buffer(self, buffer: SSAValue) -> None:
        if buffer in self.buffer_arguments:
            return
        self.buffer_arguments.append(buffer)
        self.argument(buffer.type, buffer.name_hint)

    def argument(self, type: Attribute, name: str | None) -> BlockArgument:
        argument = self.block.insert_arg(type, len(self.block.args))
        argument.name_hint = name
        return argument

    def add_scalars(self) -> None:
        index = IndexType()
        if self.group.per_sequence:
            self.begin, self.end = self.argument(index, "begin"), self.argument(index, "end")
            self.loop_body = Block(arg_types=[index])
            self.sequence = self.loop_body.args[0]
            self.sequence.name_hint = "sequence"
            self.table = host.SequenceOp(self.sequence)
            self.first, self.new, past, slot = self.table.results
            for result, hint in zip(self.table.results, ("first", "new", "past", "slot"), strict=True):
                result.name_hint = hint
            one_sequence = host.OneSequenceOp(self.new, past, slot)
            one_sequence.result.name_hint = "seqs"
            self.values[self.plan.seqs] = one_sequence.result
            self.prologue.append(one_sequence)
        else:
            self.rows = self.argument(index, "rows")
        if self.in_layer:
            self.values[self.plan.layer_argument] = self.argument(index, "layer")

    def place(self, value: SSAValue, argument: SSAValue) -> tuple[SSAValue, SSAValue]:
        """The buffer and the number of rows under which this kernel knows `value`."""
        if not self.group.per_sequence:
            return argument, self.rows
        if self.plan.count_of[value] == SEQUENCES:
            one = arith.ConstantOp(IntegerAttr(1, IndexType()))
            self.prologue.append(one)
            return self.view(argument, self.sequence), one.result
        return self.view(argument, self.first), self.new

    def view(self, argument: SSAValue, first: SSAValue) -> SSAValue:
        if argument not in self.views:
            op = host.ViewOp(argument, first)
            op.result.name_hint = argument.name_hint
            self.prologue.append(op)
            self.views[argument] = op.result
        return self.views[argument]

    def body(self) -> list[Operation]:
        ops: list[Operation] = []
        for op in self.group.ops:
            for operand in op.operands:
                owner = operand.owner
                self.copy_constant(operand)
                if isinstance(owner, llm.GetWeightOp) and operand not in self.values:
                    if owner.layer is not None:
                        self.copy_constant(owner.layer)
                    weight = owner.clone(self.values)
                    weight.attributes.pop(host.DEVICE, None)
                    self.values[operand] = weight.result
                    weight.result.name_hint = operand.name_hint
                    ops.append(weight)
                elif operand is self.plan.kv and operand not in self.values:
                    cache = host.CacheOp(operand.type)
                    cache.result.name_hint = "kv"
                    self.values[operand] = cache.result
                    self.prologue.append(cache)
            clone = op.clone(self.values)
            clone.attributes.pop(host.DEVICE, None)
            clone.attributes["source"] = StringAttr(_source(op))
            for old, new in zip(op.results, clone.results, strict=True):
                self.values[old] = new
                new.name_hint = old.name_hint
            ops.append(clone)
        return ops

    def copy_constant(self, value: SSAValue) -> None:
        """Let the kernel have its own copy of a constant: the layer of a model with one layer, whose loop is gone."""
        if isinstance(value.owner, arith.ConstantOp) and value not in self.values:
            constant = value.owner.clone()
            constant.result.name_hint = value.name_hint
            self.values[value] = constant.result
            self.prologue.append(constant)


def _groups(segment: list[Operation], count_of: dict[SSAValue, str], serial: bool) -> list[_Group]:
    """List scheduling: go on with the current device as long as it has an op whose inputs are there."""
    for op in segment:
        counts = {count_of[operand] for operand in op.operands if operand in count_of}
        for result in op.results:
            count_of[result] = SEQUENCES if isinstance(op, llm.LastTokenOp) or counts == {SEQUENCES} else ROWS
    waiting = list(segment)
    groups: list[_Group] = []
    while waiting:
        blocked: set[SSAValue] = set()
        cache_blocked = False
        ready: list[Operation] = []
        for op in waiting:
            uses_cache = any(isinstance(operand.type, llm.KVCacheType) for operand in op.operands)
            if not any(operand in blocked for operand in op.operands) and not (uses_cache and cache_blocked):
                ready.append(op)
            blocked.update(op.results)
            cache_blocked |= uses_cache
        current = groups[-1] if groups else None
        chosen = next((op for op in ready if current is not None and _fits(op, current, count_of, serial)), None)
        if chosen is None:
            chosen = ready[0]
            groups.append(_Group(_device(chosen), _per_sequence(chosen), _count(chosen, count_of)))
        groups[-1].ops.append(chosen)
        waiting.remove(chosen)
    return groups


def _fits(op: Operation, group: _Group, count_of: dict[SSAValue, str], serial: bool) -> bool:
    if serial and any(operand.owner in group.ops for operand in op.operands):
        return False
    if group.device == "npu" and any(isinstance(each, llm.KVAppendOp) for each in group.ops):
        return False  # loads of one sequence's keys would wait for the stores of the one before
    key = (_device(op), _per_sequence(op), _count(op, count_of))
    return key == (group.device, group.per_sequence, group.count) and group.device != host.LINK


def _count(op: Operation, count_of: dict[SSAValue, str]) -> str:
    return ROWS if _per_sequence(op) else next(count_of[value] for value in (*op.results, *op.operands))


def _per_sequence(op: Operation) -> bool:
    return any(isinstance(operand.type, llm.SeqsType | llm.RaggedType) for operand in op.operands)


def _device(op: Operation) -> str:
    device = op.attributes.get(host.DEVICE)
    if not isinstance(device, StringAttr):
        raise PassFailedException(f"{op.name} has no device: run llm-place first")
    return device.data


def _source(op: Operation) -> str:
    """The name under which cycles and energy of this op are reported: its weight, or else what it is."""
    for operand in op.operands:
        if isinstance(operand.owner, llm.GetWeightOp) and isinstance(op, llm.LinearOp | llm.EmbedOp):
            return operand.owner.symbol if not isinstance(op, llm.EmbedOp) else "embed"
    return op.name.split(".")[1]


def _constant_value(value: SSAValue) -> int:
    owner = value.owner
    if not isinstance(owner, arith.ConstantOp) or not isinstance(owner.value, IntegerAttr):
        raise PassFailedException("the layer loop must have constant bounds")
    return owner.value.value.data
