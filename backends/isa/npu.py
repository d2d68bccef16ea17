"""The NPU tile instruction set: a decoupled access/execute machine with in-order queues and counting semaphores.

Program order is a valid sequential execution. Queues run ahead of each other in time; the only order between queues is
that of the semaphores: an instruction starts when every semaphore it waits on holds the count, which it then takes, and
adds its post counts when it and all instructions before it in its queue are complete (a preload: when it and all
preloads before it are, so that weights stream ahead of the matmuls). Addresses are bytes: `dram` in the linear region of
main memory, every other address in local memory (scratchpad from 0, accumulators from the scratchpad size). Strides are
bytes. Extents are elements. Element types: 0 f16, 1 f32, 2 i32. Arithmetic is fp32; a store
to f16 rounds once to nearest even.
The order of every fp32 sum is fixed by docs/explanation/numerics.md.
"""

from .spec import CONTROL, DTYPE_NAMES, InstructionSet, Opcode

BINARY_OPS = ("add", "sub", "mul", "max", "div")
UNARY_FUNCTIONS = ("copy", "exp", "rsqrt", "reciprocal", "silu", "gelu", "gelu_tanh", "relu")
REDUCE_OPS = ("sum", "max", "sum_of_squares")
BROADCASTS = ("tile", "row", "column")
ROPE_STYLES = ("interleaved", "half")

NPU = InstructionSet(
    "npu",
    ("ctl", "ld0", "ld1", "st", "mx", "vx"),
    (
        *CONTROL,
        Opcode(
            8,
            "load",
            "ld0",
            ("dram", "dram_stride", "rows", "row_bytes", "local", "local_stride"),
            "DMA, 2-D: for r < rows copy row_bytes from dram + r*dram_stride to local + r*local_stride.",
            reads=("dram",),
            writes=("local",),
        ),
        Opcode(
            9,
            "store",
            "st",
            ("dram", "dram_stride", "rows", "row_bytes", "local", "local_stride"),
            "DMA, 2-D: local to dram.",
            reads=("local",),
            writes=("dram",),
        ),
        Opcode(
            10,
            "gather",
            "ld1",
            ("dram", "dram_stride", "rows", "row_bytes", "local", "local_stride", "index"),
            "DMA: for r < rows copy row_bytes from dram + i32[index + 4*r]*dram_stride to local + r*local_stride.",
            reads=("dram", "index"),
            writes=("local",),
        ),
        Opcode(
            16,
            "preload",
            "mx",
            ("array", "weights", "weights_stride", "k", "n", "transpose"),
            "Load the f16 tile into the shadow weights of systolic array `array`: W[k][n] = weights[k*stride + 2n], or "
            "weights[n*stride + 2k] when transpose is 1. The next matmul of that array uses it.",
            reads=("weights",),
            defaults={"transpose": 0},
        ),
        Opcode(
            17,
            "matmul",
            "mx",
            ("array", "a", "a_stride", "m", "k", "n", "acc", "acc_stride", "accumulate"),
            "Stream m rows of f16 `a` through array `array`: acc[m][n] (f32) = (accumulate != 0 ? acc : 0) + sum_k a*W, "
            "k ascending, one fp32 addition per product.",
            reads=("a", "acc"),
            writes=("acc",),
        ),
        Opcode(
            24,
            "gemv",
            "vx",
            (
                "weights",
                "weights_stride",
                "transpose",
                "a",
                "a_stride",
                "m",
                "k",
                "n",
                "acc",
                "acc_stride",
                "accumulate",
            ),
            "preload + matmul on the vector unit, for machines without a systolic array. Same result.",
            reads=("weights", "a", "acc"),
            writes=("acc",),
        ),
        Opcode(
            25,
            "binary",
            "vx",
            (
                "op",
                "dst",
                "dst_stride",
                "dst_type",
                "a",
                "a_stride",
                "a_type",
                "b",
                "b_stride",
                "b_type",
                "broadcast",
                "rows",
                "cols",
            ),
            "dst[r][c] = a[r][c] op b, where b is b[r][c] (tile), b[0][c] (row) or b[r][0] (column).",
            reads=("a", "b"),
            writes=("dst",),
            enums={
                "op": BINARY_OPS,
                "broadcast": BROADCASTS,
                "dst_type": DTYPE_NAMES,
                "a_type": DTYPE_NAMES,
                "b_type": DTYPE_NAMES,
            },
        ),
        Opcode(
            26,
            "unary",
            "vx",
            (
                "function",
                "dst",
                "dst_stride",
                "dst_type",
                "a",
                "a_stride",
                "a_type",
                "rows",
                "cols",
                "scale",
                "bias",
            ),
            "dst[r][c] = f(a[r][c]*scale + bias), scale and bias are fp32 bits.",
            reads=("a",),
            writes=("dst",),
            enums={"function": UNARY_FUNCTIONS, "dst_type": DTYPE_NAMES, "a_type": DTYPE_NAMES},
            defaults={"scale": 0x3F800000, "bias": 0},
            floats=("scale", "bias"),
        ),
        Opcode(
            27,
            "reduce",
            "vx",
            ("op", "dst", "dst_stride", "a", "a_stride", "a_type", "rows", "cols"),
            "f32 dst[r] (at dst + r*dst_stride) = op over c of a[r][c].",
            reads=("a",),
            writes=("dst",),
            enums={"op": REDUCE_OPS, "a_type": DTYPE_NAMES},
        ),
        Opcode(
            28,
            "rope",
            "vx",
            ("dst", "dst_stride", "a", "a_stride", "table", "table_stride", "rows", "heads", "head_dim", "style"),
            "Rotary embedding of f16 rows of heads*head_dim elements. Table row r: f32 cos[head_dim/2], sin[head_dim/2]. "
            "interleaved rotates pairs (2i, 2i+1), half rotates (i, i + head_dim/2).",
            reads=("a", "table"),
            writes=("dst",),
            enums={"style": ROPE_STYLES},
        ),
        Opcode(
            29,
            "mask",
            "vx",
            ("dst", "dst_stride", "rows", "cols", "limit", "rows_per_step"),
            "In place on f32: dst[r][c] = -inf where c >= limit + r // rows_per_step.",
            reads=("dst",),
            writes=("dst",),
        ),
        Opcode(
            30,
            "argmax",
            "vx",
            ("dst", "a", "a_stride", "rows", "cols"),
            "i32 dst[r] (4-byte stride) = lowest index of the largest f32 a[r][c].",
            reads=("a",),
            writes=("dst",),
        ),
        Opcode(
            31,
            "fill",
            "vx",
            ("dst", "dst_stride", "dst_type", "rows", "cols", "value"),
            "dst[r][c] = value (fp32 bits, rounded to dst_type).",
            writes=("dst",),
            enums={"dst_type": DTYPE_NAMES},
            defaults={"value": 0},
            floats=("value",),
        ),
        Opcode(
            40,
            "sync",
            "mx",
            (),
            "No operation on its queue: carries waits and posts only.",
        ),
    ),
)
