"""How amounts look, and files that the command writes: complete or not there, and never in the place of a device."""

import io
import os
import stat

import pytest

from pimlir.tools.console import Share, Table, atomic_file, print_tables


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.0 %"), (0.5, "50.0 %"), (0.001, "0.1 %"), (0.000347, "0.035 %"), (3e-8, "0.0000030 %")]
)
def test_a_small_share_is_not_nothing(value, text):
    stream = io.StringIO()
    print_tables([Table("", ("",), [(Share(value),)])], stream)
    assert stream.getvalue().strip() == text


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
