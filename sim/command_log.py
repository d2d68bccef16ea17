"""Command logs: every DRAM command of a run with its cycle, address and cause, as one table; its CSV and binary files."""

import csv
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .functional.errors import SimulationError

COLUMNS = (
    *("cycle", "command", "channel", "pseudo_channel", "rank", "bank_group", "bank"),
    *("row", "column", "source"),
)
CYCLE, COMMAND, CHANNEL, BANK, ROW, COLUMN, SOURCE = 0, 1, 2, 6, 7, 8, 9
COUNT = "columns"  # the last column of logs with commands that hold several column steps
TABLE_ROW = 1 << 29
"""From this row on a PIM command means a table beside the memory, one row for each activation function of AiM."""

BINARY = ".npz"
_FORMAT = 1
_CHUNK = 1 << 16  # rows that are text at a time
_LIMIT = 1 << 62
_END = "# {} commands"  # last line of a CSV log


class LogError(SimulationError):
    """A log that cannot be read; the message is `file:line: what was found, what was expected`."""


@dataclass(frozen=True)
class CommandLog:
    """Rows of COLUMNS in order of time; commands of a channel that share a cycle stand in the order of their issue.

    `command` numbers `commands`. Indices that a command does not name are -1, and so are row, column and source where there
    is none. `source` is a line of the trace or, if there are `sources`, the number of the name of an operation. `columns`
    says how many column steps each command holds; None: one each.
    """

    table: np.ndarray  # [row, column] int64
    commands: tuple[str, ...]
    sources: tuple[str, ...] = ()
    machine: str = ""
    columns: np.ndarray | None = None  # [row]

    def __len__(self) -> int:
        return len(self.table)


def write_log(log: CommandLog, file: BinaryIO, binary: bool) -> None:
    """The log as CSV, or with `binary` as a NumPy archive whose columns have the smallest integer type that fits."""
    if binary:
        head = {"format": _FORMAT, "machine": log.machine, "commands": log.commands, "sources": log.sources}
        text = np.frombuffer(json.dumps(head).encode(), np.uint8)
        columns = {name: _smallest(log.table[:, index]) for index, name in enumerate(COLUMNS)}
        if log.columns is not None:
            columns[COUNT] = _smallest(log.columns)
        np.savez_compressed(file, allow_pickle=False, head=text, **columns)
        return
    write_header(file, log.columns is not None)
    write_rows(log, file)
    write_end(len(log), file)


def write_header(file: BinaryIO, with_columns: bool = False) -> None:
    """The first line of a CSV log."""
    file.write(f"{','.join([*COLUMNS, *[COUNT] * with_columns])}\n".encode())


def write_rows(log: CommandLog, file: BinaryIO) -> None:
    """The lines of the commands of a CSV log, or a part of them."""
    names = [_quoted(name) for name in log.commands]
    sources = [*(_quoted(name) for name in log.sources), ""]  # the last one is that of source -1
    for first in range(0, len(log), _CHUNK):
        lines = []
        held = [""] * _CHUNK if log.columns is None else [f",{n}" for n in log.columns[first : first + _CHUNK].tolist()]
        for (cycle, command, *numbers, source), last in zip(
            log.table[first : first + _CHUNK].tolist(), held, strict=False
        ):
            cause = sources[source] if log.sources else source
            lines.append(f"{cycle},{names[command]},{','.join(map(str, numbers))},{cause}{last}\n")
        file.write("".join(lines).encode())


def write_end(count: int, file: BinaryIO) -> None:
    """The last line of a CSV log, which tells a complete one from one that was cut off between two lines."""
    file.write(f"{_END.format(count)}\n".encode())


def _smallest(values: np.ndarray) -> np.ndarray:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    kinds = (np.uint8, np.uint16, np.uint32) if low >= 0 else (np.int8, np.int16, np.int32)
    for kind in kinds:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\r\n') else name


def read_log(path: str | Path) -> CommandLog:
    """A log file of either form, complete and in order of time."""
    return _read_binary(path) if str(path).endswith(BINARY) else _read_csv(path)


