"""Image files: what is saved is loaded, bytes are reproducible, damage is named."""

import io
import json
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from pimlir.backends.isa.container import ImageFileError, image_bytes, load_image, save_image
from pimlir.backends.isa.encode import ProgramBuilder
from pimlir.backends.isa.image import Buffer, Image, Program, Region


def small_image() -> Image:
    kernel = ProgramBuilder("kernel", "pim", ("row",))
    with kernel.loop(4) as i:
        kernel.emit("activate", row=kernel.argument("row"), channel=0, channels=i, tag="mac")
    plan = ProgramBuilder("step", "host")
    plan.emit("launch", kernel=0, arguments=1)
    return Image(
        machine={"name": "tiny", "clock_ghz": 1.5, "pim": {"banks": 16, "scopes": ["all"]}},
        programs=[kernel.finish()],
        plan=plan.finish(),
        regions=[Region("w", "blk.0.w", (4, 8), "f16", {"kind": "pim_matrix", "chunk": 8}, row=3, rows=1)],
        buffers={"tokens": Buffer(0, (4,), "i32", 4)},
        bounds={"phase": "decode", "context": 64},
        local_bytes=1024,
        softmax_bytes=0,
        linear_bytes=4096,
        first_pim_row=3,
        rows_used=4,
        stages={"llm": "builtin.module {\n}\n", "machine": "// ünïcode\n"},
    )


def assert_same(a: object, b: object) -> None:
    for field in fields(Image if isinstance(a, Image) else Program):
        left, right = getattr(a, field.name), getattr(b, field.name)
        if isinstance(left, Program):
            assert_same(left, right)
        elif field.name == "programs":
            assert len(left) == len(right)
            for one, other in zip(left, right, strict=True):
                assert_same(one, other)
        elif isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)
        else:
            assert left == right, field.name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "small.pimg"
    save_image(small_image(), path)
    return path


def rewrite(path: Path, change) -> None:
    """Change the entries of an image file, a dictionary from name to bytes."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def change_manifest(key: str, value: object):
    def change(parts: dict[str, bytes]) -> None:
        manifest = json.loads(parts["manifest.json"])
        manifest[key] = value
        parts["manifest.json"] = json.dumps(manifest).encode()

    return change


def test_image_comes_back(path: Path):
    assert_same(load_image(path), small_image())


def test_bytes_are_reproducible():
    assert image_bytes(small_image()) == image_bytes(small_image())
    assert {entry.date_time for entry in zipfile.ZipFile(io.BytesIO(image_bytes(small_image()))).infolist()} == {
        (1980, 1, 1, 0, 0, 0)
    }


def test_programs_can_be_read_with_standard_tools(path: Path):
    with zipfile.ZipFile(path) as archive:
        assert b"activate row=%row" in archive.read("programs/000/program.s")
        assert np.load(io.BytesIO(archive.read("programs/000/code.npy"))).shape[0] == 4


def test_saving_replaces_the_file_and_leaves_nothing_else(path: Path):
    save_image(small_image(), path)
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_written_when_the_image_is_wrong(tmp_path: Path):
    image = small_image()
    image.programs[0].code[0, 0] = 99
    with pytest.raises(ImageFileError, match=r"program kernel, instruction 0 \(99\)"):
        save_image(image, tmp_path / "x.pimg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"a": [1, {2: 3}]}, r"image\.machine\.a\[1\] has the key 2, expected a string"),
        ({"a": float("inf")}, r"image\.machine\.a is inf, expected a finite number"),
        ({"a": {1}}, r"image\.machine\.a is a set, which JSON cannot hold"),
    ],
)
def test_facts_are_plain_data(machine: dict, message: str):
    image = small_image()
    image.machine = machine
    with pytest.raises(ImageFileError, match=message):
        image_bytes(image)


def test_numpy_numbers_become_plain_ones(tmp_path: Path):
    image = small_image()
    image.machine = {"rows": np.int64(3), "pair": (1, 2)}
    save_image(image, tmp_path / "x.pimg")
    assert load_image(tmp_path / "x.pimg").machine == {"rows": 3, "pair": [1, 2]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda parts: parts.pop("manifest.json"), "not an image: it holds no manifest.json"),
        (lambda parts: parts.update({"manifest.json": b"{"}), "manifest.json: Expecting property name"),
        (lambda parts: parts.update({"manifest.json": b"[]"}), "not an image: manifest.json does not say"),
        (change_manifest("format", "zip"), "not an image: manifest.json does not say"),
        (change_manifest("version", 2), r"image format version 2 \(pimlir .*\), this pimlir reads version 1"),
        (change_manifest("rows_used", "4"), "manifest.json: rows_used: Input should be a valid integer"),
        (change_manifest("rowsused", 4), "manifest.json: rowsused: Extra inputs are not permitted"),
        (change_manifest("regions", [{"symbol": "w"}]), r"manifest.json: regions\.0\.source: Field required"),
        (change_manifest("stages", ["llm"]), "stages/machine.mlir is not in the manifest"),
        (lambda parts: parts.pop("plan/terms.npy"), "plan/terms.npy is missing"),
        (lambda parts: parts.update({"extra": b""}), "extra is not in the manifest"),
        (lambda parts: parts.update({"stages/llm.mlir": b""}), "stages/llm.mlir is damaged"),
        (
            change_manifest("plan", {"folder": "plan", "name": "x", "device": "gpu", "arguments": [], "tags": [""]}),
            "gpu",
        ),
    ],
)
def test_damage_is_named(path: Path, change, message: str):
    rewrite(path, change)
    with pytest.raises(ImageFileError, match=message) as caught:
        load_image(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_every_cut_is_noticed(path: Path):
    data = path.read_bytes()
    for size in range(0, len(data), 97):
        path.write_bytes(data[:size])
        with pytest.raises(ImageFileError):
            load_image(path)


def test_every_flipped_byte_of_a_part_is_noticed_or_harmless(path: Path):
    data = path.read_bytes()
    for position in range(0, len(data), 101):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        try:
            loaded = load_image(path)
        except ImageFileError as error:
            assert "\n" not in str(error)
        else:
            assert_same(loaded, small_image())


def test_foreign_file(tmp_path: Path):
    path = tmp_path / "x.pimg"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ImageFileError, match=r"x\.pimg: not an image, or damaged: File is not a zip file"):
        load_image(path)
