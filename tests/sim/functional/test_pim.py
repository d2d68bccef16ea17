"""Every PIM command against plain numpy; the MAC's order of additions bit by bit."""

from typing import Any

import numpy as np
import pytest

from pimlir.sim.functional.errors import SimulationError

F32 = np.float32
ALL = {"channel": 0, "channels": 3}
CHANNELS, BANKS, ROW_BYTES = 3, 4, 256


def fill_rows(bench, *rows: int) -> None:
    for row in rows:
        halves = bench.memory.rows[row].view(np.float16)
        halves[...] = bench.normal(*halves.shape)


def row_of(bench, channel: int, bank: int, row: int) -> np.ndarray:
    return bench.memory.rows[row, bank, channel].view(np.float16)


def slow_mac(acc: Any, weights: np.ndarray, operand: np.ndarray) -> Any:
    """Per column of 16: exact products, lower half plus upper half until one is left, one addition."""
    for begin in range(0, len(weights), 16):
        products = weights[begin : begin + 16].astype(F32) * operand[begin : begin + 16].astype(F32)
        while len(products) > 1:
            products = products[: len(products) // 2] + products[len(products) // 2 :]
        acc = acc + products[0]
    return acc


def test_mac_over_a_row_in_all_banks(pim):
    fill_rows(pim, 9, 10)
    operands = pim.normal(3, 64)
    pim.place(0, operands, 160)

    def gemv(builder):
        builder.emit("write_buffer", src=0, channel_stride=160, columns=4, buffer_column=0, **ALL)
        for row in (9, 10):
            builder.emit("activate", row=row, **ALL)
            builder.emit("mac", column=5, columns=3, buffer_column=1, **ALL)
            builder.emit("mac", column=2, columns=1, buffer_column=0, **ALL)
            builder.emit("precharge", **ALL)
        builder.emit("read_acc", dst=1024, channel_stride=32, banks=4, **ALL)

    pim.run(gemv)
    expected = np.zeros((3, 4), F32)
    for channel, bank in np.ndindex(3, 4):
        for row in (9, 10):
            weights = row_of(pim, channel, bank, row)
            acc = slow_mac(expected[channel, bank], weights[80:128], operands[channel, 16:])
            expected[channel, bank] = slow_mac(acc, weights[32:48], operands[channel, :16])
    np.testing.assert_array_equal(pim.view(1024, (3, 4), F32, 32), expected)
    assert not pim.devices.accumulators.any()


def test_the_tree_can_be_seen_in_the_result(pim):
    row_of(pim, 0, 0, 8)[:16] = [4096, 2**-13, *[0] * 6, -4096, *[0] * 7]
    pim.place(0, np.ones((1, 16), np.float16))

    def gemv(builder):
        builder.emit("write_buffer", src=0, columns=1, buffer_column=0, **ALL)
        builder.emit("activate", row=8, **ALL)
        builder.emit("mac", column=0, columns=1, buffer_column=0, **ALL)

    pim.run(gemv)
    assert pim.devices.accumulators[0, 0] == 2**-13  # products 0 and 8 meet first; left to right gives 0


def test_channels_are_selected(pim):
    fill_rows(pim, 8)
    pim.place(0, np.ones((1, 16), np.float16))

    def gemv(builder):
        builder.emit("write_buffer", src=0, columns=1, buffer_column=0, **ALL)
        builder.emit("activate", row=8, channel=1, channels=1)
        builder.emit("mac", column=0, columns=1, buffer_column=0, channel=1, channels=1)

    pim.run(gemv)
    assert pim.devices.accumulators[1].all()
    assert not pim.devices.accumulators[[0, 2]].any()


def test_read_acc_can_add_to_its_target_and_clears(pim):
    pim.devices.accumulators[:] = np.arange(12).reshape(3, 4)
    pim.place(100, np.full((2, 3), 0.5, F32), 16, where="softmax_buffer")
    pim.emit("read_acc", space="softmax", dst=100, channel_stride=16, banks=3, accumulate=1, channel=1, channels=2)
    expected = [[4.5, 5.5, 6.5], [8.5, 9.5, 10.5]]
    np.testing.assert_array_equal(pim.view(100, (2, 3), F32, 16, "softmax_buffer"), expected)
    np.testing.assert_array_equal(pim.devices.accumulators, [[0, 1, 2, 3], [0] * 4, [0] * 4])


@pytest.mark.parametrize("space, where", [("local", "local"), ("softmax", "softmax_buffer")])
def test_write_buffer_broadcasts_with_stride_zero(pim, space, where):
    values = pim.normal(1, 32)
    pim.place(64, values, where=where)
    pim.emit("write_buffer", space=space, src=64, columns=2, buffer_column=1, channel=0, channels=2)
    np.testing.assert_array_equal(pim.devices.global_buffers[:2, 16:48], values.repeat(2, 0))
    assert not pim.devices.global_buffers[2].any()
    assert not pim.devices.global_buffers[:, :16].any()


def test_copy_row_fills_the_buffer_from_a_bank(pim):
    fill_rows(pim, 12)
    pim.emit("copy_row", bank=2, row=12, column=3, columns=2, buffer_column=2, channel=1, channels=2)
    for channel in (1, 2):
        np.testing.assert_array_equal(
            pim.devices.global_buffers[channel, 32:], row_of(pim, channel, 2, 12)[48:80].astype(F32)
        )


def test_ordinary_write_and_read_of_odd_bytes(pim):
    pim.devices.local[:50] = np.arange(50)
    pim.emit("write", src=3, channel=2, bank=1, row=13, offset=7, bytes=33)
    np.testing.assert_array_equal(pim.memory.rows[13, 1, 2, 7:40], np.arange(3, 36))
    assert np.count_nonzero(pim.memory.rows) == 33
    pim.emit("read", dst=100, channel=2, bank=1, row=13, offset=8, bytes=31)
    np.testing.assert_array_equal(pim.devices.local[100:131], np.arange(4, 35))


def test_scatter_writes_one_half_to_each_bank(pim):
    values = pim.normal(1, 3)
    pim.place(10, values)
    pim.emit("scatter", src=10, channel=1, row=14, offset=18, banks=3)
    found = [row_of(pim, 1, bank, 14)[9] for bank in range(4)]
    np.testing.assert_array_equal(found, [*values[0], 0])


@pytest.mark.parametrize("cols, limit", [(40, 33), (8, 20), (5, 0)])
def test_softmax_of_the_visible_columns(pim, cols, limit):
    scores = pim.normal(3, cols, dtype=F32) * 20
    pim.place(0, scores, where="softmax_buffer")
    pim.place(2800, np.full((3, cols), 7, np.float16), where="softmax_buffer")
    operands = {"src": 0, "src_stride": 4 * cols, "dst": 2800, "dst_stride": 2 * cols}
    pim.emit("softmax", rows=3, cols=cols, limit=limit, scale=0.125, **operands)
    np.testing.assert_allclose(
        pim.view(2800, (3, cols), np.float16, 2 * cols, "softmax_buffer"), softmax(scores, limit), 2**-10, 2**-24
    )


def test_softmax_may_overwrite_its_row(pim):
    scores = pim.normal(1, 1024, dtype=F32)
    pim.place(0, scores, where="softmax_buffer")
    operands = {"src": 0, "src_stride": 0, "dst": 0, "dst_stride": 0}
    pim.emit("softmax", rows=1, cols=1024, limit=1024, scale=0.125, **operands)
    found = pim.view(0, (1, 1024), np.float16, where="softmax_buffer")
    np.testing.assert_allclose(found, softmax(scores, 1024), 2**-10, 2**-24)


def softmax(scores: np.ndarray, limit: int) -> np.ndarray:
    """Of scores / 8, in float64."""
    visible = scores[:, :limit].astype(np.float64) * 0.125
    result = np.zeros(scores.shape)
    if limit:
        exponentials = np.exp(visible - visible.max(axis=1, keepdims=True))
        result[:, :limit] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def test_mac_needs_an_open_row(pim):
    def write(builder):
        builder.emit("activate", row=8, channel=0, channels=2)
        builder.emit("mac", column=0, columns=1, buffer_column=0, **ALL)

    with pytest.raises(SimulationError, match=r"instruction 1 \(mac\): channel 2 has no open PIM row"):
        pim.run(write)


def test_activate_needs_a_closed_row(pim):
    def write(builder):
        builder.emit("activate", row=8, channel=1, channels=1)
        builder.emit("activate", row=9, **ALL)

    with pytest.raises(SimulationError, match=r"\(activate\): channel 1 still has PIM row 8 open"):
        pim.run(write)


@pytest.mark.parametrize("access", ["write", "read", "copy_row", "scatter"])
def test_an_ordinary_access_closes_the_row_where_there_is_one_row_buffer(pim, dual_pim, access):
    fields = {
        "write": {"src": 0, "channel": 1, "bank": 0, "offset": 0, "bytes": 8},
        "read": {"dst": 0, "channel": 1, "bank": 0, "offset": 0, "bytes": 8},
        "copy_row": {"bank": 0, "column": 0, "columns": 1, "buffer_column": 0, "channel": 1, "channels": 1},
        "scatter": {"src": 0, "channel": 1, "offset": 0, "banks": 1},
    }[access]

    def write(builder, row=9):
        builder.emit("activate", row=8, **ALL)
        builder.emit(access, row=row, **fields)
        builder.emit("mac", column=0, columns=1, buffer_column=0, **ALL)
        builder.emit("precharge", **ALL)

    dual_pim.run(write)
    pim.run(lambda builder: write(builder, row=8))
    with pytest.raises(SimulationError, match=r"\(mac\): channel 1 has no open PIM row"):
        pim.run(write)


WRITE = {"src": 0, "channel": 0, "bank": 0, "row": 8, "offset": 0, "bytes": 8}
COPY = {"bank": 0, "row": 8, "column": 0, "columns": 1, "buffer_column": 0, "channel": 0, "channels": 3}
SOFTMAX = {"src": 0, "src_stride": 64, "dst": 0, "dst_stride": 64, "rows": 1, "cols": 16, "limit": 16}


@pytest.mark.parametrize(
    "name, fields, message",
    [
        ("activate", {"row": 24, **ALL}, r"row is 24, expected 0..23"),
        ("activate", {"row": 8, "channel": 1, "channels": 3}, r"channels is 3, expected 0..2"),
        ("activate", {"row": 8, "channel": -1, "channels": 1}, r"channel is -1, expected 0..3"),
        ("mac", {"column": 7, "columns": 2, "buffer_column": 0, **ALL}, r"column covers \[7, 9\), limit 8"),
        ("mac", {"column": 0, "columns": 2, "buffer_column": 3, **ALL}, r"buffer_column covers \[3, 5\), limit 4"),
        ("write_buffer", {"src": 65520, "columns": 1, "buffer_column": 0, **ALL}, r"src covers \[65520, 65552\)"),
        ("write_buffer", {"space": 1, "src": 4080, "columns": 1, "buffer_column": 0, **ALL}, r"limit 4096"),
        ("read_acc", {"dst": 0, "channel_stride": 0, "banks": 5, **ALL}, r"banks is 5, expected 0..4"),
        ("read_acc", {"dst": 65521, "channel_stride": 0, "banks": 4, **ALL}, r"dst covers \[65521, 65537\)"),
        ("copy_row", COPY | {"bank": 4}, r"bank is 4, expected 0..3"),
        ("copy_row", COPY | {"column": 8}, r"column covers \[8, 9\), limit 8"),
        ("write", WRITE | {"channel": 3}, r"channel is 3, expected 0..2"),
        ("write", WRITE | {"offset": 250}, r"offset covers \[250, 258\), limit 256"),
        ("write", WRITE | {"src": 65532}, r"src covers"),
        ("scatter", {"src": 0, "channel": 0, "row": 8, "offset": 255, "banks": 1}, r"offset covers \[255, 257\)"),
        ("softmax", SOFTMAX | {"src": 4040}, r"src covers \[4040, 4104\), limit 4096"),
        ("softmax", SOFTMAX | {"dst": 4080}, r"dst covers"),
    ],
)
def test_what_does_not_exist_is_refused(pim, name, fields, message):
    with pytest.raises(SimulationError, match=message):
        pim.emit(name, **fields)
    assert not pim.memory.rows.any()
    assert not pim.devices.local.any()
