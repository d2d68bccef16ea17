"""Join scores, softmax and context over caches with a head in a channel, so that heads can overlap."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects.pim import structured as pim
from ...dialects.pim.types import HeadKeysAttr
from ...dialects.structured import symbol_of
from ..kernels.buffers import kernels
from ..tile_builder import memory_table


@dataclass(frozen=True)
class PimFuseAttentionPass(ModulePass):
    """Replace `pim.scores`, `pim.softmax_rows` and `pim.context` of a kernel by `pim.attend` where the keys have the layout
    `#pim.head_keys`. `in-flight` heads overlap in a channel: 2, or 1 for none.

    Before:

        pim.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows : !host.buffer<1x512xf16> -> !host.buffer<1x4x128xf32, softmax>
        pim.softmax_rows %s at %past -> %p rows %rows {scale = 1.250000e-01 : f32} : !host.buffer<1x4x128xf32, softmax> -> !host.buffer<1x4x128xf16, softmax>
        pim.context %p, @values[%layer] at %past slot %slot -> %o rows %rows : !host.buffer<1x4x128xf16, softmax> -> !host.buffer<1x512xf32>

    After:

        pim.attend %q, @keys, @values[%layer] at %past slot %slot via %s, %p -> %o rows %rows {in_flight = 2 : i64, scale = 1.250000e-01 : f32} : …
    """

    name = "pim-fuse-attention"

    in_flight: int = 2

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        memories = memory_table(op.ops)
        for function in kernels(op, "pim"):
            for scores in [inner for inner in function.walk() if isinstance(inner, pim.ScoresOp)]:
                keys = memories.get(symbol_of(scores.keys))
                if keys is None or not isinstance(keys.layout, HeadKeysAttr):
                    continue
                softmax = scores.next_op
                context = None if softmax is None else softmax.next_op
                if (
                    not isinstance(softmax, pim.SoftmaxRowsOp)
                    or not isinstance(context, pim.ContextOp)
                    or (softmax.s, context.p) != (scores.s, softmax.p)
                ):
                    raise PassFailedException(
                        f"@{function.sym_name.data}: pim.scores over #pim.head_keys is not followed by its softmax and context"
                    )
                fused = pim.AttendOp(
                    scores.attributes.get("source"),
                    q=scores.q,
                    layer=scores.layer,
                    past=scores.past,
                    slot=scores.slot,
                    s=scores.s,
                    p=softmax.p,
                    o=context.o,
                    rows=scores.rows,
                    keys=scores.keys,
                    values=context.values,
                    in_flight=self.in_flight,
                    scale=softmax.scale,
                )
                Rewriter.insert_op([fused], InsertPoint.before(scores))
                for old in (scores, softmax, context):
                    Rewriter.erase_op(old)
