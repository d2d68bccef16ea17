"""The timing of a machine's memory as tables: commands, numbers, and the rules between commands with their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .console import Cell, Table


def describe_timing(name: str, settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Timing of the machine of this name or file, in cycles of the memory's clock and in ns; `written` is what its files say.

    `window` 1 is an ordinary rule; with `siblings` a rule is about the other nodes of its level.
    """
    from ..machines.loader import load_written

    written = load_written(name, settings)
    machine, clock_ps = written.machine, written.machine.memory.clock_ps

    def time(cycles: int) -> dict[str, Any]:
        return {"cycles": cycles, "ns": cycles * clock_ps / 1000}

    memory = machine.memory
    return {
        "name": machine.name,
        "description": machine.description,
        "standard": memory.standard,
        "clock_ps": clock_ps,
        "refresh": {"scope": memory.refresh_scope, "interval": time(memory.refresh_interval_cycles)},
        "sources": {
            "machine": machine.source,
            "memory": memory.source,
            "controller": machine.controller.source,
        },
        "timing": [
            {"name": name, "written": written.timing[name], **time(cycles), "note": written.notes[name]}
            for name, cycles in machine.timing.items()
        ],
        "commands": [
            {
                "name": name,
                "label": command.label or name.upper(),
                "scope": command.scope,
                "spread": command.spread,
                "action": command.action,
                "side": command.side,
                "written": written.latency[name],
                **time(command.latency_cycles),
            }
            for name, command in machine.command.items()
        ],
        "constraints": [
            {
                "level": rule.level,
                "preceding": rule.preceding,
                "following": rule.following,
                "window": rule.window,
                "siblings": rule.siblings,
                "written": expression,
                **time(rule.cycles),
                "place": place,
            }
            for rule, expression, place in zip(machine.constraint, written.cycles, written.places, strict=True)
        ],
    }


def timing_tables(timing: Mapping[str, Any]) -> list[Table]:
    """The same for people."""
    refresh, interval = timing["refresh"], timing["refresh"]["interval"]
    facts: list[tuple[Cell, Cell]] = [
        (timing["name"], timing["description"]),
        ("standard", f"{timing['standard']}, cycle of {timing['clock_ps']} ps"),
        (
            "refresh",
            f"every {refresh['scope']}, {interval['cycles']:,} cycles = {_ns(interval)} ns"
            if interval["cycles"]
            else "none",
        ),
        *((f"source of the {what}", text) for what, text in timing["sources"].items() if text),
    ]
    return [
        Table("", ("", ""), facts),
        Table(
            "timing",
            ("name", "written", "cycles>", "ns>", "note"),
            [
                (item["name"], _unless_number(item["written"]), item["cycles"], _ns(item), item["note"])
                for item in timing["timing"]
            ],
        ),
        Table(
            "commands",
            ("command", "label", "scope", "action", "written", "latency>", "ns>"),
            [
                (
                    item["name"],
                    item["label"],
                    " + all of ".join([item["scope"], ", ".join(item["spread"])]) if item["spread"] else item["scope"],
                    item["action"] if item["side"] == "ordinary" else f"{item['action']} (pim)",
                    _unless_number(item["written"]),
                    item["cycles"],
                    _ns(item),
                )
                for item in timing["commands"]
            ],
        ),
        Table(
            "rules: after a preceding command a following one at the same node of the level waits",
            ("level", "preceding", "following", "window>", "written", "cycles>", "ns>", "from"),
            [
                (
                    f"other {item['level']}" if item["siblings"] else item["level"],
                    " ".join(item["preceding"]),
                    " ".join(item["following"]),
                    item["window"] if item["window"] > 1 else None,
                    _unless_number(item["written"]),
                    item["cycles"],
                    _ns(item),
                    item["place"],
                )
                for item in timing["constraints"]
            ],
        ),
    ]


def _ns(time: Mapping[str, Any]) -> str:
    return f"{time['ns']:,.3f}"


def _unless_number(written: str) -> str:
    """What a file says, if it is not the number that stands beside it anyway."""
    return "" if written.isdecimal() else written
