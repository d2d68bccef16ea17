"""Programs before and after execution: a static check that lets kernels trust their tables, and the naming of a fault."""

import numpy as np

from ...backends.isa.host import HOST
from ...backends.isa.image import Program
from ...backends.isa.npu import NPU
from ...backends.isa.pim import PIM
from ...backends.isa.spec import FIRST_FIELD, HEADER, REGISTERS, WIDTH, InstructionSet, Opcode
from .errors import SimulationError

SETS = {"npu": NPU, "pim": PIM, "host": HOST}

_COLUMN = {name: index for index, name in enumerate(HEADER)}


def instruction_set(program: Program) -> InstructionSet:
    """The instruction set of the program's device."""
    if program.device not in SETS:
        raise SimulationError(f"program {program.name}: device {program.device!r} is not one of {', '.join(SETS)}")
    return SETS[program.device]


def check_program(program: Program) -> None:
    """Raise SimulationError unless every opcode, register, semaphore, enumeration and jump of the program exists."""
    code, terms = program.code, program.terms
    if code.dtype != np.int64 or code.ndim != 2 or code.shape[1] != WIDTH:
        raise SimulationError(
            f"program {program.name}: code is {code.dtype}{list(code.shape)}, expected int64[n, {WIDTH}]"
        )
    if terms.dtype != np.int64 or terms.ndim != 2 or terms.shape[1] != 3:
        raise SimulationError(
            f"program {program.name}: terms are {terms.dtype}{list(terms.shape)}, expected int64[m, 3]"
        )
    opcodes = {opcode.number: opcode for opcode in instruction_set(program).opcodes}
    open_loops: list[int] = []
    for index, row in enumerate(code.tolist()):
        opcode = opcodes.get(row[0])
        if opcode is None:
            raise SimulationError(
                f"program {program.name}, instruction {index}: {program.device} has no opcode {row[0]}"
            )
        where = f"program {program.name}, instruction {index} ({opcode.name})"
        variable = _check_terms(where, row, terms)
        _check_header(where, row, len(program.semaphores))
        _check_fields(where, row, opcode, variable)
        _check_loops(where, row, opcode, index, code, open_loops)
    if open_loops:
        raise SimulationError(f"program {program.name}, instruction {open_loops[-1]} (loop): has no end")


def _check_terms(where: str, row: list[int], terms: np.ndarray) -> set[int]:
    begin, count = row[_COLUMN["term_begin"]], row[_COLUMN["term_count"]]
    if count < 0 or (count and not 0 <= begin <= begin + count <= len(terms)):
        raise SimulationError(
            f"{where}: terms {begin}..{begin + count} are not in the {len(terms)} terms of the program"
        )
    used = terms[begin : begin + count].tolist() if count else []
    for column, register, _ in used:
        if not (FIRST_FIELD <= column < WIDTH and 0 <= register < REGISTERS):
            raise SimulationError(
                f"{where}: a term adds register {register} (limit {REGISTERS}) to column {column} "
                f"(fields are {FIRST_FIELD}..{WIDTH - 1})"
            )
    return {column for column, _, _ in used}


def _check_header(where: str, row: list[int], semaphores: int) -> None:
    for name in ("wait0", "wait1", "post0", "post1"):
        number, count = row[_COLUMN[name]], row[_COLUMN[name] + 1]
        if not -1 <= number < semaphores:
            raise SimulationError(f"{where}: {name} names semaphore {number}, the program has {semaphores}")
        if number >= 0 and count < 0:
            raise SimulationError(f"{where}: {name} has count {count}, expected at least 0")


def _check_fields(where: str, row: list[int], opcode: Opcode, variable: set[int]) -> None:
    limits = {name: REGISTERS for name in opcode.registers} | {name: len(names) for name, names in opcode.enums.items()}
    for name, limit in limits.items():
        column = opcode.column(name)
        if column in variable:
            raise SimulationError(f"{where}: field {name} must be a constant")
        if not 0 <= row[column] < limit:
            raise SimulationError(f"{where}: field {name} is {row[column]}, expected 0..{limit - 1}")


def _check_loops(
    where: str, row: list[int], opcode: Opcode, index: int, code: np.ndarray, open_loops: list[int]
) -> None:
    if opcode.name == "loop":
        open_loops.append(index)
    elif opcode.name == "end":
        if not open_loops:
            raise SimulationError(f"{where}: closes no loop")
        begin = open_loops.pop()
        loop = NPU["loop"]
        for name, found, expected in (
            ("begin", row[opcode.column("begin")], begin),
            ("exit of its loop", int(code[begin, loop.column("exit")]), index + 1),
        ):
            if found != expected:
                raise SimulationError(f"{where}: {name} is instruction {found}, expected {expected}")
