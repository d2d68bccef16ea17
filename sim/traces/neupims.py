"""Transactions of NeuPIMs' memory simulator for one channel, a PIM stream and an ordinary one beside each other.

`GWRITE bank row`, `P_HEADER row macs results`, `COMPS_READRES row macs [last]`, `COMP row`, `READRES row [last]`,
`LD address`, `ST address`, and `START cycle`, from which on each stream offers one request a cycle.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..timing import bank_queues as q
from ..timing.bank_queue_run import run_bank_queues, start_bank_queues
from ..timing.controller_tables import ControllerTables
from .addresses import AddressMap
from .run import LOG_FIELDS, Sink, TraceResult, counts_by_label, kernel_options
from .scan import Names, Words
from .text import Source, shown

OPERANDS = {
    "START": ("cycle",),
    "GWRITE": ("bank", "row"),
    "P_HEADER": ("row", "macs", "results"),
    "COMPS_READRES": ("row", "macs"),
    "COMP": ("row",),
    "READRES": ("row",),
    "LD": ("address",),
    "ST": ("address",),
}
_NAMES = list(OPERANDS)
_KINDS = {
    "GWRITE": q.COPY,
    "P_HEADER": q.HEADER,
    "COMPS_READRES": q.MAC_READ,
    "COMP": q.MAC,
    "READRES": q.RESULT,
    "LD": q.RD,
    "ST": q.WR,
}
_MAY_BE_LAST = ("COMPS_READRES", "READRES")
_LOG_ROWS = 1 << 15

PIM, ORDINARY = range(2)


class Part(NamedTuple):
    """The requests of a block: rows of REQUEST of both streams, and the cycle in which they start if it says so."""

    streams: tuple[np.ndarray, np.ndarray]
    start: int


class Parser:
    """Reads blocks of lines, at once if all are as they should be, otherwise one by one."""

    def __init__(self, source: Source):
        self._source = source
        self._address = AddressMap(source)
        self._limits = {
            "cycle": 1 << 40,
            "bank": source.tables.geometry.banks,
            "row": source.memory["rows"],
            "macs": 1 << 20,
            "results": 1 << 20,
            "address": self._address.limit,
        }
        self._names, self._last = Names(_NAMES), Names(["last"])

    def parts(self) -> Iterator[Part]:
        """The requests of each block."""
        for block in self._source.blocks():
            words = Words(block, "")
            part = self._at_once(words, words.line + self._source.number)
            yield self._one_by_one(block) if part is None else part

    def _at_once(self, words: Words, numbers: np.ndarray) -> Part | None:
        """The requests of lines with these numbers; None if a line is not as it should be."""
        kind = words.names(words.first, self._names)
        rows, start = np.zeros((len(kind), len(q.REQUEST)), np.int64), -1
        rows[:, q.LINE] = numbers
        for number in np.unique(kind).tolist():
            if number < 0:
                return None
            lines, name = np.flatnonzero(kind == number), _NAMES[number]
            operands = OPERANDS[name]
            if name in _MAY_BE_LAST:
                behind = words.first[lines] + np.minimum(words.count[lines] - 1, len(operands) + 1)
                rows[lines, q.IS_LAST] = words.names(behind, self._last) == 0
            if (words.count[lines] != 1 + len(operands) + rows[lines, q.IS_LAST]).any():
                return None
            for place, operand in enumerate(operands, 1):
                value, valid = words.numbers(words.first[lines] + place)
                if not (valid & (value < self._limits[operand])).all():
                    return None
                if operand == "address":
                    channel, *place_in_channel = self._address.split(value)
                    rows[lines, q.BANK : q.COLUMN + 1] = np.column_stack(place_in_channel)
                    if channel.any():
                        return None
                elif operand == "cycle":
                    start = int(value[-1])
                else:
                    rows[lines, q.REQUEST.index(operand)] = value
            rows[lines, q.KIND] = _KINDS.get(name, 0)
        ordinary = kind >= _NAMES.index("LD")
        return Part((rows[~ordinary & (kind != 0)], rows[ordinary]), start)

    def _one_by_one(self, block: bytes) -> Part:
        streams, start = ([], []), -1
        for words in self._source.block_lines(block):
            line = Words(" ".join(self._checked(words)).encode(), "")
            part = self._at_once(line, np.array([self._source.number]))
            assert part is not None, words
            for rows, found in zip(streams, part.streams, strict=True):
                rows.append(found)
            start = part.start if part.start >= 0 else start
        empty = np.zeros((0, len(q.REQUEST)), np.int64)
        pim, ordinary = (np.concatenate([empty, *rows]) for rows in streams)
        return Part((pim, ordinary), start)

    def _checked(self, words: list[str]) -> list[str]:
        """The words of a line with plain decimal numbers, if they are as they should be."""
        source, name, values = self._source, words[0], words[1:]
        if name not in OPERANDS:
            raise source.error(f"unknown request {shown(name)}, expected one of {', '.join(OPERANDS)}")
        last = name in _MAY_BE_LAST and values[-1:] == ["last"]
        values, names = values[: len(values) - last], OPERANDS[name]
        if len(values) != len(names):
            raise source.error(f"{name}: found {len(values)} operands, expected {len(names)}: {' '.join(names)}")
        found = [source.integer(text, key, self._limits[key]) for key, text in zip(names, values, strict=True)]
        if names == ("address",) and (channel := self._address.split(found[0])[0]):
            raise source.error(f"{name}: found an address of channel {channel}, expected channel 0")
        return [name, *map(str, found), *["last"] * last]


class StreamResult(NamedTuple):
    """When the last request of each stream was complete, and how often each command was issued."""

    pim_done: int
    ordinary_done: int
    result: TraceResult


def run_streams(
    machine: dict[str, Any], tables: ControllerTables, sources: tuple[Source, Source, Source], sink: Sink | None = None
) -> StreamResult:
    """Run both streams to their end, its log going to `sink`.

    The text is read three times, for memory that does not grow with it: first as a whole, since START may stand anywhere,
    then for each stream, of which one may be far ahead of the other.
    """
    start = requests = 0
    for part in Parser(sources[0]).parts():
        start = part.start if part.start >= 0 else start
        requests += sum(map(len, part.streams))
    if not requests:
        raise sources[0].error("the trace has no requests")
    coming = [_stream(sources[1], PIM), _stream(sources[2], ORDINARY)]
    parts = [np.zeros((0, len(q.REQUEST)), np.int64)] * 2
    number, options = _options(machine, tables, start)
    state = start_bank_queues(tables.geometry.banks)
    words, timing = state.words, tables.group.copy()
    log = np.zeros((_LOG_ROWS if sink else 0, len(LOG_FIELDS)), np.int64)
    words[[q.PIM_MORE, q.OTHER_MORE]] = 1
    run = partial(run_bank_queues, tables.words, number, options)
    while status := run(parts[PIM], parts[ORDINARY], timing, *state, log):
        if status == q.LOG_FULL:
            assert sink
            sink(log.copy())
            words[q.ROWS_LOGGED] = 0
        elif status == q.PIM_HUNGRY:
            kept = parts[PIM][words[q.HEAD] :]
            parts[PIM] = np.concatenate([kept, _next(coming[PIM], words, q.PIM_MORE)])
            words[[q.MOVED, q.TAKEN]] -= words[q.HEAD]
            words[q.HEAD] = 0
        else:
            parts[ORDINARY] = _next(coming[ORDINARY], words, q.OTHER_MORE)
            words[q.OTHER_TAKEN] = 0
    if sink:
        sink(log[: words[q.ROWS_LOGGED]].copy())
    commands = counts_by_label(tables, q.COMMANDS, words[q.WORDS :])
    pim, ordinary = int(words[q.PIM_DONE]), int(words[q.ORDINARY_DONE])
    return StreamResult(pim, ordinary, TraceResult(max(pim, ordinary), commands, log[:0]))


def _stream(source: Source, which: int) -> Iterator[np.ndarray]:
    return (part.streams[which] for part in Parser(source).parts())


def _next(parts: Iterator[np.ndarray], words: np.ndarray, more: int) -> np.ndarray:
    """The next requests of a stream; if there are none, no more will come."""
    for part in parts:
        if len(part):
            return part
    words[more] = 0
    return np.zeros((0, len(q.REQUEST)), np.int64)


def _options(machine: dict[str, Any], tables: ControllerTables, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the commands, and OPTIONS."""
    memory, timing, geometry = machine["memory"], machine["timing"], tables.geometry
    options = dict(
        dual=machine["pim"]["dual_row_buffer"],
        start=start,
        interval=memory["refresh_interval_cycles"] // memory["ranks"] or 1 << 60,
        ranks=memory["ranks"],
        banks=geometry.banks,
        group_banks=memory["banks_per_group"],
        act_cycles=timing["nRCDRD"],
        pre_cycles=timing["nRP"],
        copy_cycles=timing["nGWRITE"],
        read_cycles=machine["command"]["read_result"]["latency_cycles"],
        close_cycles=timing["nRTP"],
        window_cycles=timing["nFAW"],
        channel_target=geometry.target(()),
        rank_target=geometry.target((0, 0)),
    )
    return kernel_options(tables, q.COMMANDS, q.OPTIONS, options)
