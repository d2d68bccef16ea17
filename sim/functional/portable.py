"""Half precision by bit operations, for processors without conversion instructions. Same results as half.py's."""

import numpy as np
from numba import uint32
from numba.core import types
from numba.core.typing import signature
from numba.extending import intrinsic

from .jit import inner


@intrinsic
def bits_of(typing_context, value):
    """The 32 bits of a float32."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(types.uint32))

    return signature(types.uint32, types.float32), codegen


@intrinsic
def float_of(typing_context, bits):
    """The float32 with these 32 bits."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return signature(types.float32, types.uint32), codegen


@inner
def widen_bits(half):
    """float32 with the value of the f16 whose bits are `half`; a signalling NaN becomes quiet."""
    sign = uint32((half & 0x8000) << 16)
    exponent = (half >> 10) & 0x1F
    fraction = half & 0x3FF
    if exponent == 0x1F:
        quiet = 0x400000 if fraction else 0
        return float_of(uint32(sign | 0x7F800000 | quiet | (fraction << 13)))
    if exponent == 0:
        magnitude = np.float32(fraction) * np.float32(2.0**-24)
        return float_of(uint32(sign | bits_of(magnitude)))
    return float_of(uint32(sign | ((exponent + 112) << 23) | (fraction << 13)))


@inner
def narrow_bits(value):
    """Bits of the f16 nearest to the float32 `value`, ties to even, overflow to infinity."""
    bits = np.int64(bits_of(value))
    sign = (bits >> 16) & 0x8000
    magnitude = bits & 0x7FFFFFFF
    if magnitude > 0x7F800000:
        return sign | 0x7E00 | ((magnitude >> 13) & 0x3FF)
    if magnitude >= 0x47800000:
        return sign | 0x7C00
    if magnitude >= 0x38800000:
        # a carry out of the fraction moves into the exponent, as it should
        rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1)
        return sign | ((rounded - 0x38000000) >> 13)
    if magnitude < 0x33000000:
        return sign
    shift = 126 - (magnitude >> 23)
    fraction = (magnitude & 0x7FFFFF) | 0x800000
    half_way = (np.int64(1) << (shift - 1)) - 1
    return sign | ((fraction + half_way + ((fraction >> shift) & 1)) >> shift)
