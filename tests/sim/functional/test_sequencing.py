"""Loops, scalars, affine terms and semaphores of a program, and what happens when an instruction cannot be executed."""

import numpy as np
import pytest

from pimlir.backends.isa.encode import Affine, float_bits
from pimlir.sim.functional.errors import SimulationError

F32 = np.float32


def test_loops_scalars_and_terms(npu):
    def table(builder):
        """Row i of a 1-element fill for i in 1, 3, 5 up to ceildiv(argument, 2), at 100 + 8*i + 64*j."""
        limit, other = builder.register(), builder.register()
        builder.emit("scalar", result=limit, op="ceildiv", a=builder.argument("a0"), b=2)
        builder.emit("scalar", result=other, op="rem", a=17, b=5)
        with builder.loop(Affine.register(limit), start=1, step=2) as i, builder.loop(Affine.register(other)) as j:
            at = 100 + 8 * Affine.register(i) + 64 * Affine.register(j)
            builder.emit("fill", dst=at, dst_stride=0, dst_type="f32", rows=1, cols=1, value=1.0)
        with builder.loop(0):
            builder.emit("fill", dst=0, dst_stride=0, dst_type="f32", rows=1, cols=1, value=9.0)

    npu.run(table, arguments=(11,))
    written = np.flatnonzero(npu.view(0, (200,), F32)) * 4
    np.testing.assert_array_equal(written, sorted(100 + 8 * i + 64 * j for i in (1, 3, 5) for j in (0, 1)))


@pytest.mark.parametrize(
    "op, a, b, result",
    [("set", 7, 0, 7), ("div", 17, 5, 3), ("min", 4, 9, 4), ("max", 4, 9, 9), ("mul", 6, 7, 42), ("sub", 9, 4, 5)],
)
def test_scalar_operations(npu, op, a, b, result):
    def write(builder):
        register = builder.register()
        builder.emit("scalar", result=register, op=op, a=a, b=b)
        builder.emit("fill", dst=4 * Affine.register(register), dst_stride=0, dst_type="f32", rows=1, cols=1, value=1.0)

    npu.run(write)
    assert np.flatnonzero(npu.view(0, (64,), F32)).tolist() == [result]


def test_semaphores_are_taken_and_posted(npu):
    def write(builder):
        free, full = builder.semaphore(1), builder.semaphore()
        with builder.loop(3):
            builder.emit("sync", wait=[(free, 1)], post=[(full, 2)])
            builder.emit("sync", wait=[(full, 2)], post=[(free, 1)])

    npu.run(write)


def test_a_wait_that_nothing_posts_is_a_deadlock(npu):
    def write(builder):
        full = builder.semaphore(1)
        builder.emit("sync", tag="attention of layer 3", post=[(full, 1)])
        builder.emit("sync", wait=[(full, 3)], tag="attention of layer 3")

    message = (
        r"program bench, instruction 1 \(sync\) of attention of layer 3: deadlock: needs 3 of semaphore 0, .* left 2"
    )
    with pytest.raises(SimulationError, match=message):
        npu.run(write)


def test_a_count_can_be_taken_once(npu):
    def write(builder):
        full = builder.semaphore(1)
        builder.emit("sync", wait=[(full, 1)])
        builder.emit("sync", wait=[(full, 1)])

    with pytest.raises(SimulationError, match=r"instruction 1 \(sync\): deadlock: needs 1 of semaphore 0, .* left 0"):
        npu.run(write)


LOAD = {"dram": 0, "dram_stride": 64, "rows": 4, "row_bytes": 64, "local": 0, "local_stride": 64}
GATHER = {"dram": 0, "dram_stride": 64, "rows": 1, "row_bytes": 64, "local": 64, "local_stride": 64, "index": 0}
MATMUL = {"a": 0, "a_stride": 0, "m": 1, "k": 48, "n": 96, "acc": 1024, "acc_stride": 0, "accumulate": 0}
UNARY = {"dst_stride": 64, "a": 0, "a_stride": 64, "rows": 2, "cols": 16, "dst_type": "f32", "a_type": "f32"}
FILL = {"dst_stride": 4, "dst_type": "f32", "value": float_bits(1.0)}


@pytest.mark.parametrize(
    "name, fields, message",
    [
        ("load", LOAD | {"dram": 24400}, r"\(load\): dram covers \[24400, 24656\), limit 24576"),
        ("load", LOAD | {"dram": 100, "dram_stride": -64}, r"dram covers \[-92, 164\)"),
        ("load", LOAD | {"local": 65281}, r"local covers \[65281, 65537\), limit 65536"),
        ("load", LOAD | {"rows": 1 << 62}, r"dram covers"),
        ("load", LOAD | {"rows": -1}, r"dram covers"),
        ("load", LOAD | {"row_bytes": -64}, r"dram covers"),
        ("store", LOAD | {"dram": -1}, r"\(store\): dram covers \[-1, "),
        ("gather", GATHER | {"dram": 24513}, r"\(gather\): dram covers \[24513, 24577\), limit 24576"),
        ("gather", GATHER | {"index": 65533}, r"index covers"),
        ("preload", {"array": 2, "weights": 0, "weights_stride": 2, "k": 1, "n": 1}, r"array is 2, expected 0..1"),
        ("preload", {"array": 0, "weights": 0, "weights_stride": 2, "k": 49, "n": 1}, r"k is 49, expected 0..48"),
        ("matmul", MATMUL | {"array": 0, "n": 97}, r"n is 97, expected 0..96"),
        ("matmul", MATMUL | {"array": 0, "acc": 65532}, r"acc covers"),
        ("unary", UNARY | {"function": "exp", "dst": 65473}, r"dst covers \[65473, 65601\), limit 65536"),
        ("unary", UNARY | {"function": "exp", "dst": 0, "cols": 1 << 62}, r"cols is 4611686018427387904, expected 0"),
        ("fill", FILL | {"dst": 65536, "rows": 1, "cols": 1}, r"dst covers"),
        (
            "mask",
            {"dst": 0, "dst_stride": 4, "rows": 1, "cols": 1, "limit": 0, "rows_per_step": 0},
            r"rows_per_step is 0",
        ),
    ],
)
def test_what_lies_outside_is_refused(npu, name, fields, message):
    before = npu.devices.local.copy()
    with pytest.raises(SimulationError, match=message):
        npu.emit(name, **fields)
    np.testing.assert_array_equal(npu.devices.local, before)


def test_an_empty_access_may_have_any_address(npu):
    npu.emit("load", **LOAD | {"dram": 1 << 40, "rows": 0})
    npu.emit("unary", **UNARY | {"function": "exp", "dst": 1 << 40, "cols": 0})


def test_gather_refuses_an_index_outside(npu):
    npu.place(0, np.array([384], np.int32))
    with pytest.raises(SimulationError, match=r"dram covers \[24576, 24640\), limit 24576"):
        npu.emit("gather", **GATHER)


def test_a_loop_that_cannot_end_is_refused(npu):
    def write(builder):
        with builder.loop(3, step=Affine.register(5)):
            builder.emit("sync")

    with pytest.raises(SimulationError, match=r"\(loop\): step is 0, expected 1"):
        npu.run(write)
