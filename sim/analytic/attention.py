"""How long a PIM stack takes for attention: the command stream of its heads, run on the exact memory controller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..timing.controller_tables import build_controller
from ..traces.run import run_trace
from .head_stream import Cut, HeadMaker, stream


@dataclass(frozen=True)
class AttentionRun:
    """Cycles of the stack's clock, and its commands in all channels by their names in the machine file."""

    cycles: float  # not whole if interpolated
    commands: Mapping[str, float]


class AttentionTimes(Protocol):
    """What a system needs: the run of `heads` head-operations, all of `length` tokens, on one stack."""

    def __call__(self, heads: int, length: int, head_dim: int, element_bytes: int) -> AttentionRun: ...


def one_stack(machine: dict[str, Any]) -> dict[str, Any]:
    """The machine with one PIM stack as its memory."""
    channels = machine["pim_stacks"]["channels"] or machine["memory"]["channels"]
    return {**machine, "memory": {**machine["memory"], "channels": channels}}


class StackAttention:
    """AttentionTimes by simulation; results are remembered.

    Lengths that take the same commands are simulated once. `sample_tokens` > 0 simulates only multiples of it and takes
    the others from the line between their neighbours: the time is piecewise linear in the length apart from refresh. That
    is for the buffer placement, whose streams are eight times as long and differ for every other length.
    """

    def __init__(self, machine: dict[str, Any], sample_tokens: int = 0, fenced: bool = True):
        machine = one_stack(machine)
        self._machine = machine
        self._tables = build_controller(machine)
        self._cut = Cut.of(machine)
        self._sample_tokens = sample_tokens
        self._fenced = fenced
        self._makers: dict[tuple[int, int], HeadMaker] = {}
        self._cycles: dict[tuple[int, int, int, int], int] = {}

    def __call__(self, heads: int, length: int, head_dim: int, element_bytes: int) -> AttentionRun:
        """Exact run, or interpolated between two exact ones."""
        maker = self._maker(head_dim, element_bytes)
        commands = {name: heads * count for name, count in maker.commands(length).items()}
        step = self._sample_tokens
        if not step or length % step == 0 or length < step:
            return AttentionRun(self._simulate(heads, length, head_dim, element_bytes), commands)
        below = length // step * step
        low, high = (self._simulate(heads, at, head_dim, element_bytes) for at in (below, below + step))
        return AttentionRun(low + (high - low) * (length - below) / step, commands)

    def _maker(self, head_dim: int, element_bytes: int) -> HeadMaker:
        key = (head_dim, element_bytes)
        if key not in self._makers:
            self._makers[key] = HeadMaker(self._machine, self._tables, *key)
        return self._makers[key]

    def _simulate(self, heads: int, length: int, head_dim: int, element_bytes: int) -> int:
        key = (heads, self._cut.same_work(length), head_dim, element_bytes)
        if key not in self._cycles:
            channels = self._machine["memory"]["channels"]
            requests = stream(self._maker(head_dim, element_bytes), heads, key[1], channels, self._fenced)
            self._cycles[key] = run_trace(self._tables, requests).cycles
        return self._cycles[key]


def mixed_cycles(
    times: AttentionTimes, lengths: Sequence[int], channels: int, head_dim: int, element_bytes: int
) -> float:
    """Estimate for one stack whose heads have different lengths, each by its share of a stack full of its equals.

    Heads go to the channel with the least work, longest first; the fullest channel decides. Exact for equal lengths that
    fill the channels.
    """
    work = [0.0] * channels
    rounds = -(-len(lengths) // channels)
    share: dict[int, float] = {}
    for length in sorted(lengths, reverse=True):
        if length not in share:
            share[length] = times(rounds * channels, length, head_dim, element_bytes).cycles / rounds
        work[work.index(min(work))] += share[length]
    return max(work, default=0.0)
