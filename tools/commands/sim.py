"""Time a trace of another PIM or DRAM simulator on the memory controller of a machine.

aim: instructions of the AiM simulator. attacc: requests of AttAcc's Ramulator. loadstore: `LD address`, `ST address`.
neupims: PIM and ordinary transactions of NeuPIMs' memory simulator. hbmpim: transactions of Samsung's PIMSimulator. Machines
aim-head, aim-pinned, attacc-bank (-bg, -buffer), neupims-dual, neupims-single and hbm-pim count the cycles of those
simulators, with all their defects.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..console import Table, print_tables
from ..errors import OK
from .arguments import add_set

HELP = "time a trace of another simulator"
FORMATS = ("aim", "attacc", "hbmpim", "loadstore", "neupims")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trace", required=True, metavar="FILE", help="the trace")
    parser.add_argument("--format", choices=FORMATS, help="its format (default: that of the machine)")
    parser.add_argument("--machine", required=True, metavar="NAME|FILE", help="machine or machine file")
    add_set(parser)
    parser.add_argument("--log", metavar="OUT.csv|.npz", help="write every command with its cycle and address")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")


def execute(arguments: argparse.Namespace) -> int:
    result = sim_trace(arguments.trace, arguments.machine, arguments.format, dict(arguments.set), arguments.log)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print_tables(_tables(result))
    return OK


def sim_trace(
    trace: str | Path,
    machine: str | Path,
    format: str | None = None,
    settings: Mapping[str, str] | None = None,
    log: str | Path | None = None,
) -> dict[str, Any]:
    """Cycles and commands of a trace on a machine; `log` is a file for all commands, of NumPy if it ends in .npz, else CSV."""
    from ...machines.loader import load_machine
    from ...sim.timing.controller_tables import build_controller
    from ...sim.traces.formats import stream_file
    from ...sim.traces.log import trace_log
    from ..log_file import open_log

    description = load_machine(machine, settings).to_dict()
    chosen: str = format or description["controller"]["trace_format"]
    tables = build_controller(description)
    if log is None:
        result, more = stream_file(trace, chosen, description, tables)
    else:
        with open_log(log) as write:
            result, more = stream_file(
                trace, chosen, description, tables, lambda rows: write(trace_log(rows, tables, description["name"]))
            )
    return {
        "trace": str(trace),
        "format": chosen,
        "machine": description["name"],
        "settings": dict(settings or {}),
        "cycles": result.cycles,
        "time_ns": result.cycles * description["memory"]["clock_ps"] / 1000,
        "commands": result.commands,
        **more,
    }


def _tables(result: Mapping[str, Any]) -> Sequence[Table]:
    facts = [
        ("machine", result["machine"]),
        ("cycles", f"{result['cycles']:,}"),
        ("time", f"{result['time_ns']:,.1f} ns"),
    ]
    return [
        Table(f"{result['trace']} ({result['format']})", ("", ">"), facts),
        Table("commands of all channels", ("command", "number>"), list(result["commands"].items())),
    ]
