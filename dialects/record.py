"""Attributes that are a record of named integers and integer lists, `#npu.tiles<tile_k = 96, …>`."""

from __future__ import annotations

from typing import ClassVar

from xdsl.ir import Attribute, Data
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

RecordValue = int | tuple[int, ...]

PAGED = ("page_tokens", "pages")
"""Optional keys of a cache in pages: tokens of a page, and pages of each group of channels (0: not decided yet)."""


class RecordAttr(Data[tuple[tuple[str, RecordValue], ...]]):
    """Base of record attributes. Subclasses set `keys` in printing order; every key must be present.

    Groups of keys in `optional` may follow them, of each group all keys or none; what is not there is 0.

    The values of the keys in `lists` are lists of integers, all others integers.
    """

    keys: ClassVar[tuple[str, ...]] = ()
    lists: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[tuple[str, ...], ...]] = ()

    @classmethod
    def of(cls, **values: RecordValue):
        """The attribute with these values, in the order of `keys`; KeyError names a missing key."""
        keys = [*cls.keys, *(key for group in cls.optional if any(map(values.get, group)) for key in group)]
        return cls(tuple((key, values[key]) for key in keys))

    def __getitem__(self, key: str) -> RecordValue:
        for name, value in self.data:
            if name == key:
                return value
        if any(key in group for group in self.optional):
            return 0
        raise KeyError(key)

    def integer(self, key: str) -> int:
        """The value of an integer key."""
        value = self[key]
        assert isinstance(value, int)
        return value

    def integers(self, key: str) -> tuple[int, ...]:
        """The value of a list key."""
        value = self[key]
        assert isinstance(value, tuple)
        return value

    def to_dict(self) -> dict[str, int | list[int]]:
        """Plain dictionary, for the image's manifest."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in self.data}

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> tuple[tuple[str, RecordValue], ...]:
        def entry() -> tuple[str, RecordValue]:
            name = parser.parse_identifier()
            parser.parse_punctuation("=")
            items = parser.parse_optional_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer)
            return name, parser.parse_integer() if items is None else tuple(items)

        with parser.in_angle_brackets():
            return tuple(parser.parse_comma_separated_list(parser.Delimiter.NONE, entry))

    def print_parameter(self, printer: Printer) -> None:
        def entry(item: tuple[str, RecordValue]) -> None:
            name, value = item
            printer.print_string(f"{name} = {list(value) if isinstance(value, tuple) else value}")

        with printer.in_angle_brackets():
            printer.print_list(self.data, entry)

    def verify(self) -> None:
        found = tuple(name for name, _ in self.data)
        present = (key for group in self.optional if not set(group).isdisjoint(found) for key in group)
        if found != (*self.keys, *present):
            raise VerifyException(f"#{self.name} has keys {', '.join(found)}, expected {', '.join(self.keys)}")
        for name, value in self.data:
            if isinstance(value, tuple) != (name in self.lists):
                shown = list(value) if isinstance(value, tuple) else value
                expected = "a list of integers" if name in self.lists else "an integer"
                raise VerifyException(f"#{self.name} has {name} = {shown}, expected {expected}")
            for number in value if isinstance(value, tuple) else (value,):
                if number < 0:
                    raise VerifyException(f"#{self.name} has {name} = {number}, expected at least 0")


def page_tokens(layout: Attribute) -> int:
    """Tokens of a page of a tensor with this layout, 0 if it is not in pages."""
    if not isinstance(layout, RecordAttr) or PAGED not in layout.optional:
        return 0
    return layout.integer(PAGED[0])
