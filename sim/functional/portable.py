"""Half precision by bit operations in LLVM IR, for processors without conversion instructions; scalars and vectors."""

from typing import Any

from llvmlite import ir


def _like(kind: Any, element: Any) -> Any:
    """`element`, as often as `kind` has lanes."""
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def _constant(kind: Any, value: float) -> Any:
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


def widen(builder: Any, half: Any) -> Any:
    """float with the value of `half` (i16 bits). A signalling NaN becomes quiet, as in hardware."""
    word, real = _like(half.type, ir.IntType(32)), _like(half.type, ir.FloatType())
    bits = builder.zext(half, word)
    sign = builder.shl(builder.and_(bits, _constant(word, 0x8000)), _constant(word, 16))
    magnitude = builder.shl(builder.and_(bits, _constant(word, 0x7FFF)), _constant(word, 13))
    # the exponent bias of f16 is 112 less than that of f32; the product is exact and normalises subnormals
    scaled = builder.fmul(builder.bitcast(magnitude, real), _constant(real, 2.0**112))
    fraction = builder.and_(magnitude, _constant(word, 0x7FFFFF))
    infinity = builder.or_(fraction, _constant(word, 0x7F800000))
    quiet = builder.or_(infinity, _constant(word, 0x400000))
    is_infinity = builder.icmp_unsigned("==", fraction, _constant(word, 0))
    special = builder.select(is_infinity, infinity, quiet)
    is_special = builder.icmp_unsigned(">=", magnitude, _constant(word, 0x7C00 << 13))
    finite = builder.bitcast(scaled, word)
    return builder.bitcast(builder.or_(sign, builder.select(is_special, special, finite)), real)


def narrow(builder: Any, value: Any) -> Any:
    """i16 bits of the f16 nearest to the float `value`, ties to even, overflow to infinity."""
    word, real = _like(value.type, ir.IntType(32)), value.type
    bits = builder.bitcast(value, word)
    sign = builder.and_(builder.lshr(bits, _constant(word, 16)), _constant(word, 0x8000))
    magnitude = builder.and_(bits, _constant(word, 0x7FFFFFFF))
    fraction = builder.lshr(magnitude, _constant(word, 13))
    # half of the last place, rounded up on odd: a carry out of the fraction moves into the exponent, as it should
    odd = builder.and_(fraction, _constant(word, 1))
    rounded = builder.add(builder.add(magnitude, _constant(word, 0xFFF)), odd)
    normal = builder.lshr(builder.sub(rounded, _constant(word, 112 << 23)), _constant(word, 13))
    # 0.5 has the last place of an f16 subnormal, so the addition rounds as the conversion must
    shifted = builder.fadd(builder.bitcast(magnitude, real), _constant(real, 0.5))
    subnormal = builder.sub(builder.bitcast(shifted, word), _constant(word, 0x3F000000))
    is_subnormal = builder.icmp_unsigned("<", magnitude, _constant(word, 113 << 23))
    result = builder.select(is_subnormal, subnormal, normal)
    overflows = builder.icmp_unsigned(">=", magnitude, _constant(word, 143 << 23))
    result = builder.select(overflows, _constant(word, 0x7C00), result)
    payload = builder.or_(builder.and_(fraction, _constant(word, 0x3FF)), _constant(word, 0x7E00))
    is_nan = builder.icmp_unsigned(">", magnitude, _constant(word, 0x7F800000))
    result = builder.select(is_nan, payload, result)
    return builder.trunc(builder.or_(result, sign), _like(value.type, ir.IntType(16)))
