"""Types of `host`: buffers in on-chip memory and completion events."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import DYNAMIC_INDEX, ArrayAttr, Float16Type, Float32Type, IntAttr, StringAttr, i32
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

SPACES = ("local", "softmax")


@irdl_attr_definition
class BufferType(ParametrizedAttribute, TypeAttribute):
    """A dense array in on-chip memory: `!host.buffer<32x576xf16>`.

    Space `local` (not printed) is the NPU's scratchpad, which PIM commands read and write too; `softmax` is the softmax
    buffer of a PIM's buffer die: `!host.buffer<9x1024xf32, softmax>`. The first dimension is an upper bound: ops say
    how many rows they use.
    """

    name = "host.buffer"
    shape_attr: ArrayAttr[IntAttr]
    element: Attribute
    space: StringAttr

    def __init__(self, shape: Sequence[int], element: Attribute, space: str = "local"):
        super().__init__(_shape_attr(shape), element, StringAttr(space))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(size.data for size in self.shape_attr)

    @property
    def element_bytes(self) -> int:
        return 2 if isinstance(self.element, Float16Type) else 4

    @property
    def row_bytes(self) -> int:
        """Bytes from one index of the first dimension to the next."""
        return prod(self.shape[1:]) * self.element_bytes

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * self.element_bytes

    def verify(self) -> None:
        for size in self.shape:
            if size < 1:
                shown = "?" if size == DYNAMIC_INDEX else size
                raise VerifyException(f"host.buffer has dimension {shown}, expected at least 1")
        if not isinstance(self.element, Float16Type | Float32Type) and self.element != i32:
            raise VerifyException(f"host.buffer has element type {self.element}, expected f16, f32 or i32")
        if self.space.data not in SPACES:
            raise VerifyException(f"host.buffer is in space {self.space.data}, expected {' or '.join(SPACES)}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            shape, element = parser.parse_ranked_shape()
            space = parser.parse_identifier() if parser.parse_optional_punctuation(",") else "local"
        return _shape_attr(shape), element, StringAttr(space)

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_dimension_list(self.shape)
            printer.print_string("x")
            printer.print_attribute(self.element)
            if self.space.data != "local":
                printer.print_string(f", {self.space.data}")


@irdl_attr_definition
class EventType(ParametrizedAttribute, TypeAttribute):
    """The completion of a launch."""

    name = "host.event"


def _shape_attr(shape: Sequence[int]) -> ArrayAttr[IntAttr]:
    return ArrayAttr([IntAttr(size) for size in shape])
