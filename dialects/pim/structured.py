"""Structured ops of `pim`: matrix-vector products and attention over the rows of all banks, before expansion to commands.

Operands are buffers in local memory (or, for attention with a softmax unit, in the softmax buffer); matrices and caches
are `host.memory` symbols with a `#pim` layout. `pim-expand` turns each into loops of bank commands.
"""

from xdsl.dialects.builtin import FlatSymbolRefAttrConstr, FloatAttr, IndexType, IntegerAttr, f16, f32
from xdsl.irdl import (
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    traits_def,
)
from xdsl.traits import MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from ..host import BufferType
from ..structured import StructuredOp, buffer_type


@irdl_op_definition
class GemvOp(StructuredOp):
    """`y[t] = W x[t]` for each row t, in fp32, with W a `host.memory` of layout `#pim.matrix`. y is f32.

    Example:

        %x, %y, %i, %rows = "test.op"() : () -> (!host.buffer<32x576xf16>, !host.buffer<32x192xf32>, index, index)
        pim.gemv %x, @attn_k[%i] -> %y rows %rows : !host.buffer<32x576xf16> -> !host.buffer<32x192xf32>
    """

    name = "pim.gemv"
    x = operand_def(BufferType)
    layer = opt_operand_def(IndexType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    weight = prop_def(FlatSymbolRefAttrConstr)
    assembly_format = "$x `,` $weight (`[` $layer^ `]`)? `->` $y `rows` $rows attr-dict `:` type($x) `->` type($y)"
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        if buffer_type(self.y).element != f32:
            raise VerifyException(f"pim.gemv: y is {self.y.type}, expected f32: accumulators are read as fp32")


@irdl_op_definition
class KVAppendOp(StructuredOp):
    """Writes the new keys and values of one sequence into the banks (`#pim.keys`, `#pim.values`), with `groups` those of a
    part of the heads, as in `pim.attend`.

    Example:

        %k, %v, %i, %past, %slot, %rows = "test.op"() : () -> (!host.buffer<32x192xf16>, !host.buffer<32x192xf16>, index, index, index, index)
        pim.kv_append %k, %v, @keys, @values[%i] at %past slot %slot rows %rows : !host.buffer<32x192xf16>, !host.buffer<32x192xf16>
    """

    name = "pim.kv_append"
    k = operand_def(BufferType)
    v = operand_def(BufferType)
    layer = operand_def(IndexType)
    past = operand_def(IndexType)
    slot = operand_def(IndexType)
    rows = operand_def(IndexType)
    keys = prop_def(FlatSymbolRefAttrConstr)
    values = prop_def(FlatSymbolRefAttrConstr)
    group = opt_prop_def(IntegerAttr)
    groups = opt_prop_def(IntegerAttr)
    assembly_format = (
        "$k `,` $v `,` $keys `,` $values `[` $layer `]` `at` $past `slot` $slot `rows` $rows attr-dict"
        " `:` type($k) `,` type($v)"
    )
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())


@irdl_op_definition
class ScoresOp(StructuredOp):
    """`s[t][h][j] = q[t][h] . key[j]` (unscaled) for the keys that row t of one sequence sees; s is f32.

    Example:

        %q, %s, %i, %past, %slot, %rows = "test.op"() : () -> (!host.buffer<32x576xf16>, !host.buffer<32x9x128xf32>, index, index, index, index)
        pim.scores %q, @keys[%i] at %past slot %slot -> %s rows %rows : !host.buffer<32x576xf16> -> !host.buffer<32x9x128xf32>
    """

    name = "pim.scores"
    q = operand_def(BufferType)
    layer = operand_def(IndexType)
    past = operand_def(IndexType)
    slot = operand_def(IndexType)
    s = operand_def(BufferType)
    rows = operand_def(IndexType)
    keys = prop_def(FlatSymbolRefAttrConstr)
    assembly_format = (
        "$q `,` $keys `[` $layer `]` `at` $past `slot` $slot `->` $s `rows` $rows attr-dict `:` type($q) `->` type($s)"
    )
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        s = buffer_type(self.s)
        if len(s.shape) != 3 or s.element != f32:
            raise VerifyException(f"pim.scores: s is {s}, expected tokens x heads x context of f32")


@irdl_op_definition
class SoftmaxRowsOp(StructuredOp):
    """Softmax of `scale * s` on the softmax unit; s and p are in the softmax buffer.

    Example:

        %s, %p, %past, %rows = "test.op"() : () -> (!host.buffer<32x9x128xf32, softmax>, !host.buffer<32x9x128xf16, softmax>, index, index)
        pim.softmax_rows %s at %past -> %p rows %rows {scale = 1.250000e-01 : f32} : !host.buffer<32x9x128xf32, softmax> -> !host.buffer<32x9x128xf16, softmax>
    """

    name = "pim.softmax_rows"
    s = operand_def(BufferType)
    past = operand_def(IndexType)
    p = operand_def(BufferType)
    rows = operand_def(IndexType)
    scale = prop_def(FloatAttr)
    assembly_format = "$s `at` $past `->` $p `rows` $rows attr-dict `:` type($s) `->` type($p)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        s, p = buffer_type(self.s), buffer_type(self.p)
        if len(s.shape) != 3 or (s.element, s.space.data) != (f32, "softmax"):
            raise VerifyException(f"pim.softmax_rows: s is {s}, expected f32 in the softmax buffer")
        if p.shape != s.shape or (p.element, p.space.data) != (f16, "softmax"):
            raise VerifyException(
                f"pim.softmax_rows: p is {p}, expected f16 in the softmax buffer in the shape of s, {s}"
            )


