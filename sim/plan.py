"""The host plan, decoded once and interpreted in Python at every step: loops, scalars, and launches on device queues."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..backends.isa.host import HOST, MAX_ARGUMENTS
from ..backends.isa.image import Program
from ..backends.isa.spec import FIRST_FIELD, HEADER, REGISTERS, SCALAR_OPS
from .functional.errors import SimulationError

SequenceRow = tuple[int, int, int, int]
"""A row of the sequence table: first_row, new_tokens, past, slot."""


class PlannedLaunch(NamedTuple):
    """A launch that the plan asks for: the kernel and its arguments, the events that it waits for, the one that it sets
    (-1: none), the launch queue of its device, the counter of the outermost loop (-1: outside).
    """

    kernel: int
    arguments: list[int]
    after: list[int]
    event: int
    queue: int
    layer: int


_HALT, _LOOP, _END, _SCALAR = (HOST[name].number for name in ("halt", "loop", "end", "scalar"))
_LAUNCH = HOST["launch"].number
_TERM_BEGIN, _TERM_COUNT = HEADER.index("term_begin"), HEADER.index("term_count")
_FIRST_ARGUMENT = HOST["launch"].fields.index("arg0")

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


class Plan:
    """A decoded plan. `programs` are the kernels that it may launch."""

    def __init__(self, plan: Program, programs: Sequence[Program]):
        self.name = plan.name
        self.argument_counts = [len(program.arguments) for program in programs]
        self.opcodes: list[int] = plan.code[:, 0].tolist()
        self.fields: list[list[int]] = plan.code[:, FIRST_FIELD:].tolist()
        terms = [(column - FIRST_FIELD, register, factor) for column, register, factor in plan.terms.tolist()]
        self.terms: list[list[tuple[int, int, int]]] = [
            terms[begin : begin + count] if count else []
            for begin, count in plan.code[:, [_TERM_BEGIN, _TERM_COUNT]].tolist()
        ]

    def run(
        self, arguments: Sequence[int], sequences: Sequence[SequenceRow], launch: Callable[[PlannedLaunch], None]
    ) -> None:
        """Interpret the plan with these values in registers 0.. and call `launch` for each kernel, in program order."""
        registers = [*arguments, *[0] * (REGISTERS - len(arguments))]
        outer: list[int] = []
        opcodes, pc = self.opcodes, 0
        while pc < len(opcodes):
            opcode = opcodes[pc]
            fields = self._decode(pc, registers)
            pc += 1
            if opcode == _LAUNCH:
                kernel, event, queue, after0, after1, after2, count = fields[:_FIRST_ARGUMENT]
                self._check_launch(pc - 1, kernel, count)
                values = fields[_FIRST_ARGUMENT : _FIRST_ARGUMENT + count]
                after = [awaited for awaited in (after0, after1, after2) if awaited >= 0]
                layer = registers[outer[0]] if outer else -1
                launch(PlannedLaunch(kernel, values, after, event, queue, layer))
            elif opcode == _LOOP:
                counter, start, stop, step, leave = fields[:5]
                if step < 1:
                    raise SimulationError(
                        f"plan {self.name}, instruction {pc - 1} (loop): step {step}, expected at least 1"
                    )
                registers[counter] = start
                if start < stop:
                    outer.append(counter)
                else:
                    pc = leave
            elif opcode == _END:
                begin = fields[0]
                counter, _, _, step = self._decode(begin, registers)[:4]
                registers[counter] += step
                if registers[counter] < self._decode(begin, registers)[2]:
                    pc = begin + 1
                else:
                    outer.pop()
            elif opcode == _SCALAR:
                result, op, a, b = fields[:4]
                if b == 0 and SCALAR_OPS[op] in ("ceildiv", "div", "rem"):
                    raise SimulationError(f"plan {self.name}, instruction {pc - 1} (scalar): division by zero")
                registers[result] = _FUNCTIONS[op](a, b)
            elif opcode == _HALT:
                return
            else:
                self._read_sequence(pc - 1, fields, sequences, registers)

    def _decode(self, pc: int, registers: list[int]) -> list[int]:
        fields, terms = self.fields[pc], self.terms[pc]
        if terms:
            fields = fields.copy()
            for column, register, factor in terms:
                fields[column] += factor * registers[register]
        return fields

    def _check_launch(self, pc: int, kernel: int, count: int) -> None:
        if not 0 <= kernel < len(self.argument_counts):
            raise SimulationError(
                f"plan {self.name}, instruction {pc} (launch): kernel {kernel}, the image has {len(self.argument_counts)}"
            )
        if not count == self.argument_counts[kernel] <= MAX_ARGUMENTS:
            raise SimulationError(
                f"plan {self.name}, instruction {pc} (launch): {count} arguments for kernel {kernel}, "
                f"which takes {self.argument_counts[kernel]} (limit {MAX_ARGUMENTS})"
            )

    def _read_sequence(
        self, pc: int, fields: list[int], sequences: Sequence[SequenceRow], registers: list[int]
    ) -> None:
        index = fields[0]
        if not 0 <= index < len(sequences):
            raise SimulationError(
                f"plan {self.name}, instruction {pc} (sequence): row {index}, the step has {len(sequences)} sequences"
            )
        for register, value in zip(fields[1:5], sequences[index], strict=True):
            registers[register] = value
