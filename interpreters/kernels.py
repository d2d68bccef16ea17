"""Stage `kernels`: what each structured `npu` and `pim` op does to its buffers, in numpy.

Weights, caches and tables are logical arrays: layouts decide where elements are, never what a structured op computes.
Every op computes in fp32 and rounds once to the element type of the buffer that it writes. An op of `npu` and the op of
`pim` with the same name mean the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, Operation

from ..dialects import host
from ..dialects.llm import ActivationKind, RopeStyle
from ..dialects.npu import structured as npu
from ..dialects.npu.types import RopeTableAttr
from ..dialects.pim import structured as pim
from ..dialects.structured import StructuredOp, symbol_of
from .control import ArrayPlanInterpreter, dtype_of, undefined
from .layouts import rope_table
from .llm import Array, Weights, activate

F32 = np.float32


class KernelsInterpreter(ArrayPlanInterpreter):
    """Runs `@step` of a module at stage `kernels`."""

    def __init__(self, module: ModuleOp, store: Weights):
        super().__init__(module, store)
        self.caches: dict[str, Array] = {}

    def execute(self, op: Operation, operands: list[Any]) -> list[Any]:
        match op:
            case host.BufferOp() if op not in self.plan_buffers:
                return [undefined(op.result.type)]
            case host.ViewOp():
                buffer, first = operands
                return [buffer[first:]]
            case StructuredOp():
                _EXECUTE[type(op)](op, Operands.of(op, operands), self)
                return []
            case _:
                return super().execute(op, operands)

    def tensor(self, symbol: Attribute | None, layer: int | None = None) -> Array:
        """A weight, or one layer of it, or a generated table."""
        memory = self.memories[symbol_of(symbol)]
        if isinstance(memory.layout, RopeTableAttr):
            assert isinstance(memory.type, TensorType)
            context, head_dim = memory.type.get_shape()
            return rope_table(context, head_dim, memory.layout.data)
        assert memory.source is not None
        values = self.store.array(memory.source.data)
        return (values if layer is None else values[layer]).astype(F32)

    def cache(self, symbol: Attribute) -> Array:
        """A tensor without source that ops write, at first zero. A KV cache is layers x slots x KV heads x context x
        head dimension."""
        name = symbol_of(symbol)
        if name not in self.caches:
            type_ = self.memories[name].type
            assert isinstance(type_, TensorType)
            self.caches[name] = np.zeros(type_.get_shape(), dtype_of(type_.element_type))
        return self.caches[name]


@dataclass
class Operands:
    """The values of the named operands of an op; `layer` is None for a weight that is not stacked."""

    values: dict[str, Any]

    @staticmethod
    def of(op: StructuredOp, values: list[Any]) -> "Operands":
        names = [name for name, _ in op.get_irdl_definition().operands if getattr(op, name) is not None]
        return Operands(dict(zip(names, values, strict=True)))

    def __getattr__(self, name: str) -> Any:
        return self.values.get(name)

    def rows_of(self, name: str) -> NDArray[np.float32]:
        """The rows of a buffer that the op works on, in fp32."""
        return self.values[name][: self.values["rows"]].astype(F32)


def _write(buffer: Array, values: Array) -> None:
    """Rows to the start of a buffer, rounded to its element type."""
    buffer[: len(values)] = values.reshape(len(values), *buffer.shape[1:]).astype(buffer.dtype)


def _embed(op: npu.EmbedOp, at: Operands, run: KernelsInterpreter) -> None:
    _write(at.y, run.tensor(op.table)[at.tokens[: at.rows]])


def _position_embed(op: npu.PositionEmbedOp, at: Operands, run: KernelsInterpreter) -> None:
    first = at.past + op.offset.value.data
    _write(at.y, at.rows_of("x") + run.tensor(op.table)[first : first + at.rows])


def _linear(op: npu.LinearOp | pim.GemvOp, at: Operands, run: KernelsInterpreter) -> None:
    y = at.rows_of("x") @ run.tensor(op.weight, at.layer).T
    if isinstance(op, npu.LinearOp) and op.bias is not None:
        y = y + run.tensor(op.bias, at.layer)
    _write(at.y, y)


def _gemm(op: npu.GemmOp, at: Operands, run: KernelsInterpreter) -> None:
    run.cache(op.c)[...] = run.tensor(op.a) @ run.tensor(op.w).T


def _rms_norm(op: npu.RMSNormOp, at: Operands, run: KernelsInterpreter) -> None:
    x = at.rows_of("x")
    mean_square = np.mean(x * x, axis=-1, keepdims=True)
    _write(at.y, x / np.sqrt(mean_square + F32(op.eps.value.data)) * run.tensor(op.gain, at.layer))


def _layer_norm(op: npu.LayerNormOp, at: Operands, run: KernelsInterpreter) -> None:
    x = at.rows_of("x")
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    normed = centred / np.sqrt(variance + F32(op.eps.value.data))
    _write(at.y, normed * run.tensor(op.gain, at.layer) + run.tensor(op.bias, at.layer))


def _rotary(op: npu.RotaryOp, at: Operands, run: KernelsInterpreter) -> None:
    heads, head_dim = op.heads.value.data, op.head_dim.value.data
    table = run.tensor(op.table)[at.past : at.past + at.rows, None]
    cos, sin = table[..., : head_dim // 2], table[..., head_dim // 2 :]
    x = at.rows_of("x").reshape(at.rows, heads, head_dim)
    if op.style.data == RopeStyle.INTERLEAVED:
        first, second = slice(0, None, 2), slice(1, None, 2)
    else:
        first, second = slice(0, head_dim // 2), slice(head_dim // 2, None)
    y = np.empty_like(x)
    y[..., first] = x[..., first] * cos - x[..., second] * sin
    y[..., second] = x[..., first] * sin + x[..., second] * cos
    _write(at.y, y)


def _kv_append(op: npu.KVAppendOp | pim.KVAppendOp, at: Operands, run: KernelsInterpreter) -> None:
    for symbol, new in ((op.keys, at.k), (op.values, at.v)):
        cache = run.cache(symbol)
        heads, _, head_dim = cache.shape[2:]
        rows = new[: at.rows].reshape(at.rows, heads, head_dim)
        which = pim.heads_of_group(op, heads) if isinstance(op, pim.KVAppendOp) else range(heads)
        for head in which:
            cache[at.layer, at.slot, head, at.past : at.past + at.rows] = rows[:, head]


def _scores(op: npu.ScoresOp | pim.ScoresOp | pim.AttendOp, at: Operands, run: KernelsInterpreter) -> None:
    keys = run.cache(op.keys)[at.layer, at.slot].astype(F32)
    kv_heads, _, head_dim = keys.shape
    at.s[: at.rows] = np.nan  # beyond the keys that a row sees
    for token, q in enumerate(at.rows_of("q")):
        length = at.past + token + 1
        queries = q.reshape(kv_heads, -1, head_dim)
        products = queries @ keys[:, :length].transpose(0, 2, 1)
        at.s[token, :, :length] = products.reshape(-1, length)


def _softmax(op: npu.SoftmaxOp | pim.SoftmaxRowsOp | pim.AttendOp, at: Operands, run: KernelsInterpreter) -> None:
    scale = F32(op.scale.value.data)
    for token in range(at.rows):
        length = at.past + token + 1
        s = at.s[token, :, :length]
        exponentials = np.exp((s - np.max(s, axis=-1, keepdims=True)) * scale)
        at.p[token] = 0
        at.p[token, :, :length] = exponentials / np.sum(exponentials, axis=-1, keepdims=True)
    if isinstance(op, npu.SoftmaxOp):
        at.s[: at.rows] = np.nan  # its scratch by then


def _context(op: npu.ContextOp | pim.ContextOp | pim.AttendOp, at: Operands, run: KernelsInterpreter) -> None:
    values = run.cache(op.values)[at.layer, at.slot].astype(F32)
    kv_heads = len(values)
    mixed = np.empty((at.rows, at.o.shape[1]), F32)
    for token in range(at.rows):
        length = at.past + token + 1
        p = at.p[token, :, :length].astype(F32).reshape(kv_heads, -1, length)
        mixed[token] = (p @ values[:, :length]).reshape(-1)
    if isinstance(op, pim.AttendOp) and op.groups is not None:
        heads, width = pim.heads_of_group(op, kv_heads), at.o.shape[1] // kv_heads
        part = slice(heads.start * width, heads.stop * width)
        _write(at.o[:, part], mixed[:, part])
    else:
        _write(at.o, mixed)


def _attend(op: pim.AttendOp, at: Operands, run: KernelsInterpreter) -> None:
    for step in (_scores, _softmax, _context):
        step(op, at, run)


def _elementwise(op: npu.ElementwiseOp, at: Operands, run: KernelsInterpreter) -> None:
    a = at.rows_of("a")
    match op.kind.data:
        case npu.Elementwise.ADD:
            y = a + at.rows_of("b")
        case npu.Elementwise.MUL:
            y = a * at.rows_of("b")
        case npu.Elementwise.COPY:
            y = a
        case kind:
            y = activate(ActivationKind(kind.value), a)
    _write(at.y, y)


def _bias(op: npu.BiasOp, at: Operands, run: KernelsInterpreter) -> None:
    _write(at.y, at.rows_of("x") + run.tensor(op.bias, at.layer))


def _greedy(op: npu.GreedyOp, at: Operands, run: KernelsInterpreter) -> None:
    _write(at.y, np.argmax(at.x[: at.rows, : op.columns.value.data], axis=-1))


_EXECUTE: dict[type[Operation], Callable[[Any, Operands, KernelsInterpreter], None]] = {
    npu.EmbedOp: _embed,
    npu.PositionEmbedOp: _position_embed,
    npu.LinearOp: _linear,
    npu.GemmOp: _gemm,
    npu.RMSNormOp: _rms_norm,
    npu.LayerNormOp: _layer_norm,
    npu.RotaryOp: _rotary,
    npu.KVAppendOp: _kv_append,
    npu.ScoresOp: _scores,
    npu.SoftmaxOp: _softmax,
    npu.ContextOp: _context,
    npu.ElementwiseOp: _elementwise,
    npu.BiasOp: _bias,
    npu.GreedyOp: _greedy,
    pim.GemvOp: _linear,
    pim.KVAppendOp: _kv_append,
    pim.ScoresOp: _scores,
    pim.SoftmaxRowsOp: _softmax,
    pim.ContextOp: _context,
    pim.AttendOp: _attend,
}
