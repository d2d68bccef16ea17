"""PIM instructions of attention by heads: a head in a channel, its tokens over the parts of the channel (see pim.py).

Two halves of buffers and results let one head be prepared, and one window of results be moved, while another is computed.
`channel_stride` is from what is for one selected channel to the next.
"""

from .spec import Opcode

RESULTS = 16
"""fp32 results of a bank in each half: those of 16 tokens, or the 16 lanes of one sum."""

_SELECT = ("channel", "channels")

HEAD_OPCODES = (
    Opcode(
        32,
        "write_vector",
        "cmd",
        ("space", "src", "channel_stride", "columns", "elements", "half", "parts", *_SELECT),
        "A vector of `elements` f16 at src + i*channel_stride, zeros after it: bank b of every part of the i-th selected "
        "channel gets `columns` columns from element 16*columns*b on into its buffer (AttAcc: WRGB).",
        reads=("src",),
        enums={"space": ("local", "softmax")},
        defaults={"space": 0},
    ),
    Opcode(
        33,
        "move_vector",
        "cmd",
        ("src", "channel_stride", "first", "columns", "limit", "half", "parts", *_SELECT),
        "Probabilities from the softmax buffer: element e of the buffers of part p gets the f16 of token p + e*parts at "
        "src + i*channel_stride, zero from token `limit` on, for the `columns` columns from column `first` on (MVGB).",
        reads=("src",),
    ),
    Opcode(
        34,
        "mac_tree",
        "cmd",
        ("column", "columns", "first", "depth", "half", "result_half", *_SELECT),
        "In each bank: column `column` + i of the open row is column c mod depth of token c div depth with c = first + i: "
        "the result of that token += dot of it and column c mod depth of the buffer (adder tree; as `mac` otherwise).",
    ),
    Opcode(
        35,
        "mac_lanes",
        "cmd",
        ("column", "columns", "first", "half", "result_half", *_SELECT),
        "In each bank: for i < columns, result l += lane l of column `column` + i of the open row times element first + i of "
        "the buffer, for all 16 lanes.",
    ),
    Opcode(
        36,
        "move_scores",
        "cmd",
        ("dst", "channel_stride", "tokens", "limit", "result_half", "parts", *_SELECT),
        "To the softmax buffer: f32 dst + i*channel_stride + 4*(p + r*parts) gets the sum over the banks of part p of "
        "result r, for r < tokens where p + r*parts < limit; then these results are zero (MVSB).",
        writes=("dst",),
    ),
    Opcode(
        37,
        "move_sums",
        "cmd",
        ("space", "dst", "channel_stride", "elements", "result_half", "parts", *_SELECT),
        "f32 dst + i*channel_stride + 4*(16*b + l) gets the sum over the parts of result l of their bank b, up to "
        "`elements` of them; then these results are zero (MVSB).",
        writes=("dst",),
        enums={"space": ("local", "softmax")},
        defaults={"space": 0},
    ),
    Opcode(
        38,
        "softmax_head",
        "cmd",
        ("src", "src_stride", "dst", "dst_stride", "cols", "scale", *_SELECT),
        "Softmax unit of a channel: as `softmax` for one row of `cols` scores, that of the i-th selected channel at "
        "src + i*src_stride (SFM).",
        reads=("src",),
        writes=("dst",),
        floats=("scale",),
        defaults={"scale": 0x3F800000},
    ),
    Opcode(
        39,
        "fence",
        "cmd",
        _SELECT,
        "Whatever follows in a channel waits for whatever came before (PIM_BARRIER); commands between two fences may "
        "overtake each other.",
    ),
)
