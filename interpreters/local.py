"""On-chip memory as bytes, and matrices in it."""

import numpy as np
from numpy.typing import NDArray

from ..backends.isa.spec import DTYPE_NAMES
from .functions import Floats, rounded
from .llm import Array

DTYPES = {"f16": np.dtype(np.float16), "f32": np.dtype(np.float32), "i32": np.dtype(np.int32)}

_GARBAGE = 0xFF
"""Byte of memory that nobody wrote: NaN as f16 and f32, so that a program that reads it shows."""


class LocalMemory:
    """Bytes that instructions address. `name` is for messages."""

    def __init__(self, name: str, size: int):
        self.name = name
        self.bytes = np.full(size, _GARBAGE, np.uint8)

    def matrix(self, address: int, stride: int, rows: int, cols: int, dtype: str) -> Array:
        """The memory itself as rows x cols elements, rows `stride` bytes apart."""
        element = DTYPES[dtype]
        if rows <= 0 or cols <= 0:
            return np.zeros((max(rows, 0), max(cols, 0)), element)
        ends = [address + row * stride + at for row in (0, rows - 1) for at in (0, cols * element.itemsize)]
        if min(ends) < 0 or max(ends) > len(self.bytes):
            raise ValueError(f"{self.name}: bytes [{min(ends)}, {max(ends)}) are not in [0, {len(self.bytes)})")
        return np.ndarray((rows, cols), element, self.bytes.data, address, (stride, element.itemsize))

    def read(self, address: int, stride: int, rows: int, cols: int, dtype: str) -> Floats:
        """A matrix in fp32."""
        return self.matrix(address, stride, rows, cols, dtype).astype(np.float32)

    def write(self, address: int, stride: int, dtype: str, values: Floats) -> None:
        """Store a matrix, rounded to its element type."""
        rows, cols = values.shape
        target = self.matrix(address, stride, rows, cols, dtype)
        target[...] = rounded(values, target.dtype)

    def raw(self, address: int, size: int) -> NDArray[np.uint8]:
        """`size` bytes."""
        if size < 0 or address < 0 or address + size > len(self.bytes):
            raise ValueError(f"{self.name}: bytes [{address}, {address + size}) are not in [0, {len(self.bytes)})")
        return self.bytes[address : address + size]


def type_name(number: int) -> str:
    """Name of an element type as instruction fields number it."""
    return DTYPE_NAMES[number]
