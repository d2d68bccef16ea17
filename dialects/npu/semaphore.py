"""Ops about the state of a kernel besides its instructions: semaphores and ring buffers."""

from xdsl.dialects.builtin import IndexType, IntegerAttr, i64
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import MemoryAllocEffect, MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from ..host import BufferType
from .types import SemaphoreType


@irdl_op_definition
class SemaphoreOp(IRDLOperation):
    """A counting semaphore with an initial count.

    Example:

        %free = npu.semaphore {initial = 2 : i64}
    """

    name = "npu.semaphore"
    initial = prop_def(IntegerAttr)
    result = result_def(SemaphoreType())
    assembly_format = "attr-dict"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryAllocEffect())

    def __init__(self, initial: int):
        super().__init__(properties={"initial": IntegerAttr(initial, i64)}, result_types=[SemaphoreType()])

    def verify_(self) -> None:
        if self.initial.value.data < 0:
            raise VerifyException(f"npu.semaphore has initial count {self.initial.value.data}, expected at least 0")


@irdl_op_definition
class AdvanceOp(IRDLOperation):
    """Moves a buffer with several slots on to its next slot, in a circle, and returns the number of that slot.

    The sequencer keeps the position from one execution to the next, also across loops.

    Example:

        %tile = "test.op"() : () -> !host.buffer<96x96xf16>
        %slot = npu.advance %tile of 4 : !host.buffer<96x96xf16>
    """

    name = "npu.advance"
    buffer = operand_def(BufferType)
    slots = prop_def(IntegerAttr.constr(type=IndexType()))
    slot = result_def(IndexType)
    assembly_format = "$buffer `of` $slots attr-dict `:` type($buffer)"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, buffer: SSAValue, slots: int):
        super().__init__(
            operands=[buffer],
            properties={"slots": IntegerAttr(slots, IndexType())},
            result_types=[IndexType()],
        )

    def verify_(self) -> None:
        if self.slots.value.data < 2:
            raise VerifyException(f"npu.advance goes round {self.slots.value.data} slots, expected at least 2")
