"""What every program must satisfy, whoever made it: the rules that the encoder keeps and that a reader may rely on."""

import re

import numpy as np

from .host import HOST
from .image import Program
from .npu import NPU
from .pim import PIM
from .spec import FIRST_FIELD, HEADER, REGISTERS, WIDTH, InstructionSet, Opcode
from .xpu import XPU

INSTRUCTION_SETS: dict[str, InstructionSet] = {"npu": NPU, "pim": PIM, "xpu": XPU, "host": HOST}

COLUMN = {name: index for index, name in enumerate(HEADER)}
"""Index of each header column."""

SEMAPHORE_COLUMNS = (("wait0", "wait1"), ("post0", "post1"))
FILLED_FIELDS = ("exit", "begin")
"""Fields that the encoder computes from the nesting of loops; the text does not show them."""

_NAME = re.compile(r"[A-Za-z_]\w*")


class ProgramError(ValueError):
    """A program that breaks a rule of its instruction set."""


def instruction_set(device: str) -> InstructionSet:
    if device not in INSTRUCTION_SETS:
        raise ProgramError(f"unknown device {device!r}, expected one of {', '.join(INSTRUCTION_SETS)}")
    return INSTRUCTION_SETS[device]


def takes_terms(opcode: Opcode, field: str) -> bool:
    """Whether the field may depend on registers: it is a plain number."""
    return field not in (*opcode.enums, *opcode.floats, *opcode.registers, *FILLED_FIELDS)


def check_program(program: Program) -> None:
    """Raise ProgramError, which names program and instruction, unless the program is well formed.

    Beside the meaning of each column this fixes one encoding per program, so that text and binary determine each other:
    the terms of instruction i follow those of instruction i - 1, ordered by column and register; unused columns are 0.
    """
    try:
        _check_header(program)
        isa = instruction_set(program.device)
    except ProgramError as error:
        raise ProgramError(f"program {program.name}: {error}") from None
    first_term = 0
    loops: list[int] = []
    for index, row in enumerate(program.code):
        name = str(int(row[0]))
        try:
            opcode = _opcode(isa, int(row[0]))
            name = opcode.name
            _check_columns(program, isa, opcode, row)
            first_term = _check_terms(program, opcode, row, first_term)
            _check_fields(opcode, row)
            _check_nesting(program, opcode, index, loops)
        except ProgramError as error:
            raise ProgramError(f"program {program.name}, instruction {index} ({name}): {error}") from None
    if loops:
        raise ProgramError(f"program {program.name}, instruction {loops[-1]} (loop): no matching end")
    if first_term != len(program.terms):
        raise ProgramError(f"program {program.name}: {len(program.terms)} terms, instructions use {first_term}")


def _check_header(program: Program) -> None:
    for what, array, shape in (("code", program.code, (WIDTH,)), ("terms", program.terms, (3,))):
        if array.dtype != np.int64 or array.ndim != 2 or array.shape[1:] != shape:
            raise ProgramError(f"{what} is {array.dtype}{list(array.shape)}, expected int64[n, {shape[0]}]")
    if program.semaphores.dtype != np.int64 or program.semaphores.ndim != 1 or (program.semaphores < 0).any():
        raise ProgramError("semaphores is not a one-dimensional int64 array of counts >= 0")
    if not program.name:
        raise ProgramError("no name")
    check_arguments(program.arguments)
    if not program.tags or program.tags[0]:
        raise ProgramError('tag 0 is not "": it marks instructions without a tag')
    if len(set(program.tags)) != len(program.tags):
        raise ProgramError("two tags have the same name")
    if not len(program.code) or program.code[-1, 0] != 0:
        raise ProgramError("last instruction is not halt")


def _opcode(isa: InstructionSet, number: int) -> Opcode:
    try:
        return isa.by_number(number)
    except KeyError:
        raise ProgramError(f"no such opcode in the {isa.name} instruction set") from None


