"""Which channel keeps the cache of which request, and which half of the batch it is in (NeuPIMs, ASPLOS 2024, section 6)."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from math import gcd
from typing import Literal

import numpy as np

Assignment = Literal["min-load", "round-robin"]


def attention_rows(
    tokens: int, width: int, head_dim: int, banks: int, row_elements: int, value_tokens: int = 0
) -> tuple[int, int]:
    """Row copies to the global buffer and row tiles that the attention of a request takes (algorithm 1).

    `width` is heads x head dimension. Keys: a bank per token, a row holds `row_elements` of it. Values: a bank per
    dimension, a row holds `row_elements` tokens, or `value_tokens` of several dimension groups of a head.
    """
    heads, value_tokens = width // head_dim, value_tokens or row_elements
    parts, chunks = -(-width // row_elements), -(-tokens // value_tokens)
    copies, groups = parts + heads * chunks, -(-head_dim // banks)
    tiles = parts * -(-tokens // banks) + heads * chunks * (groups // gcd(groups, row_elements // value_tokens))
    return copies, tiles


def assign(loads: Sequence[int], channels: int, how: Assignment) -> list[int]:
    """The channel of each request: the next in turn, or, longest first, the one with the least load so far (algorithm 2)."""
    if how == "round-robin":
        return [index % channels for index in range(len(loads))]
    heap = [(0, channel) for channel in range(channels)]
    chosen = [0] * len(loads)
    for index in sorted(range(len(loads)), key=lambda index: (-loads[index], index)):
        load, channel = heapq.heappop(heap)
        chosen[index] = channel
        heapq.heappush(heap, (load + loads[index], channel))
    return chosen


def deal_heads(lengths: Sequence[int], heads: int, channels: int, how: Assignment) -> list[int]:
    """The slot of each sequence where head h of slot s is in channel (h * slots + s) mod channels: slots in turn, or, longest
    sequence first, the slot whose fullest channel holds the least so far (AttAcc assigns single heads, section 5.1).
    """
    slots = len(lengths)
    if how == "round-robin":
        return list(range(slots))
    load = np.zeros(channels, np.int64)
    places = (np.arange(heads)[None, :] * slots + np.arange(slots)[:, None]) % channels  # [slot, head]
    free = np.ones(slots, bool)
    chosen = [0] * slots
    for index in sorted(range(slots), key=lambda index: (-lengths[index], index)):
        loads = load[places]
        slot = int(np.lexsort((loads.sum(axis=1), loads.max(axis=1), ~free))[0])
        chosen[index], free[slot] = slot, False
        np.add.at(load, places[slot], lengths[index])
    return chosen


def first_half(channels_of: Sequence[int], channels: int) -> list[bool]:
    """Whether each request is in the first sub-batch: half of every channel, rounded up and down in turn (algorithm 3)."""
    members: list[list[int]] = [[] for _ in range(channels)]
    for index, channel in enumerate(channels_of):
        members[channel].append(index)
    first = [False] * len(channels_of)
    up = True
    for indices in members:
        size = -(-len(indices) // 2) if up else len(indices) // 2
        if len(indices) % 2:
            up = not up
        for index in indices[:size]:
            first[index] = True
    return first
