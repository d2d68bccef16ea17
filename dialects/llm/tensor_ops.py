"""Ops of `llm` on activations: embeddings, linear layers, norms, element-wise ops and the end of the step."""

from typing import ClassVar

from xdsl.dialects.builtin import DYNAMIC_INDEX, FloatAttr, IntegerAttr, TensorType, f32, i32, i64
from xdsl.interfaces import HasCanonicalizationPatternsInterface
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.pattern_rewriter import RewritePattern
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from .attrs import ActivationKind, ActivationKindAttr
from .checks import (
    COUNT_ATTR,
    F32_ATTR,
    FLOAT_TENSOR,
    TOKEN_IDS,
    check_count,
    check_rank,
    check_rows,
    check_shape,
    shape_of,
    text,
)
from .types import SeqsType


@irdl_op_definition
class EmbedOp(IRDLOperation):
    """One row of the embedding table for each token id.

    `y[t, :] = table[tokens[t], :]`

    Example:

        %tokens, %table = "test.op"() : () -> (tensor<?xi32>, tensor<49152x576xf16>)
        %x = llm.embed %tokens, %table : tensor<?xi32>, tensor<49152x576xf16> -> tensor<?x576xf16>
    """

    name = "llm.embed"

    tokens = operand_def(TOKEN_IDS)
    table = operand_def(FLOAT_TENSOR)
    y = result_def(FLOAT_TENSOR)

    assembly_format = "$tokens `,` $table attr-dict `:` type($tokens) `,` type($table) `->` type($y)"
    traits = traits_def(Pure())

    def __init__(self, tokens: SSAValue, table: SSAValue, result_type: Attribute):
        super().__init__(operands=[tokens, table], result_types=[result_type])

    def verify_(self) -> None:
        (rows,) = check_rank("tokens", self.tokens, 1, "token ids")
        _, hidden = check_rank("table", self.table, 2, "vocabulary x hidden")
        check_shape("y", self.y, (rows, hidden), "one row of the table per token")


@irdl_op_definition
class PositionEmbedOp(IRDLOperation):
    """Adds the learned embedding of its position to each token row.

    `y[t, :] = x[t, :] + table[position(t) + offset, :]`, with the position of row t from the sequence table. OPT keeps
    two unused rows at the start of its table: offset 2.

    Example:

        %x, %table, %seqs = "test.op"() : () -> (tensor<?x768xf16>, tensor<2050x768xf16>, !llm.seqs)
        %y = llm.position_embed %x, %table, %seqs {offset = 2 : i64} : tensor<?x768xf16>, tensor<2050x768xf16>
    """

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)

    name = "llm.position_embed"

    x = operand_def(T)
    table = operand_def(FLOAT_TENSOR)
    seqs = operand_def(SeqsType())
    offset = prop_def(COUNT_ATTR, default_value=IntegerAttr(0, i64))
    y = result_def(T)

    assembly_format = "$x `,` $table `,` $seqs attr-dict `:` type($x) `,` type($table)"
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, x: SSAValue, table: SSAValue, seqs: SSAValue, offset: int = 0):
        super().__init__(
            operands=[x, table, seqs], result_types=[x.type], properties={"offset": IntegerAttr(offset, i64)}
        )

    def verify_(self) -> None:
        _, hidden = check_rows("x", self.x)
        positions, _ = check_rank("table", self.table, 2, "positions x hidden")
        check_shape("table", self.table, (positions, hidden), "rows as wide as x")
        offset = check_count("offset", self.offset, at_least=0)
        if offset >= positions:
            raise VerifyException(f"offset is {offset}, expected less than {positions}: the table's rows")


@irdl_op_definition
class LinearOp(IRDLOperation):
    """Matrix product with a weight that is stored output-major, and an optional bias.

    `y[t, o] = sum_i x[t, i] * weight[o, i] + bias[o]`, products and sums in fp32, rounded once to the element type of
    the result.

    Example:

        %x, %w, %b = "test.op"() : () -> (tensor<?x576xf16>, tensor<1536x576xf16>, tensor<1536xf16>)
        %y = llm.linear %x, %w : tensor<?x576xf16>, tensor<1536x576xf16> -> tensor<?x1536xf16>
        %z = llm.linear %x, %w bias %b : tensor<?x576xf16>, tensor<1536x576xf16>, tensor<1536xf16> -> tensor<?x1536xf32>
    """

    name = "llm.linear"

    x = operand_def(FLOAT_TENSOR)
    weight = operand_def(FLOAT_TENSOR)
    bias = opt_operand_def(FLOAT_TENSOR)
    y = result_def(FLOAT_TENSOR)

    assembly_format = (
        "$x `,` $weight (`bias` $bias^)? attr-dict `:` type($x) `,` type($weight) (`,` type($bias)^)? `->` type($y)"
    )
    traits = traits_def(Pure())

    def __init__(self, x: SSAValue, weight: SSAValue, result_type: Attribute, bias: SSAValue | None = None):
        super().__init__(operands=[x, weight, bias], result_types=[result_type])

    def verify_(self) -> None:
        rows, inputs = check_rows("x", self.x)
        outputs, _ = check_rank("weight", self.weight, 2, "outputs x inputs")
        check_shape("weight", self.weight, (outputs, inputs), f"outputs x inputs, x has {inputs} features")
        if self.bias is not None:
            check_shape("bias", self.bias, (outputs,), "one per output")
        check_shape("y", self.y, (rows, outputs), "token rows of x, outputs of the weight")


