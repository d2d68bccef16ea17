"""Affine sums of SSA values, and the attribute that holds one for each field of a machine instruction."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.ir import Data, Operation, SSAValue
from xdsl.parser import AttrParser
from xdsl.printer import Printer


@dataclass(frozen=True)
class AffineSum:
    """`constant + sum(coefficient * value)` over SSA values: what an instruction field evaluates to.

    A value is an index (a run-time scalar or loop counter), a buffer or a region (which stands for its address).
    """

    constant: int = 0
    terms: Mapping[SSAValue, int] = field(default_factory=dict)

    @staticmethod
    def of(value: AffineSum | SSAValue | Operation | int) -> AffineSum:
        """The sum that is just this value or constant."""
        if isinstance(value, AffineSum):
            return value
        if isinstance(value, int):
            return AffineSum(value)
        return AffineSum(0, {SSAValue.get(value): 1})

    def __add__(self, other: AffineSum | SSAValue | Operation | int) -> AffineSum:
        other = AffineSum.of(other)
        terms = dict(self.terms)
        for value, coefficient in other.terms.items():
            terms[value] = terms.get(value, 0) + coefficient
        return AffineSum(self.constant + other.constant, {v: c for v, c in terms.items() if c})

    def __mul__(self, factor: int) -> AffineSum:
        if factor == 0:
            return AffineSum(0)
        return AffineSum(self.constant * factor, {v: c * factor for v, c in self.terms.items()})


FieldEntry = tuple[str, int, tuple[tuple[int, int], ...]]
"""Field name, constant, and (operand index, coefficient) pairs."""


class FieldsAttr(Data[tuple[FieldEntry, ...]]):
    """Fields of one instruction: each an affine sum over the operands of the op, `name = [constant, operand, coefficient, …]`.

    Subclassed in each dialect, so that the text `#npu.fields<…>` names the dialect that parses it.
    """

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> tuple[FieldEntry, ...]:
        return tuple(parser.parse_comma_separated_list(parser.Delimiter.ANGLE, lambda: _parse_entry(parser)))

    def print_parameter(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_list(self.data, lambda entry: _print_entry(printer, entry))

    def value(self, name: str) -> tuple[int, tuple[tuple[int, int], ...]]:
        """Constant and terms of field `name`; KeyError if the instruction does not set it."""
        for entry, constant, terms in self.data:
            if entry == name:
                return constant, terms
        raise KeyError(name)


def _parse_entry(parser: AttrParser) -> FieldEntry:
    name = parser.parse_identifier("field name expected")
    parser.parse_punctuation("=")
    numbers = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, lambda: parser.parse_integer())
    if len(numbers) % 2 == 0:
        parser.raise_error(
            f"field '{name}' is a constant and pairs of operand and coefficient, found {len(numbers)} numbers"
        )
    constant = numbers[0]
    terms = [(numbers[i], numbers[i + 1]) for i in range(1, len(numbers) - 1, 2)]
    return name, constant, tuple(terms)


def _print_entry(printer: Printer, entry: FieldEntry) -> None:
    name, constant, terms = entry
    numbers = [constant, *(n for term in terms for n in term)]
    printer.print_string(f"{name} = [{', '.join(map(str, numbers))}]")


def encode_fields(
    fields: Mapping[str, AffineSum | SSAValue | Operation | int],
) -> tuple[list[SSAValue], tuple[FieldEntry, ...]]:
    """Operands (each value once) and field entries for a set of affine sums."""
    operands: list[SSAValue] = []
    position: dict[SSAValue, int] = {}
    entries: list[FieldEntry] = []
    for name, value in fields.items():
        affine = AffineSum.of(value)
        terms: list[tuple[int, int]] = []
        for operand, coefficient in affine.terms.items():
            if operand not in position:
                position[operand] = len(operands)
                operands.append(operand)
            terms.append((position[operand], coefficient))
        entries.append((name, affine.constant, tuple(terms)))
    return operands, tuple(entries)


def decode_fields(operands: Sequence[SSAValue], entries: Iterable[FieldEntry]) -> dict[str, AffineSum]:
    """The inverse of `encode_fields`."""
    return {
        name: AffineSum(constant, {operands[index]: coefficient for index, coefficient in terms})
        for name, constant, terms in entries
    }


def float_bits(value: float) -> int:
    """The fp32 bits of a number, as instruction fields hold them."""
    return struct.unpack("<I", struct.pack("<f", value))[0]


def bits_float(bits: int) -> float:
    """The number that these fp32 bits stand for."""
    return struct.unpack("<f", struct.pack("<I", bits & 0xFFFFFFFF))[0]
