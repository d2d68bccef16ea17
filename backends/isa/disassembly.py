"""From binary programs to assembly text: one instruction a line, everything by name."""

import json
import re
import struct
from collections.abc import Iterable

import numpy as np

from .check import COLUMN, FILLED_FIELDS, SEMAPHORE_COLUMNS, check_program, instruction_set
from .encode import float_bits
from .image import Program
from .spec import InstructionSet, Opcode

INDENT = "  "


def disassemble(program: Program) -> str:
    """The assembly text of a well-formed program; `assemble` gives the same program back."""
    check_program(program)
    isa = instruction_set(program.device)
    lines = [f".program @{_program_name(program.name)} {program.device} ({', '.join(program.arguments)})"]
    lines += [f".semaphore {index} = {count}" for index, count in enumerate(program.semaphores)]
    lines += [f".tag {index} {json.dumps(tag)}" for index, tag in enumerate(program.tags) if index]
    registers = register_names(program.arguments)
    depth = 1
    for row in program.code:
        opcode = isa.by_number(int(row[0]))
        depth -= opcode.name == "end"
        lines.append(INDENT * depth + _instruction(program, isa, opcode, row, registers))
        depth += opcode.name == "loop"
    return "\n".join(lines) + "\n"


def disassemble_all(programs: Iterable[Program]) -> str:
    """The assembly text of several programs, in order."""
    return "\n".join(disassemble(program) for program in programs)


def register_names(arguments: tuple[str, ...]) -> dict[int, str]:
    """How registers are written where not `%r` and their number: by the argument that they hold."""
    return {number: name for number, name in enumerate(arguments) if not re.fullmatch(r"r\d+", name)}


def float_text(bits: int) -> str:
    """An fp32 as a decimal that reads back to the same bits, in hexadecimal where there is none."""
    value = np.frombuffer(struct.pack("<I", bits), np.float32)[0]
    text = str(value)
    return text if not np.isnan(value) and float_bits(float(text)) == bits else f"0x{bits:08x}"


def _program_name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else json.dumps(name)


def _instruction(
    program: Program, isa: InstructionSet, opcode: Opcode, row: np.ndarray, registers: dict[int, str]
) -> str:
    begin, count = int(row[COLUMN["term_begin"]]), int(row[COLUMN["term_count"]])
    terms = program.terms[begin : begin + count]
    values = {name: _field(opcode, name, row, terms, registers) for name in opcode.fields if name not in FILLED_FIELDS}
    suffix = _suffix(row)
    if opcode.name == "loop":
        step = "" if values["step"] == "1" else f" step {values['step']}"
        return f"loop {values['counter']} = {values['start']} to {values['stop']}{step}{suffix} {{"
    if opcode.name == "end":
        return "}" + suffix
    if opcode.name == "scalar":
        second = "" if values["b"] == "0" else f", {values['b']}"
        return f"{values['result']} = {values['op']} {values['a']}{second}{suffix}"
    queue = isa.queues[int(row[COLUMN["queue"]])]
    prefix = f"{queue}: " if queue != "ctl" and len(isa.queues) > 2 else ""
    shown = [f"{name}={text}" for name, text in values.items() if not _is_default(opcode, name, row, terms)]
    return prefix + opcode.name + (" " + ", ".join(shown) if shown else "") + suffix


def _field(opcode: Opcode, name: str, row: np.ndarray, terms: np.ndarray, registers: dict[int, str]) -> str:
    column = opcode.column(name)
    value = int(row[column])
    if name in opcode.registers:
        return _register(value, registers)
    if name in opcode.floats:
        return float_text(value)
    if name in opcode.enums:
        return opcode.enums[name][value]
    own = terms[terms[:, 0] == column].tolist()
    text = str(value) if value or not own else ""
    for _, register, coefficient in own:
        sign = "-" if coefficient < 0 else "+" if text else ""
        factor = "" if abs(coefficient) == 1 else f"{abs(coefficient)}*"
        text += f"{sign}{factor}{_register(register, registers)}"
    return text


def _register(number: int, registers: dict[int, str]) -> str:
    return f"%{registers.get(number, f'r{number}')}"


def _is_default(opcode: Opcode, name: str, row: np.ndarray, terms: np.ndarray) -> bool:
    column = opcode.column(name)
    return row[column] == opcode.defaults.get(name) and column not in terms[:, 0]


def _suffix(row: np.ndarray) -> str:
    """Waits, posts and tag."""
    text = ""
    for what, columns in zip(("wait", "post"), SEMAPHORE_COLUMNS, strict=True):
        pairs = [f"s{row[COLUMN[name]]}:{row[COLUMN[name + '_count']]}" for name in columns if row[COLUMN[name]] >= 0]
        text += f" {what}({', '.join(pairs)})" if pairs else ""
    tag = int(row[COLUMN["tag"]])
    return text + (f" !tag({tag})" if tag else "")
