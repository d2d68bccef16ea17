"""Energy of a run: counts times the tables of the machine file, in whole femtojoule."""

from typing import Any

BOUNDS = ("low_pj", "pj", "high_pj")


def energy_fj(
    machine: dict[str, Any], commands: dict[str, int], events: dict[str, int], elapsed_ps: int, bound: str = "pj"
) -> dict[str, int]:
    """Energy by component: each DRAM command, each event, and each part that draws power all the time.

    `bound` chooses among published values that disagree: low_pj, pj or high_pj. What the machine file gives no number
    for is left out, not guessed; `missing` lists it.
    """
    table = machine["energy"]
    components: dict[str, int] = {}
    for name, count in commands.items():
        if name in table["command"]:
            components[f"command.{name}"] = count * _item_fj(table["command"][name], bound)
    for name, count in events.items():
        if name in table["event"]:
            components[f"event.{name}"] = count * _item_fj(table["event"][name], bound)
    for name, power in table["static"].items():
        microwatt = round(power["mw"] * 1000)
        components[f"static.{name}"] = microwatt * elapsed_ps // 1000  # 1 uW x 1 ps = 1e-3 fJ
    return components


def missing(machine: dict[str, Any], commands: dict[str, int], events: dict[str, int]) -> list[str]:
    """Commands and events that happened and for which the machine file has no energy."""
    table = machine["energy"]
    return [
        f"{kind}.{name}"
        for kind, counts in (("command", commands), ("event", events))
        for name, count in counts.items()
        if count and name not in table[kind]
    ]


def _item_fj(item: dict[str, Any], bound: str) -> int:
    value = item.get(bound)
    return round((item["pj"] if value is None else value) * 1000)
