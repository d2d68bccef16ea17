"""Ops of a plan that exchange buffers between devices which run the same plan, in place, over the link of the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import IndexType, IntegerAttr, i64
from xdsl.ir import SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    base,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from .types import BufferType, EventType

LINK = "link"
"""The device of these ops."""


class CollectiveOp(IRDLOperation):
    """Starts when the given events are complete and its launch queue has finished what came before, as a launch does."""

    buffer = operand_def(BufferType)
    rows = operand_def(IndexType)
    after = var_operand_def(EventType())
    devices = prop_def(base(IntegerAttr))
    queue = opt_prop_def(IntegerAttr)
    event = result_def(EventType())

    assembly_format = "$buffer `rows` $rows (`after` `(` $after^ `)`)? attr-dict `:` type($buffer)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())

    def __init__(self, buffer: SSAValue, rows: SSAValue, after: Sequence[SSAValue], devices: int):
        super().__init__(
            operands=[buffer, rows, after],
            result_types=[EventType()],
            properties={"devices": IntegerAttr(devices, i64)},
        )

    @property
    def kind(self) -> str:
        """The name without that of the dialect."""
        return self.name.removeprefix("host.")

    @property
    def buffer_type(self) -> BufferType:
        assert isinstance(self.buffer.type, BufferType)
        return self.buffer.type

    def moved(self, values: Mapping[SSAValue, SSAValue]) -> CollectiveOp:
        """The same with other operands."""
        return self.clone(dict(values))

    def verify_(self) -> None:
        if self.devices.value.data < 2:
            raise VerifyException(f"{self.name} is over {self.devices.value.data} devices, expected at least 2")
        if len(self.after) > 3:
            raise VerifyException(f"{self.name} waits for {len(self.after)} events, expected at most 3")


@irdl_op_definition
class AllReduceOp(CollectiveOp):
    """The first `rows` rows of the buffer become their sum over the devices that share each layer.

    Added in fp32 in the order of the devices and rounded once.

    Example:

        %b, %rows, %e0 = "test.op"() : () -> (!host.buffer<32x576xf16>, index, !host.event)
        %e1 = host.all_reduce %b rows %rows after(%e0) {devices = 4 : i64} : !host.buffer<32x576xf16>
    """

    name = "host.all_reduce"


@irdl_op_definition
class ReceiveOp(CollectiveOp):
    """The first `rows` rows of the buffer become what the pipeline stage before sent; on the first stage they stay.

    Takes the time of the transfer, which the sender need not wait for.

    Example:

        %b, %rows, %e0 = "test.op"() : () -> (!host.buffer<32x576xf16>, index, !host.event)
        %e1 = host.receive %b rows %rows after(%e0) {devices = 2 : i64} : !host.buffer<32x576xf16>
    """

    name = "host.receive"


@irdl_op_definition
class SendOp(CollectiveOp):
    """Hands the first `rows` rows of the buffer to the next pipeline stage. The transfer is timed at its `host.receive`.

    Example:

        %b, %rows, %e0 = "test.op"() : () -> (!host.buffer<32x576xf16>, index, !host.event)
        %e1 = host.send %b rows %rows after(%e0) {devices = 2 : i64} : !host.buffer<32x576xf16>
    """

    name = "host.send"


@irdl_op_definition
class AllArgmaxOp(CollectiveOp):
    """Each row's index of the largest logit of this device becomes the token of the largest logit of all devices.

    `buffer` holds the indices. Device i has the n logits from min(i * n, vocabulary - n) on; of equal ones the first wins.
    Each device sends 8 bytes a row: its index and the logit there.

    Example:

        %ids, %logits, %n, %e0 = "test.op"() : () -> (!host.buffer<4xi32>, !host.buffer<4x100xf32>, index, !host.event)
        %e1 = host.all_argmax %ids of %logits rows %n after(%e0) {devices = 4 : i64, vocabulary = 397 : i64} : !host.buffer<4xi32>, !host.buffer<4x100xf32>
    """

    name = "host.all_argmax"

    logits = operand_def(BufferType)
    vocabulary = prop_def(base(IntegerAttr))

    assembly_format = (
        "$buffer `of` $logits `rows` $rows (`after` `(` $after^ `)`)? attr-dict `:` type($buffer) `,` type($logits)"
    )

    def __init__(
        self, ids: SSAValue, logits: SSAValue, rows: SSAValue, after: Sequence[SSAValue], devices: int, vocabulary: int
    ):
        IRDLOperation.__init__(
            self,
            operands=[logits, ids, rows, after],  # fields of the base class come last
            result_types=[EventType()],
            properties={"devices": IntegerAttr(devices, i64), "vocabulary": IntegerAttr(vocabulary, i64)},
        )


@irdl_op_definition
class TransferOp(IRDLOperation):
    """Sends the first `rows` rows of buffers from a processor to its PIM stacks, or back. Both have the same buffers to a
    plan, so that only time passes. With `parts` it sends that part of each row, rounded up.

    Example:

        %k, %v, %rows, %e0 = "test.op"() : () -> (!host.buffer<32x576xf16>, !host.buffer<32x576xf16>, index, !host.event)
        %e1 = host.transfer %k, %v rows %rows after(%e0) : !host.buffer<32x576xf16>, !host.buffer<32x576xf16>
    """

    name = "host.transfer"

    buffers = var_operand_def(BufferType)
    rows = operand_def(IndexType)
    after = var_operand_def(EventType())
    parts = opt_prop_def(IntegerAttr)
    queue = opt_prop_def(IntegerAttr)
    event = result_def(EventType())

    assembly_format = "$buffers `rows` $rows (`after` `(` $after^ `)`)? attr-dict `:` type($buffers)"
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())

    def __init__(self, buffers: Sequence[SSAValue], rows: SSAValue, after: Sequence[SSAValue]):
        super().__init__(operands=[buffers, rows, after], result_types=[EventType()])

    @property
    def row_bytes(self) -> int:
        """Bytes that are sent of a row of all buffers."""
        whole = sum(buffer.type.row_bytes for buffer in self.buffers if isinstance(buffer.type, BufferType))
        return whole if self.parts is None else -(-whole // self.parts.value.data)

    def verify_(self) -> None:
        if not self.buffers:
            raise VerifyException("host.transfer sends 0 buffers, expected at least 1")
        if len(self.after) > 3:
            raise VerifyException(f"host.transfer waits for {len(self.after)} events, expected at most 3")
