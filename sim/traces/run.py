"""Run a trace on the memory controller of a machine: cycles, commands and, if wanted, the log of all commands."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..timing import controller_tables as c
from ..timing.front_end import DONE, EVENT_ROWS, LOG_FULL, LOG_ROWS, simulate
from .text import TraceError

LOG_FIELDS = ("cycle", "command", "channel", "target", "row", "column", "line")
Sink = Callable[[np.ndarray], None]
"""Takes the next commands of a log, [command, LOG_FIELDS], in order of cycle and channel."""


@dataclass(frozen=True)
class TraceResult:
    """What a run took. `log` has one row a command and channel with LOG_FIELDS, or none if it was not wanted."""

    cycles: int
    commands: dict[str, int]
    log: np.ndarray


def kernel_options(
    tables: c.ControllerTables, commands: tuple[str, ...], names: tuple[str, ...], options: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """What a kernel takes: the machine's numbers of its commands, and its options in the order of their names."""
    number = [tables.commands.index(name) for name in commands]
    return np.array(number, np.int64), np.array([int(options[name]) for name in names], np.int64)


def counts_by_label(tables: c.ControllerTables, commands: tuple[str, ...], counts: np.ndarray) -> dict[str, int]:
    """How often each of a kernel's commands was issued, if at all, by its name in traces."""
    labels = dict(zip(tables.commands, tables.labels, strict=True))
    return {labels[name]: count for name, count in zip(commands, counts.tolist(), strict=True) if count}


def run_trace(tables: c.ControllerTables, trace: np.ndarray, log: bool = False) -> TraceResult:
    """Run the instructions of a whole trace."""
    rows = [np.zeros((0, len(LOG_FIELDS)), np.int64)]
    result = run_parts(tables, [trace], rows.append if log else None)
    return TraceResult(result.cycles, result.commands, np.concatenate(rows))


def run_parts(
    tables: c.ControllerTables, parts: Iterable[np.ndarray], sink: Sink | None = None, name: str = "trace"
) -> TraceResult:
    """Run a trace that comes in parts, of which two are in memory at a time; its log goes to `sink` as it comes.

    `name` stands in the message if the controller cannot go on.
    """
    words, state = tables.words, c.initial_state(tables)
    rows = LOG_ROWS + EVENT_ROWS * int(words[c.CHANNELS]) if sink else 0
    log = np.zeros((rows, c.RUN_CHANNELS + words[c.MASK_WORDS]), np.int64)
    state[c.LOG_CAPACITY] = rows
    writer = _LogWriter(tables, sink)
    status = DONE
    for trace, state[c.FINAL] in _with_last(parts):
        state[c.PC], state[c.END] = 0, len(trace)
        while (status := simulate(words, trace.reshape(-1), state, log.reshape(-1))) == LOG_FULL:
            writer.take(log, state, end=False)
    if status != DONE:
        line = _waiting_line(tables, state)
        raise TraceError(
            f"{name}:{line}: the controller cannot go on from this request: its queues wait for each other"
        )
    writer.take(log, state, end=True)
    counts = zip(tables.labels, state[words[c.AT_COUNTS] :][: len(tables.labels)].tolist(), strict=True)
    commands = {label: count for label, count in counts if count}
    return TraceResult(int(state[c.CYCLES]), commands, np.zeros((0, len(LOG_FIELDS)), np.int64))


def _waiting_line(tables: c.ControllerTables, state: np.ndarray) -> int:
    """The first line whose request waits in a queue."""
    words, lines = tables.words, []
    for group in state[words[c.AT_GROUPS] :].reshape(-1, words[c.WORDS])[: state[c.CHANNEL_GROUPS]]:
        for queue in range(c.QUEUES):
            runs = group[c.QUEUE + c.QUEUE_FIELDS * queue + c.RUNS]
            places = words[c.AT_ORDER] + queue * words[c.CAPACITY] + np.arange(runs)
            lines += group[group[places] + c.LINE].tolist()
    return min(line for line in lines if line >= 0)


def _with_last(parts: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Every part, and whether it is the last one."""
    waiting = iter(parts)
    part = next(waiting)
    for following in waiting:
        yield part, False
        part = following
    yield part, True


class _LogWriter:
    """Turns the log of the kernel, one row a run and group of channels, into one row a command and channel, in order."""

    def __init__(self, tables: c.ControllerTables, sink: Sink | None):
        self._tables, self._sink = tables, sink
        self._waiting = np.zeros((0, len(LOG_FIELDS)), np.int64)

    def take(self, log: np.ndarray, state: np.ndarray, end: bool) -> None:
        """Empty the log of the kernel; commands from the horizon on wait, since earlier ones may still come."""
        if self._sink is None:
            return
        found = np.concatenate([self._waiting, _expand(log[: state[c.LOG_SIZE]])])
        state[c.LOG_SIZE] = state[c.LOG_COMMANDS] = 0
        found = found[np.lexsort((found[:, 2], found[:, 0]))]
        ready = len(found) if end else np.searchsorted(found[:, 0], self._horizon(state))
        self._sink(found[:ready])
        self._waiting = found[ready:]

    def _horizon(self, state: np.ndarray) -> int:
        """The cycle before which no more commands will come: now, or the start of a run that is still planned."""
        words = self._tables.words
        groups = state[words[c.AT_GROUPS] :].reshape(-1, words[c.WORDS])[: state[c.CHANNEL_GROUPS]]
        return min([int(state[c.NOW]), *groups[groups[:, c.RUN] > 0, c.RUN_START].tolist()])


def _expand(runs: np.ndarray) -> np.ndarray:
    """LOG_FIELDS of every command and channel of rows with RUN_FIELDS and a channel set."""
    masks = runs[:, c.RUN_CHANNELS :]
    bits = (masks[:, :, None] >> np.arange(c.MASK_BITS) & 1).reshape(len(runs), masks.shape[1] * c.MASK_BITS)
    run, channel = np.nonzero(bits)
    count = runs[run, 6]
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    run, channel = np.repeat(run, count), np.repeat(channel, count)
    cycle, command, target, row, column, line, _, period, column_step, line_step = runs[run, : c.RUN_CHANNELS].T
    columns = (
        cycle + step * period,
        command,
        channel,
        target,
        row,
        column + step * column_step,
        line + step * line_step,
    )
    return np.column_stack(columns)
