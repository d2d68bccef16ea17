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
        field = {name: np.ascontiguousarray(runs[:, index]) for index, name in enumerate(LOG_FIELDS)}
        count = field["count"]
        run = np.repeat(np.arange(len(runs)), count)
        within = np.arange(len(run)) - (np.cumsum(count) - count)[run]
        cycle = field["cycle"][run] + within * field["spacing"][run]
        order = np.argsort(cycle * self.machine["memory"]["channels"] + field["channel"][run], kind="stable")
        run, within = run[order], within[order]
        tree = geometry(self.machine["memory"])
        addresses = np.array([(*index[1:], *[-1] * (len(LEVELS) - len(index))) for index in tree.indices])
        # One column at a time: the runs are in the cache, the commands are not.
        columns = [field["command"], field["channel"], *addresses[field["target"]].T, field["row"], field["column"]]
        table = np.empty((len(run), len(columns) + 2), np.int64)
        table[:, 0] = cycle[order]
        for place, values in enumerate([*columns, field["tag"]], 1):
            table[:, place] = values[run]
        column = table[:, len(columns)]
        column[column >= 0] += within[column >= 0]
        labels = tuple(entry["label"] or name.upper() for name, entry in self.machine["command"].items())
        held = field["columns"][run] if (field["columns"] > 1).any() else None
        return CommandLog(table, labels, tuple(self._sources), self.machine["name"], held)
