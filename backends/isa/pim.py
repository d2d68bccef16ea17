"""The PIM bank instruction set: one in-order stream per channel, broadcast from one program.

A channel has B banks in lockstep, one MAC unit and one fp32 accumulator per bank, and one global buffer. A column is the
bytes a bank delivers to its MAC unit per command (32 B = 16 f16 on every machine so far). `channel`, `channels` select
channels [channel, channel + channels); such an instruction is executed by each of them, and different channels advance
independently. Space 0 is the NPU's local memory, space 1 the softmax buffer (buffer die). Addresses and offsets are bytes,
`column`, `columns`, `buffer_column` are columns. `row` is the same in all banks.
`softmax` is ordered after everything before it and before everything after it, in all channels.

Instructions from `write_vector` on are for attention by heads, in the manner of AttAcc: a head in a channel, its tokens over
the `parts` parts of the channel. Bank b is in part b mod parts, as its bank b div parts there; token t is in part t mod parts,
where it is number t div parts. For them a bank has two buffers, each as long as a global buffer, and two sets of 16 fp32
results; `half` and `result_half` choose one.
"""

from .pim_heads import HEAD_OPCODES
from .spec import CONTROL, InstructionSet, Opcode

SPACES = ("local", "softmax")

PIM = InstructionSet(
    "pim",
    ("ctl", "cmd"),
    (
        *CONTROL,
        Opcode(
            8,
            "write_buffer",
            "cmd",
            ("space", "src", "channel_stride", "columns", "buffer_column", "channel", "channels"),
            "Global buffer of the i-th selected channel, from column buffer_column: `columns` columns from "
            "src + i*channel_stride of the space (stride 0: all channels get the same data).",
            reads=("src",),
            enums={"space": SPACES},
            defaults={"space": 0, "channel_stride": 0},
        ),
        Opcode(
            9,
            "copy_row",
            "cmd",
            ("bank", "row", "column", "columns", "buffer_column", "channel", "channels"),
            "Copy columns of an (ordinarily opened) row of one bank to the global buffer of its channel (GWRITE, COPY_BKGB).",
        ),
        Opcode(
            10,
            "activate",
            "cmd",
            ("row", "channel", "channels"),
            "Open `row` for PIM in all banks (in the PIM row buffer where the machine has two).",
        ),
        Opcode(
            11,
            "mac",
            "cmd",
            ("column", "columns", "buffer_column", "channel", "channels"),
            "In each bank: acc += dot(open row from `column`, global buffer from `buffer_column`), one column per step: "
            "16 exact products, fp32 halving tree, one fp32 addition to the accumulator.",
        ),
        Opcode(
            12,
            "read_acc",
            "cmd",
            ("space", "dst", "channel_stride", "banks", "accumulate", "channel", "channels"),
            "f32 dst[i*channel_stride + 4*b] for b < banks gets (accumulate != 0: is increased by) the accumulator of "
            "bank b of the i-th selected channel, then all accumulators of the channel are zero.",
            writes=("dst",),
            enums={"space": SPACES},
            defaults={"space": 0, "accumulate": 0},
        ),
        Opcode(13, "precharge", "cmd", ("channel", "channels"), "Close the PIM row in all banks."),
        Opcode(
            16,
            "write",
            "cmd",
            ("src", "channel", "bank", "row", "offset", "bytes"),
            "Ordinary write of `bytes` bytes of local memory to one bank row from byte `offset` (masked at the ends).",
            reads=("src",),
        ),
        Opcode(
            17,
            "read",
            "cmd",
            ("dst", "channel", "bank", "row", "offset", "bytes"),
            "Ordinary read of one bank row into local memory.",
            writes=("dst",),
        ),
        Opcode(
            18,
            "scatter",
            "cmd",
            ("src", "channel", "row", "offset", "banks"),
            "Write the b-th f16 of src to byte `offset` of `row` in bank b, for b < banks (a column of a matrix that is "
            "spread over banks).",
            reads=("src",),
        ),
        Opcode(
            24,
            "softmax",
            "cmd",
            ("src", "src_stride", "dst", "dst_stride", "rows", "cols", "limit", "scale"),
            "Softmax unit, both addresses in the softmax buffer: f16 dst[r][c] = softmax over c < limit of f32 "
            "src[r][c]*scale, and 0 for limit <= c < cols. scale is fp32 bits.",
            reads=("src",),
            writes=("dst",),
            floats=("scale",),
            defaults={"scale": 0x3F800000},
        ),
        *HEAD_OPCODES,
    ),
)
