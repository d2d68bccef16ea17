"""Encoding of programs: a builder that turns named instructions with affine operands into the binary arrays."""

import operator
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import SupportsIndex

import numpy as np

from .check import COLUMN, FILLED_FIELDS, ProgramError, check_arguments, check_register, instruction_set, takes_terms
from .image import Program
from .spec import FIRST_FIELD, REGISTERS, WIDTH, Opcode


@dataclass(frozen=True)
class Affine:
    """`constant + sum(coefficient * register)`: the form of every operand."""

    constant: int = 0
    coefficients: Mapping[int, int] = field(default_factory=dict)

    @staticmethod
    def of(value: "SupportsIndex | Affine") -> "Affine":
        return value if isinstance(value, Affine) else Affine(operator.index(value))

    @staticmethod
    def register(number: int) -> "Affine":
        """The value of one register."""
        return Affine(0, {number: 1})

    def __add__(self, other: "SupportsIndex | Affine") -> "Affine":
        other = Affine.of(other)
        total = dict(self.coefficients)
        for register, coefficient in other.coefficients.items():
            total[register] = total.get(register, 0) + coefficient
        return Affine(self.constant + other.constant, {r: c for r, c in total.items() if c})

    __radd__ = __add__

    def __mul__(self, factor: SupportsIndex) -> "Affine":
        k = operator.index(factor)
        return Affine(self.constant * k, {r: c * k for r, c in self.coefficients.items() if c * k})

    __rmul__ = __mul__

    def __sub__(self, other: "SupportsIndex | Affine") -> "Affine":
        return self + Affine.of(other) * -1


Operand = SupportsIndex | Affine | float | np.floating | str
"""A field value: int or affine; for float fields a float or, as an int, its bits; for enums a name or its number."""


def float_bits(value: float) -> int:
    """The bits of the fp32 nearest to `value`."""
    return struct.unpack("<I", np.float32(value).tobytes())[0]


