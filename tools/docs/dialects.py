"""One page per dialect: its operations, types and attributes."""

import sys

from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, Dialect, Operation, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import IRDLOperation, OpDef, OptionalDef, VariadicDef

from ...dialects.instruction import InstructionOp
from .text import first_sentence, markdown, table, text_of


def page(dialect: Dialect) -> str:
    """The page of one dialect."""
    operations = sorted(dialect.operations, key=lambda op: op.name)
    attributes = sorted(dialect.attributes, key=lambda attribute: attribute.name)
    about = text_of(_module(dialect))
    rows = [(f"[`{op.name}`](#{_anchor(op.name)})", first_sentence(text_of(op))) for op in operations]
    return "\n\n".join(
        [
            f"# Dialect `{dialect.name}`",
            markdown(about),
            table(("operation", "summary"), rows),
            "## Operations",
            *(_operation(op) for op in operations),
            "## Types and attributes",
            *(_attribute(attribute) for attribute in attributes),
            "",
        ]
    )


def _module(dialect: Dialect) -> object:
    """The package of a dialect: the one two levels up from the module of its operations."""
    module = next(iter(dialect.operations)).__module__
    return sys.modules[module.rpartition(".")[0]]


def _anchor(name: str) -> str:
    """How Markdown viewers name the heading of an operation."""
    return name.replace(".", "")


def _operation(op: type[Operation]) -> str:
    parts = [f"### `{op.name}`", markdown(text_of(op))]
    if issubclass(op, InstructionOp):
        device = op.INSTRUCTION_SET.name
        parts.append(f"Fields: those of the instruction [`{op.OPCODE.name}`](isa-{device}.md#{op.OPCODE.name}).")
    elif issubclass(op, IRDLOperation):
        definition = op.get_irdl_definition()
        if definition.assembly_format:
            parts.append(f"Syntax:\n\n```\n{definition.name} {definition.assembly_format}\n```")
        parts.append(_parts_of(definition))
    return "\n\n".join(part for part in parts if part)


def _parts_of(definition: OpDef) -> str:
    """Operands, results, regions, properties and traits, one line each."""
    kinds = {
        "Operands": definition.operands,
        "Results": definition.results,
        "Regions": definition.regions,
        "Properties": definition.properties.items(),
    }
    lines = [
        f"- {kind}: {', '.join(f'`{name}`{_how_many(item)}' for name, item in items)}"
        for kind, items in kinds.items()
        if items
    ]
    traits = sorted({type(trait).__name__ for trait in definition.traits})
    if traits:
        lines.append(f"- Traits: {', '.join(traits)}")
    return "\n".join(lines)


def _how_many(definition: object) -> str:
    """Whether a part may be absent or come several times."""
    if isinstance(definition, OptionalDef):
        return " (optional)"
    return " (any number)" if isinstance(definition, VariadicDef) else ""


def _attribute(attribute: type[Attribute]) -> str:
    mark = "!" if issubclass(attribute, TypeAttribute) else "#"
    parts = [f"### `{mark}{attribute.name}`", markdown(text_of(attribute))]
    if issubclass(attribute, EnumAttribute):
        values = ", ".join(f"`{value}`" for value in attribute.enum_type)
        parts.append(f"Values: {values}.")
    elif issubclass(attribute, ParametrizedAttribute):
        names = [name for name, _ in attribute.get_irdl_definition().parameters]
        if names:
            parts.append(f"Parameters: {', '.join(f'`{name}`' for name in names)}.")
    return "\n\n".join(parts)
