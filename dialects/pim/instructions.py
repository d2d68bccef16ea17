"""Machine-level ops of `pim`: one op is one instruction of `backends/isa/pim.py`."""

from typing import ClassVar

from xdsl.irdl import irdl_op_definition

from ...backends.isa.pim import PIM
from ..instruction import InstructionOp
from .types import PimFieldsAttr


class PimInstructionOp(InstructionOp):
    """An instruction of the PIM; see `InstructionOp` for the syntax."""

    INSTRUCTION_SET: ClassVar = PIM
    FIELDS_ATTR: ClassVar = PimFieldsAttr


@irdl_op_definition
class WriteBufferOp(PimInstructionOp):
    """Global buffer of the i-th selected channel, from column buffer_column: `columns` columns from src +
    i*channel_stride of the space (stride 0: all channels get the same data).

    Example:

        %src, %i = "test.op"() : () -> (index, index)
        pim.write_buffer(space = local, src = %src + 512 * %i, columns = 32, buffer_column = 0, channel = 0, channels = 32) : index, index
    """

    name = "pim.write_buffer"
    OPCODE: ClassVar = PIM["write_buffer"]


@irdl_op_definition
class CopyRowOp(PimInstructionOp):
    """Copy columns of an (ordinarily opened) row of one bank to the global buffer of its channel (GWRITE, COPY_BKGB).

    Example:

        %i = "test.op"() : () -> (index)
        pim.copy_row(bank = 0, row = %i, column = 0, columns = 32, buffer_column = 0, channel = 0, channels = 32) : index
    """

    name = "pim.copy_row"
    OPCODE: ClassVar = PIM["copy_row"]


@irdl_op_definition
class ActivateOp(PimInstructionOp):
    """Open `row` for PIM in all banks (in the PIM row buffer where the machine has two).

    Example:

        %i = "test.op"() : () -> (index)
        pim.activate(row = %i, channel = 0, channels = 32) : index
    """

    name = "pim.activate"
    OPCODE: ClassVar = PIM["activate"]


@irdl_op_definition
class MacOp(PimInstructionOp):
    """In each bank: acc += dot(open row from `column`, global buffer from `buffer_column`), one column per step: 16
    exact products, fp32 halving tree, one fp32 addition to the accumulator.

    Example:

        pim.mac(column = 0, columns = 32, buffer_column = 0, channel = 0, channels = 32)
    """

    name = "pim.mac"
    OPCODE: ClassVar = PIM["mac"]


@irdl_op_definition
class ReadAccOp(PimInstructionOp):
    """f32 dst[i*channel_stride + 4*b] for b < banks gets (accumulate != 0: is increased by) the accumulator of bank b of
    the i-th selected channel, then all accumulators of the channel are zero.

    Example:

        %dst, %i = "test.op"() : () -> (index, index)
        pim.read_acc(space = local, dst = %dst + 2048 * %i, channel_stride = 64, banks = 16, channel = 0, channels = 32) : index, index
    """

    name = "pim.read_acc"
    OPCODE: ClassVar = PIM["read_acc"]


@irdl_op_definition
class PrechargeOp(PimInstructionOp):
    """Close the PIM row in all banks.

    Example:

        pim.precharge(channel = 0, channels = 32)
    """

    name = "pim.precharge"
    OPCODE: ClassVar = PIM["precharge"]


@irdl_op_definition
class WriteOp(PimInstructionOp):
    """Ordinary write of `bytes` bytes of local memory to one bank row from byte `offset` (masked at the ends).

    Example:

        %src, %i = "test.op"() : () -> (index, index)
        pim.write(src = %src + 512 * %i, channel = 0, bank = 0, row = %i, offset = 0, bytes = 128) : index, index
    """

    name = "pim.write"
    OPCODE: ClassVar = PIM["write"]


@irdl_op_definition
class ReadOp(PimInstructionOp):
    """Ordinary read of one bank row into local memory.

    Example:

        %dst, %i = "test.op"() : () -> (index, index)
        pim.read(dst = %dst + 512 * %i, channel = 0, bank = 0, row = %i, offset = 0, bytes = 128) : index, index
    """

    name = "pim.read"
    OPCODE: ClassVar = PIM["read"]


@irdl_op_definition
class ScatterOp(PimInstructionOp):
    """Write the b-th f16 of src to byte `offset` of `row` in bank b, for b < banks (a column of a matrix that is spread
    over banks).

    Example:

        %src, %i = "test.op"() : () -> (index, index)
        pim.scatter(src = %src + 512 * %i, channel = 0, row = %i, offset = 0, banks = 16) : index, index
    """

    name = "pim.scatter"
    OPCODE: ClassVar = PIM["scatter"]


@irdl_op_definition
class SoftmaxOp(PimInstructionOp):
    """Softmax unit, both addresses in the softmax buffer: f16 dst[r][c] = softmax over c < limit of f32 src[r][c]*scale,
    and 0 for limit <= c < cols. scale is fp32 bits.

    Example:

        %src, %dst, %i = "test.op"() : () -> (index, index, index)
        pim.softmax(src = %src, src_stride = 2048, dst = %dst, dst_stride = 1024, rows = 9, cols = 512, limit = 1 + %i, scale = 0.125) : index, index, index
    """

    name = "pim.softmax"
    OPCODE: ClassVar = PIM["softmax"]


INSTRUCTIONS = [
    WriteBufferOp,
    CopyRowOp,
    ActivateOp,
    MacOp,
    ReadAccOp,
    PrechargeOp,
    WriteOp,
    ReadOp,
    ScatterOp,
    SoftmaxOp,
]
