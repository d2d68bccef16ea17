"""The command log of a trace: one row for every command and channel."""

import numpy as np

from ..command_log import CommandLog
from ..timing.constraints import LEVELS
from ..timing.controller_tables import ControllerTables


def trace_log(rows: np.ndarray, tables: ControllerTables, machine: str = "") -> CommandLog:
    """`rows` of a TraceResult in order of cycle and channel, the target as indices. Sources are lines."""
    indices = np.full((len(tables.geometry.indices), len(LEVELS) - 1), -1)
    for target, path in enumerate(tables.geometry.indices):
        indices[target, : len(path) - 1] = path[1:]
    table = np.column_stack([rows[:, :3], indices[rows[:, 3]], rows[:, 4:]])
    return CommandLog(table[np.lexsort((rows[:, 2], rows[:, 0]))], tables.labels, machine=machine)
