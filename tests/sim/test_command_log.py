"""Command logs survive both of their file forms; files that are cut off or wrong are refused at their line."""

import io

import numpy as np
import pytest

from pimlir.machines import load_machine
from pimlir.sim.check import check_log
from pimlir.sim.command_log import COLUMNS, TABLE_ROW, CommandLog, LogError, read_log, write_log

HEADER = ",".join(COLUMNS)
ROW = "1,ACT,0,0,0,1,2,300,-1,7\n"


def example(sources=()):
    table = np.array(
        [[1, 0, 0, 0, 0, 1, 2, 300, -1, 7], [5, 1, 3, -1, -1, -1, -1, -1, -1, -1], [70_000, 0, 1, 0, 0, 0, 0, 0, 9, 8]]
    )
    if sources:
        table[:, 9] = [1, -1, 0]
    return CommandLog(table, ("ACT", "REFab"), sources, "aim")


@pytest.mark.parametrize("sources", [(), ('attention "q", layer 3', "linear k")])
@pytest.mark.parametrize("name", ["log.csv", "log.npz"])
def test_a_log_survives_its_file(tmp_path, name, sources):
    log, path = example(sources), tmp_path / name
    with path.open("wb") as file:
        write_log(log, file, binary=name.endswith(".npz"))
    again = read_log(path)
    assert [log.commands[number] for number in log.table[:, 1]] == [again.commands[n] for n in again.table[:, 1]]
    assert (again.table[:, [0, *range(2, 9)]] == log.table[:, [0, *range(2, 9)]]).all()
    names = [[one.sources[n] if n >= 0 else "" for n in one.table[:, 9]] for one in (log, again) if sources]
    assert names[:1] == names[1:] if sources else (again.table[:, 9] == log.table[:, 9]).all()
    assert again.machine == ("aim" if name.endswith("npz") else "")


def test_csv_is_what_people_read():
    file = io.BytesIO()
    write_log(example(), file, binary=False)
    assert file.getvalue().decode().splitlines()[:3] == [
        "cycle,command,channel,pseudo_channel,rank,bank_group,bank,row,column,source",
        "1,ACT,0,0,0,1,2,300,-1,7",
        "5,REFab,3,-1,-1,-1,-1,-1,-1,-1",
    ]


def test_binary_columns_are_small(tmp_path):
    path = tmp_path / "log.npz"
    with path.open("wb") as file:
        write_log(example(), file, binary=True)
    with np.load(path) as archive:
        assert {name: archive[name].dtype.itemsize for name in ("cycle", "bank", "row")} == {
            **{"cycle": 4, "bank": 1, "row": 2},
        }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: found the columns none, expected cycle,command"),
        ("cycle,command\n", "1: found the columns cycle,command, expected cycle"),
        (f"{HEADER}\n", "1: found no last line `# N commands`: is the file cut off?"),
        (f"{HEADER}\n{ROW}", "2: found no last line `# N commands`: is the file cut off?"),
        (f"{HEADER}\n{ROW}5,ACT,0,0,0,1,2,300,-1,", "3: found no last line"),
        (f"{HEADER}\n{ROW}# 1 commands", "3: found no last line"),
        (f"{HEADER}\n{ROW}# 2 commands\n", "3: found 1 fields, expected 10"),
        (f"{HEADER}\n{ROW}{ROW}# 1 commands\n", "3: found another line, expected the end after 1 commands"),
    ],
)
def test_a_text_file_that_is_not_complete_is_refused(tmp_path, text, message):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(LogError) as error:
        read_log(path)
    assert str(error.value).startswith(f"{path}:{message}")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,ACT,0,0,0,1\n", "2: found 6 fields, expected 10"),
        (f"{ROW}\n", "3: found 0 fields, expected 10"),
        (f"{ROW}5,ACT,0,0,0,1,2,30\n", "3: found 8 fields, expected 10"),
        ("1,ACT,0,0,0,x,2,300,-1,7\n", "2: bank_group: found 'x', expected a number from -1 on"),
        ("1,ACT,0,0,0,1_0,2,300,-1,7\n", "2: bank_group: found '1_0', expected a number from -1 on"),
        ("1,ACT,0,0,0,-2,2,300,-1,7\n", "2: bank_group: found '-2', expected a number"),
        (f"1,ACT,0,0,0,1,2,{1 << 70},-1,7\n", "2: row: found '1180591620717411303424', expected a number"),
        ("-1,ACT,0,0,0,1,2,300,-1,7\n", "2: cycle: found -1, expected a cycle"),
        ("9,ACT,0,0,0,1,2,300,-1,7\n8,ACT,0,0,0,1,2,300,-1,7\n", "3: found cycle 8 after 9"),
        ('1,"ACT,0,0,0,1,2,300,-1,7\n', "3: not CSV: unexpected end of data"),
    ],
)
def test_a_bad_row_is_refused_at_its_line(tmp_path, rows, message):
    path = complete(tmp_path, rows)
    with pytest.raises(LogError) as error:
        read_log(path)
    assert str(error.value).startswith(f"{path}:{message}")


