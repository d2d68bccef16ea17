"""Untyped memory for the kernels: loads, stores and copies at byte offsets, half precision, and the two inner loops.

Nothing here checks an offset: the instruction that calls it has checked its whole extent before. The vector loops are
written in LLVM IR because their order of additions is part of the machine (docs/explanation/numerics.md).
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config
from numba.core import cgutils, types
from numba.core.typing.templates import signature
from numba.extending import intrinsic as numba_intrinsic

from . import portable

LANES = 16
"""f16 elements in a DRAM column, and lanes of every reduction."""


def intrinsic(definition: Callable) -> Callable[..., Any]:
    """Kernels call an intrinsic without the typing context that its definition begins with."""
    return numba_intrinsic(definition)


def _target_has(feature: str) -> bool:
    """Whether kernels may use this x86 extension. Other processors convert and fuse with base instructions: True."""
    if not llvm.get_process_triple().startswith(("x86_64", "i386", "i686")):
        return True
    chosen: str | None = vars(config)["CPU_FEATURES"]
    if chosen is not None:
        return f"+{feature}" in chosen.split(",")
    return bool(llvm.get_host_cpu_features().get(feature, False))


HAS_HALF = _target_has("f16c")
HAS_FMA = _target_has("fma")

_BYTE, _BITS, _INT32, _INT64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_HALF, _FLOAT = ir.HalfType(), ir.FloatType()


def _at(context, builder, array_type, array, offset, element):
    """Pointer to `element` at byte `offset` of an array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(builder.bitcast(data, _BYTE.as_pointer()), [offset]), element.as_pointer())


def _many(element, lanes):
    return element if lanes == 1 else ir.VectorType(element, lanes)


def _load_halves(context, builder, array_type, array, offset, lanes):
    """f16 from memory as one float or a vector of floats; exact."""
    stored = _many(_HALF if HAS_HALF else _BITS, lanes)
    value = builder.load(_at(context, builder, array_type, array, offset, stored), align=1)
    return builder.fpext(value, _many(_FLOAT, lanes)) if HAS_HALF else portable.widen(builder, value)


def _store_halves(context, builder, array_type, array, offset, value, lanes):
    """One float or a vector of floats to memory as f16, rounded to nearest even."""
    stored = _many(_HALF if HAS_HALF else _BITS, lanes)
    value = builder.fptrunc(value, stored) if HAS_HALF else portable.narrow(builder, value)
    builder.store(value, _at(context, builder, array_type, array, offset, stored), align=1)


def _load_floats(context, builder, array_type, array, offset, lanes):
    return builder.load(_at(context, builder, array_type, array, offset, _many(_FLOAT, lanes)), align=1)


def _store_floats(context, builder, array_type, array, offset, value, lanes):
    builder.store(value, _at(context, builder, array_type, array, offset, _many(_FLOAT, lanes)), align=1)


def _load_ints(context, builder, array_type, array, offset, lanes):
    return builder.load(_at(context, builder, array_type, array, offset, _INT32), align=1)


def _store_ints(context, builder, array_type, array, offset, value, lanes):
    builder.store(value, _at(context, builder, array_type, array, offset, _INT32), align=1)


def _loader(load: Callable, result: types.Type):
    """An intrinsic (buffer, offset) -> element."""

    @intrinsic
    def load_element(typing_context, buffer, offset):
        def codegen(context, builder, sig, args):
            return load(context, builder, sig.args[0], args[0], args[1], 1)

        return signature(result, buffer, types.int64), codegen

    return load_element


def _storer(store: Callable, operand: types.Type):
    """An intrinsic (buffer, offset, element)."""

    @intrinsic
    def store_element(typing_context, buffer, offset, value):
        def codegen(context, builder, sig, args):
            store(context, builder, sig.args[0], args[0], args[1], args[2], 1)
            return context.get_dummy_value()

        return signature(types.none, buffer, types.int64, operand), codegen

    return store_element


load_half, store_half = _loader(_load_halves, types.float32), _storer(_store_halves, types.float32)
load_float, store_float = _loader(_load_floats, types.float32), _storer(_store_floats, types.float32)
load_int, store_int = _loader(_load_ints, types.int32), _storer(_store_ints, types.int32)


def _converter(load: Callable, store: Callable):
    """An intrinsic (target, target_offset, source, source_offset) that converts 16 elements; offsets are bytes."""

    @intrinsic
    def convert_lanes(typing_context, target, target_offset, source, source_offset):
        def codegen(context, builder, sig, args):
            value = load(context, builder, sig.args[2], args[2], args[3], LANES)
            store(context, builder, sig.args[0], args[0], args[1], value, LANES)
            return context.get_dummy_value()

        return signature(types.none, target, types.int64, source, types.int64), codegen

    return convert_lanes


widen_lanes = _converter(_load_halves, _store_floats)
narrow_lanes = _converter(_load_floats, _store_halves)


