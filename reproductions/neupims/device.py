"""One device of a system: its part of a model's layers, compiled and timed for one decode step of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

LAYERS = 4
"""Layers that are run: one to start, two that are measured, one that the end of the second overlaps with."""

ATTENTION = frozenset({"scores", "softmax", "context"})
CONTEXT_STEP = 128
VOCABULARY = 64
EXCHANGE = -1
"""The kernel of a launch that is an exchange between devices."""


@dataclass(frozen=True)
class DeviceKind:
    """A machine and how a step runs on it.

    `as_simulated` is what the paper's simulator does whatever the machine: one operator after another, activations go through
    main memory, new keys and values are not written, devices do not communicate, a stage has only its part of the batch.
    """

    machine: str
    policy: str = "attention-on-pim"
    assignment: Assignment = "min-load"
    sub_batches: bool = False
    as_simulated: bool = False


@dataclass(frozen=True)
class LayerTimes:
    """What a step of sequences with `past` tokens took on a device. `layer_ps` is a layer in steady state, `first_ps` all LAYERS that were run.

    `between_stages_ps` is the time of what a stage receives and sends, `exchange_ps` that of exchanges within a layer,
    `pim_ps` that of launches on the PIM, `arrays_ps` that of launches that use the arrays. `launches_ps` are the durations in the measured layer by the operations of the kernel; the other numbers are means of
    the layers that were run: `tags_ps` time by operation, `commands` and `events` as in the statistics of a timing model.
    """

    past: Sequence[int]
    layer_ps: float
    first_ps: int
    between_stages_ps: int
    exchange_ps: float
    pim_ps: float
    arrays_ps: float
    launches_ps: Mapping[tuple[str, ...], int]
    tags_ps: Mapping[str, float]
    commands: Mapping[str, float]
    events: Mapping[str, float]
    pim_mac_busy_cycles: float
    machine: Mapping[str, Any]

    @property
    def sequences(self) -> int:
        """How many there were."""
        return len(self.past)

    @property
    def attention_ps(self) -> int:
        """Time of the kernels of the measured layer that have a part of attention."""
        return sum(time for tags, time in self.launches_ps.items() if not ATTENTION.isdisjoint(tags))

    def stage_ps(self, layers: int) -> float:
        """All `layers` of the device, the first and the last without a neighbour to overlap with, and what it sends on."""
        return self.first_ps + (layers - LAYERS) * self.layer_ps + self.between_stages_ps

    def energy_pj(self) -> dict[str, float]:
        """Energy of a layer by component of the machine file."""
        commands = {name: round(count) for name, count in self.commands.items()}
        events = {name: round(count) for name, count in self.events.items()}
        found = energy_fj(dict(self.machine), commands, events, round(self.layer_ps))
        return {name: energy / 1000 for name, energy in found.items()}


def device_part(config: ModelConfig, tensor_parallel: int) -> ModelConfig:
    """What one of `tensor_parallel` devices computes, for devices that exchange nothing: its heads and inner features."""
    heads, ffn = config.heads // tensor_parallel, config.ffn // tensor_parallel
    assert heads * tensor_parallel == config.heads and ffn * tensor_parallel == config.ffn
    return replace(config, heads=heads, kv_heads=heads, ffn=ffn)


def time_layers(
    config: ModelConfig, tensor_parallel: int, stages: int, lengths: Sequence[int], kind: DeviceKind
) -> LayerTimes:
    """Compile the program of a device of one stage and run a decode step of a part of the batch, of which there are `stages`.

    `lengths` are the cached tokens of all sequences. The vocabulary is next to nothing: the paper's simulator has neither
    embedding nor output head.
    """
    shape = replace(config, layers=LAYERS * stages, vocabulary=VOCABULARY)
    batch = make_batch(lengths, config, load_machine(kind.machine).to_dict(), 1, kind.assignment, tensor_parallel)
    part = batch.micro_batches(stages)[0] if stages > 1 else batch
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
        tensor_parallel=tensor_parallel,
        pipeline_stages=stages,
    )
    if kind.as_simulated:
        shape = replace(device_part(shape, tensor_parallel), layers=LAYERS)
        alone = {"batch": len(part.past), "tensor_parallel": 1, "pipeline_stages": 1}
        options = replace(options, **alone, drop_cache_appends=True, serial_kernels=True, spill_buffers=True)
    image = compile_model(build_module(shape), options)
    timing = TimingModel(image)
    step = System(image, timing, functional=False).step([0] * len(part.past), part.table(0), part.first_half)
    return _measure(step.launches, timing, part.past)


def _measure(launches: Sequence[LaunchRecord], timing: TimingModel, past: Sequence[int]) -> LayerTimes:
    in_layers = [launch for launch in launches if launch.layer >= 0]
    starts = {layer: min(each.start_ps for each in in_layers if each.layer == layer) for layer in range(LAYERS)}
    kernels = {launch.kernel for launch in in_layers if launch.kernel != EXCHANGE}
    programs = {index: found for index, found in timing.statistics()["programs"].items() if index in kernels}
    durations: dict[tuple[str, ...], int] = {}
    for launch in in_layers:
        if launch.layer == 1 and launch.kernel != EXCHANGE:
            key = tuple(programs[launch.kernel]["tags"])
            durations[key] = durations.get(key, 0) + launch.finish_ps - launch.start_ps

    def on_unit(unit: str) -> float:
        return sum(found["time_ps"] for index, found in programs.items() if timing.unit(index) == unit) / LAYERS

    return LayerTimes(
        past,
        (starts[LAYERS - 1] - starts[1]) / (LAYERS - 2),
        max(launch.finish_ps for launch in in_layers) - starts[0],
        _duration(each for each in launches if each.kernel == EXCHANGE and each.layer < 0),
        _duration(each for each in in_layers if each.kernel == EXCHANGE) / LAYERS,
        on_unit("pim"),
        on_unit("arrays"),
        durations,
        _mean({tag: times["time_ps"]} for program in programs.values() for tag, times in program["tags"].items()),
        _mean(program["commands"] for program in programs.values()),
        _mean(program["events"] for program in programs.values()),
        sum(program["busy_cycles"]["pim_mac"] for program in programs.values()) / LAYERS,
        timing.machine,
    )


def _duration(launches: Iterable[LaunchRecord]) -> int:
    return sum(launch.finish_ps - launch.start_ps for launch in launches)


def _mean(counts: Any) -> dict[str, float]:
    """Sums of all counters by name, divided by the layers."""
    sums: dict[str, float] = {}
    for each in counts:
        for name, value in each.items():
            sums[name] = sums.get(name, 0) + value / LAYERS
    return sums
