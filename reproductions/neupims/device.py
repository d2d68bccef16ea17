"""One device of a system: its part of a model's layers, compiled and timed for one decode step of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...frontends.builder import build_module
from ...frontends.config import ModelConfig
from ...machines.loader import load_machine
from ...passes.pipelines import PipelineOptions
from ...sim.energy import energy_fj
from ...sim.placement import Assignment
from ...sim.system import LaunchRecord, System
from ...sim.timing.model import TimingModel
from ...tools.batch import make_batch
from ...tools.compiler import compile_model

LAYERS = 3
"""Layers that are run: one to start, the one that is measured, one that its end overlaps with."""

CONTEXT_STEP = 128


@dataclass(frozen=True)
class DeviceKind:
    """A machine and how a step runs on it.

    `as_simulated` is what the paper's simulator does whatever the machine: one operator after another, new keys and values
    are not written, devices do not communicate.
    """

    machine: str
    policy: str = "attention-on-pim"
    assignment: Assignment = "min-load"
    sub_batches: bool = False
    as_simulated: bool = False


@dataclass(frozen=True)
class LayerTimes:
    """What a step took on a device. `layer_ps` is a layer in steady state, `first_ps` all of the LAYERS that were run.

    `launches_ps` are the durations in the measured layer by the operations of the kernel; the other numbers are means of
    the layers that were run: `tags_ps` time by operation, `commands` and `events` as in the statistics of a timing model.
    """

    layer_ps: float
    first_ps: int
    launches_ps: Mapping[tuple[str, ...], int]
    tags_ps: Mapping[str, float]
    commands: Mapping[str, float]
    events: Mapping[str, float]
    array_busy_cycles: float
    pim_mac_busy_cycles: float
    machine: Mapping[str, Any]

    def stage_ps(self, layers: int) -> float:
        """All `layers` of the device, the first and the last without a neighbour to overlap with."""
        return self.first_ps + (layers - LAYERS) * self.layer_ps

    def energy_pj(self) -> dict[str, float]:
        """Energy of a layer by component of the machine file."""
        commands = {name: round(count) for name, count in self.commands.items()}
        events = {name: round(count) for name, count in self.events.items()}
        found = energy_fj(dict(self.machine), commands, events, round(self.layer_ps))
        return {name: energy / 1000 for name, energy in found.items()}


def device_part(config: ModelConfig, tensor_parallel: int, layers: int = LAYERS) -> ModelConfig:
    """What one of `tensor_parallel` devices computes: its heads and its part of the feed-forward network.

    Next to no vocabulary: the paper's simulator has neither embedding nor output head.
    """
    heads, ffn = config.heads // tensor_parallel, config.ffn // tensor_parallel
    assert heads * tensor_parallel == config.heads and ffn * tensor_parallel == config.ffn
    return replace(config, heads=heads, kv_heads=heads, ffn=ffn, layers=layers, vocabulary=32)


def time_layers(config: ModelConfig, tensor_parallel: int, lengths: Sequence[int], kind: DeviceKind) -> LayerTimes:
    """Compile the part of one device and run a decode step of sequences with `lengths` cached tokens."""
    part = device_part(config, tensor_parallel)
    batch = make_batch(lengths, part, load_machine(kind.machine).to_dict(), 1, kind.assignment)
    options = PipelineOptions(
        kind.machine,
        kind.policy,
        phase="decode",
        batch=len(lengths),
        context=-(-(max(lengths) + 1) // CONTEXT_STEP) * CONTEXT_STEP,
        ignore_capacity=True,
        sub_batches=kind.sub_batches,
        cache_channels=1,
        cache_slots=batch.slot_count,
        drop_cache_appends=kind.as_simulated,
        serial_kernels=kind.as_simulated,
    )
    image = compile_model(build_module(part), options)
    timing = TimingModel(image)
    step = System(image, timing, functional=False).step([0] * len(lengths), batch.table(0), batch.first_half)
    return _measure(step.launches, timing)


def _measure(launches: Sequence[LaunchRecord], timing: TimingModel) -> LayerTimes:
    starts: dict[int, int] = {}
    finish = 0
    for launch in launches:
        if launch.layer >= 0:
            starts[launch.layer] = min(launch.start_ps, starts.get(launch.layer, launch.start_ps))
            finish = max(finish, launch.finish_ps)
    layered = {launch.kernel for launch in launches if launch.layer >= 0}
    programs = {index: found for index, found in timing.statistics()["programs"].items() if index in layered}
    durations: dict[tuple[str, ...], int] = {}
    for launch in launches:
        if launch.layer == 1:
            key = tuple(programs[launch.kernel]["tags"])
            durations[key] = durations.get(key, 0) + launch.finish_ps - launch.start_ps
    busy = [program["busy_cycles"] for program in programs.values()]
    arrays = timing.machine["npu"]["arrays"]
    return LayerTimes(
        starts[2] - starts[1],
        finish - starts[0],
        durations,
        _mean({tag: times["time_ps"]} for program in programs.values() for tag, times in program["tags"].items()),
        _mean(program["commands"] for program in programs.values()),
        _mean(program["events"] for program in programs.values()),
        sum(sum(each["arrays"]) for each in busy) / max(1, arrays) / LAYERS,
        sum(each["pim_mac"] for each in busy) / LAYERS,
        timing.machine,
    )


def _mean(counts: Any) -> dict[str, float]:
    """Sums of all counters by name, divided by the layers."""
    sums: dict[str, float] = {}
    for each in counts:
        for name, value in each.items():
            sums[name] = sums.get(name, 0) + value / LAYERS
    return sums
