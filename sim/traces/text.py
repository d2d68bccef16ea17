"""What all trace formats share: blocks of lines with their numbers, numbers with their limits, arrays of instructions."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..functional.errors import SimulationError
from ..timing import controller_tables as c

BLOCK_BYTES = 1 << 20
_NUMBER = re.compile("-?(0[xX][0-9a-fA-F]{1,1000}|[0-9]{1,1000})")
_SHOWN = 40  # characters of a wrong word in a message


class TraceError(SimulationError):
    """A trace that cannot be run; the message is `file:line: what is wrong`."""


def read_blocks(path: str | Path) -> Iterator[bytes]:
    """The lines of a file in blocks of about BLOCK_BYTES."""
    rest = b""
    number = 1
    with open(path, "rb") as file:
        while data := file.read(BLOCK_BYTES):
            end = data.rfind(b"\n") + 1
            if end:
                block, rest = rest + data[:end], data[end:]
                yield block
                number += block.count(b"\n")
            else:
                rest += data
            if len(rest) > BLOCK_BYTES:
                raise TraceError(
                    f"{path}:{number}: found a line of more than {BLOCK_BYTES:,} bytes, expected a request"
                )
    if rest:
        yield rest


class Source:
    """The text of a trace and the machine that it is for."""

    def __init__(
        self,
        name: str,
        blocks: Iterable[bytes],
        tables: c.ControllerTables,
        memory: dict[str, Any],
        address: list[str],
    ):
        self.name, self.tables, self.memory, self.address = name, tables, memory, address
        self.number = 1  # of the current line
        self._blocks = blocks
        self._commands = {name: number for number, name in enumerate(tables.commands)}

    def blocks(self) -> Iterator[bytes]:
        """The blocks of the text; the current line is the first of the block, and at the end the last of the text."""
        begin = 1
        for block in self._blocks:
            self.number = begin
            yield block
            begin += block.count(b"\n")
            self.number = begin - block.endswith(b"\n")

    def block_lines(self, block: bytes, separators: str = "") -> Iterator[list[str]]:
        """The words of every line of the current block that is neither empty nor a comment."""
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            self.number += block[: error.start].count(b"\n")
            raise self.error(f"found byte 0x{block[error.start]:02x}, expected text in UTF-8") from None
        for number, line in enumerate(text.split("\n"), self.number):
            self.number = number
            for separator in separators:
                line = line.replace(separator, " ")
            words = line.split()
            if words and not words[0].startswith("#"):
                yield words

    def lines(self) -> Iterator[list[str]]:
        """The words of every line that is neither empty nor a comment."""
        for block in self.blocks():
            yield from self.block_lines(block)

    def error(self, message: str) -> TraceError:
        """A mistake in the current line."""
        return TraceError(f"{self.name}:{self.number}: {message}")

    def integer(self, text: str, what: str, limit: int) -> int:
        """A decimal or 0x number from 0 to below the limit."""
        if not _NUMBER.fullmatch(text):
            raise self.error(f"{what}: found {shown(text)}, expected a number")
        value = int(text, 16) if "x" in text.lower() else int(text)
        if not 0 <= value < limit:
            raise self.error(f"{what}: found {text[:_SHOWN]}, expected 0 to {limit - 1:,}")
        return value

    def has_command(self, name: str) -> bool:
        """Whether the machine has a command."""
        return name in self._commands

    def command(self, name: str, word: str) -> int:
        """The number of a command of the machine, which an opcode needs."""
        if name not in self._commands:
            raise self.error(f"{word}: the machine has no command {name}")
        return self._commands[name]


def shown(word: str) -> str:
    """A wrong word as it stands in a message."""
    return repr(word if len(word) <= _SHOWN else f"{word[:_SHOWN]}...")


def instruction_array(count: int, channels: int) -> np.ndarray:
    """Instructions as the controller takes them, for one request each."""
    fields = len(c.INSTRUCTION_FIELDS) - 1 + -(-channels // c.MASK_BITS)
    rows = np.zeros((count, fields), np.int64)
    rows[:, c.I_COUNT] = 1
    return rows
