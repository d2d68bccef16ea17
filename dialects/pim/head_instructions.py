"""Machine-level ops of `pim` for attention by heads: one op is one instruction of `backends/isa/pim_heads.py`."""

from typing import ClassVar

from xdsl.irdl import irdl_op_definition

from ...backends.isa.pim import PIM
from .instructions import PimInstructionOp


@irdl_op_definition
class WriteVectorOp(PimInstructionOp):
    """Cut a vector over the banks of every part of the selected channels.

    Example:

        %src, %i = "test.op"() : () -> (index, index)
        pim.write_vector(space = local, src = %src + 4096 * %i, channel_stride = 256, columns = 2, elements = 128, half = 0, parts = 16, channel = 0, channels = 16) : index, index
    """

    name = "pim.write_vector"
    OPCODE: ClassVar = PIM["write_vector"]


@irdl_op_definition
class MoveVectorOp(PimInstructionOp):
    """Probabilities of the tokens of each part from the softmax buffer to the buffers of its banks.

    Example:

        %src, %limit = "test.op"() : () -> (index, index)
        pim.move_vector(src = %src, channel_stride = 4096, first = 0, columns = 2, limit = %limit, half = 0, parts = 16, channel = 0, channels = 16) : index, index
    """

    name = "pim.move_vector"
    OPCODE: ClassVar = PIM["move_vector"]


@irdl_op_definition
class MacTreeOp(PimInstructionOp):
    """A result for each token whose columns are read: dot products with the buffer, by the adder tree.

    Example:

        pim.mac_tree(column = 0, columns = 32, first = 0, depth = 2, half = 0, result_half = 1, channel = 0, channels = 16)
    """

    name = "pim.mac_tree"
    OPCODE: ClassVar = PIM["mac_tree"]


@irdl_op_definition
class MacLanesOp(PimInstructionOp):
    """A result for each lane: columns times elements of the buffer, added up.

    Example:

        %i = "test.op"() : () -> (index)
        pim.mac_lanes(column = 0, columns = 32, first = 32 * %i, half = 0, result_half = 1, channel = 0, channels = 16) : index
    """

    name = "pim.mac_lanes"
    OPCODE: ClassVar = PIM["mac_lanes"]


@irdl_op_definition
class MoveScoresOp(PimInstructionOp):
    """Results of tokens, summed over the banks of each part, to the softmax buffer.

    Example:

        %dst, %limit = "test.op"() : () -> (index, index)
        pim.move_scores(dst = %dst, channel_stride = 8192, tokens = 16, limit = %limit, result_half = 0, parts = 16, channel = 0, channels = 16) : index, index
    """

    name = "pim.move_scores"
    OPCODE: ClassVar = PIM["move_scores"]


@irdl_op_definition
class MoveSumsOp(PimInstructionOp):
    """Results of lanes, summed over the parts of each channel, to a vector.

    Example:

        %dst = "test.op"() : () -> (index)
        pim.move_sums(space = local, dst = %dst, channel_stride = 512, elements = 64, result_half = 0, parts = 16, channel = 0, channels = 16) : index
    """

    name = "pim.move_sums"
    OPCODE: ClassVar = PIM["move_sums"]


@irdl_op_definition
class SoftmaxHeadOp(PimInstructionOp):
    """Softmax of one row of scores for each selected channel.

    Example:

        %src, %dst, %n = "test.op"() : () -> (index, index, index)
        pim.softmax_head(src = %src, src_stride = 2048, dst = %dst, dst_stride = 1024, cols = %n, scale = 0.125, channel = 0, channels = 16) : index, index, index
    """

    name = "pim.softmax_head"
    OPCODE: ClassVar = PIM["softmax_head"]


@irdl_op_definition
class FenceOp(PimInstructionOp):
    """What follows in a channel waits for what came before.

    Example:

        pim.fence(channel = 0, channels = 16)
    """

    name = "pim.fence"
    OPCODE: ClassVar = PIM["fence"]


HEAD_INSTRUCTIONS = [
    WriteVectorOp,
    MoveVectorOp,
    MacTreeOp,
    MacLanesOp,
    MoveScoresOp,
    MoveSumsOp,
    SoftmaxHeadOp,
    FenceOp,
]
