"""The GGUF parser reads what the format allows and answers everything else with one line."""

import struct
from pathlib import Path

import numpy as np
import pytest

from pimlir.frontends.errors import ModelFileError
from pimlir.frontends.gguf import read_gguf

VALUES = {
    "a.bool": True,
    "a.uint": 7,
    "a.int": -3,
    "a.float": 0.5,
    "a.string": "héllo",
    "a.numbers": [1, 2, 3],
    "a.strings": ["x", "", "Ġy"],
}


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_of_every_kind_is_read(tmp_path, gguf_bytes, version):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes(VALUES, {}, version))
    assert dict(read_gguf(path).metadata) == VALUES


def test_tensors_come_back_in_row_major_order(tmp_path, gguf_bytes):
    values = np.arange(12, dtype=np.float32)
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes({}, {"pad": ((3,), 0, bytes(12)), "t": ((3, 4), 0, values.tobytes())}))
    file = read_gguf(path)
    assert file.tensors["t"].shape == (3, 4)
    assert np.array_equal(file.values("t"), values.reshape(3, 4))


def test_tensors_start_at_the_alignment_that_the_file_states(tmp_path, gguf_bytes):
    path = tmp_path / "a.gguf"
    tensors = {name: ((1,), 0, struct.pack("<f", value)) for name, value in (("one", 2.5), ("three", -1))}
    path.write_bytes(gguf_bytes({"general.alignment": 8}, tensors, alignment=8))
    file = read_gguf(path)
    assert [file.values(name).tolist() for name in tensors] == [[2.5], [-1]]
    assert file.tensors["one"].offset % 32


def corrupt(raw: bytes, at: int, format_: str, value: object) -> bytes:
    return raw[:at] + struct.pack(format_, value) + raw[at + struct.calcsize(format_) :]


def test_a_wrong_header_names_what_was_found(tmp_path, gguf_bytes):
    raw = gguf_bytes(VALUES, {})
    path = tmp_path / "a.gguf"
    for bad, message in (
        (b"", "the file is empty"),
        (b"GG", "the magic number at byte 0 needs 4 bytes, the file has 2"),
        (b"ggml" + raw[4:], "magic number is b'ggml', expected b'GGUF'"),
        (corrupt(raw, 4, "<I", 9), "GGUF version is 9, expected 2 or 3"),
        (corrupt(raw, 4, ">I", 3), "big-endian file"),
        (corrupt(raw, 8, "<Q", 2**60), "the tensor count is 1152921504606846976, more than the"),
        (corrupt(raw, 16, "<Q", 2**40), "the metadata count is 1099511627776, more than the"),
        (raw[:30], "the metadata count is 7, more than the 6 bytes after it can hold"),
    ):
        path.write_bytes(bad)
        with pytest.raises(ModelFileError, match=f"{path}: .*{message}") as error:
            read_gguf(path)
        assert "\n" not in str(error.value)


def test_tensor_bytes_past_the_end_are_refused(tmp_path, gguf_bytes):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes({}, {"t": ((64,), 0, bytes(256))})[:-8])
    with pytest.raises(ModelFileError, match=r"tensor 't' ends at byte 320, the file has 312 \(truncated\?\)"):
        read_gguf(path)


def test_an_unsupported_format_is_named(tmp_path, gguf_bytes):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes({}, {"t": ((256,), 12, bytes(144))}))
    with pytest.raises(ModelFileError, match=r"tensor 't' has type 12 \(Q4_K\), supported are F32, F16, Q4_0, Q4_1"):
        read_gguf(path)


def test_rows_that_are_no_whole_blocks_are_refused(tmp_path, gguf_bytes):
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf_bytes({}, {"t": ((2, 16), 3, bytes(20))}))
    with pytest.raises(ModelFileError, match="expected rows of a multiple of 32 values for Q4_1"):
        read_gguf(path)


def test_no_file_and_no_regular_file(tmp_path):
    for path, message in ((tmp_path / "absent.gguf", "no such file"), (tmp_path, "not a file")):
        with pytest.raises(ModelFileError, match=message):
            read_gguf(path)


def test_every_truncation_and_any_damage_gives_the_one_error(tmp_path: Path, gguf_bytes):
    """Cut at each length, and with random bytes changed, a file is parsed or refused, never anything else."""
    raw = gguf_bytes(VALUES, {"t": ((2, 32), 3, bytes(40)), "u": ((5,), 0, bytes(20))})
    rng = np.random.default_rng(0)
    damaged = [raw[:length] for length in range(len(raw))]
    for _ in range(400):
        copy = bytearray(raw)
        for at in rng.integers(0, len(raw), 3):
            copy[at] = rng.integers(256)
        damaged.append(bytes(copy))
    path = tmp_path / "a.gguf"
    refused = 0
    for copy in damaged:
        path.write_bytes(copy)
        try:
            read_gguf(path)
        except ModelFileError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ")
    assert refused >= len(raw)
