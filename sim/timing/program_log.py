"""The command log of programs: the rows of a timing model, which hold runs of equal commands, as one row a command."""

from typing import Any

import numpy as np

from ...backends.isa.image import Program
from ..command_log import CommandLog
from .constraints import LEVELS, geometry
from .tables import LOG_FIELDS

ROWS = 1 << 18
"""Rows of a timing model that is logged: more than the commands of a slice of time."""


class ProgramLog:
    """Collects what a timing model issues. It grows with the number of runs; `finish` takes memory for every command."""

    def __init__(self, machine: dict[str, Any]):
        self.machine = machine
        self._parts: list[np.ndarray] = []
        self._sources: dict[str, int] = {}

    def add(self, rows: np.ndarray, program: Program) -> None:
        """Rows of LOG_FIELDS that a program issued; tags become numbers of sources."""
        rows = rows.copy()
        tag = rows[:, LOG_FIELDS.index("tag")]
        numbers = [self._sources.setdefault(name, len(self._sources)) if name else -1 for name in program.tags]
        tag[:] = np.array(numbers, np.int64)[tag]
        self._parts.append(rows)

    def finish(self) -> CommandLog:
        """All commands in order of time; those of a channel that share a cycle in the order of simulation."""
        runs = np.concatenate([np.zeros((0, len(LOG_FIELDS)), np.int64), *self._parts])
        count = runs[:, LOG_FIELDS.index("count")]
        rows = np.repeat(runs, count, axis=0)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        field = {name: rows[:, index] for index, name in enumerate(LOG_FIELDS)}
        tree = geometry(self.machine["memory"])
        addresses = np.array([(*index[1:], *[-1] * (len(LEVELS) - len(index))) for index in tree.indices])
        cycle = field["cycle"] + within * field["spacing"]
        column = np.where(field["column"] >= 0, field["column"] + within, -1)
        table = [
            cycle,
            field["command"],
            field["channel"],
            addresses[field["target"]],
            field["row"],
            column,
            field["tag"],
        ]
        order = np.lexsort((field["channel"], cycle))
        labels = tuple(entry["label"] or name.upper() for name, entry in self.machine["command"].items())
        held = field["columns"][order] if (field["columns"] > 1).any() else None
        return CommandLog(np.column_stack(table)[order], labels, tuple(self._sources), self.machine["name"], held)
