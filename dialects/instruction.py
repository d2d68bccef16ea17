"""Base class of the machine-level ops of `npu` and `pim`: one op is one instruction of `backends/isa`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, StringAttr, i64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import IRDLOperation, opt_prop_def, prop_def, traits_def, var_operand_def
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.printer import Printer
from xdsl.traits import MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from ..backends.isa.spec import InstructionSet, Opcode
from .affine_fields import AffineSum, FieldEntry, FieldsAttr, bits_float, decode_fields, encode_fields, float_bits


class InstructionOp(IRDLOperation):
    """One instruction. Fields are affine sums of index values, buffers and region addresses.

    Syntax: `npu.load(dram = %w + 512 * %i, rows = 1, …) wait(%s) post(%t : 2) {source = "attn_q"} : index, …`.
    The types are those of the distinct values in order of appearance. Subclasses set `OPCODE`.
    Every instruction has a write effect: it must never be erased because its (absent) results are unused.
    """

    operands_ = var_operand_def()
    fields = prop_def(FieldsAttr)
    waits = opt_prop_def(DenseArrayBase)
    posts = opt_prop_def(DenseArrayBase)
    traits = traits_def(MemoryWriteEffect())

    INSTRUCTION_SET: ClassVar[InstructionSet]
    OPCODE: ClassVar[Opcode]
    FIELDS_ATTR: ClassVar[type[FieldsAttr]]
    SEMAPHORE_TYPE: ClassVar[tuple[type[Attribute], ...]] = ()
    """What the instruction can wait for and post; nothing where queues have no semaphores."""

    def __init__(
        self,
        fields: Mapping[str, AffineSum | SSAValue | Operation | int],
        wait: Sequence[tuple[SSAValue, int]] = (),
        post: Sequence[tuple[SSAValue, int]] = (),
        source: StringAttr | None = None,
    ):
        operands, entries = encode_fields(fields)
        properties: dict[str, Attribute] = {"fields": self.FIELDS_ATTR(entries)}
        for name, semaphores in (("waits", wait), ("posts", post)):
            if semaphores:
                properties[name] = _semaphore_pairs(operands, semaphores)
        attributes: dict[str, Attribute] = {} if source is None else {"source": source}
        super().__init__(operands=[operands], properties=properties, attributes=attributes)

    def values(self) -> dict[str, AffineSum]:
        """Field name to affine sum, for the fields that are set."""
        return decode_fields(self.operands_, self.fields.data)

    def semaphores(self, which: str) -> list[tuple[SSAValue, int]]:
        """(semaphore, count) pairs of `waits` or `posts`."""
        pairs = getattr(self, which)
        if pairs is None:
            return []
        numbers = pairs.get_values()
        return [(self.operands_[numbers[i]], numbers[i + 1]) for i in range(0, len(numbers), 2)]

    def add_semaphores(self, which: str, semaphores: Sequence[tuple[SSAValue, int]]) -> None:
        """Append (semaphore, count) pairs to `waits` or `posts`."""
        operands = list(self.operands_)
        self.properties[which] = _semaphore_pairs(operands, [*self.semaphores(which), *semaphores])
        self.operands = operands

    def verify_(self) -> None:
        names = [name for name, _, _ in self.fields.data]
        for name in names:
            if name not in self.OPCODE.fields:
                known = ", ".join(self.OPCODE.fields) or "no fields"
                raise VerifyException(f"unknown field '{name}', {self.name} has {known}")
            if names.count(name) > 1:
                raise VerifyException(f"field '{name}' is set twice")
        for name in self.OPCODE.fields:
            if name not in names and name not in self.OPCODE.defaults:
                raise VerifyException(f"field '{name}' is not set and has no default")
        for name, constant, terms in self.fields.data:
            for index, _ in terms:
                self._check_operand(f"field '{name}'", index)
            symbols = self.OPCODE.enums.get(name)
            if symbols and (terms or not 0 <= constant < len(symbols)):
                raise VerifyException(f"field '{name}' is {constant}, expected one of {', '.join(symbols)}")
        for which in ("waits", "posts"):
            self._verify_semaphores(which)

    def _verify_semaphores(self, which: str) -> None:
        pairs = getattr(self, which)
        numbers = () if pairs is None else pairs.get_values()
        if len(numbers) % 2:
            raise VerifyException(f"{which} are pairs of operand and count, found {len(numbers)} numbers")
        for index in numbers[::2]:
            self._check_operand(which, int(index))
        for semaphore, count in self.semaphores(which):
            if not isinstance(semaphore.type, self.SEMAPHORE_TYPE):
                expected = "expected a semaphore" if self.SEMAPHORE_TYPE else f"{self.name} takes none"
                raise VerifyException(f"{which} name a value of type {semaphore.type}, {expected}")
            if count < 1:
                raise VerifyException(f"{which} have count {count}, expected at least 1")
        if len(numbers) > 4:
            raise VerifyException(f"{len(numbers) // 2} {which}, an instruction holds at most 2")

    def _check_operand(self, what: str, index: int) -> None:
        if not 0 <= index < len(self.operands_):
            raise VerifyException(f"{what} names operand {index}, the instruction has {len(self.operands_)}")

    def print(self, printer: Printer) -> None:
        operands = self.operands_

        def print_entry(entry: FieldEntry) -> None:
            name, constant, terms = entry
            printer.print_string(f"{name} = ")
            if name in self.OPCODE.enums:
                printer.print_string(self.OPCODE.enums[name][constant])
                return
            if name in self.OPCODE.floats and not terms:
                printer.print_string(_float_text(constant))
                return
            separator = ""
            if constant or not terms:
                printer.print_string(str(constant))
                separator = " + "
            for index, coefficient in terms:
                printer.print_string(separator)
                separator = " + "
                if coefficient != 1:
                    printer.print_string(f"{coefficient} * ")
                printer.print_ssa_value(operands[index])

        with printer.in_parens():
            printer.print_list(self.fields.data, print_entry)
        for word, which in (("wait", "waits"), ("post", "posts")):
            semaphores = self.semaphores(which)
            if semaphores:
                printer.print_string(f" {word}(")
                printer.print_list(semaphores, lambda pair: _print_semaphore(printer, pair))
                printer.print_string(")")
        printer.print_op_attributes(self.attributes)
        if operands:
            printer.print_string(" : ")
            printer.print_list(operands, lambda value: printer.print_attribute(value.type))

    @classmethod
    def parse(cls, parser: Parser) -> InstructionOp:
        names: list[UnresolvedOperand] = []

        def operand_index() -> int:
            operand = parser.parse_unresolved_operand()
            for position, seen in enumerate(names):
                if (seen.operand_name, seen.index) == (operand.operand_name, operand.index):
                    return position
            names.append(operand)
            return len(names) - 1

        def parse_entry() -> FieldEntry:
            name = parser.parse_identifier("field name expected")
            parser.parse_punctuation("=")
            if name in cls.OPCODE.enums:
                symbols = cls.OPCODE.enums[name]
                symbol = parser.parse_identifier()
                if symbol not in symbols:
                    parser.raise_error(f"field '{name}' is '{symbol}', expected one of {', '.join(symbols)}")
                return name, symbols.index(symbol), ()
            if name in cls.OPCODE.floats:
                number = parser.parse_number()
                return name, number if isinstance(number, int) else float_bits(number), ()
            constant, terms = 0, []
            while True:
                number = parser.parse_optional_integer(allow_boolean=False)
                if number is None:
                    terms.append((operand_index(), 1))
                elif parser.parse_optional_punctuation("*"):
                    terms.append((operand_index(), number))
                else:
                    constant += number
                if not parser.parse_optional_punctuation("+"):
                    return name, constant, tuple(terms)

        def parse_semaphore() -> tuple[int, int]:
            index = operand_index()
            count = parser.parse_integer() if parser.parse_optional_punctuation(":") else 1
            return index, count

        entries = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parse_entry)
        properties: dict[str, Attribute] = {"fields": cls.FIELDS_ATTR(tuple(entries))}
        for word, which in (("wait", "waits"), ("post", "posts")):
            if parser.parse_optional_keyword(word):
                pairs = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parse_semaphore)
                properties[which] = DenseArrayBase.from_list(i64, [n for pair in pairs for n in pair])
        attributes = parser.parse_optional_attr_dict()
        types, begin = [], parser.pos
        if parser.parse_optional_punctuation(":"):
            types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
        if len(types) != len(names):
            parser.raise_error(f"{len(names)} values but {len(types)} types", begin)
        operands = [parser.resolve_operand(name, type_) for name, type_ in zip(names, types, strict=True)]
        return cls.create(operands=operands, properties=properties, attributes=attributes)


def _semaphore_pairs(operands: list[SSAValue], semaphores: Sequence[tuple[SSAValue, int]]) -> DenseArrayBase:
    numbers: list[int] = []
    for semaphore, count in semaphores:
        if semaphore not in operands:
            operands.append(semaphore)
        numbers += [operands.index(semaphore), count]
    return DenseArrayBase.from_list(i64, numbers)


def _print_semaphore(printer: Printer, pair: tuple[SSAValue, int]) -> None:
    semaphore, count = pair
    printer.print_ssa_value(semaphore)
    if count != 1:
        printer.print_string(f" : {count}")


def _float_text(bits: int) -> str:
    value = bits_float(bits)
    text = repr(value)
    if text in ("inf", "-inf", "nan") or ("e" not in text and "." not in text):
        return hex(bits)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return text
