"""Transactions that a host sends to Samsung's HBM2-PIM: to all channels in lockstep, and ordinary ones by address.

To rank 0 of every channel: `PARK`; `MODE single|all_bank|pim`; `CRF n`, `SRF n`, `GRF_A n`, `GRF_B n` write the first n
columns of a register; `RD bank row column [n]` and `WR ...` access n columns, running on into the rows that follow. A `BAR` at
the end of a line makes its last transaction a barrier; PARK and MODE end with one. To the channel of the address:
`LD address [n]`, `ST address [n]`, n accesses of consecutive addresses, in mode single only.
"""

from typing import Any

import numpy as np

from ..timing import rank_queues as q
from ..timing.controller_tables import ControllerTables
from .addresses import AddressMap
from .run import LOG_FIELDS, TraceResult, counts_by_label, kernel_options
from .text import Source, TraceError, shown

MODES = ("single", "all_bank", "pim")
_REGISTERS = {"CRF": "crf", "SRF": "srf", "GRF_A": "grf_a", "GRF_B": "grf_b"}
_WORDS = ("PARK", "MODE", *_REGISTERS, "RD", "WR", "LD", "ST")
_ALL = -1  # channel of a transaction that goes to all
MAX_ACCESSES = 1 << 25  # of one line: two gigabytes of requests

CHANNEL = len(q.REQUEST)  # a column of the transactions besides those of a request


def parse(source: Source, all_bank: dict[str, Any], words: tuple[str, ...] = _WORDS) -> np.ndarray:
    """The transactions of a trace: the fields of a request, then the channel."""
    return _Parser(source, all_bank, words).run()


def parse_load_store(source: Source, all_bank: dict[str, Any]) -> np.ndarray:
    """Loads and stores only."""
    return parse(source, all_bank, ("LD", "ST"))


