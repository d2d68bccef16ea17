"""A decode batch of requests: how long each sequence is, which cache slot it has, which half of the batch it is in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..frontends.model import ModelConfig
from ..sim.placement import Assignment, assign, attention_rows, deal_heads, first_half
from ..sim.requests import DISTRIBUTIONS, Request, cached_tokens, draw_requests, read_requests
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
    groups: int = 1
    """Groups of channels; slot s is in group s mod groups."""

    @property
    def slot_count(self) -> int:
        return max(self.slots) + 1

    def table(self, step: int) -> list[tuple[int, int, int, int]]:
        """The sequence table of the step-th decode step."""
        return [(row, 1, past + step, slot) for row, (past, slot) in enumerate(zip(self.past, self.slots, strict=True))]

    def micro_batches(self, count: int) -> list[Batch]:
        """The sequences dealt out to `count` batches, group of channels by group, each with halves of its own."""
        order = sorted(range(len(self.past)), key=lambda index: (self.slots[index] % self.groups, self.slots[index]))
        return [self.part(order[place::count]) for place in range(count)]

    def part(self, indices: Sequence[int]) -> Batch:
        """Some of the sequences, in halves that share every group equally."""
        halves = first_half([self.slots[index] % self.groups for index in indices], self.groups)
        first = [index for index, half in zip(indices, halves, strict=True) if half]
        chosen = [*first, *(index for index, half in zip(indices, halves, strict=True) if not half)]
        past, slots, requests = ([values[i] for i in chosen] for values in (self.past, self.slots, self.requests))
        return Batch(past, slots, requests, len(first), self.groups)


def drawn_or_read(spec: str, seed: int, longest: int) -> list[Request]:
    """The requests of a file, or of NAME:COUNT drawn from a distribution."""
    name, colon, count = spec.rpartition(":")
    if not colon and spec in DISTRIBUTIONS and not Path(spec).exists():
        raise CommandError(f"{spec}: how many requests? {spec}:64 draws 64")
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


def lengths_of(spec: str, seed: int, longest: int, prompts_only: bool = False) -> list[int]:
    """Tokens of each request of a file or a distribution when it begins to decode: those of its prompt if that is to be
    prefilled, otherwise those that it has cached at a random point of its output.
    """
    requests = drawn_or_read(spec, seed, longest)
    lengths = [request.input_tokens for request in requests] if prompts_only else cached_tokens(requests, seed)
    for index, length in enumerate(lengths):
        if length >= longest:
            raise CommandError(f"request {index} of {spec} has {length} cached tokens, the context length is {longest}")
    return lengths


def load_of(
    config: ModelConfig, machine: dict, cache_channels: int, tensor_parallel: int = 1, value_tokens: int = 0
) -> Callable[[int], int]:
    """The work of attention over so many tokens, by which channels are balanced; each device has a part of the heads."""
    memory = machine["memory"]
    banks = memory["pseudo_channels"] * memory["ranks"] * memory["bank_groups"] * memory["banks_per_group"]
    units, width = banks * cache_channels, config.heads // tensor_parallel * config.head_dim

    def load(tokens: int) -> int:
        copies, tiles = attention_rows(tokens, width, config.head_dim, units, memory["row_bytes"] // 2, value_tokens)
        return COPY_LOAD * copies + TILE_LOAD * tiles

    return load


def make_batch(
    lengths: Sequence[int],
    config: ModelConfig,
    machine: dict,
    cache_channels: int,
    how: Assignment,
    tensor_parallel: int = 1,
    value_tokens: int = 0,
) -> Batch:
    """Slots by the assignment of sequences to groups of `cache_channels` channels; halves that share every group equally.

    Each of `tensor_parallel` devices has a part of the heads of every sequence.
    """
    memory = machine["memory"]
    groups = memory["channels"] // cache_channels
    load = load_of(config, machine, cache_channels, tensor_parallel, value_tokens)
    groups_of = assign([load(length + 1) for length in lengths], groups, how)
    halves = first_half(groups_of, groups)
    taken = [0] * groups
    slots = []
    for group in groups_of:
        slots.append(taken[group] * groups + group)
        taken[group] += 1
    order = sorted(range(len(lengths)), key=lambda index: (not halves[index], index))
    return Batch([lengths[i] for i in order], [slots[i] for i in order], order, sum(halves), groups)


def head_batch(lengths: Sequence[int], heads: int, channels: int, how: Assignment) -> Batch:
    """Slots for caches with a head in a channel, of `heads` key heads; halves of every other sequence."""
    slots = deal_heads(lengths, heads, channels, how)
    order = sorted(range(len(lengths)), key=lambda index: (slots[index] % 2, slots[index]))
    return Batch([lengths[i] for i in order], [slots[i] for i in order], order, -(-len(order) // 2))
