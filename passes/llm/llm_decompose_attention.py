"""Split attention into scores, softmax and context, so that each part can get a device of its own."""

from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, f16, f32
from xdsl.ir import Attribute
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern, op_type_rewrite_pattern

from ...dialects import llm
from ...dialects.llm.provenance import replace_with_provenance


@dataclass
class SplitAttention(RewritePattern):
    probabilities: Attribute

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: llm.AttentionOp, rewriter: PatternRewriter) -> None:
        scores = llm.ScoresOp(op.q, op.kv, op.layer, op.seqs, op.heads.value.data, op.scale.value.data)
        softmax = llm.SoftmaxOp(scores.y, self.probabilities)
        context = llm.ContextOp(softmax.y, op.kv, op.layer, op.seqs, op.y.type)
        scores.y.name_hint, softmax.y.name_hint = "scores", "probabilities"
        replace_with_provenance(rewriter, op, scores, softmax, context)


@dataclass(frozen=True)
class LlmDecomposeAttentionPass(ModulePass):
    """Split `llm.attention` into `llm.scores`, `llm.softmax` and `llm.context`.

    Scores stay in f32. With `probabilities=f32` (the default) the result is bit for bit that of the fused op; with
    `probabilities=f16` the probabilities are rounded to what a machine with 16-bit operands reads.

    Before:

        %y = llm.attention %q, %kv[%layer], %seqs {heads = 9 : i64, scale = 1.250000e-01 : f32} : tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16>

    After:

        %scores = llm.scores %q, %kv[%layer], %seqs {heads = 9 : i64, scale = 1.250000e-01 : f32} : tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16> -> !llm.ragged<9x?xf32>
        %probabilities = llm.softmax %scores : !llm.ragged<9x?xf32> -> !llm.ragged<9x?xf32>
        %y = llm.context %probabilities, %kv[%layer], %seqs : !llm.ragged<9x?xf32>, !llm.kv_cache<30x3x64xf16> -> tensor<?x576xf16>
    """

    name = "llm-decompose-attention"

    probabilities: Literal["f16", "f32"] = "f32"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pattern = SplitAttention({"f16": f16, "f32": f32}[self.probabilities])
        PatternRewriteWalker(pattern, apply_recursively=False).rewrite_module(op)