@intrinsic
def copy(typing_context, target, target_offset, source, source_offset, size):
    """Copy `size` bytes between arrays of any element type; offsets are bytes. The two ranges do not overlap."""

    def codegen(context, builder, sig, args):
        to = _at(context, builder, sig.args[0], args[0], args[1], _BYTE)
        start = _at(context, builder, sig.args[2], args[2], args[3], _BYTE)
        cgutils.raw_memcpy(builder, to, start, args[4], 1)
        return context.get_dummy_value()

    return signature(types.none, target, types.int64, source, types.int64, types.int64), codegen


@intrinsic
def float_of(typing_context, bits):
    """The float32 with these 32 bits."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(builder.trunc(args[0], _INT32), _FLOAT)

    return signature(types.float32, types.int64), codegen


def _axpy(width: int, load_weights: Callable):
    """An intrinsic for acc[0:width] += sum over i < k, ascending, of a[i] * w[i][0:width].

    acc and a are float32; w, which `load_weights` reads, has rows `w_stride` bytes apart; offsets are bytes. Both
    factors are f16 values, so products are exact in float32 and a fused multiply-add rounds exactly where a
    multiplication followed by an addition does.
    """
    block = _many(_FLOAT, width)

    def spread(builder, factor):
        if width == 1:
            return factor
        single = builder.insert_element(ir.Constant(block, ir.Undefined), factor, _INT32(0))
        return builder.shuffle_vector(single, single, ir.Constant(_many(_INT32, width), [0] * width))

    def add_product(builder, total, factor, weights):
        if not HAS_FMA:
            return builder.fadd(total, builder.fmul(factor, weights))
        name = "llvm.fma.f32" if width == 1 else f"llvm.fma.v{width}f32"
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(block, [block] * 3), name)
        return builder.call(fma, [factor, weights, total])

    @intrinsic
    def axpy(typing_context, acc, acc_offset, a, a_offset, w, w_offset, w_stride, k):
        def codegen(context, builder, sig, args):
            start = _load_floats(context, builder, sig.args[0], args[0], args[1], width)
            total = cgutils.alloca_once_value(builder, start)
            with cgutils.for_range(builder, args[7]) as loop:
                at_a = builder.add(args[3], builder.mul(loop.index, _INT64(4)))
                at_w = builder.add(args[5], builder.mul(loop.index, args[6]))
                factor = spread(builder, _load_floats(context, builder, sig.args[2], args[2], at_a, 1))
                weights = load_weights(context, builder, sig.args[4], args[4], at_w, width)
                builder.store(add_product(builder, builder.load(total), factor, weights), total)
            _store_floats(context, builder, sig.args[0], args[0], args[1], builder.load(total), width)
            return context.get_dummy_value()

        args = (acc, types.int64, a, types.int64, w, types.int64, types.int64, types.int64)
        return signature(types.none, *args), codegen

    return axpy


axpy64, axpy16, axpy1 = (_axpy(width, _load_floats) for width in (64, 16, 1))
axpy64_half, axpy16_half, axpy1_half = (_axpy(width, _load_halves) for width in (64, 16, 1))


def _halving_tree(builder, vector, lanes):
    """Sum of the lanes: lane i + lane i + lanes/2, then the same on half as many, down to one."""
    while lanes > 1:
        lanes //= 2
        low = ir.Constant(ir.VectorType(_INT32, lanes), list(range(lanes)))
        high = ir.Constant(ir.VectorType(_INT32, lanes), list(range(lanes, 2 * lanes)))
        vector = builder.fadd(builder.shuffle_vector(vector, vector, low), builder.shuffle_vector(vector, vector, high))
    return builder.extract_element(vector, _INT32(0))


@intrinsic
def tree_sum(typing_context, values):
    """Halving-tree sum of the first 16 elements of a float32 array."""

    def codegen(context, builder, sig, args):
        vector = _load_floats(context, builder, sig.args[0], args[0], _INT64(0), LANES)
        return _halving_tree(builder, vector, LANES)

    return signature(types.float32, values), codegen


@intrinsic
def dot_columns(typing_context, acc, memory, offset, operand, operand_offset, columns):
    """acc + dot of 16, + dot of 16, ... : per column exact products, halving tree, one addition.

    `memory` holds f16 from byte `offset`, `operand` float32 from byte `operand_offset`.
    """

    def codegen(context, builder, sig, args):
        total = cgutils.alloca_once_value(builder, args[0])
        with cgutils.for_range(builder, args[5]) as loop:
            at_weights = builder.add(args[2], builder.mul(loop.index, _INT64(2 * LANES)))
            at_operand = builder.add(args[4], builder.mul(loop.index, _INT64(4 * LANES)))
            weights = _load_halves(context, builder, sig.args[1], args[1], at_weights, LANES)
            factors = _load_floats(context, builder, sig.args[3], args[3], at_operand, LANES)
            dot = _halving_tree(builder, builder.fmul(weights, factors), LANES)
            builder.store(builder.fadd(builder.load(total), dot), total)
        return builder.load(total)

    args = (types.float32, memory, types.int64, operand, types.int64, types.int64)
    return signature(types.float32, *args), codegen