def _check_columns(program: Program, isa: InstructionSet, opcode: Opcode, row: np.ndarray) -> None:
    queue = int(row[COLUMN["queue"]])
    if not 0 <= queue < len(isa.queues) or (isa.queues[queue] == "ctl") != (opcode.queue == "ctl"):
        raise ProgramError(f"queue {queue} cannot execute it")
    if not 0 <= row[COLUMN["tag"]] < len(program.tags):
        raise ProgramError(f"tag {row[COLUMN['tag']]}, but there are {len(program.tags)} tags")
    for pair in SEMAPHORE_COLUMNS:
        used = True
        for name in pair:
            semaphore, count = int(row[COLUMN[name]]), int(row[COLUMN[name + "_count"]])
            if semaphore == -1:
                used = False
                if count:
                    raise ProgramError(f"{name} is unused, but its count is {count}")
            elif not used:
                raise ProgramError(f"{name} is used, but {pair[0]} is not")
            elif not 0 <= semaphore < len(program.semaphores):
                raise ProgramError(f"{name} is semaphore {semaphore}, but there are {len(program.semaphores)}")
            elif count < 1:
                raise ProgramError(f"{name} has count {count}, expected at least 1")


def _check_terms(program: Program, opcode: Opcode, row: np.ndarray, first_term: int) -> int:
    begin, count = int(row[COLUMN["term_begin"]]), int(row[COLUMN["term_count"]])
    if begin != first_term or count < 0 or begin + count > len(program.terms):
        raise ProgramError(f"terms {begin} to {begin + count} of {len(program.terms)}, expected from {first_term}")
    previous = (-1, -1)
    for column, register, coefficient in program.terms[begin : begin + count].tolist():
        field = column - FIRST_FIELD
        if not 0 <= field < len(opcode.fields) or not takes_terms(opcode, opcode.fields[field]):
            raise ProgramError(f"term for column {column}, which takes none")
        check_register(register)
        if not coefficient or (column, register) <= previous:
            raise ProgramError("terms are not in order of column and register with coefficients other than 0")
        previous = (column, register)
    return begin + count


def _check_fields(opcode: Opcode, row: np.ndarray) -> None:
    for field in opcode.registers:
        check_register(int(row[opcode.column(field)]))
    for field in opcode.floats:
        if not 0 <= row[opcode.column(field)] < 2**32:
            raise ProgramError(f"field {field} holds {row[opcode.column(field)]}, expected the 32 bits of an fp32")
    for field, names in opcode.enums.items():
        value = row[opcode.column(field)]
        if not 0 <= value < len(names):
            raise ProgramError(f"field {field} holds {value}, expected less than {len(names)}: {', '.join(names)}")
    if row[FIRST_FIELD + len(opcode.fields) :].any():
        raise ProgramError("columns after its fields are not 0")


def check_arguments(arguments: tuple[str, ...]) -> None:
    if len(arguments) > REGISTERS:
        raise ProgramError(f"{len(arguments)} arguments, but there are {REGISTERS} registers")
    for argument in arguments:
        if not _NAME.fullmatch(argument) or arguments.count(argument) > 1:
            raise ProgramError(f"argument {argument!r} is not a name of its own")


def check_register(register: int) -> None:
    if not 0 <= register < REGISTERS:
        raise ProgramError(f"register {register} is out of range, there are {REGISTERS}")


def _check_nesting(program: Program, opcode: Opcode, index: int, loops: list[int]) -> None:
    if opcode.name == "loop":
        loops.append(index)
    elif opcode.name == "end":
        if not loops:
            raise ProgramError("no loop is open")
        loop = loops.pop()
        begin = int(program.code[index, opcode.column("begin")])
        exit_ = int(program.code[loop, instruction_set(program.device)["loop"].column("exit")])
        if (begin, exit_) != (loop, index + 1):
            raise ProgramError(f"links begin {begin}, exit {exit_}, expected begin {loop}, exit {index + 1}")
    elif opcode.name == "halt" and index != len(program.code) - 1:
        raise ProgramError("halt before the last instruction")
