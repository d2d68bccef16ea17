"""Ops of `llm` by which the devices of a mesh exchange values. Each device runs the same ops on its part of the model."""

from typing import ClassVar

from xdsl.dialects.builtin import IntegerAttr, i64
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, Pure
from xdsl.utils.exceptions import VerifyException

from .checks import COUNT_ATTR, FLOAT_TENSOR, TOKEN_IDS, check_count, check_rows, check_shape


@irdl_op_definition
class AllReduceOp(IRDLOperation):
    """The sum over the `devices` that share each layer, the same on all of them.

    Added in fp32 in the order of the devices and rounded once to the element type.

    Example:

        %x = "test.op"() : () -> tensor<?x4096xf16>
        %y = llm.all_reduce %x {devices = 4 : i64} : tensor<?x4096xf16>
    """

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)

    name = "llm.all_reduce"

    x = operand_def(T)
    devices = prop_def(COUNT_ATTR)
    y = result_def(T)

    assembly_format = "$x attr-dict `:` type($x)"
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, x: SSAValue, devices: int):
        super().__init__(operands=[x], result_types=[x.type], properties={"devices": IntegerAttr(devices, i64)})

    def verify_(self) -> None:
        check_count("devices", self.devices, at_least=2)


@irdl_op_definition
class AllArgmaxOp(IRDLOperation):
    """The token of the largest logit over `devices` that each have the logits of a part of the vocabulary.

    `ids` are the indices of the largest logits of this device's part. Each device sends that index and its logit, 8 bytes
    a row; of equal logits the first device's wins. Device i has the n logits from min(i * n, vocabulary - n) on.

    Example:

        %ids, %logits = "test.op"() : () -> (tensor<?xi32>, tensor<?x12565xf32>)
        %next = llm.all_argmax %ids, %logits {devices = 4 : i64, vocabulary = 50257 : i64} : tensor<?xi32>, tensor<?x12565xf32>
    """

    I: ClassVar = VarConstraint("I", TOKEN_IDS)  # noqa: E741

    name = "llm.all_argmax"

    ids = operand_def(I)
    logits = operand_def(FLOAT_TENSOR)
    devices = prop_def(COUNT_ATTR)
    vocabulary = prop_def(COUNT_ATTR)
    y = result_def(I)

    assembly_format = "$ids `,` $logits attr-dict `:` type($ids) `,` type($logits)"
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, ids: SSAValue, logits: SSAValue, devices: int, vocabulary: int):
        super().__init__(
            operands=[ids, logits],
            result_types=[ids.type],
            properties={"devices": IntegerAttr(devices, i64), "vocabulary": IntegerAttr(vocabulary, i64)},
        )

    def verify_(self) -> None:
        rows, part = check_rows("logits", self.logits)
        check_shape("ids", self.ids, (rows,), "one index per row of logits")
        devices, vocabulary = (
            check_count("devices", self.devices, at_least=2),
            check_count("vocabulary", self.vocabulary),
        )
        if not part <= vocabulary <= devices * part:
            raise VerifyException(
                f"vocabulary is {vocabulary}, expected {part} to {devices * part}: {devices} devices have {part} logits each"
            )


@irdl_op_definition
class ReceiveOp(IRDLOperation):
    """What the pipeline stage before sent with `llm.send`; on the first of `stages` stages, `x`.

    Example:

        %x = "test.op"() : () -> tensor<?x4096xf16>
        %y = llm.receive %x {stages = 2 : i64} : tensor<?x4096xf16>
    """

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)

    name = "llm.receive"

    x = operand_def(T)
    stages = prop_def(COUNT_ATTR)
    y = result_def(T)

    assembly_format = "$x attr-dict `:` type($x)"
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, x: SSAValue, stages: int):
        super().__init__(operands=[x], result_types=[x.type], properties={"stages": IntegerAttr(stages, i64)})

    def verify_(self) -> None:
        check_count("stages", self.stages, at_least=2)


@irdl_op_definition
class SendOp(IRDLOperation):
    """Sends `x` to the next of `stages` pipeline stages, which takes it with `llm.receive`; nothing on the last.

    Example:

        %x = "test.op"() : () -> tensor<?x4096xf16>
        llm.send %x {stages = 2 : i64} : tensor<?x4096xf16>
    """

    name = "llm.send"

    x = operand_def(FLOAT_TENSOR)
    stages = prop_def(COUNT_ATTR)

    assembly_format = "$x attr-dict `:` type($x)"
    traits = traits_def(MemoryWriteEffect())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, x: SSAValue, stages: int):
        super().__init__(operands=[x], properties={"stages": IntegerAttr(stages, i64)})

    def verify_(self) -> None:
        check_count("stages", self.stages, at_least=2)
