"""Passes on `llm`: documented, idempotent where they should be, and honest about the place that fails."""

import inspect

import pytest
from xdsl.context import Context
from xdsl.utils.exceptions import PassFailedException

from pimlir.dialects import llm
from pimlir.frontends import build_module, preset
from pimlir.passes.llm.llm_decompose_attention import LlmDecomposeAttentionPass
from pimlir.passes.llm.llm_specialize import LlmSpecializePass
from pimlir.passes.llm.verify_llm import VerifyLlmPass
from pimlir.passes.llm.verify_model import VerifyModelPass

PASSES = (LlmDecomposeAttentionPass, LlmSpecializePass, VerifyModelPass, VerifyLlmPass)


@pytest.mark.parametrize("step", PASSES, ids=lambda step: step.name)
def test_each_pass_shows_ir_before_and_after(step):
    documentation = inspect.getdoc(step) or ""
    assert "Before:" in documentation
    assert "After" in documentation


def test_a_175b_model_reaches_stage_llm_with_as_many_ops_as_a_7b_model():
    counts = set()
    for name in ("gpt3-7b", "gpt3-175b"):
        module = build_module(preset(name))
        for step in (LlmDecomposeAttentionPass(), LlmSpecializePass("decode", batch=64), VerifyLlmPass()):
            step.apply(Context(), module)
        module.verify()
        counts.add(sum(1 for _ in module.walk()))
    assert len(counts) == 1


def test_decomposing_twice_is_decomposing_once():
    module = build_module(preset("llama2-7b"))
    LlmDecomposeAttentionPass().apply(Context(), module)
    once = str(module)
    LlmDecomposeAttentionPass().apply(Context(), module)
    assert str(module) == once


def test_decode_leaves_no_dynamic_dimension():
    module = build_module(preset("llama2-7b"))
    LlmSpecializePass("decode", batch=5).apply(Context(), module)
    module.verify()
    types = [
        value.type for op in module.walk() for value in (*op.results, *(a for r in op.regions for a in r.block.args))
    ]
    assert not [type_ for type_ in types if "?" in str(type_)]


def test_a_weight_declared_twice_is_refused():
    module = build_module(preset("llama2-7b"))
    weight = next(op for op in module.ops if isinstance(op, llm.WeightOp))
    module.body.block.insert_op_before(weight.clone(), weight)
    with pytest.raises(PassFailedException, match="weight @token_embd is declared twice"):
        VerifyModelPass().apply(Context(), module)
