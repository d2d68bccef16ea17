"""What all trace formats share: lines with their numbers, numbers with their limits, and instructions for the controller."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..functional.errors import SimulationError
from ..timing.controller_tables import MASK_BITS, ControllerTables


class TraceError(SimulationError):
    """A trace that cannot be run; the message is `file:line: what is wrong`."""


class Source:
    """The text of a trace and the machine that it is for."""

    def __init__(self, name: str, text: str, tables: ControllerTables, memory: dict[str, Any], address: list[str]):
        self.name, self.text, self.tables, self.memory, self.address = name, text, tables, memory, address
        self.number = 1  # of the current line
        self._commands = {name: number for number, name in enumerate(tables.commands)}

    def lines(self, separators: str = "") -> Iterator[list[str]]:
        """The words of every line that is neither empty nor a comment."""
        for number, line in enumerate(self.text.splitlines(), 1):
            self.number = number
            for separator in separators:
                line = line.replace(separator, " ")
            words = line.split()
            if words and not words[0].startswith("#"):
                yield words

    def error(self, message: str) -> TraceError:
        """A mistake in the current line."""
        return TraceError(f"{self.name}:{self.number}: {message}")

    def integer(self, text: str, what: str, limit: int) -> int:
        """A decimal or 0x number from 0 to below the limit."""
        try:
            value = int(text, 16) if text[:2].lower() == "0x" else int(text)
        except ValueError:
            raise self.error(f"{what}: found {text!r}, expected a number") from None
        if not 0 <= value < limit:
            raise self.error(f"{what}: found {text}, expected 0 to {limit - 1:,}")
        return value

    def command(self, name: str, word: str) -> int:
        """The number of a command of the machine, which an opcode needs."""
        if name not in self._commands:
            raise self.error(f"{word}: the machine has no command {name}")
        return self._commands[name]


def instruction_array(rows, channels):
    out = []
    for command, mask, target, row, count, column, line, flags, queue in rows:
        words = [mask >> MASK_BITS * w & (1 << MASK_BITS) - 1 for w in range(-(-channels // MASK_BITS))]
        out.append([command, target, row, count, column, line, flags, queue, 1, 0, *words])
    return np.array(out, np.int64)
