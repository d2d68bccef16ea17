"""What the NPU and the PIM kernel share: fetching an instruction, sequencing, semaphores, and checks that name a fault."""

from collections import namedtuple
from typing import Any

import numpy as np

from ...backends.isa.spec import CONTROL, HEADER, SCALAR_OPS, WIDTH, Opcode
from .jit import bare

OK, ADDRESS, VALUE, DEADLOCK, ROW_CLOSED, ROW_OPEN = range(6)
"""What a kernel returns."""

FAULT_PC, FAULT_KIND, FAULT_COLUMN, FAULT_LOW, FAULT_HIGH, FAULT_LIMIT = range(6)
FAULT_SIZE = 6
"""What a kernel leaves in `fault` when it does not return OK: instruction, returned value, column, and three values."""


def columns(opcode: Opcode) -> Any:
    """A named tuple with the column of each field, which kernels use as a compile-time constant."""
    return namedtuple(f"{opcode.name}_columns", opcode.fields)(*(opcode.column(name) for name in opcode.fields))


_HALT, _LOOP, _END, _SCALAR, _SEQUENCE, _PAGE = (opcode.number for opcode in CONTROL)
LAST_CONTROL = _PAGE
_loop, _end, _scalar, _sequence, _page = (columns(opcode) for opcode in CONTROL[1:])
_TERM_BEGIN, _TERM_COUNT = HEADER.index("term_begin"), HEADER.index("term_count")
_WAITS = (HEADER.index("wait0"), HEADER.index("wait1"))
_POSTS = (HEADER.index("post0"), HEADER.index("post1"))
_SET, _CEILDIV, _DIV, _REM, _MIN, _MAX, _MUL, _SUB = (SCALAR_OPS.index(name) for name in SCALAR_OPS)

ZERO, ONE, WORD, MAX_EXTENT, MAX_INT = (np.int64(value) for value in (0, 1, 4, 1 << 30, 2**63 - 1))
"""Typed, because a kernel is compiled anew for each literal it is called with."""

SEQUENCE_FIELDS = CONTROL[_SEQUENCE].fields[1:]
"""Columns of the sequence table, in which order the instruction names its registers."""

FINISHED, FAILED = -1, -2
"""What `control` returns instead of the next instruction."""


@bare
def fetch(code, terms, registers, pc, row):
    """Decode instruction `pc` into `row`: immediates plus affine terms."""
    for column in range(WIDTH):
        row[column] = code[pc, column]
    begin = row[_TERM_BEGIN]
    for term in range(begin, begin + row[_TERM_COUNT]):
        row[terms[term, 0]] += terms[term, 2] * registers[terms[term, 1]]


@bare
def control(code, terms, registers, sequences, pages, pc, row, fault):
    """Execute the sequencing instruction in `row`; the index of the next one, FINISHED or FAILED.

    `sequences` int64[sequences of the step, 4] is the sequence table, `pages` int64[2, slots, pages of a slot] holds the page
    tables of keys and values, -1 where a slot has no page.
    """
    opcode = row[0]
    if opcode == _HALT:
        return FINISHED
    if opcode == _LOOP:
        if not within(fault, row, _loop.step, ONE, MAX_INT):
            return FAILED
        registers[row[_loop.counter]] = row[_loop.start]
        return pc + 1 if row[_loop.start] < row[_loop.stop] else row[_loop.exit]
    if opcode == _END:
        begin = row[_end.begin]
        fetch(code, terms, registers, begin, row)
        counter = row[_loop.counter]
        step = row[_loop.step]
        registers[counter] += step
        fetch(code, terms, registers, begin, row)
        return begin + 1 if registers[counter] < row[_loop.stop] else pc + 1
    if opcode == _SEQUENCE:
        if not within(fault, row, _sequence.index, ZERO, len(sequences) - ONE):
            return FAILED
        index = row[_sequence.index]
        for field in range(len(SEQUENCE_FIELDS)):
            registers[row[_sequence.first_row + field]] = sequences[index, field]
        return pc + 1
    if opcode == _PAGE:
        return _run_page(registers, pages, pc, row, fault)
    return _run_scalar(registers, pc, row, fault)


@bare
def _run_page(registers, pages, pc, row, fault):
    _, slots, most = pages.shape
    if not (within(fault, row, _page.slot, ZERO, slots - ONE) and within(fault, row, _page.index, ZERO, most - ONE)):
        return FAILED
    page = pages[row[_page.table], row[_page.slot], row[_page.index]]
    if page < 0:
        failed(fault, VALUE, _page.index, row[_page.index], ZERO, row[_page.index] - ONE)
        return FAILED
    registers[row[_page.result]] = page
    return pc + 1


@bare
def _run_scalar(registers, pc, row, fault):
    op, a, b = row[_scalar.op], row[_scalar.a], row[_scalar.b]
    if _CEILDIV <= op <= _REM and not within(fault, row, _scalar.b, ONE, MAX_INT):
        return FAILED
    if op == _SET:
        value = a
    elif op == _CEILDIV:
        value = -((-a) // b)
    elif op == _DIV:
        value = a // b
    elif op == _REM:
        value = a % b
    elif op == _MIN:
        value = min(a, b)
    elif op == _MAX:
        value = max(a, b)
    elif op == _MUL:
        value = a * b
    else:
        value = a - b
    registers[row[_scalar.result]] = value
    return pc + 1


@bare
def failed(fault, kind, column, low, high, limit):
    """Record why an instruction cannot be executed; always false."""
    fault[FAULT_KIND], fault[FAULT_COLUMN] = kind, column
    fault[FAULT_LOW], fault[FAULT_HIGH], fault[FAULT_LIMIT] = low, high, limit
    return False


@bare
def take(semaphores, row, fault):
    """Take the counts the instruction waits for; false if one has not been posted by an earlier instruction."""
    for column in _WAITS:
        semaphore = row[column]
        if semaphore >= 0:
            needed = row[column + 1]
            if semaphores[semaphore] < needed:
                return failed(fault, DEADLOCK, column, semaphore, needed, semaphores[semaphore])
            semaphores[semaphore] -= needed
    return True


@bare
def post(semaphores, row):
    """Add the counts that the instruction posts at its completion."""
    for column in _POSTS:
        if row[column] >= 0:
            semaphores[row[column]] += row[column + 1]


@bare
def within(fault, row, column, low, high):
    """Whether low <= row[column] <= high; records the fault otherwise."""
    value = row[column]
    if low <= value <= high:
        return True
    return failed(fault, VALUE, column, value, low, high)


@bare
def counted(fault, row, first, second):
    """Whether two extents are counts whose product with an element size cannot wrap around."""
    return within(fault, row, first, ZERO, MAX_EXTENT) and within(fault, row, second, ZERO, MAX_EXTENT)


@bare
def spans(fault, row, column, limit, stride, rows, size):
    """Whether `rows` pieces of `size` bytes, `stride` apart, from the address in `column` lie in [0, limit).

    Nothing is accessed, so nothing can be wrong, when rows or size is 0; negative ones are faults. Written without
    a multiplication that could wrap around.
    """
    address = row[column]
    if rows == 0 or size == 0:
        return True
    low = high = address
    ok = rows > 0 and size > 0 and 0 <= address <= limit and size <= limit
    if ok and rows > 1 and stride != 0:
        ok = abs(stride) <= limit and rows - 1 <= limit // abs(stride)
        if ok and stride > 0:
            high += (rows - 1) * stride
        elif ok:
            low += (rows - 1) * stride
    if ok and low >= 0 and high + size <= limit:
        return True
    return failed(fault, ADDRESS, column, low, high + size, limit)
