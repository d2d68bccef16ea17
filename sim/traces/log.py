"""The command log of a trace: one row for every command and channel."""

import numpy as np

from ..command_log import CommandLog
from ..timing.constraints import LEVELS
from ..timing.controller_tables import ControllerTables

_CHANNELS = 64  # a set of channels is a 64-bit word


def trace_log(rows: np.ndarray, tables: ControllerTables, machine: str = "") -> CommandLog:
    """`rows` of a TraceResult with one row for each channel, in order of cycle and channel. Sources are lines."""
    row, channel = np.nonzero(rows[:, 2, None] >> np.arange(_CHANNELS) & 1)
    indices = np.full((len(tables.geometry.indices), len(LEVELS) - 1), -1)
    for target, path in enumerate(tables.geometry.indices):
        indices[target, : len(path) - 1] = path[1:]
    found = rows[row]
    table = np.column_stack([found[:, :2], channel, indices[found[:, 3]], found[:, 4:]])
    order = np.lexsort((np.arange(len(table)), channel, found[:, 0]))
    return CommandLog(table[order], tables.labels, machine=machine)
