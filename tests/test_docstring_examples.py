"""The examples in docstrings of operations, types and attributes are real: they parse, verify and print.

An example of an operation is the indented block after `Example:`. It may define its operands by `test.op`, or leave them
undefined where their types can be read from the operation. The example of a type or attribute may stand in quotes on the
line itself.
"""

import io
from collections.abc import Iterator

import pytest
from xdsl.context import Context
from xdsl.dialects import test
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.universe import Universe

from pimlir.tools.docs.text import examples, text_of
from pimlir.universe import UNIVERSE

DIALECTS = [factory() for factory in UNIVERSE.all_dialects.values()]
OPERATIONS = [op for dialect in DIALECTS for op in dialect.operations]
ATTRIBUTES = [
    (attribute, text) for d in DIALECTS for attribute in d.attributes for text in examples(text_of(attribute))
]


@pytest.fixture(scope="module")
def context() -> Context:
    context = Context()
    for name, factory in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, factory)
    return context


def parse_example(text: str, context: Context) -> ModuleOp:
    """The module that holds the example; operands without definition become results of a `test.op` before it."""
    parser = Parser(context, text)
    operations: list[Operation] = []
    while (operation := parser.parse_optional_operation()) is not None:
        operations.append(operation)
    undefined = [value for values in parser.forward_ssa_references.values() for value in values.values()]
    if undefined:
        definitions = test.TestOp(result_types=[value.type for value in undefined])
        for value, definition in zip(undefined, definitions.results, strict=True):
            value.replace_all_uses_with(definition)
        operations.insert(0, definitions)
    return ModuleOp(operations)


def printed(module: Operation, generic: bool) -> str:
    stream = io.StringIO()
    Printer(stream, print_generic_format=generic).print_op(module)
    return stream.getvalue()


def walk_names(module: ModuleOp) -> Iterator[str]:
    return (op.name for op in module.walk())


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_operation_example(op: type[Operation], context: Context):
    found = examples(text_of(op))
    assert found, f"the docstring of {op.name} holds no example"
    for text in found:
        module = parse_example(text, context)
        module.verify()
        assert op.name in walk_names(module)
        for generic in (False, True):
            again = Parser(context, printed(module, generic)).parse_module()
            again.verify()
            assert again.is_structurally_equivalent(module)
            assert printed(again, generic) == printed(module, generic)


@pytest.mark.parametrize(("attribute", "text"), ATTRIBUTES, ids=[attribute.name for attribute, _ in ATTRIBUTES])
def test_attribute_example(attribute: type[Attribute], text: str, context: Context):
    parsed = Parser(context, text).parse_attribute()
    assert isinstance(parsed, attribute)
    assert str(parsed) == text
