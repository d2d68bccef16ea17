"""Every NPU instruction against plain numpy; sums in the order that numerics.md fixes, bit by bit."""

import itertools
from math import erf

import numpy as np
import pytest

from pimlir.backends.isa.npu import BINARY_OPS, BROADCASTS, ROPE_STYLES

F32 = np.float32
TYPES = {"f16": np.float16, "f32": np.float32, "i32": np.int32}


def slow_matmul(a: np.ndarray, w: np.ndarray, acc: np.ndarray) -> np.ndarray:
    """k ascending, one fp32 addition per exact product."""
    acc = acc.copy()
    for k in range(a.shape[1]):
        acc += a[:, k : k + 1].astype(F32) * w[k].astype(F32)
    return acc


def store_as(dtype: str, values: np.ndarray) -> np.ndarray:
    return values.astype(TYPES[dtype])


def test_load_and_store_copy_rows_between_strides(npu):
    npu.memory.flat[:4000] = npu.random.integers(0, 256, 4000)
    npu.emit("load", dram=100, dram_stride=300, rows=5, row_bytes=77, local=11, local_stride=80)
    for r in range(5):
        found = npu.devices.local[11 + 80 * r :][:77]
        np.testing.assert_array_equal(found, npu.memory.flat[100 + 300 * r :][:77])
    npu.emit("store", dram=9000, dram_stride=81, rows=5, row_bytes=77, local=11, local_stride=80)
    for r in range(5):
        np.testing.assert_array_equal(npu.memory.flat[9000 + 81 * r :][:77], npu.devices.local[11 + 80 * r :][:77])
    assert npu.memory.flat[9077] == 0


def test_gather_takes_rows_by_index(npu):
    npu.memory.flat[:4000] = npu.random.integers(0, 256, 4000)
    npu.place(0, np.array([7, 0, 3], np.int32))
    npu.emit("gather", dram=50, dram_stride=100, rows=3, row_bytes=64, local=128, local_stride=64, index=0)
    for r, index in enumerate((7, 0, 3)):
        found = npu.devices.local[128 + 64 * r :][:64]
        np.testing.assert_array_equal(found, npu.memory.flat[50 + 100 * index :][:64])


@pytest.mark.parametrize("m, k, n", [(1, 48, 96), (1, 33, 85), (3, 48, 96), (4, 1, 1), (2, 17, 70)])
@pytest.mark.parametrize("transpose", [0, 1])
@pytest.mark.parametrize("accumulate", [0, 1])
def test_matmul_adds_products_in_order_of_k(npu, m, k, n, transpose, accumulate):
    a, w, acc = npu.normal(m, k), npu.normal(k, n), npu.normal(m, n, dtype=F32)
    stored = w.T if transpose else w
    stride = 2 * stored.shape[1] + 6
    npu.place(0, stored, stride)
    npu.place(20002, a, 2 * k + 10)
    for target in (30000, 45000):
        npu.place(target, acc, 4 * n + 4)
    operands = {"a": 20002, "a_stride": 2 * k + 10, "m": m, "k": k, "n": n, "acc_stride": 4 * n + 4}

    def both(builder):
        builder.emit("preload", array=1, weights=0, weights_stride=stride, k=k, n=n, transpose=transpose)
        builder.emit("matmul", array=1, acc=30000, accumulate=accumulate, **operands)
        weights = {"weights": 0, "weights_stride": stride, "transpose": transpose}
        builder.emit("gemv", acc=45000, accumulate=accumulate, **weights, **operands)

    npu.run(both)
    expected = slow_matmul(a, w, acc if accumulate else np.zeros_like(acc))
    np.testing.assert_array_equal(npu.view(30000, (m, n), F32, 4 * n + 4), expected)
    np.testing.assert_array_equal(npu.view(45000, (m, n), F32, 4 * n + 4), expected)


@pytest.mark.parametrize("m, transpose", [(1, 0), (2, 0), (1, 1)])
def test_gemv_is_not_bound_to_the_size_of_an_array(npu, m, transpose):
    a, w = npu.normal(m, 150), npu.normal(150, 75)
    stored = np.ascontiguousarray(w.T if transpose else w)
    npu.place(0, stored)
    npu.place(30000, a)
    npu.emit(
        "gemv",
        weights=0,
        weights_stride=2 * stored.shape[1],
        transpose=transpose,
        a=30000,
        a_stride=300,
        m=m,
        k=150,
        n=75,
        acc=40000,
        acc_stride=300,
        accumulate=0,
    )
    np.testing.assert_array_equal(npu.view(40000, (m, 75), F32), slow_matmul(a, w, np.zeros((m, 75), F32)))


