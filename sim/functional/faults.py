"""Turn what a stopped kernel left into a SimulationError that names program, instruction, field, value and limit."""

import numpy as np

from ...backends.isa.check import COLUMN, instruction_set
from ...backends.isa.image import Program
from ...backends.isa.spec import FIRST_FIELD, Opcode
from . import dispatch
from .dispatch import FAULT_COLUMN, FAULT_HIGH, FAULT_KIND, FAULT_LIMIT, FAULT_LOW, FAULT_PC
from .errors import SimulationError


def fault_error(program: Program, fault: np.ndarray) -> SimulationError:
    """The error for a program that stopped and left the reason in `fault`."""
    pc = int(fault[FAULT_PC])
    opcode = instruction_set(program.device).by_number(int(program.code[pc, 0]))
    tag = program.tags[int(program.code[pc, COLUMN["tag"]])]
    origin = f" of {tag}" if tag else ""
    return SimulationError(
        f"program {program.name}, instruction {pc} ({opcode.name}){origin}: {_reason(opcode, fault)}"
    )


def _reason(opcode: Opcode, fault: np.ndarray) -> str:
    low, high, limit = (int(fault[i]) for i in (FAULT_LOW, FAULT_HIGH, FAULT_LIMIT))
    match int(fault[FAULT_KIND]):
        case dispatch.OK:  # a model of time stopped at an instruction that it does not know
            return "its time is not modelled: execute it without timing, or export the program as a trace"
        case dispatch.DEADLOCK:
            return f"deadlock: needs {high} of semaphore {low}, earlier instructions left {limit}"
        case dispatch.ROW_CLOSED:
            return f"channel {low} has no open PIM row"
        case dispatch.ROW_OPEN:
            return f"channel {low} still has PIM row {limit} open"
    field = opcode.fields[int(fault[FAULT_COLUMN]) - FIRST_FIELD]
    if fault[FAULT_KIND] == dispatch.VALUE:
        return f"{field} is {low}, expected {high}..{limit}"
    return f"{field} covers [{low}, {high}), limit {limit}"
