"""Check a command log against a machine: timing rules, bank states, buses, refresh deadlines.

The check knows the machine file and the log and shares no code with the simulator that wrote it. Exit code 1 if a command
breaks a rule.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..console import Cell, Table, print_tables
from ..errors import FAILED, OK, CommandError
from .arguments import add_set, positive

HELP = "check a command log against a machine"
SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("log", metavar="LOG", help="a log of `pimlir sim` or `pimlir run`: CSV, or .npz")
    parser.add_argument(
        "--machine", metavar="NAME|FILE", help="machine or machine file (default: what a .npz log says)"
    )
    add_set(parser)
    parser.add_argument(
        "--first", type=positive, default=SHOWN, metavar="N", help=f"violations to show (default: {SHOWN})"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")


def execute(arguments: argparse.Namespace) -> int:
    report = check_file(arguments.log, arguments.machine, dict(arguments.set), arguments.first)
    if arguments.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        print_tables(_tables(report))
    return FAILED if report["violations"] else OK


def check_file(
    log: str | Path, machine: str | Path | None = None, settings: Mapping[str, str] | None = None, first: int = SHOWN
) -> dict[str, Any]:
    """The report of a check: how many commands break which rule, and the `first` of them in time."""
    from ...machines.loader import load_machine
    from ...sim.check import check_log
    from ...sim.command_log import read_log

    commands = read_log(log)
    name = machine or commands.machine
    if not name:
        raise CommandError(f"{log}: does not say which machine it is of: use --machine NAME")
    description = load_machine(name, settings).to_dict()
    found = check_log(commands, description, str(log))
    return {
        "log": str(log),
        "machine": description["name"],
        "settings": dict(settings or {}),
        "commands": len(commands),
        "violations": sum(found.counts.values()),
        "rules": dict(found.counts),
        "first": [asdict(violation) for violation in found.first(first)],
    }


def _tables(report: Mapping[str, Any]) -> Sequence[Table]:
    facts = [
        ("machine", report["machine"]),
        ("commands", f"{report['commands']:,}"),
        ("violations", f"{report['violations']:,}"),
    ]
    columns = ("log row", "cycle>", "command", "node", "source", "rule", "found>", "needed>", "after")
    return [
        Table(report["log"], ("", ">"), facts),
        Table("first violations", columns, [_row(violation) for violation in report["first"]]),
        Table("rules", ("rule", "violations>"), list(report["rules"].items())),
    ]


def _row(violation: Mapping[str, Any]) -> Sequence[Cell]:
    earlier = ""
    if violation["earlier_row"] is not None:
        earlier = (
            f"{violation['earlier_command']} of row {violation['earlier_row']} in cycle {violation['earlier_cycle']}"
        )
    keys = ("log_row", "cycle", "command", "place", "source", "rule", "found", "needed")
    return [*(violation[key] for key in keys), earlier]
