"""Machine-level ops of `npu`: one op is one instruction of `backends/isa/npu.py`."""

from typing import ClassVar

from xdsl.irdl import irdl_op_definition

from ...backends.isa.npu import NPU
from ..instruction import InstructionOp
from .types import NpuFieldsAttr, SemaphoreType


class NpuInstructionOp(InstructionOp):
    """An instruction of the NPU; see `InstructionOp` for the syntax."""

    INSTRUCTION_SET: ClassVar = NPU
    FIELDS_ATTR: ClassVar = NpuFieldsAttr
    SEMAPHORE_TYPE: ClassVar = (SemaphoreType,)


@irdl_op_definition
class LoadOp(NpuInstructionOp):
    """DMA, 2-D: for r < rows copy row_bytes from dram + r*dram_stride to local + r*local_stride.

    Example:

        %dram, %i, %local = "test.op"() : () -> (index, index, index)
        npu.load(dram = %dram + 1152 * %i, dram_stride = 1152, rows = 1, row_bytes = 1152, local = %local, local_stride = 1152) : index, index, index
    """

    name = "npu.load"
    OPCODE: ClassVar = NPU["load"]


@irdl_op_definition
class StoreOp(NpuInstructionOp):
    """DMA, 2-D: local to dram.

    Example:

        %dram, %i, %local = "test.op"() : () -> (index, index, index)
        npu.store(dram = %dram + 512 * %i, dram_stride = 1152, rows = 1, row_bytes = 1152, local = %local, local_stride = 1152) : index, index, index
    """

    name = "npu.store"
    OPCODE: ClassVar = NPU["store"]


@irdl_op_definition
class GatherOp(NpuInstructionOp):
    """DMA: for r < rows copy row_bytes from dram + i32[index + 4*r]*dram_stride to local + r*local_stride.

    Example:

        %dram, %i, %local, %index = "test.op"() : () -> (index, index, index, index)
        npu.gather(dram = %dram + 512 * %i, dram_stride = 1152, rows = 1, row_bytes = 1152, local = %local, local_stride = 1152, index = %index) : index, index, index, index
    """

    name = "npu.gather"
    OPCODE: ClassVar = NPU["gather"]


@irdl_op_definition
class PreloadOp(NpuInstructionOp):
    """Load the f16 tile into the shadow weights of systolic array `array`: W[k][n] = weights[k*stride + 2n], or
    weights[n*stride + 2k] when transpose is 1. The next matmul of that array uses it.

    Example:

        %weights, %i = "test.op"() : () -> (index, index)
        npu.preload(array = 0, weights = %weights + 18432 * %i, weights_stride = 192, k = 96, n = 96) : index, index
    """

    name = "npu.preload"
    OPCODE: ClassVar = NPU["preload"]


@irdl_op_definition
class MatmulOp(NpuInstructionOp):
    """Stream m rows of f16 `a` through array `array`: acc[m][n] (f32) = (accumulate != 0 ? acc : 0) + sum_k a*W, k
    ascending, one fp32 addition per product.

    Example:

        %a, %i, %acc = "test.op"() : () -> (index, index, index)
        npu.matmul(array = 0, a = %a + 512 * %i, a_stride = 1152, m = 1, k = 96, n = 96, acc = %acc, acc_stride = 384, accumulate = %i) : index, index, index
    """

    name = "npu.matmul"
    OPCODE: ClassVar = NPU["matmul"]


@irdl_op_definition
class GemvOp(NpuInstructionOp):
    """preload + matmul on the vector unit, for machines without a systolic array. Same result.

    Example:

        %weights, %i, %a, %acc = "test.op"() : () -> (index, index, index, index)
        npu.gemv(weights = %weights + 18432 * %i, weights_stride = 192, transpose = 0, a = %a, a_stride = 1152, m = 1, k = 96, n = 96, acc = %acc, acc_stride = 384, accumulate = %i) : index, index, index, index
    """

    name = "npu.gemv"
    OPCODE: ClassVar = NPU["gemv"]


