"""Turn what a stopped kernel left into a SimulationError that names program, instruction, field, value and limit."""

import numpy as np

from ...backends.isa.check import COLUMN, instruction_set
from ...backends.isa.image import Program
from ...backends.isa.spec import FIRST_FIELD, Opcode
from .dispatch import (
    ADDRESS,
    DEADLOCK,
    FAULT_COLUMN,
    FAULT_HIGH,
    FAULT_KIND,
    FAULT_LIMIT,
    FAULT_LOW,
    FAULT_PC,
    ROW_CLOSED,
    ROW_OPEN,
    VALUE,
)
from .errors import SimulationError


def fault_error(program: Program, fault: np.ndarray) -> SimulationError:
    """The error for a program that stopped and left the reason in `fault`."""
    pc, column = int(fault[FAULT_PC]), int(fault[FAULT_COLUMN])
    low, high, limit = (int(fault[i]) for i in (FAULT_LOW, FAULT_HIGH, FAULT_LIMIT))
    opcode = instruction_set(program.device).by_number(int(program.code[pc, 0]))
    messages = {
        ADDRESS: f"{_field(opcode, column)} covers [{low}, {high}), limit {limit}",
        VALUE: f"{_field(opcode, column)} is {low}, expected {high}..{limit}",
        DEADLOCK: f"deadlock: needs {high} of semaphore {low}, earlier instructions left {limit}",
        ROW_CLOSED: f"channel {low} has no open PIM row",
        ROW_OPEN: f"channel {low} still has PIM row {limit} open",
    }
    tag = program.tags[int(program.code[pc, COLUMN["tag"]])]
    origin = f" of {tag}" if tag else ""
    return SimulationError(
        f"program {program.name}, instruction {pc} ({opcode.name}){origin}: {messages[int(fault[FAULT_KIND])]}"
    )


def _field(opcode: Opcode, column: int) -> str:
    return opcode.fields[column - FIRST_FIELD]
