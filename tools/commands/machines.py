"""List the machines that come with pimlir, or show one: its organisation, its numbers, and where they come from.

--timing shows the commands of its memory and the rules between them instead, each as the file says it and in cycles and ns.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..console import Cell, Table, amount, print_tables
from ..errors import OK, UsageError
from ..timing_table import describe_timing, timing_tables
from .arguments import add_set

HELP = "list machines, or show one with its sources"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME|FILE", help="a machine, or a machine file to check")
    parser.add_argument("--timing", action="store_true", help="its commands, timing numbers and rules between commands")
    add_set(parser)
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")


def execute(arguments: argparse.Namespace) -> int:
    name, settings = arguments.name, dict(arguments.set)
    if name is None and (arguments.timing or settings):
        raise UsageError("--timing and --set need the name of a machine or a machine file")
    if name is not None:
        describe_it, tables = (describe_timing, timing_tables) if arguments.timing else (describe, machine_tables)
        found = describe_it(name, settings)
        print(json.dumps(found, ensure_ascii=False)) if arguments.json else print_tables(tables(found))
    elif arguments.json:
        print(json.dumps(list_machines(), ensure_ascii=False))
    else:
        rows = [(machine["name"], machine["description"]) for machine in list_machines()]
        print_tables([Table("", ("machine", "description"), rows)])
    return OK


def list_machines() -> list[dict[str, str]]:
    """Name, description and source of every machine that comes with pimlir."""
    from ...machines.loader import known_machines, load_machine

    machines = [load_machine(name) for name in known_machines()]
    return [{key: getattr(machine, key) for key in ("name", "description", "source")} for machine in machines]


def describe(name: str, settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The resolved machine of this name or file."""
    from ...machines.loader import load_machine

    return load_machine(name, settings).to_dict()


def machine_tables(machine: Mapping[str, Any]) -> list[Table]:
    """The parts of a machine that decide most, section by section."""
    tables = [Table("", ("", ""), [(machine["name"], machine.get("description")), ("source", machine.get("source"))])]
    if "npu" in machine:
        tables.append(Table("NPU", ("", ""), _npu_rows(machine["npu"])))
    tables.append(Table("memory", ("", ""), _memory_rows(machine["memory"])))
    if machine["pim"]["lanes"]:
        tables.append(Table("PIM", ("", ""), _pim_rows(machine["pim"], machine["memory"])))
    tables.append(Table("timing (memory cycles)", ("name", "cycles>"), list(machine["timing"].items())))
    tables.append(Table("energy", ("item", "value>", "source"), _energy_rows(machine["energy"])))
    return tables


def _npu_rows(npu: Mapping[str, Any]) -> list[Sequence[Cell]]:
    arrays = f"{npu['arrays']} of {npu['array_rows']} x {npu['array_cols']}" if npu["arrays"] else "none"
    return [
        ("clock", f"{npu['clock_mhz']} MHz"),
        ("systolic arrays", arrays),
        ("vector unit", f"{npu['vector_units']} of {npu['vector_lanes']} lanes"),
        ("scratchpad", amount(npu["scratchpad_bytes"], "B")),
        ("accumulators", amount(npu["accumulator_bytes"], "B")),
        ("DMA", f"{npu['dma_bytes_per_cycle']} B a cycle, {npu['dma_latency_cycles']} cycles latency"),
        ("source", npu.get("source")),
    ]


def _memory_rows(memory: Mapping[str, Any]) -> list[Sequence[Cell]]:
    banks = _banks(memory)
    rate = memory["access_bytes"] / (memory["burst_cycles"] * memory["clock_ps"] / 1e12)
    return [
        ("standard", f"{memory['standard']}, cycle of {memory['clock_ps']} ps"),
        ("channels", f"{memory['channels']}, each with {banks} banks of {memory['rows']:,} rows"),
        ("row", f"{memory['row_bytes']} B, column {memory['column_bytes']} B, access {memory['access_bytes']} B"),
        ("capacity", amount(memory["channels"] * banks * memory["rows"] * memory["row_bytes"], "B")),
        ("peak bandwidth", amount(rate * memory["channels"] * memory["pseudo_channels"], "B/s")),
        ("source", memory.get("source")),
    ]


def _pim_rows(pim: Mapping[str, Any], memory: Mapping[str, Any]) -> list[Sequence[Cell]]:
    softmax = f"{pim['softmax_elements_per_cycle']} elements a cycle" if "softmax" in pim["commands"] else "none"
    return [
        ("units", f"{memory['channels'] * _banks(memory):,}, one a bank, {pim['lanes']} fp16 lanes"),
        ("global buffer", f"{pim['buffer_bytes']} B a channel"),
        ("row buffers", "two: PIM and ordinary commands overlap" if pim["dual_row_buffer"] else "one"),
        ("softmax unit", softmax),
        ("instructions", ", ".join(pim["commands"])),
        ("source", pim.get("source")),
    ]


def _banks(memory: Mapping[str, Any]) -> int:
    """Banks of a channel."""
    return memory["pseudo_channels"] * memory["ranks"] * memory["bank_groups"] * memory["banks_per_group"]


def _energy_rows(energy: Mapping[str, Any]) -> list[Sequence[Cell]]:
    rows: list[Sequence[Cell]] = []
    for kind in ("command", "event"):
        for name, item in energy[kind].items():
            rows.append((f"{kind} {name}", f"{item['pj']:g} pJ", item.get("source")))
    rows += [(f"static {name}", f"{item['mw']:g} mW", item.get("source")) for name, item in energy["static"].items()]
    return rows
