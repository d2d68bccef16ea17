"""The fp32 building blocks of instructions, on values where another order or another rounding would show."""

import numpy as np

from pimlir.interpreters.functions import UNARY, halving_tree, lane_sum, rounded

F32 = np.float32


def test_the_halving_tree_adds_lower_and_upper_half():
    values = np.zeros(16, F32)
    values[[0, 8]] = [1, 2.0**-24]  # lost in 1, unless it meets the other small value first
    values[[1, 9]] = [2.0**-24, 2.0**-24]
    assert halving_tree(values) == F32(1) + F32(2.0**-23)
    values[[1, 8]] = [0, 2.0**-24]
    assert halving_tree(values) == 1


def test_sums_of_rows_go_through_sixteen_lanes():
    values = np.zeros(33, F32)
    values[[0, 16, 32]] = [1, 2.0**-24, 2.0**-24]  # one lane: each is lost in turn
    assert lane_sum(values) == 1
    values[[16, 32]] = 0
    values[[1, 17]] = 2.0**-24  # another lane: they add up before they meet the 1
    assert lane_sum(values) == F32(1) + F32(2.0**-23)
    assert lane_sum(np.zeros((2, 0), F32)).tolist() == [0, 0]


def test_conversions_round_once():
    assert rounded(np.array([65519, 2049, 2051], F32), np.dtype(np.float16)).tolist() == [65504, 2048, 2052]
    assert rounded(np.array([1.9, -1.9, 3e9, -3e9, np.nan], F32), np.dtype(np.int32)).tolist() == [
        1,
        -1,
        2**31 - 1,
        -(2**31),
        0,
    ]


def test_functions_are_accurate():
    x = np.linspace(-5, 5, 101).astype(F32)
    exact = x.astype(np.float64)
    for name, expected in (
        ("exp", np.exp(exact)),
        ("silu", exact / (1 + np.exp(-exact))),
        ("relu", np.maximum(exact, 0)),
        ("copy", exact),
    ):
        np.testing.assert_allclose(UNARY[name](x), expected, rtol=3e-7, atol=1e-12)
    np.testing.assert_allclose(UNARY["gelu"](x), UNARY["gelu_tanh"](x), atol=5e-4)
    np.testing.assert_allclose(UNARY["rsqrt"](x[60:]), exact[60:] ** -0.5, rtol=3e-7)
