"""The `llm` dialect: documented examples hold, constructors build what the parser reads, effects keep the cache right."""

import inspect
import textwrap

import pytest
from xdsl.context import Context
from xdsl.dialects import get_all_dialects, test
from xdsl.dialects.builtin import DYNAMIC_INDEX, IndexType, ModuleOp, TensorType, f16
from xdsl.parser import Parser
from xdsl.traits import MemoryEffectKind as Effect
from xdsl.traits import is_side_effect_free, only_has_effect

from pimlir.dialects import llm


def parse(text: str) -> ModuleOp:
    context = Context()
    for name, factory in get_all_dialects().items():
        context.register_dialect(name, factory)
    context.load_dialect(llm.LLM)
    return Parser(context, text).parse_module()


@pytest.mark.parametrize("op", list(llm.LLM.operations), ids=lambda op: op.name)
def test_the_example_of_each_op_round_trips(op):
    documentation = inspect.getdoc(op) or ""
    assert "Example:" in documentation
    example = textwrap.dedent(documentation.split("Example:")[1]).strip()
    module = parse(example)
    module.verify()
    assert any(isinstance(inner, op) for inner in module.walk())
    printed = str(module).splitlines()[1:-1]
    assert [line.strip() for line in printed] == example.splitlines()
    assert module.is_structurally_equivalent(parse(str(module)))


@pytest.mark.parametrize("attribute", list(llm.LLM.attributes), ids=lambda attribute: attribute.name)
def test_each_type_and_attribute_is_documented(attribute):
    assert len((inspect.getdoc(attribute) or "").splitlines()[0]) > 20


def test_enumerations_print_what_they_parse():
    text = '"test.op"() {a = #llm<activation_kind gelu>, b = #llm<rope_style half>, c = #llm<phase mixed>} : () -> ()'
    module = parse(text)
    assert text in str(module)


def test_only_the_append_writes_and_the_readers_only_read():
    kv_type = llm.KVCacheType(1, 2, 4, f16)
    rows = TensorType(f16, [DYNAMIC_INDEX, 8])
    kv, layer, x, seqs = test.TestOp(result_types=[kv_type, IndexType(), rows, llm.SeqsType()]).results
    append = llm.KVAppendOp(kv, layer, x, x, seqs)
    attention = llm.AttentionOp(x, kv, layer, seqs, 2, 0.5)
    scores = llm.ScoresOp(x, kv, layer, seqs, 2, 0.5)
    context = llm.ContextOp(scores.y, kv, layer, seqs, rows)
    assert only_has_effect(append, Effect.WRITE)
    assert all(only_has_effect(op, Effect.READ) for op in (attention, scores, context))
    assert is_side_effect_free(llm.SoftmaxOp(scores.y))


def test_every_op_takes_discardable_attributes():
    assert '{device = "pim"}' in str(
        parse('%x = "test.op"() : () -> tensor<?x8xf16>\n%y = llm.add %x, %x {device = "pim"} : tensor<?x8xf16>')
    )
