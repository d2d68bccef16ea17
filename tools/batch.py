"""A decode batch of requests: how long each sequence is, which cache slot it has, which half of the batch it is in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..frontends.model import ModelConfig
from ..sim.placement import Assignment, assign, attention_rows, first_half
from ..sim.requests import Request, cached_tokens, draw_requests, read_requests
from .errors import CommandError

COPY_LOAD, TILE_LOAD = 100, 184
"""Cycles of a row copy and of a row tile, by which NeuPIMs' traces balance channels (its clb traces, research notes)."""


@dataclass(frozen=True)
class Batch:
    """Sequences in the order of the step: cached tokens and slot of each, and which request it is; how many are in the
    first half.
    """

    past: list[int]
    slots: list[int]
    requests: list[int]
    first_half: int

    @property
    def slot_count(self) -> int:
        return max(self.slots) + 1

    def table(self, step: int) -> list[tuple[int, int, int, int]]:
        """The sequence table of the step-th decode step."""
        return [(row, 1, past + step, slot) for row, (past, slot) in enumerate(zip(self.past, self.slots, strict=True))]


def drawn_or_read(spec: str, seed: int, longest: int) -> list[Request]:
    """The requests of a file, or of NAME:COUNT drawn from a distribution."""
    name, colon, count = spec.rpartition(":")
    if not colon or Path(spec).exists():
        requests = read_requests(spec)
        for index, request in enumerate(requests):
            if request.prompt is not None:
                raise CommandError(
                    f"request {index} of {spec} has a prompt, expected input_tokens: only lengths are timed"
                )
        return requests
    requests = draw_requests(name, int(count) if count.isdecimal() else 0, seed, longest)
    if not requests:
        raise CommandError(f"{spec}: the number of requests is {count!r}, expected at least 1 as in {name}:64")
    return requests


def lengths_of(spec: str, seed: int, longest: int, prompts_only: bool) -> list[int]:
    """Tokens of each request of a file or a distribution when it begins to decode: those of its prompt if that is to be
    prefilled, otherwise those that it has cached at a random point of its output.
    """
    requests = drawn_or_read(spec, seed, longest)
    lengths = [request.input_tokens for request in requests] if prompts_only else cached_tokens(requests, seed)
    for index, length in enumerate(lengths):
        if length >= longest:
            raise CommandError(f"request {index} of {spec} has {length} cached tokens, the context length is {longest}")
    return lengths


def load_of(config: ModelConfig, machine: dict, cache_channels: int) -> Callable[[int], int]:
    """The work of attention over so many tokens, by which channels are balanced."""
    memory = machine["memory"]
    banks = memory["pseudo_channels"] * memory["ranks"] * memory["bank_groups"] * memory["banks_per_group"]
    units, width = banks * cache_channels, config.heads * config.head_dim

    def load(tokens: int) -> int:
        copies, tiles = attention_rows(tokens, width, config.head_dim, units, memory["row_bytes"] // 2)
        return COPY_LOAD * copies + TILE_LOAD * tiles

    return load


def make_batch(
    lengths: Sequence[int], config: ModelConfig, machine: dict, cache_channels: int, how: Assignment
) -> Batch:
    """Slots by the assignment of sequences to groups of `cache_channels` channels; halves that share every group equally."""
    memory = machine["memory"]
    groups = memory["channels"] // cache_channels
    load = load_of(config, machine, cache_channels)
    groups_of = assign([load(length + 1) for length in lengths], groups, how)
    halves = first_half(groups_of, groups)
    taken = [0] * groups
    slots = []
    for group in groups_of:
        slots.append(taken[group] * groups + group)
        taken[group] += 1
    order = sorted(range(len(lengths)), key=lambda index: (not halves[index], index))
    return Batch([lengths[i] for i in order], [slots[i] for i in order], order, sum(halves))
