"""A small GGUF writer, and a two-layer model file made with it."""

import struct
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

F32 = 0


def encode_string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def encode_value(value: Any) -> bytes:
    """Type number and bytes of a metadata value; numbers are u32, i64 when negative, or f32."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int() if value < 0:
            return struct.pack("<Iq", 11, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + encode_string(value)
        case list():
            kind = 8 if isinstance(value[0], str) else 4
            items = b"".join(encode_string(x) if kind == 8 else struct.pack("<I", x) for x in value)
            return struct.pack("<IIQ", 9, kind, len(value)) + items
    raise TypeError(value)


def encode_gguf(
    metadata: Mapping[str, Any],
    tensors: Mapping[str, tuple[tuple[int, ...], int, bytes]],
    version: int = 3,
    alignment: int = 32,
) -> bytes:
    """A file from metadata and tensors: name to row-major shape, type number, bytes."""
    head = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(metadata))
    head += b"".join(encode_string(key) + encode_value(value) for key, value in metadata.items())
    data = b""
    for name, (shape, type_id, raw) in tensors.items():
        data += b"\0" * (-len(data) % alignment)
        sizes = struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += encode_string(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", type_id, len(data))
        data += raw
    return head + b"\0" * (-len(head) % alignment) + data


TINY_METADATA: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "tiny",
    "llama.block_count": 2,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 96,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.context_length": 64,
    "llama.rope.freq_base": 10000.0,
}

TINY_SHAPES: dict[str, tuple[int, ...]] = {
    "token_embd.weight": (41, 32),
    "output_norm.weight": (32,),
    **{
        f"blk.{layer}.{name}.weight": shape
        for layer in (0, 1)
        for name, shape in {
            "attn_norm": (32,),
            "attn_q": (32, 32),
            "attn_k": (16, 32),
            "attn_v": (16, 32),
            "attn_output": (32, 32),
            "ffn_norm": (32,),
            "ffn_gate": (96, 32),
            "ffn_up": (96, 32),
            "ffn_down": (32, 96),
        }.items()
    },
}


def tiny_tensors() -> dict[str, tuple[tuple[int, ...], int, bytes]]:
    rng = np.random.default_rng(1)
    return {
        name: (shape, F32, rng.standard_normal(prod(shape), np.float32).tobytes())
        for name, shape in TINY_SHAPES.items()
    }


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test of a frontend sees or fills the user's cache."""
    monkeypatch.setenv("PIMLIR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def gguf_bytes() -> Callable[..., bytes]:
    """Bytes of any GGUF file."""
    return encode_gguf


@pytest.fixture
def tiny_gguf(tmp_path: Path) -> Callable[..., Path]:
    """Writes the two-layer model with changed metadata or tensors (None removes an entry) and returns its path."""

    def write(metadata: Mapping[str, Any] | None = None, tensors: Mapping[str, Any] | None = None) -> Path:
        keep = {**TINY_METADATA, **(metadata or {})}
        data = {**tiny_tensors(), **(tensors or {})}
        path = tmp_path / "tiny.gguf"
        path.write_bytes(
            encode_gguf(
                {key: value for key, value in keep.items() if value is not None},
                {name: value for name, value in data.items() if value is not None},
            )
        )
        return path

    return write
