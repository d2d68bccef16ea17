"""Half precision in memory: the processor's conversions, and the portable ones that must give the same bits."""

import numpy as np
import pytest
from numba import njit
from numba.core import types
from numba.core.typing.templates import signature

from pimlir.sim.functional import half, portable

ALL = np.arange(1 << 16, dtype=np.uint16)
EXACT = ALL.view(np.float16).astype(np.float32)
QUIET = np.where(np.isnan(EXACT), EXACT.view(np.uint32) | 0x400000, EXACT.view(np.uint32))


@half.intrinsic
def portable_widen(typing_context, bits):
    def codegen(context, builder, sig, args):
        return portable.widen(builder, args[0])

    return signature(types.float32, types.uint16), codegen


@half.intrinsic
def portable_narrow(typing_context, value):
    def codegen(context, builder, sig, args):
        return portable.narrow(builder, args[0])

    return signature(types.uint16, types.float32), codegen


@njit
def convert_all(bits, hardware_wide, portable_wide, values, hardware_narrow, portable_narrow_out):
    for i in range(len(bits)):
        hardware_wide[i] = half.load_half(bits, 2 * i)
        portable_wide[i] = portable_widen(bits[i])
    for i in range(len(values)):
        half.store_half(hardware_narrow, 2 * i, values[i])
        portable_narrow_out[i] = portable_narrow(values[i])


def awkward_floats() -> np.ndarray:
    """All f16 values, the points half way between neighbours and their neighbours, and random bits."""
    finite = np.sort(EXACT[np.isfinite(EXACT)])
    middles = (finite[1:] + finite[:-1]) / 2
    below, above = np.nextafter(middles, np.float32(-np.inf)), np.nextafter(middles, np.float32(np.inf))
    limits = np.array([65519.996, 65520, 65536, 1e38, np.inf, 2.0**-25, 2.0**-26, 1e-40, 0], np.float32)
    bits = np.random.default_rng(1).integers(0, 1 << 32, 200_000, dtype=np.uint32)
    return np.concatenate([EXACT, middles, below, above, limits, -limits, bits.view(np.float32)])


@pytest.fixture(scope="module")
def converted():
    values = awkward_floats()
    wide = np.zeros((2, len(ALL)), np.float32)
    narrow = np.zeros((2, len(values)), np.uint16)
    convert_all(ALL, wide[0], wide[1], values, narrow[0], narrow[1])
    return values, wide, narrow


def test_every_half_widens_exactly(converted):
    _, (hardware, by_bits), _ = converted
    np.testing.assert_array_equal(hardware.view(np.uint32), QUIET)
    np.testing.assert_array_equal(by_bits.view(np.uint32), QUIET)


def test_narrowing_rounds_to_nearest_even(converted):
    values, _, (hardware, by_bits) = converted
    with np.errstate(over="ignore", invalid="ignore"):
        expected = values.astype(np.float16)
    number = ~np.isnan(values)
    np.testing.assert_array_equal(hardware[number], expected.view(np.uint16)[number])
    assert np.isnan(hardware.view(np.float16)[~number]).all()
    np.testing.assert_array_equal(by_bits, hardware)


def test_a_target_without_f16c_is_recognised(monkeypatch):
    monkeypatch.setitem(vars(half.config), "CPU_FEATURES", "+sse2,+avx")
    x86 = half.llvm.get_process_triple().startswith("x86_64")
    assert half._target_has("f16c") is not x86
    monkeypatch.setitem(vars(half.config), "CPU_FEATURES", "+avx,+f16c")
    assert half._target_has("f16c")
