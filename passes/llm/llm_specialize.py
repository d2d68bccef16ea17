"""Fix the phase and the size of the batch: what a step may bring becomes a promise in the module."""

from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.dialects.scf import ForOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriteWalker
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import llm
from ...dialects.llm.canonicalization import LastTokenOfOneTokenEach
from .model_checks import find_step, model_of

_DEFAULT_NEW_TOKENS = 32
"""Token rows of a step that a prefill or mixed module is ready for unless told otherwise."""


@dataclass(frozen=True)
class LlmSpecializePass(ModulePass):
    """Specialise `@step` to a phase (prefill, decode or mixed), a batch of sequences and a longest context.

    `batch` is the largest number of sequences of a step, `context` the longest sequence (default: the model's), and
    `new-tokens` the largest number of token rows over all sequences (default: 32, at least the batch; in decode the
    batch). In decode both are exact: the token dimension becomes static, and with one token for each sequence
    `llm.last_token` disappears. Otherwise the dimension stays `?`, bounded by the promise. More new tokens than
    sequences in decode is the verification of speculated tokens; each sequence then brings as many as the others.

    Before:

        func.func @step(%tokens: tensor<?xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x64xf16>) -> tensor<?xi32>

    After `llm-specialize{phase=decode batch=4 context=512}`:

        builtin.module attributes {llm.bounds = #llm.bounds<phase = decode, sequences = 4, new_tokens = 4, context = 512>}
        func.func @step(%tokens: tensor<4xi32>, %seqs: !llm.seqs, %kv: !llm.kv_cache<2x3x64xf16>) -> tensor<4xi32>
    """

    name = "llm-specialize"

    phase: Literal["prefill", "decode", "mixed"]
    batch: int = 1
    context: int | None = None
    new_tokens: int | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        bounds = self.bounds(op)
        step = find_step(op)
        if self.phase == "decode":
            make_rows_static(step, bounds.new_tokens.data, bounds.sequences.data)
            PatternRewriteWalker(LastTokenOfOneTokenEach(), apply_recursively=False).rewrite_module(op)
        op.attributes[llm.BOUNDS] = bounds

    def bounds(self, module: ModuleOp) -> llm.BoundsAttr:
        """The checked promise."""
        model = model_of(module)
        if llm.BOUNDS in module.attributes:
            raise PassFailedException(f"the module is specialised already: {module.attributes[llm.BOUNDS]}")
        limit = model.context_length.data
        context = limit if self.context is None else self.context
        if context > limit:
            raise PassFailedException(
                f"context {context} exceeds the context length {limit} of model '{model.model_name.data}'"
            )
        if self.batch < 1:
            raise PassFailedException(f"batch is {self.batch}, expected at least 1")
        default = self.batch if self.phase == "decode" else max(self.batch, _DEFAULT_NEW_TOKENS)
        new_tokens = default if self.new_tokens is None else self.new_tokens
        if new_tokens < self.batch:
            raise PassFailedException(
                f"new-tokens is {new_tokens}, expected at least the batch {self.batch}: each sequence brings one"
            )
        if self.phase == "decode" and new_tokens % self.batch:
            raise PassFailedException(
                f"new-tokens is {new_tokens}, expected a multiple of the batch {self.batch} in phase decode"
            )
        if context < 1:
            raise PassFailedException(f"context is {context}, expected at least 1")
        return llm.BoundsAttr(llm.Phase(self.phase), self.batch, new_tokens, context)


def make_rows_static(step: FuncOp, rows: int, sequences: int) -> None:
    """Gives every value of `@step` its number of rows: `rows`, and `sequences` from `llm.last_token` on."""
    for argument in step.body.block.args:
        retype(argument, with_rows(argument.type, rows))
    for op in step.walk():
        if isinstance(op, ForOp):
            for init, argument in zip(op.iter_args, op.body.block.args[1:], strict=True):
                retype(argument, init.type)
        for index, result in enumerate(op.results):
            retype(result, result_type(op, index, rows, sequences))
    step.update_function_type()


def result_type(op: Operation, index: int, rows: int, sequences: int) -> Attribute:
    found = op.results[index].type
    match op:
        case ForOp():
            return op.iter_args[index].type
        case llm.LastTokenOp():
            return with_rows(found, sequences)
        case llm.ContextOp() | llm.GetWeightOp():
            return with_rows(found, rows)
        case _ if op.operands and isinstance(first := op.operands[0].type, TensorType):
            return with_rows(found, first.get_shape()[0])
    return found


def with_rows(type_: Attribute, rows: int) -> Attribute:
    """The type with a dynamic first dimension replaced."""
    if isinstance(type_, TensorType) and type_.get_shape()[:1] == (DYNAMIC_INDEX,):
        return TensorType(type_.element_type, [rows, *type_.get_shape()[1:]])
    return type_


def retype(value: SSAValue, type_: Attribute) -> None:
    if value.type != type_:
        Rewriter.replace_value_with_new_type(value, type_)
