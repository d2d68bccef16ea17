"""The trace formats by name, and reading a file of one of them."""

from pathlib import Path
from typing import Any

import numpy as np

from ..timing.controller_tables import ControllerTables
from . import aim, attacc
from .text import Source, TraceError

MAX_CHANNELS = 62  # a set of channels is a 64-bit word
FORMATS = {"aim": aim.parse, "attacc": attacc.parse, "loadstore": attacc.parse_load_store}


def read_trace(path: str | Path, format: str, machine: dict[str, Any], tables: ControllerTables) -> np.ndarray:
    """The instructions of a trace file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}:1: not a text file: byte {error.start}") from None
    return parse_trace(text, format, machine, tables, str(path))


def parse_trace(
    text: str, format: str, machine: dict[str, Any], tables: ControllerTables, name: str = "trace"
) -> np.ndarray:
    """The instructions of a trace."""
    channels = machine["memory"]["channels"]
    if channels > MAX_CHANNELS:
        raise TraceError(f"{name}:1: the machine has {channels} channels, traces run on at most {MAX_CHANNELS}")
    source = Source(name, text, tables, machine["memory"], machine["controller"]["address"])
    return FORMATS[format](source)
