"""Files that are written whole: complete or not there, and never in the place of a device."""

import os
import stat

import pytest

from pimlir.backends.isa.atomic_file import atomic_file


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "out") as path:
        path.write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_a_pipe_is_written_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_file(pipe) as path:
        path.write_text("text")
    assert os.read(reader, 10) == b"text"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    os.close(reader)
