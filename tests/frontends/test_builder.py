"""The builder's modules are valid at stage `model`, small, and the same for both families."""

import pytest
from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.scf import Scf
from xdsl.parser import Parser

from pimlir.dialects import llm
from pimlir.frontends import PRESETS, build_module, preset
from pimlir.passes.llm.verify_model import VerifyModelPass


def ops(module: ModuleOp) -> list[str]:
    return [op.name for op in module.walk()]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_a_valid_model_stage(name):
    module = build_module(preset(name))
    module.verify()
    VerifyModelPass().apply(Context(), module)
    assert len(ops(module)) < 100


@pytest.mark.parametrize("name", PRESETS)
def test_the_printed_module_parses_to_the_same_module(name):
    module = build_module(preset(name))
    context = Context()
    for dialect in (Builtin, Arith, Func, Scf, llm.LLM):
        context.load_dialect(dialect)
    parsed = Parser(context, str(module)).parse_module()
    assert parsed.is_structurally_equivalent(module)
    assert str(parsed) == str(module)


def test_depth_and_width_do_not_change_the_number_of_ops():
    assert ops(build_module(preset("llama2-7b"))) == ops(build_module(preset("llama2-70b")))


def test_a_tied_head_reads_the_embedding_table_twice():
    module = build_module(preset("llama2-7b", tied_head=True))
    assert [op.symbol for op in module.walk() if isinstance(op, llm.GetWeightOp)].count("token_embd") == 2
    assert "output" not in [op.sym_name.data for op in module.walk() if isinstance(op, llm.WeightOp)]


def test_families_differ_where_the_configuration_says_so():
    llama, opt = set(ops(build_module(preset("llama2-7b")))), set(ops(build_module(preset("opt-66b"))))
    assert llama - opt == {"llm.rms_norm", "llm.rope", "llm.mul"}
    assert opt - llama == {"llm.layer_norm", "llm.position_embed"}


def test_biases_are_operands_of_the_linear_layers():
    linears = [op for op in build_module(preset("gpt3-7b")).walk() if isinstance(op, llm.LinearOp)]
    assert [op.bias is not None for op in linears] == [True] * 6 + [False]
