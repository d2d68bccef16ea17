"""The system: a compiled image, the memory and devices it runs on, and one step after another of the host plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from ..backends.isa.check import ProgramError, check_program
from ..backends.isa.image import Image
from .functional.errors import SimulationError
from .memory import BankMemory, rope_table
from .pages import PageTables
from .plan import Plan, PlannedExchange, PlannedLaunch, SequenceRow
from .schedule import LINK, Launch, Timing, schedule

if TYPE_CHECKING:
    from .functional.devices import Devices

__all__ = ["LaunchRecord", "SimulationError", "StepResult", "System", "Timing", "WeightStore"]

PLAN_ARGUMENTS = ("tokens", "sequences", "first_tokens", "first_sequences")
"""The last two, of the first sub-batch, only if the plan has two."""


class WeightStore(Protocol):
    """Where weights come from."""

    def array(self, symbol: str) -> np.ndarray:
        """The tensor of a weight symbol."""
        ...


class LaunchRecord(NamedTuple):
    """One launch: program index (-1: an exchange with other devices), start and finish in ps, counter of the outermost
    plan loop around it (-1: none).
    """

    kernel: int
    start_ps: int
    finish_ps: int
    layer: int


@dataclass
class StepResult:
    """What a step produced.

    `next` and `logits` are copies of the buffers of that name, a row per sequence; None without data or without the
    buffer.
    Times are simulated, 0 without a timing model.
    """

    start_ps: int
    finish_ps: int = 0
    next: np.ndarray | None = None
    logits: np.ndarray | None = None
    launches: list[LaunchRecord] = field(default_factory=list)

    @property
    def time_ps(self) -> int:
        """Duration of the step."""
        return self.finish_ps - self.start_ps


class System:
    """A machine that holds an image. `functional=False` executes no data and allocates no memory (timing only).

    With several `devices` each holds the image with data of its own, and all run the same launches in step. They share
    each layer (tensor parallel). Time is that of one of them.
    """

    def __init__(self, image: Image, timing: Timing | None = None, functional: bool = True, devices: int = 1):
        try:
            for program in (*image.programs, image.plan):
                check_program(program)
        except ProgramError as error:
            raise SimulationError(str(error)) from None
        if image.plan.device != "host" or tuple(image.plan.arguments) not in (PLAN_ARGUMENTS, PLAN_ARGUMENTS[:2]):
            raise SimulationError(
                f"plan {image.plan.name}: {image.plan.device} program with arguments {tuple(image.plan.arguments)}, "
                f"expected a host program with {PLAN_ARGUMENTS[:2]} or {PLAN_ARGUMENTS}"
            )
        self.image, self.timing = image, timing
        self.now_ps = 0
        self.pages = PageTables(image)
        self._plan = Plan(image.plan, image.programs)
        self._devices: list[Devices] = []
        self._buffers: list[dict[str, np.ndarray]] = []
        if functional:
            # compiled kernels are imported only by those who execute data
            from .functional.devices import Devices
            from .functional.exchange import run_exchange

            self._devices = [Devices(image, BankMemory(image)) for _ in range(devices)]
            self._exchange = run_exchange
            self._buffers = [
                {name: device.view(name, buffer) for name, buffer in image.buffers.items()} for device in self._devices
            ]

    @property
    def memory(self) -> BankMemory:
        """Main memory of the first device; only of a functional system."""
        return self.memories[0]

    @property
    def memories(self) -> list[BankMemory]:
        """Main memory of every device; only of a functional system."""
        if not self._devices:
            raise SimulationError("a timing-only system holds no data")
        return [device.memory for device in self._devices]

    def load(self, *stores: WeightStore) -> None:
        """Fill every region that has a source, and the generated tables, from a store for each device. Caches start at zero."""
        for memory, store in zip(self.memories, stores, strict=True):
            for region in self.image.regions:
                if region.layout["kind"] == "rope_table":
                    context, head_dim = region.shape
                    memory.load_region(region, rope_table(context, head_dim, region.layout["theta"]))
                elif region.source:
                    memory.load_region(region, store.array(region.source))

    def step(
        self, tokens: Sequence[int], sequences: Sequence[SequenceRow], first_half: int | None = None
    ) -> StepResult:
        """Run the plan once on `tokens`, of which each sequence (first_row, new, past, slot) owns a range of rows.

        Slots get the pages that they need; OutOfPages if there are too few.

        `first_half` is the number of sequences of the first sub-batch, if the plan has two; without it, half of them.
        """
        self._check(tokens, sequences)
        table = np.array(sequences, np.int64).reshape(len(sequences), -1)
        for _, new, past, slot in sequences:
            self.pages.grow(slot, past + new)
        for device, buffers in zip(self._devices, self._buffers, strict=True):
            buffers["tokens"][: len(tokens)] = tokens
            device.sequences, device.pages = table, self.pages.tables
        if self.timing is not None:
            self.timing.sequences, self.timing.pages = table, self.pages.tables
        half = -(-len(sequences) // 2) if first_half is None else first_half
        _limit("step", "sequences of the first sub-batch", half, 0, len(sequences))
        rows = sum(new for _, new, _, _ in sequences[:half])
        arguments = (len(tokens), len(sequences), rows, half)[: len(self.image.plan.arguments)]
        launches = self._launches(arguments, sequences)
        result = StepResult(self.now_ps, self.now_ps)
        if self.timing is None:
            times = [(self.now_ps, self.now_ps)] * len(launches)
        else:
            times = schedule(launches, self.timing, self.now_ps)
        for launch, (start, finish) in zip(launches, times, strict=True):
            result.launches.append(LaunchRecord(launch.kernel, start, finish, launch.layer))
            result.finish_ps = max(result.finish_ps, finish)
        self.now_ps = result.finish_ps
        result.next = next(iter(self._outputs("next", len(sequences))), None)
        result.logits = self._logits(len(sequences))
        return result

    def release(self, slot: int) -> None:
        """A sequence has ended: its slot and its pages are free."""
        self.pages.release(slot)

    def wait_until(self, time_ps: int) -> None:
        """Do nothing before `time_ps`."""
        self.now_ps = max(self.now_ps, time_ps)

    def _launches(self, arguments: Sequence[int], sequences: Sequence[SequenceRow]) -> list[Launch]:
        """What the plan launches. Data is computed at once: the order of the plan is one that its events allow."""
        launches: list[Launch] = []
        last_of: dict[int, int] = {}

        def launch(planned: PlannedLaunch) -> None:
            for device in self._devices:
                device.run(planned.kernel, planned.arguments)
            after = tuple(last_of[event] for event in planned.after if event in last_of)
            if planned.event >= 0:
                last_of[planned.event] = len(launches)
            device = self.image.programs[planned.kernel].device
            launches.append(Launch(planned.kernel, planned.arguments, after, device, planned.queue, planned.layer))

        def exchange(planned: PlannedExchange) -> None:
            if self._devices:
                self._exchange(planned.exchange, self._devices)
            after = tuple(last_of[event] for event in planned.after if event in last_of)
            if planned.event >= 0:
                last_of[planned.event] = len(launches)
            launches.append(Launch(-1, [], after, LINK, planned.queue, planned.layer, planned.exchange))

        self._plan.run(arguments, sequences, launch, exchange)
        return launches

    def _outputs(self, name: str, sequences: int) -> list[np.ndarray]:
        """A copy of a buffer from each device."""
        return [buffers[name][:sequences].copy() for buffers in self._buffers if name in buffers]

    def _logits(self, sequences: int) -> np.ndarray | None:
        """Those of all devices beside each other; the last parts may overlap."""
        parts = self._outputs("logits", sequences)
        if len(parts) < 2:
            return parts[0] if parts else None
        rows, columns = parts[0].shape
        logits = np.empty((rows, self.image.bounds["vocabulary"]), parts[0].dtype)
        for place, part in enumerate(parts):
            begin = min(place * columns, logits.shape[1] - columns)
            logits[:, begin : begin + columns] = part
        return logits

    def _check(self, tokens: Sequence[int], sequences: Sequence[SequenceRow]) -> None:
        bounds = self.image.bounds
        slots = bounds.get("slots", bounds["sequences"])
        _limit("step", "token rows", len(tokens), 1, bounds["new_tokens"])
        _limit("step", "sequences", len(sequences), 1, bounds["sequences"])
        for row, token in enumerate(tokens):
            _limit(f"token row {row}", "token", token, 0, bounds.get("vocabulary", 2**31) - 1)
        for index, (_, new, past, slot) in enumerate(sequences):
            where = f"sequence {index}"
            _limit(where, "new tokens", new, 1, len(tokens))
            _limit(where, "past tokens", past, 0, bounds["context"])
            _limit(where, "past + new tokens", past + new, 1, bounds["context"])
            _limit(where, "slot", slot, 0, slots - 1)
        if len({slot for *_, slot in sequences}) != len(sequences):
            raise SimulationError(f"slots {[slot for *_, slot in sequences]}: two sequences of a step share one")
        expected = 0
        for first, new, _, _ in sorted(sequences):
            if first != expected:
                raise SimulationError(f"token row {min(first, expected)} belongs to no sequence or to two")
            expected = first + new
        if expected != len(tokens):
            raise SimulationError(f"sequences own {expected} token rows, the step has {len(tokens)}")


def _limit(where: str, what: str, found: int, low: int, high: int) -> None:
    if not low <= found <= high:
        raise SimulationError(f"{where}: {what} is {found}, expected {low}..{high}")
