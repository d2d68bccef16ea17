"""A command log on the organisation of a machine: what each row names, and which banks it works on."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from ...machines.schema import LEVELS
from ..command_log import CHANNEL, COLUMN, COLUMNS, COMMAND, CYCLE, ROW, TABLE_ROW, CommandLog, LogError

EXTENTS = ("channels", "pseudo_channels", "ranks", "bank_groups", "banks_per_group")
BANK = len(LEVELS) - 1


@dataclass(frozen=True)
class Commands:
    """The rows of a log in the words of a machine.

    `nodes[level]` numbers the node of that level that a row names, over all channels; -1: it names only higher ones.
    """

    machine: dict[str, Any]
    names: tuple[str, ...]  # of the machine's commands
    kind: np.ndarray  # [row] which of them
    cycle: np.ndarray
    address: np.ndarray  # [row, level] indices
    row: np.ndarray  # the DRAM row, -1 where the log has none
    extents: tuple[int, ...]  # of each level
    columns: np.ndarray  # [row] column steps that the command holds

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def depth(self) -> np.ndarray:
        """The lowest level that each row names."""
        return (self.address >= 0).sum(axis=1) - 1

    @cached_property
    def nodes(self) -> list[np.ndarray]:
        """[level][row] number of the node."""
        numbers = [self.address[:, 0]]
        for level in range(1, len(LEVELS)):
            index = self.address[:, level]
            numbers.append(np.where(index < 0, -1, numbers[-1] * self.extents[level] + index))
        return numbers

    @cached_property
    def scope(self) -> np.ndarray:
        """[command] the smallest unit that it names, as a level."""
        return np.array([LEVELS.index(command["scope"]) for command in self.machine["command"].values()])

    @property
    def pim(self) -> dict[str, Any]:
        """The compute side of the memory; empty for a machine that is memory only."""
        return self.machine.get("pim") or {}

    @property
    def banks(self) -> int:
        """Banks of a channel."""
        return int(np.prod(self.extents[1:]))

    def of(self, names: list[str]) -> np.ndarray:
        """[row] whether it is one of these commands."""
        chosen = np.array([name in names for name in self.names])
        return chosen[self.kind]

    def where(self, **fields: Any) -> np.ndarray:
        """[row] whether its command has these values in the machine file."""
        commands = self.machine["command"].values()
        chosen = np.array([all(command[key] == value for key, value in fields.items()) for command in commands])
        return chosen[self.kind]

    def values(self, field: str) -> np.ndarray:
        """[row] a number that the machine file gives for its command."""
        return np.array([command[field] for command in self.machine["command"].values()])[self.kind]

    @cached_property
    def column_steps(self) -> np.ndarray:
        """[row] column steps that count, `min_columns` at least."""
        return np.maximum(self.columns, self.values("min_columns"))

    @cached_property
    def bank_sets(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """[row] the number of the set of banks that it works on, and the sets, banks counted within a channel."""
        local = self.address[:, 1:] + 1
        code = self.kind.copy()
        for level, extent in enumerate(self.extents[1:]):
            code = code * (extent + 1) + local[:, level]
        _, first, number = np.unique(code, return_index=True, return_inverse=True)
        return number, [self._banks(int(self.kind[row]), self.address[row].tolist()) for row in first]

    def _banks(self, kind: int, address: list[int]) -> np.ndarray:
        command = self.machine["command"][self.names[kind]]
        choices = [
            range(extent) if index < 0 or level in command["spread"] or command["scope"] == "channel" else (index,)
            for level, index, extent in zip(LEVELS[1:], address[1:], self.extents[1:], strict=True)
        ]
        return np.array([np.ravel_multi_index(bank, self.extents[1:]) for bank in product(*choices)])

    def place(self, row: int) -> str:
        """The node that a row names, such as `channel 3 rank 0 bank_group 1 bank 2`."""
        indices = zip(LEVELS, self.address[row].tolist(), strict=True)
        return " ".join(
            f"{level} {index}"
            for level, index in indices
            if index >= 0 and (level == "channel" or self.extents[LEVELS.index(level)] > 1)
        )


def read_commands(log: CommandLog, machine: dict[str, Any], source: str) -> Commands:
    """A log on a machine; LogError at the first row that does not fit it, `source` being the log's file."""
    names = tuple(machine["command"])
    labels = {
        command["label"] or name.upper(): index for index, (name, command) in enumerate(machine["command"].items())
    }
    numbers = np.array([labels.get(name, names.index(name) if name in names else -1) for name in log.commands])
    kind = numbers[log.table[:, COMMAND]] if len(log) else np.zeros(0, np.int64)
    address = log.table[:, CHANNEL : CHANNEL + len(LEVELS)]
    extents = tuple(machine["memory"][key] for key in EXTENTS)
    columns = np.ones(len(log), np.int64) if log.columns is None else log.columns
    commands = Commands(machine, names, kind, log.table[:, CYCLE], address, log.table[:, ROW], extents, columns)

    def refuse(wrong: np.ndarray, message: Any) -> None:
        for row in np.flatnonzero(wrong)[:1].tolist():
            raise LogError(f"{source}:{row + 2}: {message(row)}")

    refuse(
        kind < 0,
        lambda row: (
            f"command: found {log.commands[log.table[row, COMMAND]]!r}, expected one of {machine['name']}: {', '.join(labels)}"
        ),
    )
    of_pim = commands.where(side="pim")
    for column, extent, lowest, beside in (
        *((CHANNEL + level, extent, -min(level, 1), False) for level, extent in enumerate(extents)),
        (ROW, machine["memory"]["rows"], -1, of_pim & (commands.row >= TABLE_ROW)),
        (COLUMN, _columns(machine), -1, of_pim),  # of PIM instructions traces count them beyond the row, CENT's do
    ):
        found = log.table[:, column]
        refuse(
            np.asarray(((found >= extent) & ~np.asarray(beside)) | (found < lowest)),
            lambda row, column=column, extent=extent: (
                f"{COLUMNS[column]}: found {log.table[row, column]}, expected 0 to {extent - 1}: machine {machine['name']}"
            ),
        )
    named = address >= 0
    refuse(
        np.asarray((named[:, 1:] & ~named[:, :-1]).any(axis=1)),
        lambda row: f"found the address {address[row].tolist()}, expected no index below one that is missing",
    )
    refuse(
        commands.depth < commands.scope[kind],
        lambda row: (
            f"{names[kind[row]]}: found no {LEVELS[commands.depth[row] + 1]}, "
            f"expected all indices down to its {LEVELS[commands.scope[kind[row]]]}"
        ),
    )
    return commands


def _columns(machine: dict[str, Any]) -> int:
    """Columns of a row, in the smaller unit that commands move."""
    memory = machine["memory"]
    return memory["row_bytes"] // min(memory["column_bytes"], memory["access_bytes"])
