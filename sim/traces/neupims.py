"""Transactions of NeuPIMs' memory simulator for one channel, a PIM stream and an ordinary one beside each other.

`GWRITE bank row`, `P_HEADER row macs results`, `COMPS_READRES row macs [last]`, `COMP row`, `READRES row [last]`,
`LD address`, `ST address`, and `START cycle`, from which on each stream offers one request a cycle.
"""

from typing import Any, NamedTuple

import numpy as np

from ..timing import bank_queues as q
from ..timing.bank_queue_run import run_bank_queues
from ..timing.controller_tables import ControllerTables
from .attacc import AddressMap
from .run import TraceResult
from .text import Source

_OPERANDS = {
    "START": ("cycle",),
    "GWRITE": ("bank", "row"),
    "P_HEADER": ("row", "macs", "results"),
    "COMPS_READRES": ("row", "macs"),
    "COMP": ("row",),
    "READRES": ("row",),
    "LD": ("address",),
    "ST": ("address",),
}
_KINDS = {
    "GWRITE": q.COPY,
    "P_HEADER": q.HEADER,
    "COMPS_READRES": q.MAC_READ,
    "COMP": q.MAC,
    "READRES": q.RESULT,
    "LD": q.RD,
    "ST": q.WR,
}
_LAST = ("COMPS_READRES", "READRES")


class Streams(NamedTuple):
    """The requests of both streams and when they start."""

    pim: np.ndarray
    ordinary: np.ndarray
    start: int


def parse(source: Source) -> Streams:
    """Both streams of a trace."""
    address = AddressMap(source)
    limits = {
        "cycle": 1 << 40,
        "bank": source.tables.geometry.banks,
        "row": source.memory["rows"],
        "macs": 1 << 20,
        "results": 1 << 20,
        "address": address.limit,
    }
    streams: tuple[list[list[int]], list[list[int]]] = ([], [])
    start = 0
    for words in source.lines():
        name, values = words[0], words[1:]
        if name not in _OPERANDS:
            raise source.error(f"unknown request {name!r}, expected one of {', '.join(_OPERANDS)}")
        last = name in _LAST and values[-1:] == ["last"]
        values, names = values[: len(values) - last], _OPERANDS[name]
        if len(values) != len(names):
            raise source.error(f"{name}: found {len(values)} operands, expected {len(names)}: {' '.join(names)}")
        found = {key: source.integer(text, key, limits[key]) for key, text in zip(names, values, strict=True)}
        if name == "START":
            start = found["cycle"]
            continue
        if "address" in found:
            channel, bank, row, column = address.split(found["address"])
            if channel:
                raise source.error(f"{name}: found an address of channel {channel}, expected channel 0")
            found |= {"bank": bank, "row": row, "column": column}
        found |= {"kind": _KINDS[name], "last": int(last), "line": source.number}
        streams["address" in found].append([int(found.get(key, 0)) for key in q.REQUEST])
    if not (streams[0] or streams[1]):
        raise source.error("the trace has no requests")
    pim, ordinary = (np.array(rows, np.int64).reshape(len(rows), len(q.REQUEST)) for rows in streams)
    return Streams(pim, ordinary, start)


class StreamResult(NamedTuple):
    """When the last request of each stream was complete, and all commands."""

    pim_done: int
    ordinary_done: int
    result: TraceResult


def run_streams(machine: dict[str, Any], tables: ControllerTables, streams: Streams, log: bool = False) -> StreamResult:
    """Run both streams to their end."""
    words, rows = _run(machine, tables, streams, 0)
    if log:
        words, rows = _run(machine, tables, streams, int(words[q.ROWS_LOGGED]))
    labels = dict(zip(tables.commands, tables.labels, strict=True))
    commands = {labels[name]: int(words[q.WORDS + index]) for index, name in enumerate(q.COMMANDS)}
    commands = {label: count for label, count in commands.items() if count}
    pim, ordinary = int(words[q.PIM_DONE]), int(words[q.ORDINARY_DONE])
    return StreamResult(pim, ordinary, TraceResult(max(pim, ordinary), commands, rows))


def _run(
    machine: dict[str, Any], tables: ControllerTables, streams: Streams, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    memory, timing, geometry = machine["memory"], machine["timing"], tables.geometry
    number = np.array([tables.commands.index(name) for name in q.COMMANDS], np.int64)
    options = dict(
        dual=machine["pim"]["dual_row_buffer"],
        start=streams.start,
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
    values = np.array([int(options[key]) for key in q.OPTIONS], np.int64)
    log = np.zeros((rows, 7), np.int64)
    words = run_bank_queues(tables.words, number, values, streams.pim, streams.ordinary, tables.group.copy(), log)
    return words, log