def _read_binary(path: str | Path) -> CommandLog:
    try:
        with np.load(path, allow_pickle=False) as archive:
            head = json.loads(archive["head"].tobytes())
            columns = [archive[name] for name in COLUMNS]
            held = archive[COUNT].astype(np.int64, casting="safe") if COUNT in archive else None
        log = CommandLog(
            np.column_stack([column.astype(np.int64, casting="safe") for column in columns]),
            tuple(map(str, head["commands"])),
            tuple(map(str, head["sources"])),
            str(head["machine"]),
            held,
        )
        if head["format"] != _FORMAT:
            raise ValueError
    except (ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise LogError(f"{path}:1: not a complete command log of format {_FORMAT} ({type(error).__name__})") from None
    if log.table.ndim != 2 or log.table.shape[1] != len(COLUMNS):
        raise LogError(f"{path}:1: found columns of different shapes, expected one number a command in each")
    if log.columns is not None and (log.columns.shape != (len(log),) or (log.columns < 1).any()):
        raise LogError(f"{path}:1: {COUNT}: expected a number from 1 on for each command")
    for column in range(len(COLUMNS)):
        _report(path, log.table, column, log.table[:, column] < -1, "a number from -1 on")
    for column, names in ((COMMAND, log.commands), (SOURCE, log.sources)):
        low = 0 if column == COMMAND else -1
        high = len(names) if names or column == COMMAND else _LIMIT
        _report(path, log.table, column, (log.table[:, column] < low) | (log.table[:, column] >= high), "a known name")
    return _ordered(path, log)


def _read_csv(path: str | Path) -> CommandLog:
    names: tuple[dict[str, int], dict[str, int]] = ({}, {"": -1, "-1": -1})  # of commands and sources
    with open(path, encoding="utf-8", newline="") as file:
        try:
            chunks = list(_chunks(path, csv.reader(file, strict=True), *names))
        except UnicodeDecodeError:
            raise LogError(f"{path}:1: not a text file; binary logs end in {BINARY}") from None
    table = np.concatenate(chunks) if chunks else np.zeros((0, len(COLUMNS)), np.int64)
    held = table[:, len(COLUMNS)] if table.shape[1] > len(COLUMNS) else None
    table = np.ascontiguousarray(table[:, : len(COLUMNS)])
    commands, sources = names[0], [name for name, number in names[1].items() if number >= 0]
    with suppress(ValueError):  # lines of a trace
        lines = np.array([*map(int, sources), -1], np.int64)
        table[:, SOURCE] = lines[table[:, SOURCE]]
        sources = []
    return _ordered(path, CommandLog(table, tuple(commands), tuple(sources), columns=held))


def _chunks(path: str | Path, reader: Any, commands: dict[str, int], sources: dict[str, int]) -> Iterator[np.ndarray]:
    """Numbers of the rows, a part of the file at a time; names are added to the dictionaries."""
    try:
        header = next(reader, [])
        width = len(header)
        if header not in (list(COLUMNS), [*COLUMNS, COUNT]):
            raise LogError(f"{path}:1: found the columns {','.join(header) or 'none'}, expected {','.join(COLUMNS)}")
        count, begin = _commands(path), 2
        while rows := list(islice(reader, min(_CHUNK, count + 2 - begin))):
            for line, row in enumerate(rows, begin):
                if len(row) != width:
                    raise LogError(f"{path}:{line}: found {len(row)} fields, expected {width}")
            table = np.empty((len(rows), width), np.int64)
            for index, texts in enumerate(zip(*rows, strict=True)):
                if index == COMMAND:
                    table[:, index] = [commands.setdefault(name, len(commands)) for name in texts]
                elif index == SOURCE:
                    table[:, index] = [sources.setdefault(name, len(sources) - 2) for name in texts]
                else:
                    table[:, index] = _numbers(path, begin, index, texts)
            yield table
            begin += len(rows)
        if next(reader) != [_END.format(count)]:
            raise LogError(f"{path}:{begin}: found another line, expected the end after {count} commands")
    except csv.Error as error:
        raise LogError(f"{path}:{reader.line_num}: not CSV: {error}") from None


def _numbers(path: str | Path, begin: int, index: int, texts: Sequence[str]) -> list[int]:
    if set().union(*texts) <= set("-0123456789"):
        with suppress(ValueError):
            numbers = list(map(int, texts))
            if min(numbers) >= -1 and max(numbers) < _LIMIT:
                return numbers
    for line, text in enumerate(texts, begin):
        if not (re.fullmatch("-?[0-9]{1,19}", text) and -1 <= int(text) < _LIMIT):
            raise LogError(f"{path}:{line}: {[*COLUMNS, COUNT][index]}: found {text!r}, expected a number from -1 on")
    raise AssertionError(texts)


def _commands(path: str | Path) -> int:
    """The number of commands that the last line tells; a file that was cut off has no such line."""
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 40))
        end = re.search(rb"\n# ([0-9]{1,18}) commands\n\Z", file.read())
        if end:
            return int(end[1])
        file.seek(0)
        line = sum(1 for _ in file)
    raise LogError(f"{path}:{line}: found no last line `{_END.format('N')}`: is the file cut off?")


def _ordered(path: str | Path, log: CommandLog) -> CommandLog:
    cycles = log.table[:, CYCLE]
    _report(path, log.table, CYCLE, cycles < 0, "a cycle")
    before = np.concatenate([cycles[:1], cycles[:-1]])
    for row in np.flatnonzero(cycles < before)[:1].tolist():
        raise LogError(f"{path}:{row + 2}: found cycle {cycles[row]} after {before[row]}, expected no earlier cycle")
    return log


def _report(path: str | Path, table: np.ndarray, column: int, wrong: np.ndarray, expected: str) -> None:
    for row in np.flatnonzero(wrong)[:1].tolist():
        raise LogError(f"{path}:{row + 2}: {COLUMNS[column]}: found {table[row, column]}, expected {expected}")
