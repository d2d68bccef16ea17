"""List the machines that come with pimlir, or show one: its organisation, its numbers, and where they come from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..console import Cell, Table, amount, print_tables
from ..errors import OK

HELP = "list machines, or show one with its sources"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME|FILE", help="a machine, or a machine file to check")
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")


def execute(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(describe(arguments.name) if arguments.name else list_machines(), ensure_ascii=False))
    elif arguments.name:
        print_tables(machine_tables(describe(arguments.name)))
    else:
        rows = [(machine["name"], machine["description"]) for machine in list_machines()]
        print_tables([Table("", ("machine", "description"), rows)])
    return OK


def list_machines() -> list[dict[str, str]]:
    """Name, description and source of every machine that comes with pimlir."""
    from ...machines.loader import known_machines, load_machine

    machines = [load_machine(name) for name in known_machines()]
    return [{key: getattr(machine, key) for key in ("name", "description", "source")} for machine in machines]


def describe(name: str) -> dict[str, Any]:
    """The resolved machine of this name or file."""
    from ...machines.loader import load_machine

    return load_machine(name).to_dict()


def machine_tables(machine: Mapping[str, Any]) -> list[Table]:
    """The parts of a machine that decide most, section by section."""
    npu, memory, pim, energy = machine["npu"], machine["memory"], machine["pim"], machine["energy"]
    banks = memory["pseudo_channels"] * memory["ranks"] * memory["bank_groups"] * memory["banks_per_group"]
    rate = memory["access_bytes"] / (memory["burst_cycles"] * memory["clock_ps"] / 1e12)
    arrays = f"{npu['arrays']} of {npu['array_rows']} x {npu['array_cols']}" if npu["arrays"] else "none"
    tables = [
        Table("", ("", ""), [(machine["name"], machine.get("description")), ("source", machine.get("source"))]),
        Table(
            "NPU",
            ("", ""),
            [
                ("clock", f"{npu['clock_mhz']} MHz"),
                ("systolic arrays", arrays),
                ("vector unit", f"{npu['vector_units']} of {npu['vector_lanes']} lanes"),
                ("scratchpad", amount(npu["scratchpad_bytes"], "B")),
                ("accumulators", amount(npu["accumulator_bytes"], "B")),
                ("DMA", f"{npu['dma_bytes_per_cycle']} B a cycle, {npu['dma_latency_cycles']} cycles latency"),
                ("source", npu.get("source")),
            ],
        ),
        Table(
            "memory",
            ("", ""),
            [
                ("standard", f"{memory['standard']}, cycle of {memory['clock_ps']} ps"),
                ("channels", f"{memory['channels']}, each with {banks} banks of {memory['rows']:,} rows"),
                (
                    "row",
                    f"{memory['row_bytes']} B, column {memory['column_bytes']} B, access {memory['access_bytes']} B",
                ),
                ("capacity", amount(memory["channels"] * banks * memory["rows"] * memory["row_bytes"], "B")),
                ("peak bandwidth", amount(rate * memory["channels"] * memory["pseudo_channels"], "B/s")),
                ("source", memory.get("source")),
            ],
        ),
        Table(
            "PIM",
            ("", ""),
            [
                ("units", f"{memory['channels'] * banks:,}, one a bank, {pim['lanes']} fp16 lanes"),
                ("global buffer", f"{pim['buffer_bytes']} B a channel"),
                ("row buffers", "two: PIM and ordinary commands overlap" if pim["dual_row_buffer"] else "one"),
                (
                    "softmax unit",
                    f"{pim['softmax_elements_per_cycle']} elements a cycle" if "softmax" in pim["commands"] else "none",
                ),
                ("instructions", ", ".join(pim["commands"])),
                ("source", pim.get("source")),
            ],
        ),
        Table("timing (memory cycles)", ("name", "cycles>"), list(machine["timing"].items())),
        Table("energy", ("item", "value>", "source"), _energy_rows(energy)),
    ]
    return tables


def _energy_rows(energy: Mapping[str, Any]) -> list[Sequence[Cell]]:
    rows: list[Sequence[Cell]] = []
    for kind in ("command", "event"):
        for name, item in energy[kind].items():
            rows.append((f"{kind} {name}", f"{item['pj']:g} pJ", item.get("source")))
    rows += [(f"static {name}", f"{item['mw']:g} mW", item.get("source")) for name, item in energy["static"].items()]
    return rows
