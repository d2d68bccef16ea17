"""The op that declares a semaphore of a kernel."""

from xdsl.dialects.builtin import IntegerAttr, i64
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict, irdl_op_definition, prop_def, result_def, traits_def
from xdsl.traits import MemoryAllocEffect
from xdsl.utils.exceptions import VerifyException

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
