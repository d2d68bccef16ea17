"""Untyped memory for the kernels: loads, stores and copies at byte offsets, half precision, and the two inner loops.

Nothing here checks an offset: the instruction that calls it has checked its whole extent before. The vector loops are
written in LLVM IR because their order of additions is part of the machine (docs/explanation/numerics.md).
"""

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import config
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from .jit import inner
from .portable import narrow_bits, widen_bits

LANES = 16
"""f16 elements in a DRAM column, and lanes of every reduction."""


def _target_has(feature: str) -> bool:
    """Whether kernels may use this x86 extension. Other processors convert and fuse with base instructions: True."""
    if not llvm.get_process_triple().startswith(("x86_64", "i386", "i686")):
        return True
    if config.CPU_FEATURES is not None:
        return f"+{feature}" in config.CPU_FEATURES.split(",")
    return bool(llvm.get_host_cpu_features().get(feature, False))


HAS_HALF = _target_has("f16c")
HAS_FMA = _target_has("fma")

_BYTE, _HALF, _FLOAT, _INT32, _INT64 = ir.IntType(8), ir.HalfType(), ir.FloatType(), ir.IntType(32), ir.IntType(64)


def _at(context, builder, array_type, array, offset, element):
    """Pointer to `element` at byte `offset` of an array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(builder.bitcast(data, _BYTE.as_pointer()), [offset]), element.as_pointer())


def _vector(element, lanes):
    return ir.VectorType(element, lanes)


def _loader(name: str, element, result, convert):
    """An intrinsic `name(buffer, offset)` that loads one element."""

    def typed(typing_context, buffer, offset):
        def codegen(context, builder, sig, args):
            pointer = _at(context, builder, sig.args[0], args[0], args[1], element)
            return convert(builder, builder.load(pointer, align=1))

        return signature(result, buffer, types.int64), codegen

    typed.__name__ = name
    return intrinsic(typed)


def _storer(name: str, element, operand, convert):
    """An intrinsic `name(buffer, offset, value)` that stores one element."""

    def typed(typing_context, buffer, offset, value):
        def codegen(context, builder, sig, args):
            pointer = _at(context, builder, sig.args[0], args[0], args[1], element)
            builder.store(convert(builder, args[2]), pointer, align=1)
            return context.get_dummy_value()

        return signature(types.none, buffer, types.int64, operand), codegen

    typed.__name__ = name
    return intrinsic(typed)


def _as_is(builder, value):
    return value


load_float = _loader("load_float", _FLOAT, types.float32, _as_is)
load_int = _loader("load_int", _INT32, types.int32, _as_is)
store_float = _storer("store_float", _FLOAT, types.float32, _as_is)
store_int = _storer("store_int", _INT32, types.int32, _as_is)
_load_bits = _loader("_load_bits", ir.IntType(16), types.uint16, _as_is)
_store_bits = _storer("_store_bits", ir.IntType(16), types.uint16, _as_is)


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
def prefetch(typing_context, buffer, offset):
    """Ask for the cache line at byte `offset`; harmless outside the array."""

    def codegen(context, builder, sig, args):
        pointer = _at(context, builder, sig.args[0], args[0], args[1], _BYTE)
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, _INT32(0), _INT32(3), _INT32(1)])
        return context.get_dummy_value()

    return signature(types.none, buffer, types.int64), codegen


def _axpy(width: int):
    """An intrinsic for acc[0:width] += sum over i < k, ascending, of a[i] * w[i][0:width].

    All are float32, offsets and the stride of w are bytes. The products are exact in float32 (both factors are f16
    values), so a fused multiply-add rounds exactly where a multiplication followed by an addition does.
    """
    block, splat = _vector(_FLOAT, width), ir.Constant(_vector(_INT32, width), [0] * width)

    def axpy(typing_context, acc, acc_offset, a, a_offset, w, w_offset, w_stride, k):
        def codegen(context, builder, sig, args):
            acc_pointer = _at(context, builder, sig.args[0], args[0], args[1], block)
            total = cgutils.alloca_once_value(builder, builder.load(acc_pointer, align=1))
            with cgutils.for_range(builder, args[7]) as loop:
                at_a = builder.add(args[3], builder.mul(loop.index, _INT64(4)))
                at_w = builder.add(args[5], builder.mul(loop.index, args[6]))
                factor = builder.load(_at(context, builder, sig.args[2], args[2], at_a, _FLOAT), align=4)
                single = builder.insert_element(ir.Constant(block, ir.Undefined), factor, _INT32(0))
                factors = builder.shuffle_vector(single, single, splat)
                weights = builder.load(_at(context, builder, sig.args[4], args[4], at_w, block), align=4)
                if HAS_FMA:
                    kind = ir.FunctionType(block, [block, block, block])
                    fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{width}f32")
                    builder.store(builder.call(fma, [factors, weights, builder.load(total)]), total)
                else:
                    builder.store(builder.fadd(builder.load(total), builder.fmul(factors, weights)), total)
            builder.store(builder.load(total), acc_pointer, align=1)
            return context.get_dummy_value()

        args = (acc, types.int64, a, types.int64, w, types.int64, types.int64, types.int64)
        return signature(types.none, *args), codegen

    axpy.__name__ = f"axpy{width}"
    return intrinsic(axpy)


axpy64, axpy16, axpy1 = _axpy(64), _axpy(16), _axpy(1)


def halving_tree(builder, vector, lanes):
    """Sum of the lanes: lane i + lane i + lanes/2, then the same on half as many, down to one."""
    while lanes > 1:
        lanes //= 2
        low = ir.Constant(_vector(_INT32, lanes), list(range(lanes)))
        high = ir.Constant(_vector(_INT32, lanes), list(range(lanes, 2 * lanes)))
        vector = builder.fadd(builder.shuffle_vector(vector, vector, low), builder.shuffle_vector(vector, vector, high))
    return builder.extract_element(vector, _INT32(0))


@intrinsic
def tree_sum(typing_context, values, offset):
    """Halving-tree sum of the 16 float32 at byte `offset`."""

    def codegen(context, builder, sig, args):
        pointer = _at(context, builder, sig.args[0], args[0], args[1], _vector(_FLOAT, LANES))
        return halving_tree(builder, builder.load(pointer, align=4), LANES)

    return signature(types.float32, values, types.int64), codegen


if HAS_HALF:
    load_half = _loader("load_half", _HALF, types.float32, lambda builder, value: builder.fpext(value, _FLOAT))
    store_half = _storer("store_half", _HALF, types.float32, lambda builder, value: builder.fptrunc(value, _HALF))

    @intrinsic
    def widen_lanes(typing_context, target, target_offset, source, source_offset):
        """16 f16 of the source become 16 float32 of the target; offsets are bytes."""

        def codegen(context, builder, sig, args):
            start = _at(context, builder, sig.args[2], args[2], args[3], _vector(_HALF, LANES))
            to = _at(context, builder, sig.args[0], args[0], args[1], _vector(_FLOAT, LANES))
            builder.store(builder.fpext(builder.load(start, align=1), _vector(_FLOAT, LANES)), to, align=4)
            return context.get_dummy_value()

        return signature(types.none, target, types.int64, source, types.int64), codegen

    @intrinsic
    def narrow_lanes(typing_context, target, target_offset, source, source_offset):
        """16 float32 of the source become 16 f16 of the target, rounded to nearest even; offsets are bytes."""

        def codegen(context, builder, sig, args):
            start = _at(context, builder, sig.args[2], args[2], args[3], _vector(_FLOAT, LANES))
            to = _at(context, builder, sig.args[0], args[0], args[1], _vector(_HALF, LANES))
            builder.store(builder.fptrunc(builder.load(start, align=4), _vector(_HALF, LANES)), to, align=1)
            return context.get_dummy_value()

        return signature(types.none, target, types.int64, source, types.int64), codegen

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
                weights = builder.load(
                    _at(context, builder, sig.args[1], args[1], at_weights, _vector(_HALF, LANES)), align=1
                )
                operand = builder.load(
                    _at(context, builder, sig.args[3], args[3], at_operand, _vector(_FLOAT, LANES)), align=4
                )
                products = builder.fmul(builder.fpext(weights, _vector(_FLOAT, LANES)), operand)
                builder.store(builder.fadd(builder.load(total), halving_tree(builder, products, LANES)), total)
            return builder.load(total)

        args = (types.float32, memory, types.int64, operand, types.int64, types.int64)
        return signature(types.float32, *args), codegen

else:

    @inner
    def load_half(buffer, offset):
        return widen_bits(np.int64(_load_bits(buffer, offset)))

    @inner
    def store_half(buffer, offset, value):
        _store_bits(buffer, offset, np.uint16(narrow_bits(value)))

    @inner
    def widen_lanes(target, target_offset, source, source_offset):
        for i in range(LANES):
            store_float(target, target_offset + 4 * i, load_half(source, source_offset + 2 * i))

    @inner
    def narrow_lanes(target, target_offset, source, source_offset):
        for i in range(LANES):
            store_half(target, target_offset + 2 * i, load_float(source, source_offset + 4 * i))

    @inner
    def dot_columns(acc, memory, offset, operand, operand_offset, columns):
        products = np.empty(LANES, np.float32)
        for column in range(columns):
            for i in range(LANES):
                at = column * LANES + i
                products[i] = load_half(memory, offset + 2 * at) * load_float(operand, operand_offset + 4 * at)
            acc += tree_sum(products, 0)
        return acc