@irdl_op_definition
class RMSNormOp(IRDLOperation):
    """Root-mean-square normalisation over the features, scaled by `gain`.

    `y[t, i] = x[t, i] / sqrt(mean(x[t, :]**2) + eps) * gain[i]`, computed in fp32 and rounded once to the element type.
    Source: Zhang and Sennrich 2019, equation 4.

    Example:

        %x, %gain = "test.op"() : () -> (tensor<?x576xf16>, tensor<576xf16>)
        %y = llm.rms_norm %x, %gain {eps = 1.000000e-05 : f32} : tensor<?x576xf16>, tensor<576xf16>
    """

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)

    name = "llm.rms_norm"

    x = operand_def(T)
    gain = operand_def(FLOAT_TENSOR)
    eps = prop_def(F32_ATTR)
    y = result_def(T)

    assembly_format = "$x `,` $gain attr-dict `:` type($x) `,` type($gain)"
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, x: SSAValue, gain: SSAValue, eps: float):
        super().__init__(operands=[x, gain], result_types=[x.type], properties={"eps": FloatAttr(eps, f32)})

    def verify_(self) -> None:
        _, hidden = check_rows("x", self.x)
        check_shape("gain", self.gain, (hidden,), "one gain per feature of x")


@irdl_op_definition
class LayerNormOp(IRDLOperation):
    """Layer normalisation over the features, scaled by `gain` and shifted by `bias`.

    `y[t, i] = (x[t, i] - mean(x[t, :])) / sqrt(variance(x[t, :]) + eps) * gain[i] + bias[i]`, with the biased variance,
    computed in fp32 and rounded once to the element type. Source: Ba, Kiros and Hinton 2016, equation 4.

    Example:

        %x, %gain, %bias = "test.op"() : () -> (tensor<?x768xf16>, tensor<768xf16>, tensor<768xf16>)
        %y = llm.layer_norm %x, %gain, %bias {eps = 1.000000e-05 : f32} : tensor<?x768xf16>, tensor<768xf16>
    """

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)
    G: ClassVar = VarConstraint("G", FLOAT_TENSOR)

    name = "llm.layer_norm"

    x = operand_def(T)
    gain = operand_def(G)
    bias = operand_def(G)
    eps = prop_def(F32_ATTR)
    y = result_def(T)

    assembly_format = "$x `,` $gain `,` $bias attr-dict `:` type($x) `,` type($gain)"
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, x: SSAValue, gain: SSAValue, bias: SSAValue, eps: float):
        super().__init__(operands=[x, gain, bias], result_types=[x.type], properties={"eps": FloatAttr(eps, f32)})

    def verify_(self) -> None:
        _, hidden = check_rows("x", self.x)
        check_shape("gain", self.gain, (hidden,), "one gain per feature of x")


@irdl_op_definition
class ActivationOp(IRDLOperation):
    """An element-wise activation function, computed in fp32 and rounded once to the element type.

    silu: `x / (1 + exp(-x))`; gelu: `x * Phi(x)` with the exact normal distribution;
    gelu_tanh: `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))`; relu: `max(x, 0)`.

    Example:

        %x = "test.op"() : () -> tensor<?x1536xf16>
        %y = llm.activation silu %x : tensor<?x1536xf16>
    """

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)

    name = "llm.activation"

    kind = prop_def(ActivationKindAttr)
    x = operand_def(T)
    y = result_def(T)

    assembly_format = "$kind $x attr-dict `:` type($x)"
    traits = traits_def(Pure())

    def __init__(self, kind: ActivationKind, x: SSAValue):
        super().__init__(operands=[x], result_types=[x.type], properties={"kind": ActivationKindAttr(kind)})


class _ElementwiseOp(IRDLOperation):
    """Two tensors of one type to a third of the same type."""

    T: ClassVar = VarConstraint("T", FLOAT_TENSOR)

    lhs = operand_def(T)
    rhs = operand_def(T)
    y = result_def(T)

    assembly_format = "$lhs `,` $rhs attr-dict `:` type($y)"

    def __init__(self, lhs: SSAValue, rhs: SSAValue):
        super().__init__(operands=[lhs, rhs], result_types=[lhs.type])


@irdl_op_definition
class AddOp(_ElementwiseOp):
    """Element-wise sum, rounded to the element type.

    Example:

        %a, %b = "test.op"() : () -> (tensor<?x576xf16>, tensor<?x576xf16>)
        %y = llm.add %a, %b : tensor<?x576xf16>
    """

    name = "llm.add"
    traits = traits_def(Pure())


