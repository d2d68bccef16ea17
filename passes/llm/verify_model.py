"""What must hold at stage `model`: as imported, independent of hardware, batch and sequence length."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp, TensorType
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import llm
from .model_checks import check_layers, check_ops, check_weights, find_step, model_of


@dataclass(frozen=True)
class VerifyModelPass(ModulePass):
    """Checks the `model` stage and changes nothing.

    The module has `llm.model` and one `@step`, attention is whole, every weight that is read is declared with the same
    type, no layer index reaches past a weight or the KV cache, and the token dimension is `?`.

    Before:

        %wq = llm.get_weight @attn_q[%layer] : tensor<576x576xf16>

    After: the same, or a failure that names what was found and expected, such as
    `llm.get_weight @attn_q[layer] has type tensor<576x576xf16>, expected tensor<64x576xf16>`.
    """

    name = "verify-model"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        model_of(op)
        step = find_step(op)
        if llm.BOUNDS in op.attributes:
            raise PassFailedException(f"the module has {llm.BOUNDS}, which must not be there at stage model")
        tokens = step.function_type.inputs.data[0]
        assert isinstance(tokens, TensorType)
        if tokens.get_shape() != (DYNAMIC_INDEX,):
            raise PassFailedException(f"the tokens of @step have type {tokens}, expected tensor<?xi32>")
        check_ops(op, "model", gone=(llm.ScoresOp, llm.SoftmaxOp, llm.ContextOp))
        check_weights(op)
        check_layers(op)
