"""Stored number formats of GGUF tensors and their decoding, bit for bit as ggml defines it.

A quantised format stores blocks of 32 consecutive values: a scale (and sometimes a minimum) in fp16 and small integers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Blocks = NDArray[np.uint8]
"""Bytes of a tensor, one row per block."""


@dataclass(frozen=True)
class StoredType:
    """A tensor format: `block` values take `size` bytes; `decode` turns blocks into float32 values."""

    name: str
    block: int
    size: int
    decode: Callable[[Blocks], Floats]


def _f32(blocks: Blocks) -> Floats:
    return blocks.view("<f4").astype(np.float32, copy=False)


def _f16(blocks: Blocks) -> Floats:
    return blocks.view("<f2").astype(np.float32)


def _bf16(blocks: Blocks) -> Floats:
    return (blocks.view("<u2").astype(np.uint32) << 16).view(np.float32)


def _half(blocks: Blocks, start: int) -> Floats:
    """The fp16 number at a byte offset of each block, as a column."""
    return np.ascontiguousarray(blocks[:, start : start + 2]).view("<f2").astype(np.float32)


def _nibbles(blocks: Blocks, start: int) -> Blocks:
    """The 32 four-bit integers of each block: the low halves of 16 bytes, then the high halves."""
    packed = blocks[:, start : start + 16]
    return np.concatenate((packed & np.uint8(0xF), packed >> np.uint8(4)), axis=1)


def _fifth_bits(blocks: Blocks, start: int) -> Blocks:
    """Bit j of a little-endian 32-bit word is bit 4 of value j."""
    bits = np.unpackbits(np.ascontiguousarray(blocks[:, start : start + 4]), axis=1, bitorder="little")
    return bits << np.uint8(4)


def _q4_0(blocks: Blocks) -> Floats:
    return _half(blocks, 0) * (_nibbles(blocks, 2).astype(np.float32) - 8)


def _q4_1(blocks: Blocks) -> Floats:
    return _half(blocks, 0) * _nibbles(blocks, 4).astype(np.float32) + _half(blocks, 2)


def _q5_0(blocks: Blocks) -> Floats:
    return _half(blocks, 0) * ((_nibbles(blocks, 6) | _fifth_bits(blocks, 2)).astype(np.float32) - 16)


def _q5_1(blocks: Blocks) -> Floats:
    values = (_nibbles(blocks, 8) | _fifth_bits(blocks, 4)).astype(np.float32)
    return _half(blocks, 0) * values + _half(blocks, 2)


def _q8_0(blocks: Blocks) -> Floats:
    return _half(blocks, 0) * blocks[:, 2:].view(np.int8).astype(np.float32)


STORED_TYPES: dict[int, StoredType] = {
    0: StoredType("F32", 1, 4, _f32),
    1: StoredType("F16", 1, 2, _f16),
    2: StoredType("Q4_0", 32, 18, _q4_0),
    3: StoredType("Q4_1", 32, 20, _q4_1),
    6: StoredType("Q5_0", 32, 22, _q5_0),
    7: StoredType("Q5_1", 32, 24, _q5_1),
    8: StoredType("Q8_0", 32, 34, _q8_0),
    30: StoredType("BF16", 1, 2, _bf16),
}

UNSUPPORTED_TYPES: dict[int, str] = {
    9: "Q8_1",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
}
"""Names of formats that exist but are not decoded here, for the error message."""


def decode(data: Blocks, stored: StoredType) -> Floats:
    """All values of a tensor's bytes, flat, in float32."""
    return stored.decode(data.reshape(-1, stored.size)).reshape(-1)