class _Parser:
    def __init__(self, source: Source, all_bank: dict[str, Any], words: tuple[str, ...]):
        self._source, self._all_bank, self._words = source, all_bank, words
        self._address = AddressMap(source)
        memory = source.memory
        self._banks = memory["bank_groups"] * memory["banks_per_group"]
        self._groups = memory["bank_groups"], memory["banks_per_group"]
        self._columns = memory["row_bytes"] // memory["access_bytes"]
        self._mode = "single"
        self._parts: list[np.ndarray] = []

    def run(self) -> np.ndarray:
        for name, *operands in self._source.lines():
            if name not in self._words:
                raise self._source.error(f"unknown request {shown(name)}, expected one of {', '.join(self._words)}")
            if name in ("LD", "ST"):
                self._linear(name, operands)
            elif name == "PARK":
                self._park(operands)
            elif name == "MODE":
                self._switch(operands)
            else:
                barrier = operands[-1:] == ["BAR"]
                values = operands[: len(operands) - barrier]
                if name in _REGISTERS:
                    self._register(name, values, barrier)
                else:
                    self._access(name, values, barrier)
        if not self._parts:
            raise self._source.error("the trace has no requests")
        return np.concatenate(self._parts)

    def _expect(self, name: str, operands: list[str], meaning: str, least: int, most: int) -> None:
        if not least <= len(operands) <= most:
            expected = f"{least}" if least == most else f"{least} to {most}"
            raise self._source.error(f"{name}: found {len(operands)} operands, expected {expected}: {meaning}")

    def _in_mode(self, name: str, *modes: str) -> None:
        if self._mode not in modes:
            raise self._source.error(f"{name}: found mode {self._mode}, expected {' or '.join(modes)}")

    def _add(self, banks: Any, rows: Any, columns: Any, write: bool, barrier: bool, channel: Any = _ALL) -> None:
        fields = np.broadcast_arrays(banks, rows, columns, int(write), 0, self._source.number, channel)
        part = np.stack(fields, axis=-1).reshape(-1, len(fields)).astype(np.int64)
        part[-1, q.BARRIER] = barrier
        self._parts.append(part)

    def _linear(self, name: str, operands: list[str]) -> None:
        self._expect(name, operands, "address [n]", 1, 2)
        self._in_mode(name, "single")
        unit = self._source.memory["access_bytes"]
        address = self._source.integer(operands[0], "address", self._address.limit)
        room = (self._address.limit - address // unit * unit) // unit
        count = self._count(operands[1:], room)
        channel, bank, row, column = self._address.split(address + unit * np.arange(count))
        self._add(bank, row, column, name == "ST", False, channel)

    def _count(self, operands: list[str], limit: int) -> int:
        if not operands:
            return 1
        count = self._source.integer(operands[0], "n", min(limit, MAX_ACCESSES) + 1)
        if count == 0:
            raise self._source.error("n: found 0, expected at least 1")
        return count

    def _park(self, operands: list[str]) -> None:
        self._expect("PARK", operands, "none", 0, 0)
        self._in_mode("PARK", "single")
        groups, each = self._groups
        banks = np.arange(self._banks).reshape(groups, each).T.reshape(-1)  # one of every group, then the next ones
        self._add(banks, self._all_bank["park_row"], 0, False, True)

    def _switch(self, operands: list[str]) -> None:
        self._expect("MODE", operands, "|".join(MODES), 1, 1)
        mode = operands[0]
        if mode not in MODES or abs(MODES.index(mode) - MODES.index(self._mode)) != 1:
            near = [name for name in MODES if abs(MODES.index(name) - MODES.index(self._mode)) == 1]
            raise self._source.error(f"MODE: found {mode} in mode {self._mode}, expected {' or '.join(near)}")
        modes, at = self._all_bank, self._all_bank["switch_column"]
        if "pim" in (mode, self._mode):
            self._add(0, modes["register_row"], modes["register_columns"]["control"], True, True)
        elif mode == "all_bank":
            self._add(np.array(modes["enter_banks"]), modes["enter_row"], at, True, True)
        else:
            self._add(np.arange(modes["lead_banks"]), modes["leave_row"], at, True, True)
        self._mode = mode

    def _register(self, name: str, operands: list[str], barrier: bool) -> None:
        self._expect(name, operands, "n", 1, 1)
        self._in_mode(name, "all_bank", "pim")
        first = self._all_bank["register_columns"].get(_REGISTERS[name])
        if first is None:
            raise self._source.error(f"{name}: the machine has no such register")
        others = [column for column in self._all_bank["register_columns"].values() if column > first]
        count = self._count(operands, min([*others, self._columns]) - first)
        bank = self._all_bank["lead_banks"] - 1  # as the simulator's kernels do; any lead bank would
        self._add(bank, self._all_bank["register_row"], first + np.arange(count), True, barrier)

    def _access(self, name: str, operands: list[str], barrier: bool) -> None:
        self._expect(name, operands, "bank row column [n]", 3, 4)
        rows = self._source.memory["rows"]
        banks = self._banks if self._mode == "single" else self._all_bank["lead_banks"]
        bank = self._source.integer(operands[0], f"bank in mode {self._mode}", banks)
        row = self._source.integer(operands[1], "row", rows)
        column = self._source.integer(operands[2], "column", self._columns)
        count = self._count(operands[3:], (rows - row) * self._columns - column)
        places = column + np.arange(count)
        touched = row + places // self._columns
        for key in ("enter_row", "leave_row", "register_row"):
            if touched[0] <= self._all_bank[key] <= touched[-1]:
                raise self._source.error(f"row: found {self._all_bank[key]}, the machine's {key}; expected MODE or CRF")
        self._add(bank, touched, places % self._columns, name == "WR", barrier)


def run(
    machine: dict[str, Any], tables: ControllerTables, trace: np.ndarray, log: bool = False, name: str = "trace"
) -> TraceResult:
    """Run transactions to the end; channels that get the same ones are simulated once, a log costs a second run.

    `cycles` is when the last answer of any channel is there, counted from 1. `name` stands in the message if the
    controller cannot go on.
    """
    done, counts, logs = 0, np.zeros(len(q.COMMANDS), np.int64), [np.zeros((0, len(LOG_FIELDS)), np.int64)]
    for channels, requests in _streams(trace, machine["memory"]["channels"]):
        words, rows = _run(machine, tables, requests, 0)
        if words[q.SERVED] < len(requests):
            line = requests[words[q.SERVED], q.LINE]
            raise TraceError(f"{name}:{line}: the controller cannot go on from this request: nothing can serve it")
        if log:
            words, rows = _run(machine, tables, requests, int(words[q.ROWS_LOGGED]))
        done = max(done, int(words[q.DONE]))
        counts += len(channels) * words[q.WORDS :]
        for rows[:, 2] in channels:
            logs.append(rows.copy())
    return TraceResult(done + 1, counts_by_label(tables, q.COMMANDS, counts), np.concatenate(logs))


def _streams(trace: np.ndarray, channels: int) -> list[tuple[list[int], np.ndarray]]:
    """What each channel gets, and the channels that get the same."""
    requests, channel = np.ascontiguousarray(trace[:, :CHANNEL]), trace[:, CHANNEL]
    if (channel == _ALL).all():
        return [(list(range(channels)), requests)]
    found: dict[bytes, tuple[list[int], np.ndarray]] = {}
    for index in range(channels):
        own = requests[(channel == _ALL) | (channel == index)]
        if len(own):
            timed = own[:, : q.LINE].tobytes()
            found.setdefault(timed, ([], own))[0].append(index)
    return list(found.values())


def _run(
    machine: dict[str, Any], tables: ControllerTables, requests: np.ndarray, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    memory, modes, geometry = machine["memory"], machine["pim"]["all_bank"], tables.geometry
    options = dict(
        entries=machine["controller"]["queue_entries"],
        interval=memory["refresh_interval_cycles"],
        ranks=memory["ranks"],
        banks=geometry.banks // memory["ranks"],
        rank_target=geometry.target((0, 0)),
        read_cycles=machine["command"]["rd"]["latency_cycles"],
        enter_row=modes["enter_row"],
        enter_count=len(modes["enter_banks"]),
        leave_row=modes["leave_row"],
        leave_count=modes["lead_banks"],
        lead_banks=modes["lead_banks"],
    )
    number, values = kernel_options(tables, q.COMMANDS, q.OPTIONS, options)
    log = np.zeros((rows, len(LOG_FIELDS)), np.int64)
    return q.run_rank_queues(tables.words, number, values, requests, tables.group.copy(), log), log
