"""Ops of `llm` around attention: rotary embedding, KV cache, fused attention and its three parts.

All of them mask causally by construction: the sequence table says which keys a row sees (see `!llm.seqs`), and the new
tokens of a step are appended to the cache before any op reads it.
"""

from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, IndexType, IntegerAttr, f32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, Pure
from xdsl.utils.exceptions import VerifyException

from .attrs import RopeStyle, RopeStyleAttr
from .checks import COUNT_ATTR, F32_ATTR, FLOAT_TENSOR, check_count, check_rows, check_shape, element_of
from .types import KVCacheType, RaggedType, SeqsType


@irdl_op_definition
class RopeOp(IRDLOperation):
    """Rotary position embedding of queries or keys.

    Each head of a row at position p is rotated pair by pair: pair i of `head_dim / 2` by the angle
    `p * theta**(-2 * i / head_dim)`. The style says which two elements form pair i. Angles, sines and cosines are not
    rounded below fp32; the result is rounded once to the element type. Source: Su et al. 2021, equation 34.

    Example:

        %q, %seqs = "test.op"() : () -> (tensor<?x576xf16>, !llm.seqs)
        %r = llm.rope interleaved %q, %seqs {heads = 9 : i64, head_dim = 64 : i64, theta = 1.000000e+05 : f32} : tensor<?x576xf16>
    """

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)

    name = "llm.rope"

    style = prop_def(RopeStyleAttr)
    x = operand_def(T)
    seqs = operand_def(SeqsType())
    heads = prop_def(COUNT_ATTR)
    head_dim = prop_def(COUNT_ATTR)
    theta = prop_def(F32_ATTR)
    y = result_def(T)

    assembly_format = "$style $x `,` $seqs attr-dict `:` type($x)"
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, style: RopeStyle, x: SSAValue, seqs: SSAValue, heads: int, head_dim: int, theta: float):
        super().__init__(
            operands=[x, seqs],
            result_types=[x.type],
            properties={
                "style": RopeStyleAttr(style),
                "heads": IntegerAttr(heads, i64),
                "head_dim": IntegerAttr(head_dim, i64),
                "theta": FloatAttr(theta, f32),
            },
        )

    def verify_(self) -> None:
        heads, head_dim = check_count("heads", self.heads), check_count("head_dim", self.head_dim)
        if head_dim % 2:
            raise VerifyException(f"head_dim is {head_dim}, expected an even number: elements rotate in pairs")
        if self.theta.value.data <= 0:
            raise VerifyException(f"theta is {self.theta.value.data}, expected more than 0")
        rows, _ = check_rows("x", self.x)
        check_shape("x", self.x, (rows, heads * head_dim), f"{heads} heads of {head_dim}")


@irdl_op_definition
class KVAppendOp(IRDLOperation):
    """Writes the keys and values of the new tokens of one layer into the cache, each at its position in its slot.

    Example:

        %kv, %layer, %seqs = "test.op"() : () -> (!llm.kv_cache<30x3x64xf16>, index, !llm.seqs)
        %k, %v = "test.op"() : () -> (tensor<?x192xf16>, tensor<?x192xf16>)
        llm.kv_append %kv[%layer], %k, %v, %seqs : !llm.kv_cache<30x3x64xf16>, tensor<?x192xf16>
    """

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)

    name = "llm.kv_append"

    kv = operand_def(KVCacheType)
    layer = operand_def(IndexType)
    k = operand_def(T)
    v = operand_def(T)
    seqs = operand_def(SeqsType())

    assembly_format = "$kv `[` $layer `]` `,` $k `,` $v `,` $seqs attr-dict `:` type($kv) `,` type($k)"
    traits = traits_def(MemoryWriteEffect())

    def __init__(self, kv: SSAValue, layer: SSAValue, k: SSAValue, v: SSAValue, seqs: SSAValue):
        super().__init__(operands=[kv, layer, k, v, seqs])

    def verify_(self) -> None:
        kv = kv_type(self.kv)
        _, heads, head_dim = kv.shape
        rows, _ = check_rows("k", self.k)
        check_shape("k", self.k, (rows, heads * head_dim), f"{heads} KV heads of {head_dim} in the cache")
        if element_of(self.k) != kv.element_type:
            raise VerifyException(f"k has element type {element_of(self.k)}, expected {kv.element_type}: the cache's")


@irdl_op_definition
class AttentionOp(IRDLOperation):
    """Causal attention of one layer over the cache, all steps in fp32, rounded once to the element type.

    Equals `llm.scores`, `llm.softmax` and `llm.context` with f32 in between, see there. `heads` query heads share the KV
    heads of the cache evenly (grouped queries).

    Example:

        %q, %kv, %layer, %seqs = "test.op"() : () -> (tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16>, index, !llm.seqs)
        %y = llm.attention %q, %kv[%layer], %seqs {heads = 9 : i64, scale = 1.250000e-01 : f32} : tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16>
    """

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)

    name = "llm.attention"

    q = operand_def(T)
    kv = operand_def(KVCacheType)
    layer = operand_def(IndexType)
    seqs = operand_def(SeqsType())
    heads = prop_def(COUNT_ATTR)
    scale = prop_def(F32_ATTR)
    y = result_def(T)

    assembly_format = "$q `,` $kv `[` $layer `]` `,` $seqs attr-dict `:` type($q) `,` type($kv)"
    traits = traits_def(MemoryReadEffect())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, q: SSAValue, kv: SSAValue, layer: SSAValue, seqs: SSAValue, heads: int, scale: float):
        super().__init__(
            operands=[q, kv, layer, seqs],
            result_types=[q.type],
            properties={"heads": IntegerAttr(heads, i64), "scale": FloatAttr(scale, f32)},
        )

    def verify_(self) -> None:
        check_query_heads("q", self.q, kv_type(self.kv), check_count("heads", self.heads))


