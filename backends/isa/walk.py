"""Walk a program: run its loops and scalars, and hand out every other instruction with the values of its fields."""

from collections.abc import Callable, Iterator, Sequence

from .check import ProgramError, instruction_set
from .image import Program
from .spec import CONTROL, FIRST_FIELD, HEADER, REGISTERS, SCALAR_OPS

_HALT, _LOOP, _END, _SCALAR, _SEQUENCE, _PAGE = (opcode.number for opcode in CONTROL)
_TERM_BEGIN, _TERM_COUNT = HEADER.index("term_begin"), HEADER.index("term_count")

_SCALAR_FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "set": lambda a, b: a,
    "ceildiv": lambda a, b: -(-a // b),
    "div": lambda a, b: a // b,
    "rem": lambda a, b: a % b,
    "min": min,
    "max": max,
    "mul": lambda a, b: a * b,
    "sub": lambda a, b: a - b,
}
_FUNCTIONS = tuple(_SCALAR_FUNCTIONS[name] for name in SCALAR_OPS)


class Walk:
    """A program decoded once, to be walked any number of times. Memory does not depend on how long a walk is."""

    def __init__(self, program: Program):
        self.name = program.name
        self._isa = instruction_set(program.device)
        self._kind = "plan" if program.device == "host" else "program"
        self._opcodes: list[int] = program.code[:, 0].tolist()
        self._fields: list[list[int]] = program.code[:, FIRST_FIELD:].tolist()
        terms = [(column - FIRST_FIELD, register, factor) for column, register, factor in program.terms.tolist()]
        self._terms: list[list[tuple[int, int, int]]] = [
            terms[begin : begin + count] if count else []
            for begin, count in program.code[:, [_TERM_BEGIN, _TERM_COUNT]].tolist()
        ]

    def registers(self, arguments: list[int]) -> list[int]:
        """The registers at the start, with the arguments in the first ones."""
        return [*arguments, *[0] * (REGISTERS - len(arguments))]

    def run(
        self, registers: list[int], counters: list[int], sequences: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, int, list[int]]]:
        """Index, opcode and fields of every instruction that is not control flow, in the order of execution.

        `sequences` is the sequence table of the step. `counters` always holds the counter registers of the open loops,
        outermost first.
        """
        opcodes, pc = self._opcodes, 0
        while pc < len(opcodes):
            opcode = opcodes[pc]
            fields = self._decode(pc, registers)
            pc += 1
            if opcode > _PAGE:
                yield pc - 1, opcode, fields
            elif opcode == _LOOP:
                counter, start, stop, step, leave = fields[:5]
                if step < 1:
                    raise self.error(pc - 1, f"step {step}, expected at least 1")
                registers[counter] = start
                if start < stop:
                    counters.append(counter)
                else:
                    pc = leave
            elif opcode == _END:
                begin = fields[0]
                counter, _, _, step = self._decode(begin, registers)[:4]
                registers[counter] += step
                if registers[counter] < self._decode(begin, registers)[2]:
                    pc = begin + 1
                else:
                    counters.pop()
            elif opcode == _SCALAR:
                result, op, a, b = fields[:4]
                if b == 0 and SCALAR_OPS[op] in ("ceildiv", "div", "rem"):
                    raise self.error(pc - 1, "division by zero")
                registers[result] = _FUNCTIONS[op](a, b)
            elif opcode == _SEQUENCE:
                index, *targets = fields[:5]
                if not 0 <= index < len(sequences):
                    raise self.error(pc - 1, f"row {index}, the step has {len(sequences)} sequences")
                for register, value in zip(targets, sequences[index], strict=True):
                    registers[register] = value
            elif opcode == _PAGE:
                raise self.error(pc - 1, "page tables are known only to the simulator")
            else:
                return

    def error(self, pc: int, message: str) -> ProgramError:
        """What is wrong with instruction `pc`."""
        name = self._isa.by_number(self._opcodes[pc]).name
        return ProgramError(f"{self._kind} {self.name}, instruction {pc} ({name}): {message}")

    def _decode(self, pc: int, registers: list[int]) -> list[int]:
        fields, terms = self._fields[pc], self._terms[pc]
        if terms:
            fields = fields.copy()
            for column, register, factor in terms:
                fields[column] += factor * registers[register]
        return fields
