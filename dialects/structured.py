"""Pieces shared by the structured ops of `npu` and `pim`: ops on buffers that name weights by `host.memory` symbol."""

from __future__ import annotations

from typing import Any

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, SymbolRefAttr, f32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import IRDLOperation
from xdsl.utils.exceptions import VerifyException

from .host import BufferType


def symbol_of(attribute: Attribute | None) -> str:
    """The name in a symbol reference property."""
    assert isinstance(attribute, SymbolRefAttr)
    return attribute.root_reference.data


def buffer_type(value: SSAValue) -> BufferType:
    """The type of a buffer operand."""
    assert isinstance(value.type, BufferType)
    return value.type


class StructuredOp(IRDLOperation):
    """An op that reads and writes buffers and has no results; built by keyword, one per operand or property."""

    def __init__(self, source: Attribute | None = None, **arguments: Any):
        definition = self.get_irdl_definition()
        operands = [arguments.pop(name, None) for name, _ in definition.operands]
        properties = {name: _attribute(value) for name, value in arguments.items() if value is not None}
        attributes = {} if source is None else {"source": source}
        super().__init__(operands=operands, properties=properties, attributes=attributes)


def check_width(op: str, name: str, value: SSAValue, width: int, why: str) -> None:
    """Raises unless a row of buffer `value` has `width` elements."""
    shape = buffer_type(value).shape
    found = 1
    for size in shape[1:]:
        found *= size
    if found != width:
        raise VerifyException(f"{op}: {name} has {found} elements a row, expected {width}: {why}")


def _attribute(value: Any) -> Attribute:
    if isinstance(value, Attribute):
        return value
    if isinstance(value, str):
        return SymbolRefAttr(value)
    if isinstance(value, float):
        return FloatAttr(value, f32)
    return IntegerAttr(value, i64)
