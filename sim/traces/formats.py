"""The trace formats by name, and running a file of one of them."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..timing.controller_tables import ControllerTables
from . import aim, attacc, hbmpim, neupims
from .run import LOG_FIELDS, Sink, TraceResult, run_parts
from .text import Source, TraceError, read_blocks

FORMATS: dict[str, Callable[[Source], Iterator[np.ndarray]]] = {
    "aim": aim.parse,
    "attacc": attacc.parse,
    "loadstore": attacc.parse_load_store,
}
"""Formats of one stream of instructions; `neupims` has two streams, `hbmpim` modes, each a controller of its own."""

_QUEUES = {"neupims": ("banks",), "hbmpim": ("ranks",), "loadstore": ("channel", "ranks")}


def parse_trace(
    text: str, format: str, machine: dict[str, Any], tables: ControllerTables, name: str = "trace"
) -> np.ndarray:
    """The instructions of a trace."""
    return np.concatenate(list(FORMATS[format](_source([text.encode()], format, machine, tables, name))))


def run_file(
    path: str | Path, format: str, machine: dict[str, Any], tables: ControllerTables, log: bool = False
) -> tuple[TraceResult, dict[str, int]]:
    """Run a trace file; the result, with its whole log if wanted, and what else the format reports."""
    rows = [np.zeros((0, len(LOG_FIELDS)), np.int64)]
    result, more = stream_file(path, format, machine, tables, rows.append if log else None)
    return TraceResult(result.cycles, result.commands, np.concatenate(rows)), more


def stream_file(
    path: str | Path, format: str, machine: dict[str, Any], tables: ControllerTables, sink: Sink | None = None
) -> tuple[TraceResult, dict[str, int]]:
    """Run a trace file, its log going to `sink` as it comes; the result, and what else the format reports.

    Traces are read, run and logged a part at a time, except those of hbmpim, which are in memory as a whole.
    """

    def source() -> Source:
        return _source(read_blocks(path), format, machine, tables, str(path))

    if format in FORMATS and machine["controller"]["queues"] == "channel":
        return run_parts(tables, FORMATS[format](source()), sink, str(path)), {}
    if format == "neupims":
        if Path(path).exists() and not Path(path).is_file():
            raise TraceError(f"{path}:1: expected a file, which is read more than once")
        found = neupims.run_streams(machine, tables, (source(), source(), source()), sink)
        return found.result, {"pim_done": found.pim_done, "ordinary_done": found.ordinary_done}
    parse = hbmpim.parse_load_store if format == "loadstore" else hbmpim.parse
    trace = parse(source(), machine["pim"]["all_bank"])
    result = hbmpim.run(machine, tables, trace, sink is not None, str(path))
    if sink:
        sink(result.log)
    return result, {}


def _source(
    blocks: Iterable[bytes], format: str, machine: dict[str, Any], tables: ControllerTables, name: str
) -> Source:
    queues = machine["controller"]["queues"]
    if queues not in _QUEUES.get(format, ("channel",)):
        raise TraceError(
            f"{name}:1: format {format} does not fit the controller of {machine['name']}, whose queues are {queues}"
        )
    return Source(name, blocks, tables, machine["memory"], machine["controller"]["address"])
