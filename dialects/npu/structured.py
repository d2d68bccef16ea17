"""Structured ops of `npu`: whole tensor operations on buffers and main-memory tensors, before tiling.

Operands are buffers in local memory; weights and caches are `host.memory` symbols, indexed by layer where they are
stacked. `rows` is the number of token rows. Each op is expanded by `npu-tile`; the meaning is that of the `llm` op of the
same name on the first `rows` rows.
"""

from __future__ import annotations

from xdsl.dialects.builtin import FlatSymbolRefAttrConstr, FloatAttr, IndexType, IntegerAttr, StringAttr
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import SpacedOpaqueSyntaxAttribute
from xdsl.irdl import (
    ParsePropInAttrDict,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    traits_def,
)
from xdsl.traits import MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from ..host import BufferType
from ..llm import RopeStyleAttr
from ..structured import StructuredOp, buffer_type, check_width


class Elementwise(StrEnum):
    ADD = "add"
    MUL = "mul"
    COPY = "copy"
    SILU = "silu"
    GELU = "gelu"
    GELU_TANH = "gelu_tanh"
    RELU = "relu"


@irdl_attr_definition
class ElementwiseAttr(EnumAttribute[Elementwise], SpacedOpaqueSyntaxAttribute):
    """Which element-wise function; add and mul take two buffers, the others one."""

    name = "npu.elementwise_kind"


class Unit(StrEnum):
    ARRAY = "array"
    VECTOR = "vector"


@irdl_attr_definition
class UnitAttr(EnumAttribute[Unit], SpacedOpaqueSyntaxAttribute):
    """Which unit multiplies: the systolic arrays, or the vector unit by `npu.gemv`."""

    name = "npu.unit"


