"""Run a trace on the memory controller of a machine: cycles, commands and, if wanted, the log of all commands."""

from dataclasses import dataclass

import numpy as np

from ..functional.errors import SimulationError
from ..timing import controller_tables as c
from ..timing.controller import COUNTS, CYCLES, GROUPS, LOG_SIZE
from ..timing.front_end import DONE, simulate


@dataclass(frozen=True)
class TraceResult:
    """What a run took. `log` has one row a command and group of channels, with the fields of LOG_FIELDS."""

    cycles: int
    commands: dict[str, int]
    log: np.ndarray


def run_trace(tables: c.ControllerTables, trace: np.ndarray, channels: int, log: bool = False) -> TraceResult:
    """Run instructions to the end of the trace; a log costs a second run."""
    shared, rows = _run(tables, trace, channels, 0)
    if log:
        shared, rows = _run(tables, trace, channels, int(shared[LOG_SIZE]))
    counts = zip(tables.labels, shared[COUNTS:].tolist(), strict=True)
    return TraceResult(int(shared[CYCLES]), {label: count for label, count in counts if count}, rows)


def _run(tables: c.ControllerTables, trace: np.ndarray, channels: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    state = np.zeros((channels, len(tables.group)), np.int64)
    state[0] = tables.group
    state[0, [c.CHANNEL_MASK, c.CHANNEL_COUNT]] = (1 << channels) - 1, channels
    shared = np.zeros(COUNTS + len(tables.commands), np.int64)
    shared[GROUPS] = 1
    log = np.zeros((rows, len(c.LOG_FIELDS)), np.int64)
    if simulate(tables.words, trace, state.reshape(-1), shared, log) != DONE:
        raise SimulationError("the controller cannot finish the trace: its queues wait for each other")
    return shared, log
