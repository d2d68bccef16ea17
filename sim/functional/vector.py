"""The NPU's vector unit: each function executes one instruction on local memory and says whether its fields were legal."""

import math

import numpy as np

from ...backends.isa.npu import BINARY_OPS, BROADCASTS, NPU, REDUCE_OPS, ROPE_STYLES, UNARY_FUNCTIONS
from ...backends.isa.spec import F16, F32
from .dispatch import MAX_EXTENT, ONE, WORD, ZERO, columns, counted, spans, within
from .half import LANES, float_of, load_float, store_float, store_int
from .jit import bare
from .rows import CHUNK, add_lanes, element_bytes, read_row, total, widen_row, write_row

_binary, _unary, _reduce = columns(NPU["binary"]), columns(NPU["unary"]), columns(NPU["reduce"])
_rope, _mask, _argmax, _fill = columns(NPU["rope"]), columns(NPU["mask"]), columns(NPU["argmax"]), columns(NPU["fill"])
_ADD, _SUB, _MUL, _MAX, _DIV = (BINARY_OPS.index(name) for name in BINARY_OPS)
_COPY, _EXP, _RSQRT, _RECIPROCAL, _SILU, _GELU, _GELU_TANH, _RELU = (
    UNARY_FUNCTIONS.index(name) for name in UNARY_FUNCTIONS
)
_REDUCE_MAX, _SUM_OF_SQUARES = REDUCE_OPS.index("max"), REDUCE_OPS.index("sum_of_squares")
_ROW, _COLUMN = BROADCASTS.index("row"), BROADCASTS.index("column")
_INTERLEAVED = ROPE_STYLES.index("interleaved")

_ONE, _HALF, _INFINITY = np.float32(1), np.float32(0.5), np.float32(np.inf)
_SQRT_HALF = np.float32(math.sqrt(0.5))
_TANH_SCALE, _TANH_CUBIC = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)


@bare
def run_binary(row, local, scratch, fault):
    """dst = a op b, element by element in float32."""
    op, rows, cols, broadcast = row[_binary.op], row[_binary.rows], row[_binary.cols], row[_binary.broadcast]
    dst_size, a_size = element_bytes(row[_binary.dst_type]), element_bytes(row[_binary.a_type])
    b_size = element_bytes(row[_binary.b_type])
    if not counted(fault, row, _binary.rows, _binary.cols):
        return False
    if rows == 0 or cols == 0:
        return True
    b_rows = 1 if broadcast == _ROW else rows
    b_cols = 1 if broadcast == _COLUMN else cols
    limit = len(local)
    if not (
        spans(fault, row, _binary.dst, limit, row[_binary.dst_stride], rows, cols * dst_size)
        and spans(fault, row, _binary.a, limit, row[_binary.a_stride], rows, cols * a_size)
        and spans(fault, row, _binary.b, limit, row[_binary.b_stride], b_rows, b_cols * b_size)
    ):
        return False
    operand = scratch[CHUNK : 2 * CHUNK]
    for r in range(rows):
        dst = row[_binary.dst] + r * row[_binary.dst_stride]
        a = row[_binary.a] + r * row[_binary.a_stride]
        b = row[_binary.b] + (r * row[_binary.b_stride] if b_rows > 1 else 0)
        if broadcast == _COLUMN:
            read_row(operand, local, b, row[_binary.b_type], 1)
            operand[:] = operand[0]
        for c in range(0, cols, CHUNK):
            count = min(CHUNK, cols - c)
            read_row(scratch, local, a + c * a_size, row[_binary.a_type], count)
            if broadcast != _COLUMN:
                read_row(operand, local, b + c * b_size, row[_binary.b_type], count)
            _combine(op, scratch, operand, count)
            write_row(local, dst + c * dst_size, row[_binary.dst_type], scratch, count)
    return True