def test_order_of_k_can_be_seen_in_the_result(npu):
    a, w = np.array([[1, 1, 1]], np.float16), np.array([[4096], [2**-13], [-4096]], np.float16)
    npu.place(0, w)
    npu.place(100, a)

    def both(builder):
        builder.emit("preload", array=0, weights=0, weights_stride=2, k=3, n=1)
        builder.emit("matmul", array=0, a=100, a_stride=6, m=1, k=3, n=1, acc=200, acc_stride=4, accumulate=0)

    npu.run(both)
    assert npu.view(200, (1,), F32)[0] == 0  # 4096 + 2^-13 rounds to 4096; any other order gives 2^-13


BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "div": np.divide}


@pytest.mark.parametrize("op, broadcast", list(itertools.product(BINARY_OPS, BROADCASTS)))
def test_binary_in_fp32_with_one_rounding(npu, op, broadcast):
    rows, cols = 3, 37
    for dst_type, a_type, b_type in [("f16", "f16", "f32"), ("f32", "f32", "f16"), ("f16", "f32", "f32")]:
        a = store_as(a_type, npu.normal(rows, cols, dtype=F32))
        shape = {"tile": (rows, cols), "row": (1, cols), "column": (rows, 1)}[broadcast]
        b = store_as(b_type, npu.normal(*shape, dtype=F32) + 3)
        a_stride, b_stride, dst_stride = a.strides[0] + 4, b.strides[0] + 8, 170
        npu.place(0, a, a_stride)
        npu.place(2000, b, b_stride)
        npu.emit(
            "binary",
            op=op,
            dst=4000,
            dst_stride=dst_stride,
            dst_type=dst_type,
            a=0,
            a_stride=a_stride,
            a_type=a_type,
            b=2000,
            b_stride=b_stride,
            b_type=b_type,
            broadcast=broadcast,
            rows=rows,
            cols=cols,
        )
        expected = store_as(dst_type, BINARY[op](a.astype(F32), b.astype(F32)))
        np.testing.assert_array_equal(npu.view(4000, (rows, cols), TYPES[dst_type], dst_stride), expected)


def test_binary_on_integers_and_rows_longer_than_the_scratch(npu):
    a, b = np.arange(2500, dtype=np.int32)[None], np.full((1, 2500), 3, np.int32)
    npu.place(0, a)
    npu.place(10000, b)
    types = {"dst_type": "i32", "a_type": "i32", "b_type": "i32"}
    strides = {"dst_stride": 0, "a_stride": 0, "b_stride": 0}
    npu.emit("binary", op="sub", dst=20000, a=0, b=10000, broadcast="tile", rows=1, cols=2500, **types, **strides)
    np.testing.assert_array_equal(npu.view(20000, (1, 2500), np.int32), a - 3)


def run_unary(npu, function, x, scale=1.0, bias=0.0, dst_type="f32"):
    npu.place(0, x)
    npu.emit(
        "unary",
        function=function,
        dst=20000,
        dst_stride=4 * x.shape[1],
        dst_type=dst_type,
        a=0,
        a_stride=x.strides[0],
        a_type="f16" if x.dtype == np.float16 else "f32",
        rows=x.shape[0],
        cols=x.shape[1],
        scale=scale,
        bias=bias,
    )
    return npu.view(20000, x.shape, TYPES[dst_type], 4 * x.shape[1])


def test_exactly_rounded_functions(npu):
    x = np.abs(npu.normal(3, 50, dtype=F32)) + F32(0.1)
    np.testing.assert_array_equal(run_unary(npu, "copy", -x, 0.125, 3.0), -x * F32(0.125) + F32(3))
    np.testing.assert_array_equal(run_unary(npu, "relu", x - 1), np.maximum(x - 1, 0))
    np.testing.assert_array_equal(run_unary(npu, "reciprocal", x), F32(1) / x)
    np.testing.assert_array_equal(run_unary(npu, "rsqrt", x, 0.5, 1e-5), F32(1) / np.sqrt(x * F32(0.5) + F32(1e-5)))
    np.testing.assert_array_equal(run_unary(npu, "copy", x, dst_type="f16"), x.astype(np.float16))


