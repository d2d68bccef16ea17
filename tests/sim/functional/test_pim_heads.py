"""PIM instructions of attention by heads against plain numpy, and their limits."""

import numpy as np
import pytest

from pimlir.sim.functional.errors import SimulationError

F32 = np.float32
PARTS, BANKS = 2, 4
ALL = {"channel": 0, "channels": 3}


def tree(products: np.ndarray) -> np.ndarray:
    while products.shape[-1] > 1:
        half = products.shape[-1] // 2
        products = products[..., :half] + products[..., half:]
    return products[..., 0]


def test_scores_of_tokens_over_parts(head_pim):
    """Token t is in part t mod 2; a key of 48 elements takes two columns in each of two banks."""
    stored = head_pim.memory.rows[9].view(np.float16)
    stored[...] = head_pim.normal(*stored.shape)
    query = head_pim.normal(3, 48)
    head_pim.place(0, query, 96)

    def scores(builder):
        builder.emit("write_vector", src=0, channel_stride=96, columns=2, elements=48, half=1, parts=PARTS, **ALL)
        builder.emit("activate", row=9, **ALL)
        builder.emit("mac_tree", column=0, columns=3, first=0, depth=2, half=1, result_half=0, **ALL)
        builder.emit("mac_tree", column=3, columns=3, first=3, depth=2, half=1, result_half=0, **ALL)
        builder.emit("move_scores", dst=64, channel_stride=32, tokens=16, limit=5, result_half=0, parts=PARTS, **ALL)

    head_pim.run(scores)
    padded = np.zeros((3, 64), np.float16)
    padded[:, :48] = query
    for channel in range(3):
        for token in range(5):
            part, number = token % PARTS, token // PARTS
            sums = np.zeros(2, F32)
            for bank in range(2):
                row = stored[bank * PARTS + part, channel].reshape(-1, 16).astype(F32)
                for column in range(2):
                    piece = padded[channel, (2 * bank + column) * 16 :][:16].astype(F32)
                    sums[bank] += tree(row[2 * number + column] * piece)
            found = head_pim.view(64 + 32 * channel, (5,), F32, where="softmax_buffer")
            assert found[token] == sums[0] + sums[1]
    assert not head_pim.devices.results[:, :, 0].any()


def test_context_of_tokens_over_parts(head_pim):
    """Element e of a part is token part + 2e; tokens from the limit on do not count."""
    stored = head_pim.memory.rows[9].view(np.float16)
    stored[...] = head_pim.normal(*stored.shape)
    p = head_pim.normal(3, 10)
    head_pim.place(0, p, 64, "softmax_buffer")

    def mix(builder):
        builder.emit("move_vector", src=0, channel_stride=64, first=0, columns=1, limit=7, half=0, parts=PARTS, **ALL)
        builder.emit("activate", row=9, **ALL)
        builder.emit("mac_lanes", column=2, columns=4, first=0, half=0, result_half=1, **ALL)
        builder.emit("move_sums", dst=512, channel_stride=128, elements=20, result_half=1, parts=PARTS, **ALL)

    head_pim.run(mix)
    for channel in range(3):
        sums = np.zeros((BANKS, 16), F32)
        for bank in range(BANKS):
            for e in range(4):
                token = bank % PARTS + PARTS * e
                column = stored[bank, channel].reshape(-1, 16)[2 + e].astype(F32)
                sums[bank] += column * (F32(p[channel, token]) if token < 7 else F32(0))
        expected = np.concatenate([sums[0] + sums[1], sums[2] + sums[3]])[:20]
        np.testing.assert_array_equal(head_pim.view(512 + 128 * channel, (20,), F32), expected)


def test_softmax_of_a_row_for_each_channel_is_that_of_rows(head_pim):
    scores = head_pim.normal(3, 40, dtype=F32)
    head_pim.place(0, scores, 256, "softmax_buffer")
    head_pim.emit("softmax", src=0, src_stride=256, dst=1024, dst_stride=128, rows=3, cols=40, limit=40, scale=0.25)
    head_pim.emit("softmax_head", src=0, src_stride=256, dst=2048, dst_stride=128, cols=40, scale=0.25, **ALL)
    whole, apart = (head_pim.view(at, (3, 40), np.float16, 128, "softmax_buffer") for at in (1024, 2048))
    np.testing.assert_array_equal(whole, apart)


def test_a_fence_changes_nothing(head_pim):
    before = head_pim.devices.local.copy()
    head_pim.emit("fence", **ALL)
    assert (head_pim.devices.local == before).all()


VECTOR = {"src": 0, "channel_stride": 0, "half": 0, "parts": PARTS, **ALL}
TREE = {"column": 0, "columns": 1, "first": 0, "depth": 1, "half": 0, "result_half": 0, **ALL}
LANES = {key: value for key, value in TREE.items() if key != "depth"}
SCORES = {"dst": 0, "channel_stride": 0, "tokens": 16, "limit": 4, "result_half": 0, "parts": PARTS, **ALL}
SUMS = {"dst": 0, "channel_stride": 0, "elements": 4, "result_half": 0, "parts": PARTS, **ALL}


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("write_vector", {**VECTOR, "columns": 5, "elements": 4}, "columns is 5, expected 0..4"),
        ("write_vector", {**VECTOR, "columns": 1, "elements": 4, "half": 2}, "half is 2, expected 0..1"),
        ("write_vector", {**VECTOR, "columns": 1, "elements": 4, "parts": 3}, "parts is 3, expected 1..1"),
        ("write_vector", {**VECTOR, "columns": 1, "elements": 1 << 16}, "src covers"),
        ("move_vector", {**VECTOR, "first": 4, "columns": 1, "limit": 4}, "first covers"),
        ("move_vector", {**VECTOR, "first": 0, "columns": 1, "limit": 9999}, "src covers"),
        ("mac_tree", TREE, "channel 0 has no open PIM row"),
        ("mac_tree", {**TREE, "column": 8}, "column covers"),
        ("mac_tree", {**TREE, "first": 16}, "first covers"),
        ("mac_tree", {**TREE, "depth": 5}, "depth is 5, expected 1..4"),
        ("mac_lanes", LANES, "channel 0 has no open PIM row"),
        ("mac_lanes", {**LANES, "result_half": -1}, "result_half is -1, expected 0..1"),
        ("move_scores", {**SCORES, "tokens": 17}, "tokens is 17, expected 0..16"),
        ("move_scores", {**SCORES, "dst": 4096}, "dst covers"),
        ("move_sums", {**SUMS, "elements": 33}, "elements is 33, expected 0..32"),
        ("move_sums", {**SUMS, "channel": 2}, "channels is 3, expected 0..1"),
        (
            "softmax_head",
            {"src": 4000, "src_stride": 0, "dst": 0, "dst_stride": 0, "cols": 40, **ALL},
            "src covers",
        ),
        ("fence", {"channel": 3, "channels": 1}, "channel is 3, expected 0..2|channels is 1, expected 0..0"),
    ],
)
def test_limits(head_pim, name, fields, message):
    if name.startswith("mac") and "no open" not in message:
        head_pim.devices.open_rows[:] = 9
    with pytest.raises(SimulationError, match=message):
        head_pim.emit(name, **fields)
