"""The trace formats by name, and running a file of one of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..timing.controller_tables import ControllerTables
from . import aim, attacc, hbmpim, neupims
from .run import TraceResult, run_trace
from .text import Source, TraceError

MAX_CHANNELS = 62  # a set of channels is a 64-bit word
MAX_CHANNELS_APART = 64  # where the kernel runs one channel at a time
FORMATS: dict[str, Callable[[Source], np.ndarray]] = {
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
    source = _source(text, format, machine, tables, name)
    return FORMATS[format](source)


def run_file(
    path: str | Path, format: str, machine: dict[str, Any], tables: ControllerTables, log: bool
) -> tuple[TraceResult, dict[str, int]]:
    """Run a trace file; the result, and what else the format reports."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}:1: not a text file: byte {error.start}") from None
    if format == "neupims":
        streams = neupims.parse(_source(text, format, machine, tables, str(path)))
        found = neupims.run_streams(machine, tables, streams, log)
        return found.result, {"pim_done": found.pim_done, "ordinary_done": found.ordinary_done}
    if machine["controller"]["queues"] == "ranks":
        source = _source(text, format, machine, tables, str(path))
        parse = hbmpim.parse_load_store if format == "loadstore" else hbmpim.parse
        return hbmpim.run(machine, tables, parse(source, machine["pim"]["all_bank"]), log), {}
    trace = parse_trace(text, format, machine, tables, str(path))
    return run_trace(tables, trace, log), {}


def _source(text: str, format: str, machine: dict[str, Any], tables: ControllerTables, name: str) -> Source:
    channels, queues = machine["memory"]["channels"], machine["controller"]["queues"]
    limit = MAX_CHANNELS_APART if queues == "ranks" else MAX_CHANNELS
    if channels > limit:
        raise TraceError(f"{name}:1: the machine has {channels} channels, traces run on at most {limit}")
    if queues not in _QUEUES.get(format, ("channel",)):
        raise TraceError(
            f"{name}:1: format {format} does not fit the controller of {machine['name']}, whose queues are {queues}"
        )
    return Source(name, text, tables, machine["memory"], machine["controller"]["address"])
