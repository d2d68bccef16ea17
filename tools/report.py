"""What a run cost: from the statistics of the timing model to one JSON object, and from that to tables for people."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..sim.energy import BOUNDS, energy_fj

if TYPE_CHECKING:
    from ..sim.system import LaunchRecord

Statistics = Mapping[str, Any]
"""`TimingModel.statistics()`."""

Report = dict[str, Any]

APPROXIMATE = (
    "time per operation: how far its instructions moved the end of their kernel; work that overlaps counts once",
    "memory controller: ordinary traffic is served in order per channel, PIM commands first, without reordering and write drain",
    "scratchpad ports never conflict; a gather's rows are spread over its table by a fixed hash",
)
ANALYTIC = "xpu: times are those of an analytic model, which executes nothing (docs/explanation/analytic-xpu.md)"
"""The last two are explained in docs/explanation/timing.md."""


@dataclass(frozen=True)
class Phase:
    """A part of a run: `tokens` went in, the statistics are those at its two ends (None without timing)."""

    name: str
    tokens: int
    steps: int
    host_seconds: float
    before: Statistics | None
    after: Statistics | None


def phase_report(phase: Phase, machine: Mapping[str, Any]) -> Report:
    """Time and energy of one phase."""
    entry: Report = {"name": phase.name, "tokens": phase.tokens, "steps": phase.steps}
    costs: Report = dict.fromkeys(("cycles", "seconds", "tokens_per_second", "energy_pj"))
    if phase.after is not None:
        time_ps = phase.after["time_ps"] - (phase.before["time_ps"] if phase.before else 0)
        energy = sum(phase.after["energy_fj"].values()) - (
            sum(phase.before["energy_fj"].values()) if phase.before else 0
        )
        costs = {
            "cycles": time_ps // machine["memory"]["clock_ps"],
            "seconds": time_ps / 1e12,
            "tokens_per_second": phase.tokens * 1e12 / time_ps if time_ps else None,
            "energy_pj": energy / 1000,
        }
    return {**entry, **costs, "host_seconds": round(phase.host_seconds, 3)}


def cost_report(statistics: Statistics | None, machine: Mapping[str, Any]) -> Report:
    """Everything that the timing model counted over the whole run; the same keys with None if there is none."""
    if statistics is None:
        keys = (
            "cycles",
            "seconds_simulated",
            "energy_pj",
            "devices",
            "units",
            "commands",
            "bytes",
            "per_op",
            "kernels",
        )
        return {**dict.fromkeys(keys), "approximate": []}
    kernels = [_kernel(entry, statistics["time_ps"]) for entry in statistics["programs"].values()]
    missing = statistics["energy_missing"]
    return {
        "cycles": statistics["time_ps"] // machine["memory"]["clock_ps"],
        "seconds_simulated": statistics["time_ps"] / 1e12,
        "energy_pj": energy_report(statistics, machine),
        "devices": _devices([*kernels, *_exchanges(statistics)], statistics["time_ps"]),
        "units": _units(statistics, machine),
        "commands": {name: count for name, count in statistics["commands"].items() if count},
        "bytes": {name: count for name, count in statistics["bytes"].items() if count},
        "per_op": operations(statistics),
        "kernels": kernels,
        "approximate": [
            *APPROXIMATE,
            *([ANALYTIC] if any(entry["device"] == "xpu" for entry in kernels) else []),
            *([f"energy leaves out, for lack of a number: {', '.join(missing)}"] if missing else []),
        ],
    }


def energy_report(statistics: Statistics, machine: Mapping[str, Any]) -> Report:
    """Total and components in pJ, with the range where published values disagree, and where the numbers come from."""
    low, _, high = (
        sum(
            energy_fj(
                dict(machine), statistics["commands"], statistics["events"], statistics["time_ps"], bound
            ).values()
        )
        for bound in BOUNDS
    )
    components = {name: value / 1000 for name, value in statistics["energy_fj"].items() if value}
    return {
        "total": sum(statistics["energy_fj"].values()) / 1000,
        "low": low / 1000,
        "high": high / 1000,
        "components": components,
        "sources": {name: _energy_source(machine, name) for name in components},
        "missing": statistics["energy_missing"],
    }


def _energy_source(machine: Mapping[str, Any], component: str) -> str:
    kind, _, name = component.partition(".")
    item = machine["energy"].get(kind, {}).get(name, {})
    return item.get("source") or machine["energy"].get("source", "")


def _kernel(entry: Statistics, elapsed_ps: int) -> Report:
    return {
        "name": entry["name"],
        "device": entry["device"],
        "launches": entry["launches"],
        "seconds": entry["time_ps"] / 1e12,
        "share": entry["time_ps"] / elapsed_ps if elapsed_ps else 0.0,
        "energy_pj": sum(entry["energy_fj"].values()) / 1000,
        "operations": list(entry["tags"]),
    }


def _exchanges(statistics: Statistics) -> list[Report]:
    """Exchanges with other devices in the form of kernels."""
    elapsed_ps = statistics["time_ps"]
    return [
        {
            "device": LINK,
            "launches": count["number"],
            "seconds": count["time_ps"] / 1e12,
            "share": count["time_ps"] / elapsed_ps if elapsed_ps else 0.0,
        }
        for count in statistics["exchanges"].values()
    ]


def _devices(kernels: Sequence[Report], elapsed_ps: int) -> Report:
    devices: Report = {}
    for kernel in kernels:
        device = devices.setdefault(kernel["device"], {"launches": 0, "busy_seconds": 0.0, "utilisation": 0.0})
        device["launches"] += kernel["launches"]
        device["busy_seconds"] += kernel["seconds"]
        device["utilisation"] += kernel["share"]
    return devices


def _units(statistics: Statistics, machine: Mapping[str, Any]) -> Report:
    """Busy fraction of every unit that the machine has, over the whole run."""
    elapsed, busy, memory = statistics["time_ps"], statistics["busy_cycles"], machine["memory"]
    npu_cycles = max(1, elapsed * machine["npu"]["clock_mhz"] / 1e6)
    memory_cycles = max(1, elapsed / memory["clock_ps"])
    channels = memory["channels"]
    units: Report = {}
    if busy["arrays"]:
        units["arrays"] = sum(busy["arrays"]) / len(busy["arrays"]) / npu_cycles
    units["vector unit"] = busy["vector"] / npu_cycles
    units |= {f"NPU queue {queue}": cycles / npu_cycles for queue, cycles in busy["queues"].items()}
    units["PIM units"] = busy["pim_mac"] / channels / memory_cycles
    if machine["pim"].get("softmax_elements_per_cycle"):
        units["softmax unit"] = busy["softmax"] / memory_cycles
    units["command bus"] = busy["command_bus"] / channels / memory_cycles
    units["data bus"] = busy["data_bus"] / channels / memory.get("pseudo_channels", 1) / memory_cycles
    return units


LAUNCH_OVERHEAD = "launch overhead"
LINK = "link"


def operations(statistics: Statistics) -> list[Report]:
    """One entry per operation and device in the order of the program, exchanges over the link first, then what the launches
    of a device cost besides; together the time of all launches."""
    instructions: dict[tuple[str, str], int] = {}
    times_ps: dict[tuple[str, str], int] = {}
    overhead_ps: dict[str, int] = {}
    for kind, count in statistics["exchanges"].items():
        instructions[kind, LINK] = count["number"]
        times_ps[kind, LINK] = count["time_ps"]
    for program in statistics["programs"].values():
        device, rest_ps = program["device"], program["time_ps"]
        for name, tag in program["tags"].items():
            if tag["instructions"]:
                key = (name, device)
                instructions[key] = instructions.get(key, 0) + tag["instructions"]
                times_ps[key] = times_ps.get(key, 0) + tag["time_ps"]
                rest_ps -= tag["time_ps"]
        overhead_ps[device] = overhead_ps.get(device, 0) + rest_ps
    times_ps |= {(LAUNCH_OVERHEAD, device): time_ps for device, time_ps in overhead_ps.items() if time_ps}
    return [
        {
            "op": name,
            "device": device,
            "instructions": instructions.get((name, device), 0),
            "seconds": time_ps / 1e12,
            "share": time_ps / max(1, statistics["time_ps"]),
        }
        for (name, device), time_ps in times_ps.items()
    ]


def layer_report(launches: Sequence[LaunchRecord], layered: Container[int]) -> list[Report]:
    """Seconds of each layer in one step, from its launches; `layered` are the kernels of the layer loop. Layer -1 is
    what lies outside the layers."""
    inside = [launch.kernel in layered or (launch.kernel < 0 <= launch.layer) for launch in launches]
    outside = sum(
        launch.finish_ps - launch.start_ps for launch, layer in zip(launches, inside, strict=True) if not layer
    )
    spans: dict[int, tuple[int, int]] = {}
    for launch, layer in zip(launches, inside, strict=True):
        if layer:
            begin, end = spans.get(launch.layer, (launch.start_ps, launch.finish_ps))
            spans[launch.layer] = (min(begin, launch.start_ps), max(end, launch.finish_ps))
    times = {-1: outside} if launches else {}
    times |= {layer: end - begin for layer, (begin, end) in sorted(spans.items())}
    return [{"layer": layer, "seconds": time_ps / 1e12} for layer, time_ps in times.items()]
