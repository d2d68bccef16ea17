"""Ops of `host`: the memory map, buffers between kernels, and the plan of launches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    FlatSymbolRefAttrConstr,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    base,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import HasParent, MemoryReadEffect, MemoryWriteEffect, Pure, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from ...backends.isa.spec import PAGE_TABLES
from ..llm import SeqsType
from .types import BufferType, EventType


@irdl_op_definition
class MemoryOp(IRDLOperation):
    """A tensor in main memory: which weight fills it (`source`), its layout, and, once assigned, where it is.

    `address` is a byte address of the linear space, `row` a row index that is the same in every bank. Caches and
    generated tables have no source.

    Example:

        host.memory @attn_q : tensor<30x576x576xf16> layout #npu.tiles<tile_k = 96, tile_n = 96, padded_k = 576, padded_n = 576, group = 6> {source = "attn_q"}
    """

    name = "host.memory"

    sym_name = prop_def(SymbolNameConstraint())
    type = prop_def(TensorType)
    layout = prop_def(Attribute)
    source = opt_prop_def(StringAttr)
    address = opt_prop_def(IntegerAttr)
    row = opt_prop_def(IntegerAttr)

    assembly_format = "$sym_name `:` $type `layout` $layout attr-dict"
    traits = traits_def(SymbolOpInterface(), HasParent(ModuleOp))
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, sym_name: str, type: TensorType, layout: Attribute, source: str | None = None):
        super().__init__(
            properties={
                "sym_name": StringAttr(sym_name),
                "type": type,
                "layout": layout,
                **({} if source is None else {"source": StringAttr(source)}),
            }
        )


@irdl_op_definition
class AddressOfOp(IRDLOperation):
    """The place of a `host.memory`: its byte address, or its first row if it is laid out over the rows of all banks.

    Example:

        %w = host.address_of @attn_q
    """

    name = "host.address_of"

    memory = prop_def(FlatSymbolRefAttrConstr)
    result = result_def(IndexType)

    assembly_format = "$memory attr-dict"
    traits = traits_def(Pure())

    def __init__(self, memory: str):
        super().__init__(properties={"memory": SymbolRefAttr(memory)}, result_types=[IndexType()])

    @property
    def symbol(self) -> str:
        assert isinstance(self.memory, SymbolRefAttr)
        return self.memory.root_reference.data


@irdl_op_definition
class BufferOp(IRDLOperation):
    """A buffer in on-chip memory, in the plan (shared by kernels) or in a kernel (its own).

    `role` names the ones that the outside reads or writes: `tokens`, `next`, `logits`. `slots` is the number of copies
    that double buffering gave it; the buffer then takes slots times its size. `planned_slots` is what a tile program
    wants instead of the default. `address` is its place, once assigned.

    Example:

        %x = host.buffer : !host.buffer<32x576xf16>
        %w = host.buffer {slots = 4 : i64, address = 8192 : i64} : !host.buffer<96x96xf16>
    """

    name = "host.buffer"

    role = opt_prop_def(StringAttr)
    slots = opt_prop_def(IntegerAttr)
    planned_slots = opt_prop_def(IntegerAttr)
    address = opt_prop_def(IntegerAttr)
    result = result_def(BufferType)

    assembly_format = "attr-dict `:` type($result)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())

    def __init__(self, type: BufferType, role: str | None = None):
        super().__init__(result_types=[type], properties={} if role is None else {"role": StringAttr(role)})

    def verify_(self) -> None:
        if self.slot_count < 1:
            raise VerifyException(f"host.buffer has slots {self.slot_count}, expected at least 1")

    @property
    def slot_count(self) -> int:
        return 1 if self.slots is None else self.slots.value.data

    @property
    def size_bytes(self) -> int:
        """Bytes of all slots."""
        assert isinstance(self.result.type, BufferType)
        return self.slot_count * self.result.type.size_bytes


@irdl_op_definition
class ViewOp(IRDLOperation):
    """The rows of a buffer from `first` on.

    Example:

        %b, %first = "test.op"() : () -> (!host.buffer<32x576xf16>, index)
        %v = host.view %b[%first] : !host.buffer<32x576xf16>
    """

    T: ClassVar = VarConstraint("T", base(BufferType))

    name = "host.view"

    buffer = operand_def(T)
    first = operand_def(IndexType)
    result = result_def(T)

    assembly_format = "$buffer `[` $first `]` attr-dict `:` type($result)"
    traits = traits_def(Pure())

    def __init__(self, buffer: SSAValue, first: SSAValue):
        super().__init__(operands=[buffer, first], result_types=[buffer.type])


@irdl_op_definition
class ReadOp(IRDLOperation):
    """The first `rows` rows of a buffer as a value, at the start of a kernel that still holds `llm` ops.

    Example:

        %b, %rows = "test.op"() : () -> (!host.buffer<32x576xf16>, index)
        %x = host.read %b rows %rows : !host.buffer<32x576xf16> -> tensor<?x576xf16>
    """

    name = "host.read"

    buffer = operand_def(BufferType)
    rows = operand_def(IndexType)
    result = result_def()

    assembly_format = "$buffer `rows` $rows attr-dict `:` type($buffer) `->` type($result)"
    traits = traits_def(MemoryReadEffect())

    def __init__(self, buffer: SSAValue, rows: SSAValue, result_type: Attribute):
        super().__init__(operands=[buffer, rows], result_types=[result_type])


@irdl_op_definition
class WriteOp(IRDLOperation):
    """Writes a value to the first rows of a buffer, at the end of a kernel that still holds `llm` ops.

    Example:

        %b, %rows, %x = "test.op"() : () -> (!host.buffer<32x576xf16>, index, tensor<?x576xf16>)
        host.write %x, %b rows %rows : tensor<?x576xf16> -> !host.buffer<32x576xf16>
    """

    name = "host.write"

    value = operand_def()
    buffer = operand_def(BufferType)
    rows = operand_def(IndexType)

    assembly_format = "$value `,` $buffer `rows` $rows attr-dict `:` type($value) `->` type($buffer)"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, value: SSAValue, buffer: SSAValue, rows: SSAValue):
        super().__init__(operands=[value, buffer, rows])


@irdl_op_definition
class SequenceOp(IRDLOperation):
    """Row `index` of the sequence table of the step: first row, new tokens, past length, cache slot.

    Example:

        %i = "test.op"() : () -> index
        %first, %new, %past, %slot = host.sequence %i
    """

    name = "host.sequence"

    index = operand_def(IndexType)
    first_row = result_def(IndexType)
    new_tokens = result_def(IndexType)
    past = result_def(IndexType)
    slot = result_def(IndexType)

    assembly_format = "$index attr-dict"
    traits = traits_def(Pure())

    def __init__(self, index: SSAValue):
        super().__init__(operands=[index], result_types=[IndexType()] * 4)


@irdl_op_definition
class PageOp(IRDLOperation):
    """Page `index` of a cache slot: where its tokens from `index` times the page's tokens on are, by the page table of `cache`.

    Example:

        %slot, %index = "test.op"() : () -> (index, index)
        %page = host.page @keys %slot[%index]
    """

    name = "host.page"

    cache = prop_def(FlatSymbolRefAttrConstr)
    slot = operand_def(IndexType)
    index = operand_def(IndexType)
    result = result_def(IndexType)

    assembly_format = "$cache $slot `[` $index `]` attr-dict"
    traits = traits_def(Pure())

    def __init__(self, cache: str, slot: SSAValue, index: SSAValue):
        super().__init__(operands=[slot, index], result_types=[IndexType()], properties={"cache": SymbolRefAttr(cache)})

    @property
    def symbol(self) -> str:
        assert isinstance(self.cache, SymbolRefAttr)
        return self.cache.root_reference.data

    def verify_(self) -> None:
        if self.symbol not in PAGE_TABLES:
            raise VerifyException(f"@{self.symbol} has no page table, expected one of @{', @'.join(PAGE_TABLES)}")


@irdl_op_definition
class OneSequenceOp(IRDLOperation):
    """A sequence table with one entry whose rows start at 0, for `llm` ops in a kernel that works on one sequence.

    Example:

        %new, %past, %slot = "test.op"() : () -> (index, index, index)
        %seqs = host.one_sequence %new, %past, %slot
    """

    name = "host.one_sequence"

    new_tokens = operand_def(IndexType)
    past = operand_def(IndexType)
    slot = operand_def(IndexType)
    result = result_def(SeqsType())

    assembly_format = "$new_tokens `,` $past `,` $slot attr-dict"
    traits = traits_def(Pure())

    def __init__(self, new_tokens: SSAValue, past: SSAValue, slot: SSAValue):
        super().__init__(operands=[new_tokens, past, slot], result_types=[SeqsType()])


@irdl_op_definition
class CacheOp(IRDLOperation):
    """The KV cache, for `llm` ops in a kernel.

    Example:

        %kv = host.cache : !llm.kv_cache<30x3x64xf16>
    """

    name = "host.cache"

    result = result_def()

    assembly_format = "attr-dict `:` type($result)"
    traits = traits_def(Pure())

    def __init__(self, type: Attribute):
        super().__init__(result_types=[type])


@irdl_op_definition
class LaunchOp(IRDLOperation):
    """Starts a kernel when the given events are complete and its launch queue has finished what came before.

    A device has launch queues, `queue` (0 if not given), each in order; which one goes first is decided at run time.

    Example:

        %b, %i, %e0 = "test.op"() : () -> (!host.buffer<32x576xf16>, index, !host.event)
        %e1 = host.launch @attn_norm(%b, %i) after(%e0) : !host.buffer<32x576xf16>, index
    """

    name = "host.launch"

    kernel = prop_def(FlatSymbolRefAttrConstr)
    arguments = var_operand_def()
    after = var_operand_def(EventType())
    queue = opt_prop_def(IntegerAttr)
    event = result_def(EventType())

    assembly_format = "$kernel `(` $arguments `)` (`after` `(` $after^ `)`)? attr-dict (`:` type($arguments)^)?"
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, kernel: str, arguments: Sequence[SSAValue | Operation], after: Sequence[SSAValue]):
        super().__init__(
            operands=[arguments, after],
            result_types=[EventType()],
            properties={"kernel": SymbolRefAttr(kernel)},
        )

    @property
    def symbol(self) -> str:
        assert isinstance(self.kernel, SymbolRefAttr)
        return self.kernel.root_reference.data

    def verify_(self) -> None:
        if len(self.after) > 3:
            raise VerifyException(f"launch of @{self.symbol} waits for {len(self.after)} events, expected at most 3")


@irdl_op_definition
class StartOp(IRDLOperation):
    """The event that is complete when the step begins.

    Example:

        %e = host.start
    """

    name = "host.start"

    result = result_def(EventType())

    assembly_format = "attr-dict"
    traits = traits_def(Pure())

    def __init__(self):
        super().__init__(result_types=[EventType()])


def integer(value: int) -> IntegerAttr:
    """An i64 attribute, as buffers and memories hold places."""
    return IntegerAttr(value, i64)
