"""What a rewrite has to carry over by hand: xDSL drops discardable attributes and locations of a replaced op."""

from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter


def keep_provenance(source: Operation, *targets: Operation) -> None:
    """Copies discardable attributes and the location of `source` to the ops that stand for it."""
    for target in targets:
        target.attributes = {**source.attributes, **target.attributes}
        target.location = source.location


def replace_with_provenance(
    rewriter: PatternRewriter, op: Operation, *new_ops: Operation, results: list[SSAValue | None] | None = None
) -> None:
    """Replaces `op` by `new_ops`, whose last gives the results, and keeps where they came from."""
    keep_provenance(op, *new_ops)
    rewriter.replace(op, new_ops, results)
