"""What must hold at stage `llm`: specialised, attention in parts, still without hardware."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp, TensorType
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import llm
from .model_checks import check_layers, check_ops, check_weights, find_step, model_of


@dataclass(frozen=True)
class VerifyLlmPass(ModulePass):
    """Checks the `llm` stage and changes nothing.

    The module has `llm.model`, `llm.bounds` and one `@step` whose token dimension agrees with them, no `llm.attention`
    is left, and weights and layers are as `verify-model` wants them.

    Before:

        %y = llm.attention %q, %kv[%layer], %seqs {heads = 9 : i64, scale = 1.250000e-01 : f32} : tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16>

    After: a failure, `llm.attention is not allowed at stage llm`.
    """

    name = "verify-llm"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        model_of(op)
        step = find_step(op)
        bounds = op.attributes.get(llm.BOUNDS)
        if not isinstance(bounds, llm.BoundsAttr):
            raise PassFailedException(f"the module has no attribute {llm.BOUNDS}: run llm-specialize first")
        tokens = step.function_type.inputs.data[0]
        assert isinstance(tokens, TensorType)
        rows = bounds.new_tokens.data if bounds.phase.data == llm.Phase.DECODE else DYNAMIC_INDEX
        if tokens.get_shape() != (rows,):
            expected = TensorType(tokens.element_type, (rows,))
            raise PassFailedException(
                f"the tokens of @step have type {tokens}, expected {expected} in phase {bounds.phase.data}"
            )
        check_ops(op, "llm", gone=(llm.AttentionOp,))
        check_weights(op)
        check_layers(op)
