"""The image file (`.pimg`): everything an `Image` holds, in one file with the same bytes for the same image.

The file is a zip archive of stored (not compressed) entries with fixed dates, so that its bytes depend on nothing but
the image and standard tools list and open it:

    manifest.json              format and version, scalars, regions, buffers, machine, SHA-256 of every other entry
    programs/<n>/code.npy      with terms.npy, semaphores.npy and the same program as text, program.s
    plan/...                   the host plan, likewise
    stages/<name>.mlir         the IR that the programs came from
"""

import hashlib
import io
import json
import math
import os
import zipfile
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from .atomic_file import atomic_file
from .check import ProgramError, check_program
from .disassembly import disassemble
from .image import Buffer, Image, Program, Region

FORMAT = "pimlir image"
FORMAT_VERSION = 1

_ARRAYS = ("code", "terms", "semaphores")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that zip can express


class ImageFileError(ValueError):
    """A file that is not an image that this version can read, or an image that no file can hold."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _ProgramEntry(_Strict):
    folder: str
    name: str
    device: str
    arguments: tuple[str, ...]
    tags: tuple[str, ...]


class _Manifest(_Strict):
    format: str
    version: int
    producer: str
    machine: dict[str, Any]
    bounds: dict[str, Any]
    local_bytes: int
    softmax_bytes: int
    linear_bytes: int
    first_pim_row: int
    rows_used: int
    meta: dict[str, Any]
    regions: list[Region]
    buffers: dict[str, Buffer]
    programs: list[_ProgramEntry]
    plan: _ProgramEntry
    stages: list[str]
    sha256: dict[str, str]


_FACTS = (
    "machine",
    "bounds",
    "local_bytes",
    "softmax_bytes",
    "linear_bytes",
    "first_pim_row",
    "rows_used",
    "meta",
)
"""Fields that the manifest holds as they are in the image."""


def save_image(image: Image, path: str | os.PathLike[str]) -> None:
    """Write the image; the file appears complete or not at all. A device or pipe is written, not replaced."""
    data = image_bytes(image)
    with atomic_file(Path(path)) as temporary:
        temporary.write_bytes(data)


def load_image(path: str | os.PathLike[str]) -> Image:
    """Read an image; ImageFileError, one line that names the file and the place, if it is damaged or not an image."""
    try:
        return image_from_bytes(Path(path).read_bytes())
    except ImageFileError as error:
        raise ImageFileError(f"{os.fspath(path)}: {error}") from None


def image_bytes(image: Image) -> bytes:
    """The content of the image file."""
    parts: dict[str, bytes] = {}
    entries = [_add_program(parts, program, f"programs/{n:03}") for n, program in enumerate(image.programs)]
    plan = _add_program(parts, image.plan, "plan")
    for name, text in image.stages.items():
        parts[f"stages/{name}.mlir"] = text.encode()
    content = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "producer": f"pimlir {version('pimlir')}",
        **{name: getattr(image, name) for name in _FACTS},
        "regions": [vars(region) for region in image.regions],
        "buffers": {name: vars(buffer) for name, buffer in image.buffers.items()},
        "programs": entries,
        "plan": plan,
        "stages": list(image.stages),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
    }
    manifest = json.dumps(_plain(content, "image"), indent=1, ensure_ascii=False).encode()
    _read_manifest(manifest)
    return _archive({"manifest.json": manifest, **parts})


def image_from_bytes(data: bytes) -> Image:
    """The image in the content of an image file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise ImageFileError(f"not an image, or damaged: {error}") from None
    if "manifest.json" not in parts:
        raise ImageFileError("not an image: it holds no manifest.json")
    manifest = _read_manifest(parts.pop("manifest.json"))
    _check_parts(manifest, parts)
    return Image(
        programs=[_program(parts, entry) for entry in manifest.programs],
        plan=_program(parts, manifest.plan),
        regions=manifest.regions,
        buffers=manifest.buffers,
        stages={name: parts[f"stages/{name}.mlir"].decode() for name in manifest.stages},
        **{name: getattr(manifest, name) for name in _FACTS},
    )


def _add_program(parts: dict[str, bytes], program: Program, folder: str) -> dict[str, Any]:
    """Add the entries of one program, return its place in the manifest."""
    try:
        parts[f"{folder}/program.s"] = disassemble(program).encode()
    except ProgramError as error:
        raise ImageFileError(str(error)) from None
    for name in _ARRAYS:
        file = io.BytesIO()
        np.lib.format.write_array(file, getattr(program, name).astype("<i8"), version=(1, 0), allow_pickle=False)
        parts[f"{folder}/{name}.npy"] = file.getvalue()
    return {
        "folder": folder,
        "name": program.name,
        "device": program.device,
        "arguments": program.arguments,
        "tags": program.tags,
    }


def _program(parts: dict[str, bytes], entry: _ProgramEntry) -> Program:
    arrays = {}
    for name in _ARRAYS:
        path = f"{entry.folder}/{name}.npy"
        try:
            arrays[name] = np.lib.format.read_array(io.BytesIO(parts[path]), allow_pickle=False).astype(np.int64)
        except ValueError as error:
            raise ImageFileError(f"{path}: {error}") from None
    program = Program(name=entry.name, device=entry.device, arguments=entry.arguments, tags=entry.tags, **arrays)
    try:
        check_program(program)
    except ProgramError as error:
        raise ImageFileError(f"{entry.folder}: {error}") from None
    return program


def _read_manifest(data: bytes) -> _Manifest:
    try:
        head = json.loads(data)
    except ValueError as error:
        raise ImageFileError(f"manifest.json: {error}") from None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ImageFileError(f'not an image: manifest.json does not say "format": "{FORMAT}"')
    if head.get("version") != FORMAT_VERSION:
        raise ImageFileError(
            f"image format version {head.get('version')} ({head.get('producer')}), "
            f"this pimlir reads version {FORMAT_VERSION}: compile the model again"
        )
    try:
        return _Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ImageFileError(f"manifest.json: {place}: {first['msg']}") from None


def _check_parts(manifest: _Manifest, parts: dict[str, bytes]) -> None:
    """All entries that the manifest promises are there, undamaged, and no others."""
    promised = {f"{entry.folder}/{array}.npy" for entry in [*manifest.programs, manifest.plan] for array in _ARRAYS}
    promised |= {f"{entry.folder}/program.s" for entry in [*manifest.programs, manifest.plan]}
    promised |= {f"stages/{name}.mlir" for name in manifest.stages}
    for name in sorted(promised | manifest.sha256.keys() | parts.keys()):
        if name not in parts:
            raise ImageFileError(f"{name} is missing")
        if name not in promised or name not in manifest.sha256:
            raise ImageFileError(f"{name} is not in the manifest")
        if hashlib.sha256(parts[name]).hexdigest() != manifest.sha256[name]:
            raise ImageFileError(f"{name} is damaged: its SHA-256 differs from the manifest's")


def _archive(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix; the default is the system that writes
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return file.getvalue()


def _plain(value: Any, place: str) -> Any:
    """`value` as JSON reads it back: tuples are lists and NumPy numbers Python ones; nothing else changes."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise ImageFileError(f"{place} has the key {key!r}, expected a string")
        return {key: _plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, np.generic):
        return _plain(value.item(), place)
    if isinstance(value, float) and not math.isfinite(value):
        raise ImageFileError(f"{place} is {value}, expected a finite number")
    if value is None or isinstance(value, str | int | float):
        return value
    raise ImageFileError(f"{place} is a {type(value).__name__}, which JSON cannot hold")
