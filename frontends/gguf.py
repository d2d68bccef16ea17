"""The GGUF container, versions 2 and 3: metadata and the tensor table are parsed, tensor bytes stay in the mapped file."""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ModelFileError
from .quants import STORED_TYPES, UNSUPPORTED_TYPES, Blocks, Floats, StoredType, decode

# Value types of metadata by their number in the file; 8 is a string, 9 an array.
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9

_MAX_RANK = 4
_MAX_KEY_BYTES = 65535


@dataclass(frozen=True)
class GGUFTensor:
    """One entry of the tensor table; the shape is row-major, as in numpy (GGUF stores it the other way round)."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    offset: int
    """Absolute position of the first byte in the file."""


@dataclass(frozen=True)
class GGUFFile:
    """A parsed file. Tensors are decoded on demand with `values`."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, GGUFTensor]
    data: mmap.mmap

    def get(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """A metadata value of an expected Python type; a missing key without default is an error."""
        value = self.metadata.get(key, default)
        if value is None:
            raise ModelFileError(f"{self.path}: metadata key '{key}' is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            names = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
            raise ModelFileError(f"{self.path}: metadata key '{key}' is a {type(value).__name__}, expected {names}")
        return value

    def stored_type(self, name: str) -> StoredType:
        return _stored_type(self.path, self.tensors[name])

    def values(self, name: str) -> Floats:
        """The values of a tensor in float32, in its row-major shape."""
        tensor = self.tensors[name]
        stored = self.stored_type(name)
        size = prod(tensor.shape) // stored.block * stored.size
        raw: Blocks = np.frombuffer(self.data, np.uint8, size, tensor.offset)
        return decode(raw, stored).reshape(tensor.shape)


def read_gguf(path: str | Path) -> GGUFFile:
    """Parses metadata and tensor table, and checks that every tensor lies inside the file."""
    path = Path(path)
    try:
        if not path.is_file():
            raise ModelFileError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise ModelFileError(f"{path}: the file is empty, expected a GGUF header")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error

    reader = _Reader(path, data)
    magic = reader.take(4, "the magic number")
    if magic != b"GGUF":
        raise ModelFileError(f"{path}: magic number is {magic!r}, expected b'GGUF'")
    version = reader.scalar("<I", "the version")
    if version not in (2, 3):
        hint = " (a big-endian file)" if version in (2 << 24, 3 << 24) else ""
        raise ModelFileError(f"{path}: GGUF version is {version}{hint}, expected 2 or 3")
    tensor_count = reader.count("the tensor count", entry_bytes=24)
    metadata_count = reader.count("the metadata count", entry_bytes=13)

    metadata: dict[str, Any] = {}
    for index in range(metadata_count):
        key = reader.string(f"metadata key {index}", limit=_MAX_KEY_BYTES)
        metadata[key] = reader.value(reader.scalar("<I", f"the type of '{key}'"), f"metadata '{key}'")

    table = [reader.tensor(index) for index in range(tensor_count)]
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise ModelFileError(f"{path}: general.alignment is {alignment!r}, expected an integer of at least 1")
    start = -(-reader.position // alignment) * alignment

    tensors: dict[str, GGUFTensor] = {}
    for name, shape, type_id, offset in table:
        if name in tensors:
            raise ModelFileError(f"{path}: tensor '{name}' appears twice")
        tensors[name] = GGUFTensor(name, shape, type_id, start + offset)
        _check_extent(path, tensors[name], len(data))
    return GGUFFile(path, metadata, tensors, data)


def _stored_type(path: Path, tensor: GGUFTensor) -> StoredType:
    stored = STORED_TYPES.get(tensor.type_id)
    if stored is None:
        name = UNSUPPORTED_TYPES.get(tensor.type_id, "unknown")
        known = ", ".join(known.name for known in STORED_TYPES.values())
        raise ModelFileError(
            f"{path}: tensor '{tensor.name}' has type {tensor.type_id} ({name}), supported are {known}"
        )
    return stored


def _check_extent(path: Path, tensor: GGUFTensor, file_size: int) -> None:
    stored = _stored_type(path, tensor)
    if not tensor.shape or tensor.shape[-1] % stored.block or 0 in tensor.shape:
        raise ModelFileError(
            f"{path}: tensor '{tensor.name}' has shape {tensor.shape}, "
            f"expected rows of a multiple of {stored.block} values for {stored.name}"
        )
    end = tensor.offset + prod(tensor.shape) // stored.block * stored.size
    if end > file_size:
        raise ModelFileError(
            f"{path}: tensor '{tensor.name}' ends at byte {end}, the file has {file_size} (truncated?)"
        )


class _Reader:
    """A cursor over the file that refuses to leave it."""

    def __init__(self, path: Path, data: mmap.mmap):
        self.path = path
        self.data = data
        self.size = len(data)
        self.position = 0

    def take(self, length: int, what: str) -> bytes:
        end = self.position + length
        if end > self.size:
            raise ModelFileError(
                f"{self.path}: {what} at byte {self.position} needs {length} bytes, the file has {self.size} (truncated?)"
            )
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def scalar(self, format_: str, what: str) -> Any:
        return struct.unpack(format_, self.take(struct.calcsize(format_), what))[0]

    def count(self, what: str, entry_bytes: int) -> int:
        """A number of entries, refused when so many of the smallest size do not fit into the rest of the file."""
        count: int = self.scalar("<Q", what)
        if count * entry_bytes > self.size - self.position:
            raise ModelFileError(
                f"{self.path}: {what} is {count}, more than the {self.size - self.position} bytes after it can hold"
            )
        return count

    def string(self, what: str, limit: int | None = None) -> str:
        length = self.scalar("<Q", what)
        if limit is not None and length > limit:
            raise ModelFileError(f"{self.path}: {what} has {length} bytes, expected at most {limit}")
        raw = self.take(length, what)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelFileError(f"{self.path}: {what} is not UTF-8: {error.reason} at byte {error.start}") from error

    def value(self, type_id: int, what: str) -> Any:
        if type_id == _STRING:
            return self.string(what)
        if type_id == _ARRAY:
            return self.array(what)
        if type_id not in _SCALARS:
            raise ModelFileError(f"{self.path}: {what} has value type {type_id}, expected 0 to 12")
        return self.scalar(_SCALARS[type_id], what)

    def array(self, what: str) -> list[Any]:
        element = self.scalar("<I", f"the element type of {what}")
        if element == _STRING:
            return self.strings(self.count(f"the length of {what}", entry_bytes=8), what)
        if element not in _SCALARS:
            raise ModelFileError(f"{self.path}: {what} is an array of type {element}, expected scalars or strings")
        format_ = _SCALARS[element]
        size = struct.calcsize(format_)
        length = self.count(f"the length of {what}", entry_bytes=size)
        return list(struct.unpack(f"<{length}{format_[1]}", self.take(length * size, what)))

    def strings(self, length: int, what: str) -> list[str]:
        """Many strings at once: vocabularies have 10^5 of them, so the cursor is inlined."""
        data, position, size = self.data, self.position, self.size
        unpack = struct.Struct("<Q").unpack_from
        strings: list[str] = []
        for index in range(length):
            end = position + 8
            if end <= size:
                end += unpack(data, position)[0]
            if end > size:
                self.position = position
                self.take(end - position, f"{what}[{index}]")
            strings.append(data[position + 8 : end].decode("utf-8", "surrogateescape"))
            position = end
        self.position = position
        return strings

    def tensor(self, index: int) -> tuple[str, tuple[int, ...], int, int]:
        name = self.string(f"the name of tensor {index}", limit=_MAX_KEY_BYTES)
        rank = self.scalar("<I", f"the rank of tensor '{name}'")
        if rank > _MAX_RANK:
            raise ModelFileError(f"{self.path}: tensor '{name}' has rank {rank}, expected at most {_MAX_RANK}")
        sizes = [self.scalar("<Q", f"the shape of tensor '{name}'") for _ in range(rank)]
        type_id = self.scalar("<I", f"the type of tensor '{name}'")
        offset = self.scalar("<Q", f"the offset of tensor '{name}'")
        return name, tuple(reversed(sizes)), type_id, offset
