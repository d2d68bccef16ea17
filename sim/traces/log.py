"""The command log of a run as a table: one row for every command, channel by channel."""

from typing import TextIO

import numpy as np

from ..timing.controller_tables import ControllerTables
from ..timing.tables import LEVELS

COLUMNS = ("cycle", "command", "channel", *LEVELS[1:], "row", "column", "line")
"""Indices that a command does not name are -1, as are row, column and line of commands that no line of the trace asked for."""


def log_table(rows: np.ndarray, tables: ControllerTables) -> np.ndarray:
    """`rows` of a TraceResult with one row for each channel, the target as indices, in order of cycle and channel."""
    bits = np.arange(64)
    row, channel = np.nonzero(rows[:, 2, None] >> bits & 1)
    indices = np.full((len(tables.geometry.indices), len(LEVELS) - 1), -1)
    for target, path in enumerate(tables.geometry.indices):
        indices[target, : len(path) - 1] = path[1:]
    found = rows[row]
    table = np.column_stack([found[:, :2], channel, indices[found[:, 3]], found[:, 4:]])
    return table[np.lexsort((np.arange(len(table)), channel, found[:, 0]))]


def write_csv(table: np.ndarray, tables: ControllerTables, out: TextIO) -> None:
    """A log table as CSV, with the commands by the names of the trace's simulator."""
    out.write(",".join(COLUMNS) + "\n")
    for cycle, command, *numbers in table.tolist():
        out.write(f"{cycle},{tables.labels[command]},{','.join(map(str, numbers))}\n")
