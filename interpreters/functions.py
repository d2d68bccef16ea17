"""The fp32 functions and sums that instructions are made of, as docs/explanation/numerics.md fixes them.

Every step is one fp32 operation. `exp`, `erf` and `tanh` are those of the C library, which numpy's are not.
"""

from collections.abc import Callable
from ctypes import CDLL, c_float
from ctypes.util import find_library
from math import pi, sqrt
from typing import TypeAlias

import numpy as np

from .llm import Array

Floats: TypeAlias = Array
"""fp32 values."""

F32 = np.float32
LANES = 16
"""Elements of a column, and lanes of every reduction."""


def _c_function(name: str) -> Callable[[Floats], Floats]:
    function = getattr(CDLL(find_library("m")), name)
    function.argtypes, function.restype = (c_float,), c_float
    return np.vectorize(function, otypes=[F32])


exp, erf, tanh = (_c_function(name) for name in ("expf", "erff", "tanhf"))


def silu(x: Floats) -> Floats:
    return x / (F32(1) + exp(-x))


def gelu(x: Floats) -> Floats:
    return F32(0.5) * x * (F32(1) + erf(x * F32(sqrt(0.5))))


def gelu_tanh(x: Floats) -> Floats:
    cubic = F32(0.044715) * x * x * x
    return F32(0.5) * x * (F32(1) + tanh(F32(sqrt(2 / pi)) * (x + cubic)))


UNARY: dict[str, Callable[[Floats], Floats]] = {
    "copy": lambda x: x,
    "exp": exp,
    "rsqrt": lambda x: F32(1) / np.sqrt(x),
    "reciprocal": lambda x: F32(1) / x,
    "silu": silu,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "relu": lambda x: np.maximum(x, F32(0)),
}

BINARY: dict[str, Callable[[Floats, Floats], Floats]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "max": np.maximum,
    "div": lambda a, b: a / b,
}


def halving_tree(values: Floats) -> Floats:
    """Sum over the last dimension (a power of two): lower half plus upper half, until one is left."""
    while values.shape[-1] > 1:
        half = values.shape[-1] // 2
        values = values[..., :half] + values[..., half:]
    return values[..., 0]


def lane_sum(values: Floats) -> Floats:
    """Sum over the last dimension: element c into lane c mod 16, c ascending, then the halving tree."""
    lanes = np.zeros((*values.shape[:-1], LANES), F32)
    for first in range(0, values.shape[-1], LANES):
        part = values[..., first : first + LANES]
        lanes[..., : part.shape[-1]] += part
    return halving_tree(lanes)


def rounded(values: Array, dtype: np.dtype) -> Array:
    """fp32 to an element type: f16 to nearest even, i32 towards zero and saturating (NaN is 0)."""
    if dtype == np.int32:
        limits = np.iinfo(np.int32)
        return np.nan_to_num(np.clip(values.astype(np.float64), limits.min, limits.max)).astype(np.int32)
    return values.astype(dtype)
