"""Channels and halves of a batch, by the algorithms of NeuPIMs."""

import numpy as np
import pytest

from pimlir.sim.placement import assign, attention_rows, deal_heads, first_half


def test_rows_of_a_request():
    """64 requests of 512 tokens and 4 heads of 128: 320 GWRITEs, 2,048 row tiles in the published simulator."""
    copies, tiles = attention_rows(512, 4 * 128, 128, banks=32, row_elements=512)
    assert (64 * copies, 64 * tiles) == (320, 2048)


def test_the_greedy_assignment_is_balanced():
    loads = np.random.default_rng(0).integers(1, 2000, 256).tolist()
    totals = {}
    for how in ("round-robin", "min-load"):
        total = np.bincount(assign(loads, 32, how), weights=loads, minlength=32)
        totals[how] = total.max() / total.mean()
    assert totals["min-load"] < 1.05 < totals["round-robin"]


def test_assignments_are_deterministic():
    assert assign([3, 3, 3, 3], 2, "round-robin") == [0, 1, 0, 1]
    assert assign([5, 4, 3, 3], 2, "min-load") == [0, 1, 1, 0]


@pytest.mark.parametrize("count", [1, 2, 7, 64, 65])
def test_halves_of_every_channel_differ_by_at_most_one(count: int):
    channels_of = assign(list(range(1, count + 1)), 4, "min-load")
    first = first_half(channels_of, 4)
    assert abs(sum(first) - count / 2) <= 0.5
    for channel in range(4):
        members = [f for f, c in zip(first, channels_of, strict=True) if c == channel]
        assert abs(2 * sum(members) - len(members)) <= 1


def test_heads_of_long_sequences_share_no_channel():
    lengths = ([2000] * 5 + [100] * 5) * 2  # slots s and s + 10 have the same three of 30 channels
    fullest = {}
    for how in ("round-robin", "min-load"):
        slots = deal_heads(lengths, 3, 30, how)
        assert sorted(slots) == list(range(20))
        load = np.zeros(30)
        for length, slot in zip(lengths, slots, strict=True):
            for head in range(3):
                load[(head * 20 + slot) % 30] += length
        fullest[how] = load.max()
    assert fullest == {"round-robin": 4000, "min-load": 2100}
