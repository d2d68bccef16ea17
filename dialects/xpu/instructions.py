"""Ops of `xpu`: one op is one operator of `backends/isa/xpu.py`."""

from typing import ClassVar

from xdsl.irdl import irdl_attr_definition, irdl_op_definition

from ...backends.isa.xpu import XPU
from ..affine_fields import FieldsAttr
from ..instruction import InstructionOp


@irdl_attr_definition
class XpuFieldsAttr(FieldsAttr):
    """Fields of one operator: `name = [constant, operand, coefficient, …]`."""

    name = "xpu.fields"


class XpuInstructionOp(InstructionOp):
    """An operator; see `InstructionOp` for the syntax."""

    INSTRUCTION_SET: ClassVar = XPU
    FIELDS_ATTR: ClassVar = XpuFieldsAttr


@irdl_op_definition
class ProductOp(XpuInstructionOp):
    """Activations m x k times weights k x n.

    Example:

        %rows = "test.op"() : () -> (index)
        xpu.product(m = %rows, n = 4608, k = 12288) {source = "attn_q"} : index
    """

    name = "xpu.product"
    OPCODE: ClassVar = XPU["product"]


@irdl_op_definition
class ActivationOp(XpuInstructionOp):
    """An activation function of m x n elements.

    Example:

        %rows = "test.op"() : () -> (index)
        xpu.activation(kind = gelu, m = %rows, n = 6144) : index
    """

    name = "xpu.activation"
    OPCODE: ClassVar = XPU["activation"]


@irdl_op_definition
class NormOp(XpuInstructionOp):
    """Normalisation of m rows of n elements, with the residual that is added before.

    Example:

        %rows = "test.op"() : () -> (index)
        xpu.norm(m = %rows, n = 12288) : index
    """

    name = "xpu.norm"
    OPCODE: ClassVar = XPU["norm"]


INSTRUCTIONS = [ProductOp, ActivationOp, NormOp]