@irdl_op_definition
class ContextOp(StructuredOp):
    """`o[t][h] = sum_j p[t][h][j] * value[j]` for one sequence; o is f32.

    Example:

        %p, %o, %i, %past, %slot, %rows = "test.op"() : () -> (!host.buffer<32x9x128xf16>, !host.buffer<32x576xf32>, index, index, index, index)
        pim.context %p, @values[%i] at %past slot %slot -> %o rows %rows : !host.buffer<32x9x128xf16> -> !host.buffer<32x576xf32>
    """

    name = "pim.context"
    p = operand_def(BufferType)
    layer = operand_def(IndexType)
    past = operand_def(IndexType)
    slot = operand_def(IndexType)
    o = operand_def(BufferType)
    rows = operand_def(IndexType)
    values = prop_def(FlatSymbolRefAttrConstr)
    assembly_format = (
        "$p `,` $values `[` $layer `]` `at` $past `slot` $slot `->` $o `rows` $rows attr-dict"
        " `:` type($p) `->` type($o)"
    )
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        if buffer_type(self.o).element != f32:
            raise VerifyException(f"pim.context: o is {self.o.type}, expected f32: accumulators are read as fp32")


@irdl_op_definition
class AttendOp(StructuredOp):
    """Scores, softmax and context of one sequence over caches with a head in a channel (`#pim.head_keys`, `#pim.head_values`).

    `o[t][h] = sum_j softmax(scale * q[t][h] . key[j]) * value[j]`. All channels work on a head each; `in_flight` heads
    follow each other in a channel so that the softmax of one is hidden behind the products of the other (1: no overlap).
    s and p hold scores and probabilities in the softmax buffer. With `groups` only group number `group` of as many equal
    ones of the heads is computed.

    Example:

        %q, %s, %p, %o, %i, %past, %slot, %rows = "test.op"() : () -> (!host.buffer<1x512xf16>, !host.buffer<1x4x128xf32, softmax>, !host.buffer<1x4x128xf16, softmax>, !host.buffer<1x512xf32>, index, index, index, index)
        pim.attend %q, @keys, @values[%i] at %past slot %slot via %s, %p -> %o rows %rows {in_flight = 2 : i64, scale = 1.250000e-01 : f32} : !host.buffer<1x512xf16>, !host.buffer<1x4x128xf32, softmax>, !host.buffer<1x4x128xf16, softmax> -> !host.buffer<1x512xf32>
    """

    name = "pim.attend"
    q = operand_def(BufferType)
    layer = operand_def(IndexType)
    past = operand_def(IndexType)
    slot = operand_def(IndexType)
    s = operand_def(BufferType)
    p = operand_def(BufferType)
    o = operand_def(BufferType)
    rows = operand_def(IndexType)
    keys = prop_def(FlatSymbolRefAttrConstr)
    values = prop_def(FlatSymbolRefAttrConstr)
    in_flight = prop_def(IntegerAttr)
    group = opt_prop_def(IntegerAttr)
    groups = opt_prop_def(IntegerAttr)
    scale = prop_def(FloatAttr)
    assembly_format = (
        "$q `,` $keys `,` $values `[` $layer `]` `at` $past `slot` $slot `via` $s `,` $p `->` $o `rows` $rows attr-dict"
        " `:` type($q) `,` type($s) `,` type($p) `->` type($o)"
    )
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        s, p = buffer_type(self.s), buffer_type(self.p)
        if len(s.shape) != 3 or (s.element, s.space.data) != (f32, "softmax"):
            raise VerifyException(f"pim.attend: s is {s}, expected f32 in the softmax buffer")
        if p.shape != s.shape or (p.element, p.space.data) != (f16, "softmax"):
            raise VerifyException(f"pim.attend: p is {p}, expected f16 in the softmax buffer in the shape of s, {s}")
        if buffer_type(self.o).element != f32:
            raise VerifyException(f"pim.attend: o is {self.o.type}, expected f32: results are read as fp32")
        if self.in_flight.value.data not in (1, 2):
            raise VerifyException(
                f"pim.attend: in_flight is {self.in_flight.value.data}, expected 1 or 2: halves of a buffer"
            )


def heads_of_group(op: KVAppendOp | AttendOp, heads: int) -> range:
    """The key heads that an op works on, of `heads`."""
    if op.group is None or op.groups is None:
        return range(heads)
    size = heads // op.groups.value.data
    return range(op.group.value.data * size, (op.group.value.data + 1) * size)


STRUCTURED = [GemvOp, KVAppendOp, ScoresOp, SoftmaxRowsOp, ContextOp, AttendOp]
