"""Give every op of the step a device, and change the types that a device forces on its neighbours."""

from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import Float16Type, ModuleOp, StringAttr, TensorType, f16, f32
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import llm
from ...dialects.hardware import pim_memory
from ...dialects.host import DEVICE, LINK
from ...dialects.llm.attention_ops import ragged_type
from ...dialects.llm.provenance import keep_provenance
from ...dialects.xpu import PROCESSOR
from ..llm.model_checks import find_step

NPU, PIM = StringAttr("npu"), StringAttr("pim")


@dataclass(frozen=True)
class LlmPlacePass(ModulePass):
    """Put a `device` on every `llm` op, by policy. On a machine whose processor is an xPU, that takes the place of the NPU.

    `npu-only`: everything on the NPU. `attention-on-pim`: KV append, scores and context on the PIM, softmax too if the
    PIM has a softmax unit. `all-on-pim`: the linear layers as well. Whatever devices exchange is on the `link`.

    What a device delivers shows in the types: both devices read 16-bit operands and accumulate in fp32, so probabilities
    become f16 and the scale of the scores moves to the softmax; a PIM returns fp32 sums without bias, so the bias and
    the rounding become ops of the NPU.

    Before:

        %y = llm.linear %x, %w bias %b : tensor<?x768xf16>, tensor<768x768xf16>, tensor<768xf16> -> tensor<?x768xf16>

    After `llm-place{policy=all-on-pim}`:

        %0 = llm.linear %x, %w {device = "pim"} : tensor<?x768xf16>, tensor<768x768xf16> -> tensor<?x768xf32>
        %y = llm.bias_add %0, %b {device = "npu"} : tensor<?x768xf32>, tensor<768xf16> -> tensor<?x768xf16>
    """

    name = "llm-place"

    policy: Literal["npu-only", "attention-on-pim", "all-on-pim"] = "npu-only"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        softmax_on_pim = self.policy != "npu-only" and pim_memory(op).has("softmax")
        step = find_step(op)
        for inner in list(step.walk()):
            if isinstance(inner, llm.AttentionOp):
                raise PassFailedException("llm.attention has no device of its own: run llm-decompose-attention first")
            if inner.name.startswith("llm."):
                self.place(inner, softmax_on_pim)
        if processor := op.attributes.get(PROCESSOR):
            for inner in step.walk():
                if inner.attributes.get(DEVICE) == NPU:
                    inner.attributes[DEVICE] = processor

    def place(self, op: Operation, softmax_on_pim: bool) -> None:
        """Set the device of one op and adapt its types."""
        attention = self.policy != "npu-only"
        linear = self.policy == "all-on-pim"
        match op:
            case llm.ScoresOp():
                _move_scale(op)
                on_pim = attention
            case llm.ContextOp():
                on_pim = attention
                if on_pim:
                    _round_on_npu(op)
            case llm.KVAppendOp():
                on_pim = attention
            case llm.SoftmaxOp():
                op = _to_f16(op)
                on_pim = softmax_on_pim
            case llm.LinearOp():
                on_pim = linear
                if on_pim:
                    _round_on_npu(op)
            case llm.AllReduceOp() | llm.AllArgmaxOp() | llm.ReceiveOp() | llm.SendOp():
                op.attributes[DEVICE] = StringAttr(LINK)
                return
            case _:
                on_pim = False
        op.attributes[DEVICE] = PIM if on_pim else NPU


def _move_scale(scores: llm.ScoresOp) -> None:
    scale = scores.scale.value.data
    if scale == 1.0:
        return
    for use in list(scores.y.uses):
        softmax = use.operation
        if not isinstance(softmax, llm.SoftmaxOp):
            raise PassFailedException(
                f"scores are used by {softmax.name}, expected llm.softmax: their scale moves there"
            )
        softmax.scale = type(softmax.scale)(softmax.scale.value.data * scale, f32)
    scores.scale = type(scores.scale)(1.0, f32)


def _to_f16(softmax: llm.SoftmaxOp) -> llm.SoftmaxOp:
    if ragged_type(softmax.y).element_type == f16:
        return softmax
    rounded = llm.SoftmaxOp(softmax.x, f16, softmax.scale.value.data)
    keep_provenance(softmax, rounded)
    _replace(softmax, rounded, rounded.y)
    return rounded


def _round_on_npu(op: llm.LinearOp | llm.ContextOp) -> None:
    """Let `op` return fp32 and put the bias and the rounding behind it, on the NPU."""
    result_type = op.y.type
    assert isinstance(result_type, TensorType)
    bias = op.bias if isinstance(op, llm.LinearOp) else None
    if bias is None and not isinstance(result_type.element_type, Float16Type):
        return
    sums = TensorType(f32, result_type.get_shape())
    if isinstance(op, llm.LinearOp):
        product = llm.LinearOp(op.x, op.weight, sums)
    else:
        product = llm.ContextOp(op.p, op.kv, op.layer, op.seqs, sums)
    rounded = llm.CastOp(product.y, result_type) if bias is None else llm.BiasAddOp(product.y, bias, result_type)
    keep_provenance(op, product, rounded)
    product.attributes[DEVICE] = PIM
    rounded.attributes[DEVICE] = NPU
    Rewriter.insert_op([product], InsertPoint.before(op))
    _replace(op, rounded, rounded.y)


def _replace(old: Operation, new: Operation, result: SSAValue) -> None:
    result.name_hint = old.results[0].name_hint
    Rewriter.insert_op([new], InsertPoint.before(old))
    old.results[0].replace_all_uses_with(result)
    Rewriter.erase_op(old)