@bare
def _combine(op, a, b, count):
    if op == _ADD:
        for i in range(count):
            a[i] += b[i]
    elif op == _SUB:
        for i in range(count):
            a[i] -= b[i]
    elif op == _MUL:
        for i in range(count):
            a[i] *= b[i]
    elif op == _MAX:
        for i in range(count):
            a[i] = _larger(a[i], b[i])
    else:
        for i in range(count):
            a[i] /= b[i]


@bare
def _larger(a, b):
    """The larger of two float32, NaN if either is."""
    return a if a > b or a != a else b


@bare
def run_unary(row, local, scratch, fault):
    """dst = f(a*scale + bias)."""
    function, rows, cols = row[_unary.function], row[_unary.rows], row[_unary.cols]
    dst_size, a_size = element_bytes(row[_unary.dst_type]), element_bytes(row[_unary.a_type])
    scale, bias = float_of(row[_unary.scale]), float_of(row[_unary.bias])
    if not (
        counted(fault, row, _unary.rows, _unary.cols)
        and spans(fault, row, _unary.dst, len(local), row[_unary.dst_stride], rows, cols * dst_size)
        and spans(fault, row, _unary.a, len(local), row[_unary.a_stride], rows, cols * a_size)
    ):
        return False
    for r in range(rows):
        dst = row[_unary.dst] + r * row[_unary.dst_stride]
        a = row[_unary.a] + r * row[_unary.a_stride]
        for c in range(0, cols, CHUNK):
            count = min(CHUNK, cols - c)
            read_row(scratch, local, a + c * a_size, row[_unary.a_type], count)
            for i in range(count):
                scratch[i] = scratch[i] * scale + bias
            _apply(function, scratch, count)
            write_row(local, dst + c * dst_size, row[_unary.dst_type], scratch, count)
    return True


@bare
def _apply(function, x, count):
    if function == _EXP:
        for i in range(count):
            x[i] = math.exp(x[i])
    elif function == _RSQRT:
        for i in range(count):
            x[i] = _ONE / math.sqrt(x[i])
    elif function == _RECIPROCAL:
        for i in range(count):
            x[i] = _ONE / x[i]
    elif function == _SILU:
        for i in range(count):
            x[i] = x[i] / (_ONE + math.exp(-x[i]))
    elif function == _GELU:
        for i in range(count):
            x[i] = _HALF * x[i] * (_ONE + math.erf(x[i] * _SQRT_HALF))
    elif function == _GELU_TANH:
        for i in range(count):
            cubic = _TANH_CUBIC * x[i] * x[i] * x[i]
            x[i] = _HALF * x[i] * (_ONE + math.tanh(_TANH_SCALE * (x[i] + cubic)))
    elif function == _RELU:
        for i in range(count):
            x[i] = _larger(x[i], np.float32(0))


@bare
def run_reduce(row, local, scratch, fault):
    """dst[r] = sum, maximum or sum of squares of row r, in the fixed order of the 16 lanes."""
    op, rows, cols = row[_reduce.op], row[_reduce.rows], row[_reduce.cols]
    size = element_bytes(row[_reduce.a_type])
    if not (
        counted(fault, row, _reduce.rows, _reduce.cols)
        and spans(fault, row, _reduce.dst, len(local), row[_reduce.dst_stride], rows, WORD)
        and spans(fault, row, _reduce.a, len(local), row[_reduce.a_stride], rows, cols * size)
    ):
        return False
    lanes = scratch[2 * CHUNK : 2 * CHUNK + LANES]
    for r in range(rows):
        a = row[_reduce.a] + r * row[_reduce.a_stride]
        lanes[:] = 0
        best = -_INFINITY
        for c in range(0, cols, CHUNK):
            count = min(CHUNK, cols - c)
            read_row(scratch, local, a + c * size, row[_reduce.a_type], count)
            if op == _REDUCE_MAX:
                for i in range(count):
                    best = _larger(best, scratch[i])
            else:
                if op == _SUM_OF_SQUARES:
                    for i in range(count):
                        scratch[i] *= scratch[i]
                add_lanes(lanes, scratch, count)
        result = best if op == _REDUCE_MAX else total(lanes)
        store_float(local, row[_reduce.dst] + r * row[_reduce.dst_stride], result)
    return True


