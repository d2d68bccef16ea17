"""From values to buffers: what the two conversions of kernels to structured ops share."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm
from ...dialects.hardware import npu_core, pim_memory
from ..placed.ragged import padded_context


class KernelBuffers:
    """The buffers and scalars behind the values of one kernel, while its `llm` ops are replaced one by one.

    A value that the kernel reads or writes stands for the buffer it is in; any other gets a buffer of the kernel. The
    outliner guarantees that a value written to a buffer that the kernel also reads replaces it only after its last use.
    """

    def __init__(self, function: FuncOp, module: ModuleOp):
        self.function, self.module = function, module
        self.buffers: dict[SSAValue, SSAValue] = {}
        self.rows: SSAValue | None = None
        self.sequence: host.OneSequenceOp | None = None
        self.row_bound = 0
        for op in function.walk():
            match op:
                case host.ReadOp():
                    self.use(op.result, op.buffer, op.rows)
                case host.WriteOp():
                    self.use(op.value, op.buffer, op.rows)
                case host.OneSequenceOp():
                    self.sequence = op
                    self.rows = op.new_tokens
                case _:
                    pass

    def use(self, value: SSAValue, buffer: SSAValue, rows: SSAValue) -> None:
        assert isinstance(buffer.type, host.BufferType)
        self.buffers[value] = buffer
        self.row_bound = max(self.row_bound, buffer.type.shape[0])
        if self.rows is None:
            self.rows = rows

    @property
    def row_count(self) -> SSAValue:
        """The number of rows that this kernel works on."""
        assert self.rows is not None
        return self.rows

    def table(self) -> host.OneSequenceOp:
        """The sequence of a kernel that works on one."""
        if self.sequence is None:
            raise PassFailedException(f"kernel @{self.function.sym_name.data} has no sequence")
        return self.sequence

    def buffer(self, value: SSAValue) -> SSAValue:
        """The buffer of a value, made here if it has none yet."""
        if value not in self.buffers:
            op = host.BufferOp(self.type_for(value))
            op.result.name_hint = value.name_hint
            first = self.function.body.block.first_op
            assert first is not None
            Rewriter.insert_op([op], InsertPoint.before(first))
            self.buffers[value] = op.result
        return self.buffers[value]

    def type_for(self, value: SSAValue) -> host.BufferType:
        """The type of a buffer that holds a value of this kernel."""
        if isinstance(value.type, llm.RaggedType):
            # On a PIM only the softmax unit keeps scores inside a kernel, and it works in its own buffer.
            space = "softmax" if self.function.attributes[host.DEVICE] == StringAttr("pim") else "local"
            heads = value.type.heads.data
            context = context_of_buffers(self.module)
            return host.BufferType([self.row_bound, heads, context], value.type.element_type, space)
        assert isinstance(value.type, TensorType)
        return host.BufferType([self.row_bound, *value.type.get_shape()[1:]], value.type.element_type)

    def replace(self, convert: Callable[[Operation], list[Operation]]) -> None:
        """Replace each `llm` op by what `convert` returns, then drop reads, writes and everything left unused."""
        for op in list(self.function.walk()):
            if op.name.startswith("llm.") and not isinstance(op, llm.GetWeightOp):
                new_ops = convert(op)
                for new in new_ops:
                    if "source" in op.attributes:
                        new.attributes["source"] = op.attributes["source"]
                Rewriter.insert_op(new_ops, InsertPoint.before(op))
        for op in list(self.function.walk(reverse=True)):
            dead = isinstance(op, host.WriteOp) or op.name.startswith("llm.")
            pure = isinstance(op, host.ReadOp | host.CacheOp | host.OneSequenceOp | host.ViewOp)
            if dead or (pure and not any(result.uses for result in op.results)):
                Rewriter.erase_op(op)


def context_of_buffers(module: ModuleOp) -> int:
    """Keys for which buffers and caches have room."""
    bounds = module.attributes.get(llm.BOUNDS)
    if not isinstance(bounds, llm.BoundsAttr):
        raise PassFailedException("the module has no llm.bounds: run llm-specialize first")
    return padded_context(bounds, npu_core(module), pim_memory(module))


def kernels(module: ModuleOp, device: str) -> list[FuncOp]:
    """The kernels of a device."""
    return [op for op in module.ops if isinstance(op, FuncOp) and op.attributes.get(host.DEVICE) == StringAttr(device)]


def memory_symbol(module: ModuleOp, symbol: str) -> str:
    """`symbol`, checked to be a `host.memory` of the module."""
    for op in module.ops:
        if isinstance(op, host.MemoryOp) and op.sym_name.data == symbol:
            return symbol
    raise PassFailedException(f"no host.memory @{symbol}: run assign-layouts first")


def weight_of(value: SSAValue) -> tuple[str, SSAValue | None]:
    """Symbol and layer of a weight operand."""
    owner = value.owner
    if not isinstance(owner, llm.GetWeightOp):
        raise PassFailedException("a weight operand is not the result of llm.get_weight")
    return owner.symbol, owner.layer
