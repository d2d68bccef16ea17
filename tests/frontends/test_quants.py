"""Decoding equals the definition of each format, value by value and bit by bit."""

import numpy as np
import pytest

from pimlir.frontends.quants import STORED_TYPES, decode

BY_NAME = {stored.name: stored for stored in STORED_TYPES.values()}


def half(raw: bytes) -> np.float32:
    return np.float32(np.frombuffer(raw, "<f2")[0])


def nibble(raw: bytes, index: int) -> int:
    return raw[index] & 15 if index < 16 else raw[index - 16] >> 4


def fifth(raw: bytes, index: int) -> int:
    return (int.from_bytes(raw, "little") >> index & 1) << 4


def signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


SCALAR = {
    "Q4_0": lambda b, j: half(b[:2]) * np.float32(nibble(b[2:], j) - 8),
    "Q4_1": lambda b, j: half(b[:2]) * np.float32(nibble(b[4:], j)) + half(b[2:4]),
    "Q5_0": lambda b, j: half(b[:2]) * np.float32((nibble(b[6:], j) | fifth(b[2:6], j)) - 16),
    "Q5_1": lambda b, j: half(b[:2]) * np.float32(nibble(b[8:], j) | fifth(b[4:8], j)) + half(b[2:4]),
    "Q8_0": lambda b, j: half(b[:2]) * np.float32(signed(b[2 + j])),
    "F16": lambda b, j: half(b),
    "F32": lambda b, j: np.frombuffer(b, "<f4")[0],
    "BF16": lambda b, j: np.frombuffer(b"\0\0" + b, "<f4")[0],
}


@pytest.mark.parametrize("name", BY_NAME)
def test_decoding_equals_the_scalar_definition(name):
    stored = BY_NAME[name]
    rng = np.random.default_rng(7)
    blocks = rng.integers(0, 256, (50, stored.size), np.uint8)
    # Exponents of scales and plain floats are kept small: no infinities, no NaN.
    blocks[:, min(1, stored.size - 1)] &= 0x3F
    blocks[:, stored.size - 1 if stored.block == 1 else 3] &= 0x3F
    expected = np.array([SCALAR[name](bytes(block), j) for block in blocks for j in range(stored.block)], np.float32)
    assert np.array_equal(decode(blocks.reshape(-1), stored).view(np.uint32), expected.view(np.uint32))