@irdl_op_definition
class EmbedOp(StructuredOp):
    """Rows of an embedding table by token id.

    Example:

        %tokens, %y, %rows = "test.op"() : () -> (!host.buffer<32xi32>, !host.buffer<32x576xf16>, index)
        npu.embed %tokens, @token_embd -> %y rows %rows : !host.buffer<32xi32> -> !host.buffer<32x576xf16>
    """

    name = "npu.embed"
    tokens = operand_def(BufferType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    table = prop_def(FlatSymbolRefAttrConstr)
    assembly_format = "$tokens `,` $table `->` $y `rows` $rows attr-dict `:` type($tokens) `->` type($y)"
    traits = traits_def(MemoryWriteEffect())


@irdl_op_definition
class PositionEmbedOp(StructuredOp):
    """Adds rows `past + offset ...` of a table of learned positions to the rows of one sequence.

    Example:

        %x, %y, %past, %rows = "test.op"() : () -> (!host.buffer<32x768xf16>, !host.buffer<32x768xf16>, index, index)
        npu.position_embed %x, @position at %past -> %y rows %rows {offset = 2 : i64} : !host.buffer<32x768xf16> -> !host.buffer<32x768xf16>
    """

    name = "npu.position_embed"
    x = operand_def(BufferType)
    past = operand_def(IndexType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    table = prop_def(FlatSymbolRefAttrConstr)
    offset = prop_def(IntegerAttr)
    assembly_format = "$x `,` $table `at` $past `->` $y `rows` $rows attr-dict `:` type($x) `->` type($y)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())


@irdl_op_definition
class LinearOp(StructuredOp):
    """`y = x W^T (+ bias)` with W a `host.memory` of layout `#npu.tiles`.

    `load_tiles` of its tiles (1) come with one load, into one of `load_slots` places in turn.

    Example:

        %x, %y, %i, %rows = "test.op"() : () -> (!host.buffer<32x576xf16>, !host.buffer<32x192xf16>, index, index)
        npu.linear %x, @attn_k[%i] -> %y rows %rows : !host.buffer<32x576xf16> -> !host.buffer<32x192xf16>
        npu.linear %x, @head bias @head_bias -> %y rows %rows {load_tiles = 4 : i64, load_slots = 6 : i64} : !host.buffer<32x576xf16> -> !host.buffer<32x192xf16>
    """

    name = "npu.linear"
    x = operand_def(BufferType)
    layer = opt_operand_def(IndexType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    weight = prop_def(FlatSymbolRefAttrConstr)
    bias = opt_prop_def(FlatSymbolRefAttrConstr)
    load_tiles = opt_prop_def(IntegerAttr)
    load_slots = opt_prop_def(IntegerAttr)
    assembly_format = (
        "$x `,` $weight (`[` $layer^ `]`)? (`bias` $bias^)? `->` $y `rows` $rows attr-dict `:` type($x) `->` type($y)"
    )
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        _check_loads(self.name, load_tiles=self.load_tiles, load_slots=self.load_slots)


@irdl_op_definition
class GemmOp(StructuredOp):
    """`c = a w^T` of three f16 tensors in main memory: a is m x k, w n x k in tiles, c m x n, a and c row-major.

    A tile of the result has `tile_m` rows and the columns of a group of w; `depths` tiles of the depth come at a time,
    into one of `load_slots` places in turn.
    The outer loop goes over rows (`order` mn) or columns (nm). A store brings a tile of results (`keep` tile), all
    columns of its rows (rows, with order mn) or everything (all). Models keep activations in local memory and need no such
    op: it is for products alone, to compare machines and simulators.

    Example:

        npu.gemm @a, @w -> @c {tile_m = 256 : i64, depths = 4 : i64, order = "mn", sum_slots = 2 : i64, keep = "rows"}
    """

    name = "npu.gemm"
    a = prop_def(FlatSymbolRefAttrConstr)
    w = prop_def(FlatSymbolRefAttrConstr)
    c = prop_def(FlatSymbolRefAttrConstr)
    tile_m = opt_prop_def(IntegerAttr)
    depths = opt_prop_def(IntegerAttr)
    order = opt_prop_def(StringAttr)
    sum_slots = opt_prop_def(IntegerAttr)
    keep = opt_prop_def(StringAttr)
    load_slots = opt_prop_def(IntegerAttr)
    assembly_format = "$a `,` $w `->` $c attr-dict"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        counts = {key: getattr(self, key) for key in ("tile_m", "depths", "sum_slots", "load_slots")}
        _check_loads(self.name, **counts)
        if self.order is not None and self.order.data not in ("mn", "nm"):
            raise VerifyException(f"npu.gemm: order is {self.order}, expected mn or nm")
        if self.keep is not None and self.keep.data not in ("tile", "rows", "all"):
            raise VerifyException(f"npu.gemm: keep is {self.keep}, expected tile, rows or all")
        if (self.order, self.keep) == (StringAttr("nm"), StringAttr("rows")):
            raise VerifyException(
                "npu.gemm: keep rows has order nm, expected mn: no row is complete before the last column"
            )


@irdl_op_definition
class RMSNormOp(StructuredOp):
    """Root-mean-square normalisation, scaled by a gain.

    Example:

        %x, %y, %i, %rows = "test.op"() : () -> (!host.buffer<32x576xf16>, !host.buffer<32x576xf16>, index, index)
        npu.rms_norm %x, @attn_norm[%i] -> %y rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<32x576xf16> -> !host.buffer<32x576xf16>
    """

    name = "npu.rms_norm"
    x = operand_def(BufferType)
    layer = opt_operand_def(IndexType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    gain = prop_def(FlatSymbolRefAttrConstr)
    eps = prop_def(FloatAttr)
    assembly_format = "$x `,` $gain (`[` $layer^ `]`)? `->` $y `rows` $rows attr-dict `:` type($x) `->` type($y)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())


@irdl_op_definition
class LayerNormOp(StructuredOp):
    """Layer normalisation, scaled by a gain and shifted by a bias.

    Example:

        %x, %y, %i, %rows = "test.op"() : () -> (!host.buffer<32x768xf16>, !host.buffer<32x768xf16>, index, index)
        npu.layer_norm %x, @attn_norm, @attn_norm_bias[%i] -> %y rows %rows {eps = 1.000000e-05 : f32} : !host.buffer<32x768xf16> -> !host.buffer<32x768xf16>
    """

    name = "npu.layer_norm"
    x = operand_def(BufferType)
    layer = opt_operand_def(IndexType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    gain = prop_def(FlatSymbolRefAttrConstr)
    bias = prop_def(FlatSymbolRefAttrConstr)
    eps = prop_def(FloatAttr)
    assembly_format = (
        "$x `,` $gain `,` $bias (`[` $layer^ `]`)? `->` $y `rows` $rows attr-dict `:` type($x) `->` type($y)"
    )
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())


@irdl_op_definition
class RotaryOp(StructuredOp):
    """Rotary position embedding of the rows of one sequence, which start at position `past`.

    Example:

        %x, %y, %past, %rows = "test.op"() : () -> (!host.buffer<32x576xf16>, !host.buffer<32x576xf16>, index, index)
        npu.rotary interleaved %x, @rope at %past -> %y rows %rows {heads = 9 : i64, head_dim = 64 : i64} : !host.buffer<32x576xf16> -> !host.buffer<32x576xf16>
    """

    name = "npu.rotary"
    style = prop_def(RopeStyleAttr)
    x = operand_def(BufferType)
    past = operand_def(IndexType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    table = prop_def(FlatSymbolRefAttrConstr)
    heads = prop_def(IntegerAttr)
    head_dim = prop_def(IntegerAttr)
    assembly_format = "$style $x `,` $table `at` $past `->` $y `rows` $rows attr-dict `:` type($x) `->` type($y)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        width = self.heads.value.data * self.head_dim.value.data
        check_width(self.name, "x", self.x, width, f"{self.heads.value.data} heads of {self.head_dim.value.data}")


@irdl_op_definition
class KVAppendOp(StructuredOp):
    """Stores the new keys and values of one sequence in row-major caches in linear memory.

    Example:

        %k, %v, %i, %past, %slot, %rows = "test.op"() : () -> (!host.buffer<32x192xf16>, !host.buffer<32x192xf16>, index, index, index, index)
        npu.kv_append %k, %v, @keys, @values[%i] at %past slot %slot rows %rows : !host.buffer<32x192xf16>, !host.buffer<32x192xf16>
    """

    name = "npu.kv_append"
    k = operand_def(BufferType)
    v = operand_def(BufferType)
    layer = operand_def(IndexType)
    past = operand_def(IndexType)
    slot = operand_def(IndexType)
    rows = operand_def(IndexType)
    keys = prop_def(FlatSymbolRefAttrConstr)
    values = prop_def(FlatSymbolRefAttrConstr)
    assembly_format = (
        "$k `,` $v `,` $keys `,` $values `[` $layer `]` `at` $past `slot` $slot `rows` $rows attr-dict"
        " `:` type($k) `,` type($v)"
    )
    traits = traits_def(MemoryWriteEffect())


@irdl_op_definition
class ScoresOp(StructuredOp):
    """`s[t][h][j] = q[t][h] . key[j]` (unscaled) for the keys of one sequence; s is tokens x heads x context, f32.

    The products are those of `unit` (the arrays, if there are any). `load_tokens` keys of a head come with one load
    (a tile of the unit), into one of `load_slots` places in turn.

    Example:

        %q, %s, %i, %past, %slot, %rows = "test.op"() : () -> (!host.buffer<32x576xf16>, !host.buffer<32x9x128xf32>, index, index, index, index)
        npu.scores %q, @keys[%i] at %past slot %slot -> %s rows %rows {unit = #npu<unit vector>, load_tokens = 128 : i64, load_slots = 4 : i64} : !host.buffer<32x576xf16> -> !host.buffer<32x9x128xf32>
    """

    name = "npu.scores"
    q = operand_def(BufferType)
    layer = operand_def(IndexType)
    past = operand_def(IndexType)
    slot = operand_def(IndexType)
    s = operand_def(BufferType)
    rows = operand_def(IndexType)
    keys = prop_def(FlatSymbolRefAttrConstr)
    unit = opt_prop_def(UnitAttr)
    load_tokens = opt_prop_def(IntegerAttr)
    load_slots = opt_prop_def(IntegerAttr)
    assembly_format = (
        "$q `,` $keys `[` $layer `]` `at` $past `slot` $slot `->` $s `rows` $rows attr-dict `:` type($q) `->` type($s)"
    )
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        if len(buffer_type(self.s).shape) != 3:
            raise VerifyException(f"npu.scores: s is {self.s.type}, expected tokens x heads x context")
        _check_loads(self.name, load_tokens=self.load_tokens, load_slots=self.load_slots)


@irdl_op_definition
class SoftmaxOp(StructuredOp):
    """Softmax of `scale * s` over the keys each row sees; zero beyond them. s is overwritten.

    Example:

        %s, %p, %past, %rows = "test.op"() : () -> (!host.buffer<32x9x128xf32>, !host.buffer<32x9x128xf16>, index, index)
        npu.softmax %s at %past -> %p rows %rows {scale = 1.250000e-01 : f32} : !host.buffer<32x9x128xf32> -> !host.buffer<32x9x128xf16>
    """

    name = "npu.softmax"
    s = operand_def(BufferType)
    past = operand_def(IndexType)
    p = operand_def(BufferType)
    rows = operand_def(IndexType)
    scale = prop_def(FloatAttr)
    assembly_format = "$s `at` $past `->` $p `rows` $rows attr-dict `:` type($s) `->` type($p)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        if buffer_type(self.s).shape != buffer_type(self.p).shape:
            raise VerifyException(f"npu.softmax: p is {self.p.type}, expected the shape of s, {self.s.type}")


@irdl_op_definition
class ContextOp(StructuredOp):
    """`o[t][h] = sum_j p[t][h][j] * value[j]` for one sequence. `unit` and loads are those of `npu.scores`.

    Example:

        %p, %o, %i, %past, %slot, %rows = "test.op"() : () -> (!host.buffer<32x9x128xf16>, !host.buffer<32x576xf16>, index, index, index, index)
        npu.context %p, @values[%i] at %past slot %slot -> %o rows %rows : !host.buffer<32x9x128xf16> -> !host.buffer<32x576xf16>
    """

    name = "npu.context"
    p = operand_def(BufferType)
    layer = operand_def(IndexType)
    past = operand_def(IndexType)
    slot = operand_def(IndexType)
    o = operand_def(BufferType)
    rows = operand_def(IndexType)
    values = prop_def(FlatSymbolRefAttrConstr)
    unit = opt_prop_def(UnitAttr)
    load_tokens = opt_prop_def(IntegerAttr)
    load_slots = opt_prop_def(IntegerAttr)
    assembly_format = (
        "$p `,` $values `[` $layer `]` `at` $past `slot` $slot `->` $o `rows` $rows attr-dict"
        " `:` type($p) `->` type($o)"
    )
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        _check_loads(self.name, load_tokens=self.load_tokens, load_slots=self.load_slots)


@irdl_op_definition
class ElementwiseOp(StructuredOp):
    """An element-wise function of one or two buffers, in fp32, rounded to the element type of y. `copy` also converts.

    Example:

        %a, %b, %y, %rows = "test.op"() : () -> (!host.buffer<32x576xf16>, !host.buffer<32x576xf16>, !host.buffer<32x576xf16>, index)
        npu.elementwise add %a, %b -> %y rows %rows : !host.buffer<32x576xf16>, !host.buffer<32x576xf16> -> !host.buffer<32x576xf16>
        npu.elementwise silu %a -> %y rows %rows : !host.buffer<32x576xf16> -> !host.buffer<32x576xf16>
    """

    name = "npu.elementwise"
    kind = prop_def(ElementwiseAttr)
    a = operand_def(BufferType)
    b = opt_operand_def(BufferType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    assembly_format = "$kind $a (`,` $b^)? `->` $y `rows` $rows attr-dict `:` type($a) (`,` type($b)^)? `->` type($y)"
    traits = traits_def(MemoryWriteEffect())

    def verify_(self) -> None:
        binary = self.kind.data in (Elementwise.ADD, Elementwise.MUL)
        if binary != (self.b is not None):
            raise VerifyException(f"npu.elementwise {self.kind.data} takes {2 if binary else 1} buffers")


@irdl_op_definition
class BiasOp(StructuredOp):
    """`y = x + bias`, one bias per element of a row.

    Example:

        %x, %y, %i, %rows = "test.op"() : () -> (!host.buffer<32x768xf32>, !host.buffer<32x768xf16>, index, index)
        npu.bias %x, @attn_q_bias[%i] -> %y rows %rows : !host.buffer<32x768xf32> -> !host.buffer<32x768xf16>
    """

    name = "npu.bias"
    x = operand_def(BufferType)
    layer = opt_operand_def(IndexType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    bias = prop_def(FlatSymbolRefAttrConstr)
    assembly_format = "$x `,` $bias (`[` $layer^ `]`)? `->` $y `rows` $rows attr-dict `:` type($x) `->` type($y)"
    traits = traits_def(MemoryWriteEffect())


@irdl_op_definition
class GreedyOp(StructuredOp):
    """Index of the largest logit of each row.

    Example:

        %x, %y, %rows = "test.op"() : () -> (!host.buffer<1x49152xf32>, !host.buffer<1xi32>, index)
        npu.greedy %x -> %y rows %rows {columns = 49152 : i64} : !host.buffer<1x49152xf32> -> !host.buffer<1xi32>
    """

    name = "npu.greedy"
    x = operand_def(BufferType)
    y = operand_def(BufferType)
    rows = operand_def(IndexType)
    columns = prop_def(IntegerAttr)
    assembly_format = "$x `->` $y `rows` $rows attr-dict `:` type($x) `->` type($y)"
    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryWriteEffect())


def _check_loads(name: str, **counts: IntegerAttr | None) -> None:
    for key, count in counts.items():
        if count is not None and count.value.data < 1:
            raise VerifyException(f"{name}: {key} is {count.value.data}, expected at least 1")


STRUCTURED = [
    EmbedOp,
    PositionEmbedOp,
    LinearOp,
    GemmOp,
    RMSNormOp,
    LayerNormOp,
    RotaryOp,
    KVAppendOp,
    ScoresOp,
    SoftmaxOp,
    ContextOp,
    ElementwiseOp,
    BiasOp,
    GreedyOp,
]
