"""Canonicalization patterns of `llm`: casts that do nothing, and the last token where every sequence brings one."""

from xdsl.dialects.builtin import DYNAMIC_INDEX, Float16Type, Float32Type
from xdsl.ir import Attribute
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from .checks import element_of, shape_of
from .provenance import keep_provenance, replace_with_provenance
from .tensor_ops import CastOp, LastTokenOp, LinearOp


class CastToSameType(RewritePattern):
    """`cast(x) : T -> T` is x."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: CastOp, rewriter: PatternRewriter) -> None:
        if op.x.type == op.y.type:
            rewriter.replace(op, (), (op.x,))


class CastAfterCast(RewritePattern):
    """Two casts are one when the first only widens: then it rounds nothing."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: CastOp, rewriter: PatternRewriter) -> None:
        first = op.x.owner
        if isinstance(first, CastOp) and _widens(element_of(first.x), element_of(first.y)):
            replace_with_provenance(rewriter, op, CastOp(first.x, op.y.type))


class CastAfterLinear(RewritePattern):
    """A linear layer with an f32 result rounds to the type of the cast itself, if nobody else wants the f32 result."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: CastOp, rewriter: PatternRewriter) -> None:
        linear = op.x.owner
        if not isinstance(linear, LinearOp) or not _widens(element_of(op.y), element_of(op.x)):
            return
        if op.x.has_one_use():
            rounded = LinearOp(linear.x, linear.weight, op.y.type, linear.bias)
            keep_provenance(linear, rounded)
            rewriter.replace(op, rounded)
            rewriter.erase(linear)


class LastTokenOfOneTokenEach(RewritePattern):
    """With as many sequences as rows, each sequence has one row, its last."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: LastTokenOp, rewriter: PatternRewriter) -> None:
        if op.x.type == op.y.type and DYNAMIC_INDEX not in shape_of(op.x):
            rewriter.replace(op, (), (op.x,))


def _widens(narrow: Attribute, wide: Attribute) -> bool:
    return narrow == wide or (isinstance(narrow, Float16Type) and isinstance(wide, Float32Type))