@bare
def run_rope(row, local, scratch, fault):
    """Rotate pairs of each head by the angles of the row's table entry; the head size is at most CHUNK."""
    rows, heads, head_dim = row[_rope.rows], row[_rope.heads], row[_rope.head_dim]
    size = heads * head_dim * 2
    if not (
        counted(fault, row, _rope.rows, _rope.heads)
        and within(fault, row, _rope.head_dim, ZERO, CHUNK)
        and spans(fault, row, _rope.dst, len(local), row[_rope.dst_stride], rows, size)
        and spans(fault, row, _rope.a, len(local), row[_rope.a_stride], rows, size)
        and spans(fault, row, _rope.table, len(local), row[_rope.table_stride], rows, head_dim * 4)
    ):
        return False
    half = head_dim // 2
    pair_stride, distance = (2, 1) if row[_rope.style] == _INTERLEAVED else (1, half)
    x, table = scratch[:CHUNK], scratch[CHUNK : 2 * CHUNK]
    cosine, sine = table[:half], table[half:head_dim]
    for r in range(rows):
        read_row(table, local, row[_rope.table] + r * row[_rope.table_stride], F32, head_dim)
        for head in range(heads):
            at = head * head_dim * 2
            widen_row(x, local, row[_rope.a] + r * row[_rope.a_stride] + at, head_dim)
            for i in range(half):
                first, second = i * pair_stride, i * pair_stride + distance
                u, v = x[first], x[second]
                x[first] = u * cosine[i] - v * sine[i]
                x[second] = u * sine[i] + v * cosine[i]
            write_row(local, row[_rope.dst] + r * row[_rope.dst_stride] + at, F16, x, head_dim)
    return True


@bare
def run_mask(row, local, fault):
    """Columns from limit + r // rows_per_step on become -inf."""
    rows, cols = row[_mask.rows], row[_mask.cols]
    if not (
        counted(fault, row, _mask.rows, _mask.cols)
        and within(fault, row, _mask.rows_per_step, ONE, MAX_EXTENT)
        and spans(fault, row, _mask.dst, len(local), row[_mask.dst_stride], rows, cols * 4)
    ):
        return False
    for r in range(rows):
        dst = row[_mask.dst] + r * row[_mask.dst_stride]
        for c in range(max(0, row[_mask.limit] + r // row[_mask.rows_per_step]), cols):
            store_float(local, dst + 4 * c, -_INFINITY)
    return True


@bare
def run_argmax(row, local, fault):
    """dst[r] = lowest index of the largest element of row r; NaN is never the largest."""
    rows, cols = row[_argmax.rows], row[_argmax.cols]
    if not (
        counted(fault, row, _argmax.rows, _argmax.cols)
        and spans(fault, row, _argmax.dst, len(local), WORD, rows, WORD)
        and spans(fault, row, _argmax.a, len(local), row[_argmax.a_stride], rows, cols * 4)
    ):
        return False
    for r in range(rows):
        a = row[_argmax.a] + r * row[_argmax.a_stride]
        best, found = -_INFINITY, 0
        for c in range(cols):
            value = load_float(local, a + 4 * c)
            if value > best:
                best, found = value, c
        store_int(local, row[_argmax.dst] + 4 * r, np.int32(found))
    return True


@bare
def run_fill(row, local, scratch, fault):
    """dst = value."""
    rows, cols = row[_fill.rows], row[_fill.cols]
    size = element_bytes(row[_fill.dst_type])
    if not (
        counted(fault, row, _fill.rows, _fill.cols)
        and spans(fault, row, _fill.dst, len(local), row[_fill.dst_stride], rows, cols * size)
    ):
        return False
    scratch[:CHUNK] = float_of(row[_fill.value])
    for r in range(rows):
        dst = row[_fill.dst] + r * row[_fill.dst_stride]
        for c in range(0, cols, CHUNK):
            write_row(local, dst + c * size, row[_fill.dst_type], scratch, min(CHUNK, cols - c))
    return True
