"""What each NPU instruction does, one function each: the definition of the instruction set of backends/isa/npu.py."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from ..backends.isa.npu import BINARY_OPS, BROADCASTS, REDUCE_OPS, ROPE_STYLES, UNARY_FUNCTIONS
from ..dialects.affine_fields import bits_float
from ..dialects.hardware import NpuCore
from .functions import BINARY, F32, UNARY, Floats, lane_sum
from .layouts import MainMemory
from .local import LocalMemory, type_name

Fields = SimpleNamespace
"""The fields of one instruction as integers, by name."""


class Npu:
    """Local memory and the weights in each systolic array."""

    def __init__(self, core: NpuCore, local: LocalMemory, main: MainMemory):
        self.core, self.local, self.main = core, local, main
        self.weights: dict[int, Floats] = {}

    def run(self, name: str, fields: Fields) -> None:
        _EXECUTE[name](self, fields)

    def dram(self, address: int, size: int) -> np.ndarray:
        """Bytes of the linear space."""
        if address < 0 or size < 0 or address + size > len(self.main.linear):
            raise ValueError(f"bytes [{address}, {address + size}) are not in the linear space")
        return self.main.linear[address : address + size]


def _load(npu: Npu, f: Fields) -> None:
    for row in range(f.rows):
        source = npu.dram(f.dram + row * f.dram_stride, f.row_bytes)
        npu.local.raw(f.local + row * f.local_stride, f.row_bytes)[...] = source


def _store(npu: Npu, f: Fields) -> None:
    for row in range(f.rows):
        target = npu.dram(f.dram + row * f.dram_stride, f.row_bytes)
        target[...] = npu.local.raw(f.local + row * f.local_stride, f.row_bytes)


def _gather(npu: Npu, f: Fields) -> None:
    indices = npu.local.matrix(f.index, 4, f.rows, 1, "i32")[:, 0]
    for row, index in enumerate(indices.tolist()):
        source = npu.dram(f.dram + index * f.dram_stride, f.row_bytes)
        npu.local.raw(f.local + row * f.local_stride, f.row_bytes)[...] = source


def _tile(npu: Npu, f: Fields) -> Floats:
    """The weights W[k][n] that `preload` and `gemv` name."""
    if f.transpose:
        return npu.local.read(f.weights, f.weights_stride, f.n, f.k, "f16").T
    return npu.local.read(f.weights, f.weights_stride, f.k, f.n, "f16")


def _preload(npu: Npu, f: Fields) -> None:
    core = npu.core
    if f.array >= core.arrays or f.k > core.array_rows or f.n > core.array_cols:
        raise ValueError(f"array {f.array} does not take {f.k} x {f.n} weights")
    npu.weights[f.array] = _tile(npu, f)


def _matmul(npu: Npu, f: Fields) -> None:
    _multiply(npu, f, npu.weights[f.array])


def _gemv(npu: Npu, f: Fields) -> None:
    _multiply(npu, f, _tile(npu, f))


def _multiply(npu: Npu, f: Fields, weights: Floats) -> None:
    a = npu.local.read(f.a, f.a_stride, f.m, f.k, "f16")
    acc = np.zeros((f.m, f.n), F32)
    if f.accumulate:
        acc = npu.local.read(f.acc, f.acc_stride, f.m, f.n, "f32")
    for k in range(f.k):
        acc = acc + a[:, k, None] * weights[k, : f.n]
    npu.local.write(f.acc, f.acc_stride, "f32", acc)


def _binary(npu: Npu, f: Fields) -> None:
    a = npu.local.read(f.a, f.a_stride, f.rows, f.cols, type_name(f.a_type))
    broadcast = BROADCASTS[f.broadcast]
    b_rows = min(f.rows, 1) if broadcast == "row" else f.rows
    b_cols = min(f.cols, 1) if broadcast == "column" else f.cols
    b = npu.local.read(f.b, f.b_stride, b_rows, b_cols, type_name(f.b_type))
    npu.local.write(f.dst, f.dst_stride, type_name(f.dst_type), BINARY[BINARY_OPS[f.op]](a, b))


def _unary(npu: Npu, f: Fields) -> None:
    a = npu.local.read(f.a, f.a_stride, f.rows, f.cols, type_name(f.a_type))
    x = a * F32(bits_float(f.scale)) + F32(bits_float(f.bias))
    if x.size:
        npu.local.write(f.dst, f.dst_stride, type_name(f.dst_type), UNARY[UNARY_FUNCTIONS[f.function]](x))


def _reduce(npu: Npu, f: Fields) -> None:
    a = npu.local.read(f.a, f.a_stride, f.rows, f.cols, type_name(f.a_type))
    match REDUCE_OPS[f.op]:
        case "max":
            result = np.max(a, axis=1, initial=F32(-np.inf))
        case "sum":
            result = lane_sum(a)
        case _:
            result = lane_sum(a * a)
    npu.local.write(f.dst, f.dst_stride, "f32", result[:, None])


def _rope(npu: Npu, f: Fields) -> None:
    half = f.head_dim // 2
    table = npu.local.read(f.table, f.table_stride, f.rows, f.head_dim, "f32")
    cos, sin = table[:, None, :half], table[:, None, half:]
    x = npu.local.read(f.a, f.a_stride, f.rows, f.heads * f.head_dim, "f16").reshape(f.rows, f.heads, f.head_dim)
    if ROPE_STYLES[f.style] == "interleaved":
        first, second = slice(0, None, 2), slice(1, None, 2)
    else:
        first, second = slice(0, half), slice(half, None)
    u, v = x[..., first], x[..., second]
    rotated = np.empty_like(x)
    rotated[..., first] = u * cos - v * sin
    rotated[..., second] = u * sin + v * cos
    npu.local.write(f.dst, f.dst_stride, "f16", rotated.reshape(f.rows, -1))


def _mask(npu: Npu, f: Fields) -> None:
    target = npu.local.matrix(f.dst, f.dst_stride, f.rows, f.cols, "f32")
    for row in range(f.rows):
        target[row, max(f.limit + row // f.rows_per_step, 0) :] = -np.inf


def _argmax(npu: Npu, f: Fields) -> None:
    a = npu.local.read(f.a, f.a_stride, f.rows, f.cols, "f32")
    index = np.argmax(np.where(np.isnan(a), -np.inf, a), axis=1)
    npu.local.matrix(f.dst, 4, f.rows, 1, "i32")[:, 0] = index


def _fill(npu: Npu, f: Fields) -> None:
    npu.local.write(f.dst, f.dst_stride, type_name(f.dst_type), np.full((f.rows, f.cols), bits_float(f.value), F32))


def _sync(npu: Npu, f: Fields) -> None:
    """Only its waits and posts matter."""


_EXECUTE: dict[str, Callable[[Npu, Fields], None]] = {
    "load": _load,
    "store": _store,
    "gather": _gather,
    "preload": _preload,
    "matmul": _matmul,
    "gemv": _gemv,
    "binary": _binary,
    "unary": _unary,
    "reduce": _reduce,
    "rope": _rope,
    "mask": _mask,
    "argmax": _argmax,
    "fill": _fill,
    "sync": _sync,
}
