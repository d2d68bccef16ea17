"""The experiments of AttAcc's evaluation as plain functions that return rows; every time in them is analytic.

Only attention in PIM stacks is simulated. Published figures: AttAcc (ASPLOS 2024) section 7.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...machines import load_machine
from .attention import StackAttention
from .capacity import largest_batch
from .decode_step import Generation, System, step_ms
from .shapes import ATTACC_MODELS, DecoderShape

SAMPLE_TOKENS = {"bank": 0, "bank_group": 0, "buffer": 256}
"""Lengths at which attention is simulated, see StackAttention. The line between errs by about a refresh (480 cycles): 1 %
of the attention of a few heads, 0.2 % where a stack has more than a hundred."""

Placement = Literal["bank", "bg", "buffer"]


@dataclass(frozen=True)
class SystemRow:
    """A batch on a system: means of a generation step.

    `attention_ms` is the whole attention; what runs beside it is taken off the matrix products, see `overlap`.
    """

    model: str
    system: str
    batch: int
    prompt: int
    output: int
    step_ms: float
    tokens_per_s: float
    joule_per_token: float
    attention_ms: float
    generation: Generation


@dataclass(frozen=True)
class PlacementRow:
    """Attention on one stack; `bandwidth` in multiples of what its pins deliver."""

    placement: str
    capped: bool
    heads: int
    length: int
    cycles: float
    bandwidth: float


class Studies:
    """Systems that share their simulated attention. `as_published` as in `System`, with unfenced softmax besides."""

    def __init__(self, as_published: bool = False):
        self.as_published = as_published
        self._machines: dict[str, dict[str, Any]] = {}
        self._times: dict[str, StackAttention] = {}

    def machine(self, placement: Placement = "bank", capped: bool = True) -> dict[str, Any]:
        """The machine of a placement."""
        name = f"attacc-{placement}{'' if capped else '-uncapped'}"
        if name not in self._machines:
            self._machines[name] = load_machine(name).to_dict()
        return self._machines[name]

    def times(self, placement: Placement = "bank", capped: bool = True) -> StackAttention:
        """Attention times of a placement; the buffer die has no power limit."""
        machine = self.machine(placement, capped)
        kind = machine["pim_stacks"]["placement"]
        key = kind if kind == "buffer" else machine["name"]
        if key not in self._times:
            self._times[key] = StackAttention(machine, SAMPLE_TOKENS[kind], not self.as_published)
        return self._times[key]

    def gpus(self, devices: int = 0) -> System:
        """GPUs alone: 8, or another number."""
        return System(self.machine(), devices=devices, as_published=self.as_published)

    def host(self) -> System:
        """GPUs whose attention runs on the processors of the host."""
        return System(self.machine(), "cpu", as_published=self.as_published)

    def attacc(
        self, placement: Placement = "bank", capped: bool = True, pipelined: bool = True, co_processing: bool = True
    ) -> System:
        """GPUs with PIM stacks."""
        return System(
            self.machine(placement, capped),
            "pim",
            self.times(placement, capped),
            pipelined=pipelined,
            co_processing=co_processing,
            as_published=self.as_published,
        )

    def same_batch(self, model: str, element_bytes: int, batch: int, prompt: int, output: int) -> list[SystemRow]:
        """All systems with one batch, whether it fits or not."""
        systems = {
            "dgx": self.gpus(),
            "dgx-2x": self.gpus(2 * self.machine()["xpu"]["devices"]),
            "dgx-cpu": self.host(),
            **{f"attacc-{placement}": self.attacc(placement) for placement in ("bank", "bg", "buffer")},
        }
        return [
            self.row(name, system, ATTACC_MODELS[model], element_bytes, batch, prompt, output)
            for name, system in systems.items()
        ]

    def system_comparison(self, model: str, element_bytes: int, prompt: int, output: int) -> list[SystemRow]:
        """Each system with the largest batch that its memory holds.

        `attacc-separate` keeps weights with the GPUs and keys and values in the stacks; the others pool all memory, as
        published.
        """
        batches = self.largest_batches(model, element_bytes, prompt, output)
        gpus, attacc = self.gpus(), self.attacc()
        systems = {
            "dgx-base": gpus,
            "dgx-large": gpus,
            "dgx-2x": self.gpus(2 * self.machine()["xpu"]["devices"]),
            "attacc-bank": attacc,
            "attacc-separate": attacc,
        }
        return [
            self.row(name, system, ATTACC_MODELS[model], element_bytes, batches[name], prompt, output)
            for name, system in systems.items()
            if batches[name]
        ]

    def largest_batches(self, model: str, element_bytes: int, prompt: int, output: int) -> dict[str, int]:
        """The largest batch that fits each system of `system_comparison`; 0 if none does."""
        shape, machine = ATTACC_MODELS[model], self.machine()
        request = (shape, prompt, output, element_bytes)
        large = largest_batch(_doubled(machine), *request, pim=False)
        return {
            "dgx-base": largest_batch(machine, *request, pim=False),
            "dgx-large": large,
            "dgx-2x": large,
            "attacc-bank": largest_batch(machine, *request, pim=True),
            "attacc-separate": largest_batch(machine, *request, pim=True, pooled=False),
        }

    def ablation(self, model: str, element_bytes: int, batch: int, prompt: int, output: int) -> list[SystemRow]:
        """Bank placement without and with each of the two optimisations."""
        variants = {
            "none": (False, False),
            "pipelined": (True, False),
            "co-processing": (False, True),
            "both": (True, True),
        }
        return [
            self.row(
                name,
                self.attacc(pipelined=pipelined, co_processing=co_processing),
                ATTACC_MODELS[model],
                element_bytes,
                batch,
                prompt,
                output,
            )
            for name, (pipelined, co_processing) in variants.items()
        ]

    def sweep(
        self, model: str, element_bytes: int, points: Iterable[tuple[int, int, int]], placement: Placement = "bank"
    ) -> list[SystemRow]:
        """GPUs alone and with stacks at points (batch, prompt, output): for length and batch sweeps."""
        systems = {"dgx": self.gpus(), f"attacc-{placement}": self.attacc(placement)}
        return [
            self.row(name, system, ATTACC_MODELS[model], element_bytes, *point)
            for point in points
            for name, system in systems.items()
        ]

    def placement_study(
        self,
        heads: int = 188,
        lengths: Sequence[int] = (2048,),
        head_dim: int = 128,
        placements: Sequence[Placement] = ("bank", "bg", "buffer"),
    ) -> list[PlacementRow]:
        """Effective attention bandwidth of one stack, fp16."""
        rows = []
        for placement in placements:
            for capped in (True, False):
                memory, stacks = (self.machine(placement, capped)[key] for key in ("memory", "pim_stacks"))
                for length in lengths:
                    cycles = self.times(placement, capped)(heads, length, head_dim, 2).cycles
                    read = 2 * heads * length * head_dim * 2
                    rate = read / (cycles * memory["clock_ps"] / 1000) / stacks["stack_bytes_per_ns"]
                    rows.append(PlacementRow(stacks["placement"], capped, heads, length, cycles, rate))
        return rows

    def batch_within(
        self, system: System, shape: DecoderShape, element_bytes: int, tokens: int, limit_ms: float, most: int
    ) -> int:
        """Largest batch up to `most` whose step at `tokens` tokens takes no longer than a limit; 0 if none does.

        By bisection, so where a larger batch is faster than a smaller one it may miss some.
        """
        low, high = 0, most
        while low < high:
            batch = (low + high + 1) // 2
            if step_ms(system.step(shape, batch, tokens, element_bytes), shape.layers) <= limit_ms:
                low = batch
            else:
                high = batch - 1
        return low

    def row(
        self, name: str, system: System, shape: DecoderShape, element_bytes: int, batch: int, prompt: int, output: int
    ) -> SystemRow:
        """A generation as a row."""
        found = system.generate(shape, batch, prompt, output, element_bytes)
        attention = sum(found.operator_ms.get(key, 0.0) for key in ("score", "softmax", "context"))
        return SystemRow(
            shape.name,
            name,
            batch,
            prompt,
            output,
            found.time_ms,
            found.tokens_per_s,
            found.joule_per_token,
            attention,
            found,
        )


def _doubled(machine: dict[str, Any]) -> dict[str, Any]:
    """The machine with twice the memory on each device."""
    return {**machine, "xpu": {**machine["xpu"], "memory_bytes": 2 * machine["xpu"]["memory_bytes"]}}