def test_transcendental_functions(npu):
    x = (npu.normal(3, 400, dtype=np.float64) * 3).astype(F32)
    wide = x.astype(np.float64)
    expected = {
        "exp": np.exp(wide),
        "silu": wide / (1 + np.exp(-wide)),
        "gelu": 0.5 * wide * (1 + np.vectorize(erf)(wide / np.sqrt(2))),
        "gelu_tanh": 0.5 * wide * (1 + np.tanh(np.sqrt(2 / np.pi) * (wide + 0.044715 * wide**3))),
    }
    for function, values in expected.items():
        np.testing.assert_allclose(run_unary(npu, function, x), values, rtol=2e-6, atol=4e-7, err_msg=function)


@pytest.mark.parametrize("cols", [0, 1, 16, 100, 1500])
@pytest.mark.parametrize("a_type", ["f16", "f32"])
def test_reduce_in_sixteen_lanes(npu, cols, a_type):
    x = store_as(a_type, npu.normal(2, cols, dtype=F32))
    npu.place(0, x, 6100)
    wide = x.astype(F32)
    expected = {
        "sum": [npu.lane_sum(row) for row in wide],
        "sum_of_squares": [npu.lane_sum(row * row) for row in wide],
        "max": wide.max(axis=1, initial=-np.inf),
    }
    for op, values in expected.items():
        npu.emit("reduce", op=op, dst=20000, dst_stride=12, a=0, a_stride=6100, a_type=a_type, rows=2, cols=cols)
        np.testing.assert_array_equal(npu.view(20000, (2, 1), F32, 12)[:, 0], np.array(values, F32), op)


def test_max_shows_nan(npu):
    npu.place(0, np.array([1, np.nan, 3], F32))
    npu.emit("reduce", op="max", dst=100, dst_stride=4, a=0, a_stride=0, a_type="f32", rows=1, cols=3)
    assert np.isnan(npu.view(100, (1,), F32)[0])


@pytest.mark.parametrize("style", ROPE_STYLES)
def test_rope_rotates_pairs(npu, style):
    rows, heads, dim = 3, 2, 10
    x, angle = npu.normal(rows, heads, dim), npu.normal(rows, dim // 2, dtype=F32)
    cos, sin = np.cos(angle), np.sin(angle)
    npu.place(0, x.reshape(rows, -1), 44)
    npu.place(1000, np.concatenate([cos, sin], axis=1), 48)
    operands = {"a": 0, "a_stride": 44, "table": 1000, "table_stride": 48}
    npu.emit("rope", dst=0, dst_stride=44, rows=rows, heads=heads, head_dim=dim, style=style, **operands)
    wide = x.astype(F32)
    pairs = (slice(0, None, 2), slice(1, None, 2)) if style == "interleaved" else (slice(0, 5), slice(5, 10))
    u, v = wide[..., pairs[0]], wide[..., pairs[1]]
    expected = np.empty_like(wide)
    expected[..., pairs[0]] = u * cos[:, None] - v * sin[:, None]
    expected[..., pairs[1]] = u * sin[:, None] + v * cos[:, None]
    found = npu.view(0, (rows, heads * dim), np.float16, 44)
    np.testing.assert_array_equal(found, expected.reshape(rows, -1).astype(np.float16))


def test_mask_hides_later_columns(npu):
    x = npu.normal(6, 8, dtype=F32)
    npu.place(0, x, 40)
    npu.emit("mask", dst=0, dst_stride=40, rows=6, cols=8, limit=3, rows_per_step=2)
    hidden = np.arange(8) >= 3 + np.arange(6)[:, None] // 2
    np.testing.assert_array_equal(npu.view(0, (6, 8), F32, 40), np.where(hidden, -np.inf, x))


def test_argmax_takes_the_lowest_of_equals(npu):
    npu.place(0, np.array([[1, 5, 5, 2], [-np.inf, -3, -3, -4], [7, 7, 7, 7]], F32))
    npu.emit("argmax", dst=200, a=0, a_stride=16, rows=3, cols=4)
    np.testing.assert_array_equal(npu.view(200, (3,), np.int32), [1, 1, 0])


@pytest.mark.parametrize("dst_type", TYPES)
def test_fill(npu, dst_type):
    npu.emit("fill", dst=4, dst_stride=44, dst_type=dst_type, rows=2, cols=9, value=-2.5)
    expected = np.full((2, 9), -2 if dst_type == "i32" else -2.5)
    np.testing.assert_array_equal(npu.view(4, (2, 9), TYPES[dst_type], 44), expected)
