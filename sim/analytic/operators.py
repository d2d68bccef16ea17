"""The operators of one decoder on one of several tensor-parallel devices, in AttAcc's granularity."""

import math
from dataclasses import dataclass
from enum import StrEnum

from .shapes import DecoderShape


class Kind(StrEnum):
    """What an operator is. `fc` has weights; `matmul` is one product a head; `transfer` goes to where attention runs."""

    FC = "fc"
    MATMUL = "matmul"
    SOFTMAX = "softmax"
    ACTIVATION = "activation"
    NORM = "norm"
    ALL_REDUCE = "all_reduce"
    TRANSFER = "transfer"


FLOPS_PER_ELEMENT = {"softmax": 5, "norm1": 5, "norm2": 5, "gelu": 8, "glu": 9, "relu": 1}
"""Source: attacc_simulator c600051, model.py."""


@dataclass(frozen=True)
class Operator:
    """`count` products m x n x k, or `count` times m x n elements; whole numbers except for AttAcc's LLaMA."""

    name: str
    kind: Kind
    m: float
    n: float
    k: float
    count: int
    element_bytes: int

    @property
    def flops(self) -> float:
        """Operations, two for a multiply-accumulate."""
        if self.kind in (Kind.FC, Kind.MATMUL):
            return 2 * self.m * self.n * self.k * self.count
        return FLOPS_PER_ELEMENT.get(self.name, 0) * self.m * self.n * self.count

    @property
    def elementwise_bytes(self) -> float:
        """Bytes that an operator without a product reads and writes; norms and gated activations read two operands."""
        operands = 3 if self.kind == Kind.NORM or self.name == "glu" else 2
        return operands * self.payload_bytes

    @property
    def payload_bytes(self) -> float:
        """Bytes of the result."""
        return self.count * self.m * self.n * self.element_bytes


def generation_step(
    shape: DecoderShape, devices: int, batch: int, length: float, element_bytes: int, offloaded: bool
) -> list[Operator]:
    """One new token for each of `batch` sequences of `length` tokens including it; attention elsewhere if `offloaded`."""
    group = shape.heads // shape.kv_heads
    heads, sets = math.ceil(shape.heads / devices), math.ceil(shape.kv_heads / devices)
    attention = _attention(shape, group, length, sets * batch, element_bytes)
    if offloaded:
        there = Operator("transfer_qkv", Kind.TRANSFER, batch, _qkv_width(shape, devices), 1, 1, element_bytes)
        back = Operator("transfer_context", Kind.TRANSFER, 1, shape.head_dim, 1, heads * batch, element_bytes)
        attention = [there, *attention, back]
    return _decoder(shape, devices, batch, element_bytes, attention)


def prefill(
    shape: DecoderShape, devices: int, batch: int, length: int, element_bytes: int, offloaded: bool
) -> list[Operator]:
    """`batch` prompts of `length` tokens, all on the xPU; keys and values are sent away if attention is `offloaded`."""
    heads = math.ceil(shape.heads / devices)
    attention = _attention(shape, length, length, heads * batch, element_bytes)
    if offloaded:
        width = 2 * shape.kv_heads * shape.head_dim // devices
        attention.insert(0, Operator("transfer_kv", Kind.TRANSFER, batch * length, width, 1, 1, element_bytes))
    return _decoder(shape, devices, batch * length, element_bytes, attention)


def _qkv_width(shape: DecoderShape, devices: int) -> int:
    return (shape.heads + 2 * shape.kv_heads) * shape.head_dim // devices


def _attention(shape: DecoderShape, queries: int, length: float, count: int, element_bytes: int) -> list[Operator]:
    return [
        Operator("score", Kind.MATMUL, queries, length, shape.head_dim, count, element_bytes),
        Operator("softmax", Kind.SOFTMAX, queries, length, 1, count, element_bytes),
        Operator("context", Kind.MATMUL, queries, shape.head_dim, length, count, element_bytes),
    ]


def _decoder(
    shape: DecoderShape, devices: int, tokens: int, element_bytes: int, attention: list[Operator]
) -> list[Operator]:
    hidden, ffn = shape.hidden, shape.ffn / devices

    def one(name: str, kind: Kind, n: float, k: float = 1) -> Operator:
        return Operator(name, kind, tokens, n, k, 1, element_bytes)

    gate = [one("ff_gate", Kind.FC, ffn, hidden)] if shape.activation == "glu" else []
    return [
        one("qkv", Kind.FC, _qkv_width(shape, devices), hidden),
        *attention,
        one("proj", Kind.FC, hidden, shape.heads * shape.head_dim // devices),
        one("all_reduce_attention", Kind.ALL_REDUCE, hidden),
        one("norm1", Kind.NORM, hidden),
        *gate,
        one("ff_up", Kind.FC, ffn, hidden),
        one(shape.activation, Kind.ACTIVATION, ffn),
        one("ff_down", Kind.FC, hidden, ffn),
        one("all_reduce_ffn", Kind.ALL_REDUCE, hidden),
        one("norm2", Kind.NORM, hidden),
    ]
