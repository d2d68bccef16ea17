"""The trace formats by name, and running a file of one of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..timing.controller_tables import ControllerTables
from . import aim, attacc, neupims
from .run import TraceResult, run_trace
from .text import Source, TraceError

MAX_CHANNELS = 62  # a set of channels is a 64-bit word
FORMATS: dict[str, Callable[[Source], np.ndarray]] = {
    "aim": aim.parse,
    "attacc": attacc.parse,
    "loadstore": attacc.parse_load_store,
}
"""Formats of one stream of instructions; `neupims` has two streams and a controller of its own."""


def parse_trace(
    text: str, format: str, machine: dict[str, Any], tables: ControllerTables, name: str = "trace"
) -> np.ndarray:
    """The instructions of a trace."""
    return FORMATS[format](_source(text, format, machine, tables, name))


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
    trace = parse_trace(text, format, machine, tables, str(path))
    return run_trace(tables, trace, machine["memory"]["channels"], log), {}


def _source(text: str, format: str, machine: dict[str, Any], tables: ControllerTables, name: str) -> Source:
    channels, queues = machine["memory"]["channels"], machine["controller"]["queues"]
    if channels > MAX_CHANNELS:
        raise TraceError(f"{name}:1: the machine has {channels} channels, traces run on at most {MAX_CHANNELS}")
    if (format == "neupims") != (queues == "banks"):
        raise TraceError(
            f"{name}:1: format {format} does not fit the controller of {machine['name']}, whose queues are {queues}"
        )
    return Source(name, text, tables, machine["memory"], machine["controller"]["address"])