@irdl_op_definition
class BinaryOp(NpuInstructionOp):
    """dst[r][c] = a[r][c] op b, where b is b[r][c] (tile), b[0][c] (row) or b[r][0] (column).

    Example:

        %dst, %i, %a, %b = "test.op"() : () -> (index, index, index, index)
        npu.binary(op = add, dst = %dst + 512 * %i, dst_stride = 1152, dst_type = f16, a = %a, a_stride = 1152, a_type = f16, b = %b, b_stride = 1152, b_type = f16, broadcast = tile, rows = 1, cols = 576) : index, index, index, index
    """

    name = "npu.binary"
    OPCODE: ClassVar = NPU["binary"]


@irdl_op_definition
class UnaryOp(NpuInstructionOp):
    """dst[r][c] = f(a[r][c]*scale + bias), scale and bias are fp32 bits.

    Example:

        %dst, %i, %a = "test.op"() : () -> (index, index, index)
        npu.unary(function = copy, dst = %dst + 512 * %i, dst_stride = 1152, dst_type = f16, a = %a, a_stride = 1152, a_type = f16, rows = 1, cols = 576, scale = 0.125, bias = 0.0) : index, index, index
    """

    name = "npu.unary"
    OPCODE: ClassVar = NPU["unary"]


@irdl_op_definition
class ReduceOp(NpuInstructionOp):
    """f32 dst[r] (at dst + r*dst_stride) = op over c of a[r][c].

    Example:

        %dst, %i, %a = "test.op"() : () -> (index, index, index)
        npu.reduce(op = sum, dst = %dst + 512 * %i, dst_stride = 1152, a = %a, a_stride = 1152, a_type = f16, rows = 1, cols = 576) : index, index, index
    """

    name = "npu.reduce"
    OPCODE: ClassVar = NPU["reduce"]


@irdl_op_definition
class RopeOp(NpuInstructionOp):
    """Rotary embedding of f16 rows of heads*head_dim elements. Table row r: f32 cos[head_dim/2], sin[head_dim/2].
    interleaved rotates pairs (2i, 2i+1), half rotates (i, i + head_dim/2).

    Example:

        %dst, %i, %a, %table = "test.op"() : () -> (index, index, index, index)
        npu.rope(dst = %dst + 512 * %i, dst_stride = 1152, a = %a, a_stride = 1152, table = %table, table_stride = 256, rows = 1, heads = 9, head_dim = 64, style = interleaved) : index, index, index, index
    """

    name = "npu.rope"
    OPCODE: ClassVar = NPU["rope"]


@irdl_op_definition
class MaskOp(NpuInstructionOp):
    """In place on f32: dst[r][c] = -inf where c >= limit + r // rows_per_step.

    Example:

        %dst, %i = "test.op"() : () -> (index, index)
        npu.mask(dst = %dst, dst_stride = 2048, rows = 9, cols = 512, limit = 1 + %i, rows_per_step = 9) : index, index
    """

    name = "npu.mask"
    OPCODE: ClassVar = NPU["mask"]


@irdl_op_definition
class ArgmaxOp(NpuInstructionOp):
    """i32 dst[r] (4-byte stride) = lowest index of the largest f32 a[r][c].

    Example:

        %dst, %i, %a = "test.op"() : () -> (index, index, index)
        npu.argmax(dst = %dst + 4 * %i, a = %a, a_stride = 196608, rows = 1, cols = 49152) : index, index, index
    """

    name = "npu.argmax"
    OPCODE: ClassVar = NPU["argmax"]


@irdl_op_definition
class FillOp(NpuInstructionOp):
    """dst[r][c] = value (fp32 bits, rounded to dst_type).

    Example:

        %dst, %i = "test.op"() : () -> (index, index)
        npu.fill(dst = %dst + 512 * %i, dst_stride = 1152, dst_type = f16, rows = 1, cols = 576, value = 0.0) : index, index
    """

    name = "npu.fill"
    OPCODE: ClassVar = NPU["fill"]


@irdl_op_definition
class SyncOp(NpuInstructionOp):
    """No operation on its queue: carries waits and posts only.

    Example:

        npu.sync()
    """

    name = "npu.sync"
    OPCODE: ClassVar = NPU["sync"]


INSTRUCTIONS = [
    LoadOp,
    StoreOp,
    GatherOp,
    PreloadOp,
    MatmulOp,
    GemvOp,
    BinaryOp,
    UnaryOp,
    ReduceOp,
    RopeOp,
    MaskOp,
    ArgmaxOp,
    FillOp,
    SyncOp,
]