class ProgramBuilder:
    """Collects the instructions of one program.

        builder = ProgramBuilder("qkv", "npu", arguments=("x", "q", "tokens"))
        full = builder.semaphore()
        with builder.loop(6) as tile:
            builder.emit("load", dram=4096 + 18432 * Affine.register(tile), ..., post=[(full, 1)], tag="linear attn_q")
        program = builder.finish()

    Registers 0.. hold the arguments. Loop counters are taken from the free registers and returned at the end of the loop.
    """

    def __init__(self, name: str, device: str, arguments: Sequence[str] = ()) -> None:
        self.name = name
        self.device = device
        self.arguments = tuple(arguments)
        try:
            self.isa = instruction_set(device)
            check_arguments(self.arguments)
        except ProgramError as error:
            raise ProgramError(f"program {name}: {error}") from None
        self._free = list(range(REGISTERS - 1, len(self.arguments) - 1, -1))
        self._rows: list[list[int]] = []
        self._terms: list[tuple[int, int, int]] = []
        self._semaphores: list[int] = []
        self._tags: dict[str, int] = {"": 0}
        self._loops: list[int] = []

    def argument(self, name: str) -> Affine:
        """The value of the argument called `name`."""
        return Affine.register(self.arguments.index(name))

    def register(self) -> int:
        """A free register."""
        if not self._free:
            raise ProgramError(f"program {self.name}: all {REGISTERS} registers are in use")
        return self._free.pop()

    def release(self, register: int) -> None:
        """Give a register back."""
        self._free.append(register)

    def semaphore(self, initial: int = 0) -> int:
        """A new semaphore that starts with the count `initial`."""
        if initial < 0:
            raise ProgramError(f"program {self.name}: semaphore starts at {initial}, expected at least 0")
        self._semaphores.append(initial)
        return len(self._semaphores) - 1

    def tag(self, name: str) -> int:
        """The number of tag `name`, new or known."""
        return self._tags.setdefault(name, len(self._tags))

    @contextmanager
    def loop(self, stop: Operand, start: Operand = 0, step: Operand = 1) -> Iterator[int]:
        """Loop over what is emitted inside; gives the register of the counter."""
        counter = self.register()
        self.emit("loop", counter=counter, start=start, stop=stop, step=step)
        yield counter
        self.emit("end")
        self.release(counter)

    def emit(
        self,
        opcode_name: str,
        *,
        queue: str | None = None,
        wait: Sequence[tuple[int, int]] = (),
        post: Sequence[tuple[int, int]] = (),
        tag: str | None = None,
        **fields: Operand,
    ) -> int:
        """Append an instruction and return its index. `wait` and `post` are up to two (semaphore, count) each."""
        index = len(self._rows)
        try:
            opcode = self._opcode(opcode_name)
            row = self._header(opcode, queue, wait, post, tag)
            terms = self._fields(opcode, fields, row)
        except ProgramError as error:
            raise ProgramError(f"program {self.name}, instruction {index} ({opcode_name}): {error}") from None
        row[COLUMN["term_begin"]] = len(self._terms)
        row[COLUMN["term_count"]] = len(terms)
        self._terms += terms
        self._rows.append(row)
        return index

    def finish(self) -> Program:
        """The program, ended by `halt`."""
        if self._loops:
            raise ProgramError(f"program {self.name}, instruction {self._loops[-1]} (loop): no matching end")
        if not self._rows or self._rows[-1][0] != self.isa["halt"].number:
            self.emit("halt")
        return Program(
            self.name,
            self.device,
            np.array(self._rows, np.int64).reshape(-1, WIDTH),
            np.array(self._terms, np.int64).reshape(-1, 3),
            self.arguments,
            np.array(self._semaphores, np.int64),
            tuple(self._tags),
        )

    def _opcode(self, name: str) -> Opcode:
        try:
            opcode = self.isa[name]
        except KeyError:
            raise ProgramError(f"no such instruction in the {self.device} instruction set") from None
        if self._rows and self._rows[-1][0] == self.isa["halt"].number:
            raise ProgramError("follows halt")
        return opcode

    def _header(
        self,
        opcode: Opcode,
        queue: str | None,
        wait: Sequence[tuple[int, int]],
        post: Sequence[tuple[int, int]],
        tag: str | None,
    ) -> list[int]:
        queue = opcode.queue if queue is None else queue
        if queue not in self.isa.queues:
            raise ProgramError(f"unknown queue {queue!r}, expected one of {', '.join(self.isa.queues)}")
        if (queue == "ctl") != (opcode.queue == "ctl"):
            raise ProgramError(f"queue {queue} cannot execute it")
        row = [0] * WIDTH
        row[COLUMN["opcode"]] = opcode.number
        row[COLUMN["queue"]] = self.isa.queues.index(queue)
        row[COLUMN["tag"]] = self.tag(tag or "")
        for what, pairs in (("wait", wait), ("post", post)):
            if len(pairs) > 2:
                raise ProgramError(f"{what}s on {len(pairs)} semaphores, at most 2 fit")
            row[COLUMN[f"{what}0"]] = row[COLUMN[f"{what}1"]] = -1
            for slot, (semaphore, count) in enumerate(pairs):
                if not 0 <= semaphore < len(self._semaphores):
                    raise ProgramError(f"{what} names semaphore {semaphore}, but there are {len(self._semaphores)}")
                if count < 1:
                    raise ProgramError(f"{what} of semaphore {semaphore} has count {count}, expected at least 1")
                row[COLUMN[f"{what}{slot}"]] = semaphore
                row[COLUMN[f"{what}{slot}_count"]] = count
        return row

    def _fields(self, opcode: Opcode, fields: Mapping[str, Operand], row: list[int]) -> list[tuple[int, int, int]]:
        """Fill the field columns of `row`, return the terms."""
        for name in fields:
            if name not in opcode.fields or name in FILLED_FIELDS:
                known = [known for known in opcode.fields if known not in FILLED_FIELDS]
                raise ProgramError(f"unknown field {name}, it has {', '.join(known) or 'none'}")
        missing = [name for name in opcode.fields if name not in fields and name not in opcode.defaults]
        if missing:
            raise ProgramError(f"missing field {', '.join(missing)}")
        terms = []
        for column, name in enumerate(opcode.fields, FIRST_FIELD):
            value = _operand(opcode, name, fields.get(name, opcode.defaults.get(name, 0)))
            if not -(2**63) <= value.constant < 2**63:
                raise ProgramError(f"field {name} holds {value.constant}, which does not fit in 64 bits")
            row[column] = value.constant
            for register, coefficient in sorted(value.coefficients.items()):
                check_register(register)
                if not -(2**63) <= coefficient < 2**63:
                    raise ProgramError(f"field {name} has coefficient {coefficient}, which does not fit in 64 bits")
                if coefficient:
                    terms.append((column, register, coefficient))
        self._link(opcode, row)
        return terms

    def _link(self, opcode: Opcode, row: list[int]) -> None:
        """Keep the stack of open loops and connect each `end` with its `loop`."""
        index = len(self._rows)
        if opcode.name == "loop":
            self._loops.append(index)
        elif opcode.name == "end":
            if not self._loops:
                raise ProgramError("no loop is open")
            begin = self._loops.pop()
            row[opcode.column("begin")] = begin
            self._rows[begin][self.isa["loop"].column("exit")] = index + 1
        elif opcode.name == "halt" and self._loops:
            raise ProgramError("stands inside a loop")


def _operand(opcode: Opcode, name: str, value: Operand) -> Affine:
    """The value of field `name` in its encoded form."""
    if isinstance(value, str):
        names = opcode.enums.get(name, ())
        if value not in names:
            expected = f"one of {', '.join(names)}" if names else "a number"
            raise ProgramError(f"field {name} is {value!r}, expected {expected}")
        return Affine(names.index(value))
    if isinstance(value, float | np.floating):
        if name not in opcode.floats:
            raise ProgramError(f"field {name} is the float {value}, expected an integer")
        return Affine(float_bits(float(value)))
    try:
        operand = Affine.of(value)
    except TypeError:
        raise ProgramError(f"field {name} is {value!r}, expected an integer") from None
    if operand.coefficients:
        if not takes_terms(opcode, name):
            raise ProgramError(f"field {name} depends on a register, expected a constant")
    elif name in opcode.registers:
        check_register(operand.constant)
    elif name in opcode.floats and not 0 <= operand.constant < 2**32:
        raise ProgramError(f"field {name} is {operand.constant}, expected a float or the 32 bits of one")
    elif name in opcode.enums and not 0 <= operand.constant < len(opcode.enums[name]):
        raise ProgramError(f"field {name} is {operand.constant}, expected one of {', '.join(opcode.enums[name])}")
    return operand