def complete(tmp_path, rows):
    """A text log of these lines."""
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}\n{rows}# {rows.count(chr(10))} commands\n")
    return path


def test_a_binary_file_that_is_called_csv_is_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"\x93NUMPY\xff\xfe\n")
    with pytest.raises(LogError, match=r"log.csv:1: not a text file; binary logs end in .npz"):
        read_log(path)


def npz(tmp_path, **changes):
    """A binary log with some columns replaced."""
    path = tmp_path / "log.npz"
    with path.open("wb") as file:
        write_log(example(), file, binary=True)
    with np.load(path) as archive:
        arrays = {**archive, **changes}
    with path.open("wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize("keep", [0, 10, 400, -30])
def test_a_binary_file_that_is_cut_off_is_refused(tmp_path, keep):
    path = npz(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LogError, match=r"log.npz:1: not a complete command log"):
        read_log(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"row": None}, "1: not a complete command log"),
        ({"row": np.array([1, 2])}, "1: not a complete command log"),
        ({"row": np.array([1.5, 2, 3])}, "1: not a complete command log"),
        ({"head": np.frombuffer(b"[]", np.uint8)}, "1: not a complete command log"),
        ({"command": np.array([0, 1, 2])}, "4: command: found 2, expected a known name"),
        ({"source": np.array([0, 1, -2])}, "4: source: found -2, expected a number from -1 on"),
        ({"cycle": np.array([1, 0, 2])}, "3: found cycle 0 after 1"),
        ({"bank": np.array([0, -7, 2])}, "3: bank: found -7, expected a number from -1 on"),
    ],
)
def test_a_bad_binary_file_is_refused_at_its_row(tmp_path, changes, message):
    path = npz(tmp_path, **changes)
    with pytest.raises(LogError) as error:
        read_log(path)
    assert str(error.value).startswith(f"{path}:{message}")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,FLY,0,0,0,1,2,300,-1,7", "2: command: found 'FLY', expected one of aim: ACT, PRE, RD"),
        ("1,ACT,32,0,0,1,2,300,-1,7", "2: channel: found 32, expected 0 to 31: machine aim"),
        ("1,ACT,-1,0,0,1,2,300,-1,7", "2: channel: found -1, expected 0 to 31"),
        ("1,ACT,0,0,0,4,2,300,-1,7", "2: bank_group: found 4, expected 0 to 3"),
        ("1,ACT,0,0,0,1,2,16384,-1,7", "2: row: found 16384, expected 0 to 16383: machine aim"),
        (f"1,ACT,0,0,0,1,2,{1 << 29},-1,7", f"2: row: found {1 << 29}, expected 0 to 16383: machine aim"),
        ("1,RD,0,0,0,1,2,300,64,7", "2: column: found 64, expected 0 to 63: machine aim"),
        ("1,ACT,0,0,0,1,-1,300,-1,7", "2: act: found no bank, expected all indices down to its bank"),
        ("1,ACT,0,0,-1,1,2,300,-1,7", "2: found the address [0, 0, -1, 1, 2], expected no index below one"),
    ],
)
def test_a_row_that_does_not_fit_the_machine_is_refused_at_its_line(tmp_path, row, message):
    path = complete(tmp_path, f"{row}\n")
    with pytest.raises(LogError) as error:
        check_log(read_log(path), load_machine("aim").to_dict(), str(path))
    assert str(error.value).startswith(f"{path}:{message}")


def test_rows_of_activation_tables_are_beside_the_memory(tmp_path):
    path = complete(tmp_path, f"100,ACT16,0,-1,-1,-1,-1,{TABLE_ROW + 3},-1,-1\n")
    assert check_log(read_log(path), load_machine("aim").to_dict()).counts == {}


def test_names_of_the_machine_are_as_good_as_labels(tmp_path):
    path = complete(tmp_path, "1,act,0,0,0,1,2,300,-1,-1\n90,PRE,0,0,0,1,2,-1,-1,\n")
    assert check_log(read_log(path), load_machine("aim").to_dict()).counts == {}


def test_a_long_log_is_read_in_parts(tmp_path):
    rows = 70_000
    table = np.full((rows, 10), -1)
    table[:, 0], table[:, 1], table[:, 2], table[:, 9] = np.arange(rows), 0, np.arange(rows) % 32, np.arange(rows) // 7
    path = tmp_path / "log.csv"
    with path.open("wb") as file:
        write_log(CommandLog(table, ("TMOD",)), file, binary=False)
    assert (read_log(path).table == table).all()