@irdl_op_definition
class ScoresOp(IRDLOperation):
    """Scaled products of each query with the keys that its row sees.

    `s[t][h, j] = scale * sum_d q[t, h, d] * key[j, h * kv_heads / heads, d]` for j = 0 ... past + t of the row's own
    sequence, products and sums in fp32, rounded once to the element type of the result.

    Example:

        %q, %kv, %layer, %seqs = "test.op"() : () -> (tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16>, index, !llm.seqs)
        %s = llm.scores %q, %kv[%layer], %seqs {heads = 9 : i64, scale = 1.250000e-01 : f32} : tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16> -> !llm.ragged<9x?xf32>
    """

    name = "llm.scores"

    q = operand_def(FLOAT_TENSOR)
    kv = operand_def(KVCacheType)
    layer = operand_def(IndexType)
    seqs = operand_def(SeqsType())
    heads = prop_def(COUNT_ATTR)
    scale = prop_def(F32_ATTR)
    y = result_def(RaggedType)

    assembly_format = "$q `,` $kv `[` $layer `]` `,` $seqs attr-dict `:` type($q) `,` type($kv) `->` type($y)"
    traits = traits_def(MemoryReadEffect())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(
        self,
        q: SSAValue,
        kv: SSAValue,
        layer: SSAValue,
        seqs: SSAValue,
        heads: int,
        scale: float,
        element_type: Attribute = f32,
    ):
        super().__init__(
            operands=[q, kv, layer, seqs],
            result_types=[RaggedType(heads, element_type)],
            properties={"heads": IntegerAttr(heads, i64), "scale": FloatAttr(scale, f32)},
        )

    def verify_(self) -> None:
        heads = check_count("heads", self.heads)
        check_query_heads("q", self.q, kv_type(self.kv), heads)
        found = ragged_type(self.y).heads.data
        if found != heads:
            raise VerifyException(f"y has {found} heads, expected {heads}: one per query head")


@irdl_op_definition
class SoftmaxOp(IRDLOperation):
    """Softmax of `scale * s` over the keys of each row and head, `s` being the row.

    Computed in fp32, `exp((s - max(s)) * scale) / sum(...)`, and rounded once to the element type of the result. The
    scale is 1 unless `llm-place` moved that of the scores here.

    Example:

        %s = "test.op"() : () -> !llm.ragged<9x?xf32>
        %p = llm.softmax %s : !llm.ragged<9x?xf32> -> !llm.ragged<9x?xf16>
        %r = llm.softmax %s {scale = 1.250000e-01 : f32} : !llm.ragged<9x?xf32> -> !llm.ragged<9x?xf16>
    """

    name = "llm.softmax"

    x = operand_def(RaggedType)
    scale = prop_def(F32_ATTR, default_value=FloatAttr(1.0, f32))
    y = result_def(RaggedType)

    assembly_format = "$x attr-dict `:` type($x) `->` type($y)"
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, x: SSAValue, element_type: Attribute | None = None, scale: float = 1.0):
        x_type = ragged_type(x)
        super().__init__(
            operands=[x],
            result_types=[RaggedType(x_type.heads.data, element_type or x_type.element_type)],
            properties={"scale": FloatAttr(scale, f32)},
        )

    def verify_(self) -> None:
        found, expected = ragged_type(self.y).heads.data, ragged_type(self.x).heads.data
        if found != expected:
            raise VerifyException(f"y has {found} heads, expected {expected}: the heads of x")


@irdl_op_definition
class ContextOp(IRDLOperation):
    """Sums of the cached values of one layer, weighted by the probabilities of each row.

    `y[t, h, :] = sum_j p[t][h, j] * value[j, h * kv_heads / heads, :]`, products and sums in fp32, rounded once to the
    element type of the result.

    Example:

        %p, %kv, %layer, %seqs = "test.op"() : () -> (!llm.ragged<9x?xf32>, !llm.kv_cache<30x3x64xf16>, index, !llm.seqs)
        %y = llm.context %p, %kv[%layer], %seqs : !llm.ragged<9x?xf32>, !llm.kv_cache<30x3x64xf16> -> tensor<?x576xf16>
    """

    name = "llm.context"

    p = operand_def(RaggedType)
    kv = operand_def(KVCacheType)
    layer = operand_def(IndexType)
    seqs = operand_def(SeqsType())
    y = result_def(FLOAT_TENSOR)

    assembly_format = "$p `,` $kv `[` $layer `]` `,` $seqs attr-dict `:` type($p) `,` type($kv) `->` type($y)"
    traits = traits_def(MemoryReadEffect())

    def __init__(self, p: SSAValue, kv: SSAValue, layer: SSAValue, seqs: SSAValue, result_type: Attribute):
        super().__init__(operands=[p, kv, layer, seqs], result_types=[result_type])

    def verify_(self) -> None:
        check_query_heads("y", self.y, kv_type(self.kv), ragged_type(self.p).heads.data)


def kv_type(value: SSAValue) -> KVCacheType:
    assert isinstance(value.type, KVCacheType)
    return value.type


def ragged_type(value: SSAValue) -> RaggedType:
    assert isinstance(value.type, RaggedType)
    return value.type


def check_query_heads(name: str, value: SSAValue, kv: KVCacheType, heads: int) -> None:
    _, kv_heads, head_dim = kv.shape
    if heads % kv_heads:
        raise VerifyException(f"heads is {heads}, expected a multiple of {kv_heads}: the KV heads of the cache")
    rows, _ = check_rows(name, value)
    check_shape(name, value, (rows, heads * head_dim), f"{heads} heads of {head_dim}")