@irdl_op_definition
class MulOp(_ElementwiseOp):
    """Element-wise product, rounded to the element type.

    Example:

        %a, %b = "test.op"() : () -> (tensor<?x1536xf16>, tensor<?x1536xf16>)
        %y = llm.mul %a, %b : tensor<?x1536xf16>
    """

    name = "llm.mul"
    traits = traits_def(Pure())


@irdl_op_definition
class BiasAddOp(IRDLOperation):
    """Adds a bias per feature, in fp32, and rounds to the element type of the result.

    What `llm-place` leaves of a linear layer with bias whose product runs on a device that only multiplies.

    Example:

        %x, %bias = "test.op"() : () -> (tensor<?x768xf32>, tensor<768xf16>)
        %y = llm.bias_add %x, %bias : tensor<?x768xf32>, tensor<768xf16> -> tensor<?x768xf16>
    """

    name = "llm.bias_add"

    x = operand_def(FLOAT_TENSOR)
    bias = operand_def(FLOAT_TENSOR)
    y = result_def(FLOAT_TENSOR)

    assembly_format = "$x `,` $bias attr-dict `:` type($x) `,` type($bias) `->` type($y)"
    traits = traits_def(Pure())

    def __init__(self, x: SSAValue, bias: SSAValue, result_type: Attribute):
        super().__init__(operands=[x, bias], result_types=[result_type])

    def verify_(self) -> None:
        _, features = check_rows("x", self.x)
        check_shape("bias", self.bias, (features,), "one per feature of x")
        check_shape("y", self.y, shape_of(self.x), "a bias keeps the shape of x")


@irdl_op_definition
class CastOp(IRDLOperation, HasCanonicalizationPatternsInterface):
    """The same values in another element type, rounded to nearest even.

    Example:

        %x = "test.op"() : () -> tensor<?x576xf32>
        %y = llm.cast %x : tensor<?x576xf32> -> tensor<?x576xf16>
    """

    name = "llm.cast"

    x = operand_def(FLOAT_TENSOR)
    y = result_def(FLOAT_TENSOR)

    assembly_format = "$x attr-dict `:` type($x) `->` type($y)"
    traits = traits_def(Pure())

    def __init__(self, x: SSAValue, result_type: Attribute):
        super().__init__(operands=[x], result_types=[result_type])

    def verify_(self) -> None:
        check_shape("y", self.y, shape_of(self.x), "a cast keeps the shape of x")

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from .canonicalization import CastAfterCast, CastAfterLinear, CastToSameType

        return CastToSameType(), CastAfterCast(), CastAfterLinear()


@irdl_op_definition
class LastTokenOp(IRDLOperation, HasCanonicalizationPatternsInterface):
    """The row of the last new token of each sequence, in the order of the sequence table.

    Example:

        %x, %seqs = "test.op"() : () -> (tensor<?x576xf16>, !llm.seqs)
        %y = llm.last_token %x, %seqs : tensor<?x576xf16> -> tensor<?x576xf16>
    """

    name = "llm.last_token"

    x = operand_def(FLOAT_TENSOR)
    seqs = operand_def(SeqsType())
    y = result_def(FLOAT_TENSOR)

    assembly_format = "$x `,` $seqs attr-dict `:` type($x) `->` type($y)"
    traits = traits_def(Pure())

    def __init__(self, x: SSAValue, seqs: SSAValue, result_type: Attribute):
        super().__init__(operands=[x, seqs], result_types=[result_type])

    def verify_(self) -> None:
        rows, hidden = check_rows("x", self.x)
        sequences, _ = check_rows("y", self.y)
        check_shape("y", self.y, (sequences, hidden), f"x has {hidden} features")
        if DYNAMIC_INDEX not in (rows, sequences) and sequences > rows:
            raise VerifyException(
                f"y has {sequences} rows, expected at most {rows}: each sequence brings at least one row of x"
            )

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        from .canonicalization import LastTokenOfOneTokenEach

        return (LastTokenOfOneTokenEach(),)


@irdl_op_definition
class ArgmaxOp(IRDLOperation):
    """The index of the largest logit of each row; the lowest index on ties.

    Example:

        %logits = "test.op"() : () -> tensor<?x49152xf32>
        %next = llm.argmax %logits : tensor<?x49152xf32> -> tensor<?xi32>
    """

    name = "llm.argmax"

    logits = operand_def(FLOAT_TENSOR)
    y = result_def(TOKEN_IDS)

    assembly_format = "$logits attr-dict `:` type($logits) `->` type($y)"
    traits = traits_def(Pure())

    def __init__(self, logits: SSAValue):
        rows, *_ = shape_of(logits)
        super().__init__(operands=[logits], result_types=[TensorType(i32, [rows])])

    def verify_(self) -> None:
        rows, _ = check_rows("logits", self.logits)
        check_shape("y", self.y, (rows,), f"one index per row of logits {text(shape_of(self.logits))}")
