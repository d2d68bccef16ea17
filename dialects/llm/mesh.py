"""Attributes of a model that is cut over devices: the mesh of devices, and which part of a tensor a device holds."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, IntAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

AXES = ("tensor", "stage")
"""The two coordinates of a device: its place among those that share each layer, and its pipeline stage."""


def slice_start(index: int, size: int, whole: int) -> int:
    """Where the slice of device `index` begins: slices follow each other, the last ends where the tensor does.

    If `size` does not divide `whole`, the last slice begins earlier and shares elements with the one before.
    """
    return min(index * size, whole - size)


@irdl_attr_definition
class MeshAttr(ParametrizedAttribute):
    """The devices that a module was cut for, on the module as `llm.mesh`: `tensor` x `stages` of them run it alike.

    Example: `#llm.mesh<tensor = 8, stages = 4>`
    """

    name = "llm.mesh"

    tensor: IntAttr
    stages: IntAttr

    def __init__(self, tensor: int, stages: int):
        super().__init__(IntAttr(tensor), IntAttr(stages))

    def verify(self) -> None:
        for what, count in (("tensor", self.tensor.data), ("stages", self.stages.data)):
            if count < 1:
                raise VerifyException(f"llm.mesh has {what} {count}, expected at least 1")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        counts: list[IntAttr] = []
        with parser.in_angle_brackets():
            for key in ("tensor", "stages"):
                if counts:
                    parser.parse_punctuation(",")
                parser.parse_keyword(key)
                parser.parse_punctuation("=")
                counts.append(IntAttr(parser.parse_integer()))
        return counts

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(f"tensor = {self.tensor.data}, stages = {self.stages.data}")


@irdl_attr_definition
class SliceAttr(ParametrizedAttribute):
    """Which part of a whole weight a device holds: the symbol of the whole, its sizes, and the axis that cuts each.

    The sizes of the part are those of the weight's type. With n elements of a dimension, the device at place i of the
    axis holds those from min(i * n, whole - n) on.

    Example: `#llm.slice<@attn_q, 32 by stage, 4096 by tensor, 4096>`
    """

    name = "llm.slice"

    whole: StringAttr
    sizes: ArrayAttr[IntAttr]
    axes: ArrayAttr[StringAttr]

    def __init__(self, whole: str, sizes: Sequence[int], axes: Sequence[str]):
        super().__init__(StringAttr(whole), ArrayAttr(map(IntAttr, sizes)), ArrayAttr(map(StringAttr, axes)))

    @property
    def cuts(self) -> list[tuple[int, str]]:
        """Size of the whole and axis ("" if it is not cut) of each dimension."""
        return [(size.data, axis.data) for size, axis in zip(self.sizes, self.axes, strict=True)]

    def verify(self) -> None:
        if len(self.sizes) != len(self.axes):
            raise VerifyException(f"llm.slice has {len(self.sizes)} sizes and {len(self.axes)} axes, expected as many")
        for size, axis in self.cuts:
            if size < 1:
                raise VerifyException(f"llm.slice has size {size}, expected at least 1")
            if axis not in ("", *AXES):
                raise VerifyException(f"llm.slice is cut by {axis}, expected one of {', '.join(AXES)}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        sizes: list[IntAttr] = []
        axes: list[StringAttr] = []
        with parser.in_angle_brackets():
            whole = parser.parse_symbol_name()
            while parser.parse_optional_punctuation(","):
                sizes.append(IntAttr(parser.parse_integer()))
                axes.append(StringAttr(parser.parse_identifier() if parser.parse_optional_keyword("by") else ""))
        return whole, ArrayAttr(sizes), ArrayAttr(axes)

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_symbol_name(self.whole.data)
            for size, axis in self.cuts:
                printer.print_string(f", {size}{f' by {axis}' if axis else ''}")
