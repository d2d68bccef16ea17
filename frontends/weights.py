"""Weight values by symbol, as fp16 arrays with the layers stacked: from a model file through a disk cache, or random."""

import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .builder import WeightOrigin
from .config import ModelConfig, WeightSpec, weight_specs
from .errors import ModelFileError
from .gguf import GGUFFile
from .gguf_llama import check_tensors, tensor_keys

Values: TypeAlias = NDArray[np.float16] | NDArray[np.float32]

_CACHE_LAYOUT = "weights-1"
"""Changes whenever cached files would no longer mean the same."""


@dataclass(frozen=True)
class WeightStore:
    """The weights of one model. A preset has names and shapes but no values."""

    specs: dict[str, WeightSpec]
    origin: WeightOrigin | None = None
    load: Callable[[WeightSpec], Values] | None = None
    _arrays: dict[str, Values] = field(default_factory=dict, repr=False)

    @property
    def has_data(self) -> bool:
        return self.load is not None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.specs)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {symbol: spec.shape for symbol, spec in self.specs.items()}

    def array(self, symbol: str) -> Values:
        """The values of a weight symbol in fp16; layers are the first dimension of a weight that each layer has."""
        if symbol not in self.specs:
            raise ModelFileError(f"no weight @{symbol}, expected one of: {', '.join(self.specs)}")
        if self.load is None:
            raise ModelFileError(f"weight @{symbol} has no values: the model is a preset of shapes only")
        if symbol not in self._arrays:
            self._arrays[symbol] = self.load(self.specs[symbol])
        return self._arrays[symbol]

    def widened(self) -> "WeightStore":
        """The same values as float32 arrays in memory: twice the bytes, but no conversion at each use."""
        return WeightStore(self.specs, self.origin, lambda spec: self.array(spec.symbol).astype(np.float32))


def shapes_only_store(config: ModelConfig) -> WeightStore:
    return WeightStore(weight_specs(config))


def random_store(config: ModelConfig, seed: int) -> WeightStore:
    """Random weights of a size that keeps activations near 1; the same for the same seed, symbol by symbol."""

    def load(spec: WeightSpec) -> Values:
        rng = np.random.default_rng((seed, zlib.crc32(spec.symbol.encode())))
        noise = rng.standard_normal(spec.shape, np.float32)
        if spec.symbol.endswith("_bias"):
            return (0.1 * noise).astype(np.float16)
        if spec.symbol.endswith("_norm"):
            return (1 + 0.1 * noise).astype(np.float16)
        if spec.symbol in ("token_embd", "position_embd"):
            return noise.astype(np.float16)
        return (noise / np.sqrt(np.float32(spec.shape[-1]))).astype(np.float16)

    return WeightStore(weight_specs(config), load=load)


def gguf_store(file: GGUFFile, config: ModelConfig) -> WeightStore:
    """The weights of a GGUF file: decoded to fp16 once per file content, then mapped from the disk cache."""
    source_types = check_tensors(file, config)
    cache = _Cache(file)
    origin = WeightOrigin(file.path.name, cache.sha256, source_types)
    return WeightStore(weight_specs(config), origin, cache.load)


def cache_root() -> Path:
    """`$PIMLIR_CACHE`, or `pimlir` in the user's cache folder."""
    chosen = os.environ.get("PIMLIR_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pimlir"


@dataclass
class _Cache:
    """One folder per file content, one `.npy` per weight symbol. Without a writable folder, values stay in memory."""

    file: GGUFFile

    @cached_property
    def sha256(self) -> str:
        """Hash of the file; remembered by path, size and modification time, as hashing costs more than a warm start."""
        stat = self.file.path.stat()
        key = f"{self.file.path.resolve()}\n{stat.st_size}\n{stat.st_mtime_ns}"
        entry = cache_root() / "files" / hashlib.sha256(key.encode()).hexdigest()
        try:
            known = entry.read_text()
            if len(known) == 64:
                return known
        except OSError:
            pass
        digest = hashlib.sha256(self.file.data).hexdigest()
        _write_atomically(entry, lambda temporary: temporary.write_text(digest))
        return digest

    def load(self, spec: WeightSpec) -> Values:
        place = cache_root() / _CACHE_LAYOUT / self.sha256 / f"{spec.symbol}.npy"
        cached = _open(place, spec)
        if cached is not None:
            return cached
        values = self.decode(spec)
        _write_atomically(place, lambda temporary: _save(temporary, values))
        cached = _open(place, spec)
        return values if cached is None else cached

    def decode(self, spec: WeightSpec) -> Values:
        values = np.empty(spec.shape, np.float16)
        parts: Iterator[Values] = iter(values) if spec.per_layer else iter((values,))
        with np.errstate(over="ignore"):
            for key, part in zip(tensor_keys(spec), parts, strict=True):
                part[...] = self.file.values(key)
                if not np.isfinite(part).all():
                    raise ModelFileError(f"{self.file.path}: tensor '{key}' holds values that fp16 cannot (over 65504)")
        return values


def _open(place: Path, spec: WeightSpec) -> Values | None:
    """The cached array, or None when it is absent or not what it should be."""
    try:
        array = np.load(place, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return array if array.dtype == np.float16 and array.shape == spec.shape else None


def _save(place: Path, values: Values) -> None:
    with place.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def _write_atomically(place: Path, write: Callable[[Path], object]) -> None:
    """Writes into a folder of its own beside the place, then renames; a cache that cannot be written is no error."""
    folder: str | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(dir=place.parent, prefix=".new-")
        temporary = Path(folder) / place.name
        write(temporary)
        temporary.replace(place)
    except OSError:
        pass
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
