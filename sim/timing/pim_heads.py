"""Time of attention by heads: in a channel, rows and MACs are one stream of commands and moves of vectors another.

Both issue in program order; between two fences either may overtake the other, and a column command takes a cycle of the
channel's column bus. Rows are opened across fences, as early as the last MAC allows, and stay open until another one is
wanted, as AttAcc's controller does it. Moves follow each other wherever they go, ready or not, which is what a
first-ready queue makes of them while they go round the nodes.
"""

import numpy as np

from ...backends.isa.pim import PIM
from ..functional.dispatch import columns
from ..functional.jit import bare
from .dram import close_all, command_field, first_target, issue_row_command, record, refresh_from, row_slot
from .engine import forbid_run, ready_at
from .pim_counters import BUFFER, MAC_BUSY, MAC_COLUMNS, MACS, RESULT, SOFTMAX_ELEMENTS
from .tables import (
    ACT_PIM,
    AT_DUE,
    AT_HEAD_INSTRUCTION,
    AT_RUNS,
    BANKS,
    CHANNEL_WORDS,
    COLUMN_BYTES,
    DONE,
    FENCE,
    FIRST_COMMAND,
    HEAD_STREAM,
    INSTRUCTION_FIELDS,
    LANES,
    LATENCY,
    MAC_STREAM,
    MAX_RUNS,
    MOVE_STREAM,
    NONE,
    ONE,
    PRE_PIM,
    QUEUE_END,
    REFRESH_NODES,
    RUNS,
    SPACING,
    STREAM,
    TARGET_COUNT,
    TARGETS_OF,
    ZERO,
    numbers,
)

_WRITE_VECTOR, _MOVE_VECTOR, _MAC_TREE, _MAC_LANES, _MOVE_SCORES, _MOVE_SUMS, _SOFTMAX_HEAD = numbers(0, 7)

(_activate, _precharge, _write_vector, _move_vector, _mac, _lanes, _scores, _sums, _softmax, _fence) = (
    columns(PIM[name])
    for name in (
        *("activate", "precharge", "write_vector", "move_vector", "mac_tree", "mac_lanes"),
        *("move_scores", "move_sums", "softmax_head", "fence"),
    )
)
(_OP_ACTIVATE, _OP_PRECHARGE, _OP_WRITE_VECTOR, _OP_MOVE_VECTOR, _OP_MAC_TREE, _OP_MAC_LANES) = (
    np.int64(PIM[name].number)
    for name in ("activate", "precharge", "write_vector", "move_vector", "mac_tree", "mac_lanes")
)
(_OP_MOVE_SCORES, _OP_MOVE_SUMS, _OP_SOFTMAX_HEAD, _OP_FENCE) = (
    np.int64(PIM[name].number) for name in ("move_scores", "move_sums", "softmax_head", "fence")
)
_F32 = np.int64(4)  # bytes
_RESULTS = np.int64(16)  # of a bank that move together


@bare
def of_heads(opcode):
    """Whether an instruction goes to the streams of heads: those of attention by heads, and the rows of all."""
    return opcode >= _OP_WRITE_VECTOR or opcode in (_OP_ACTIVATE, _OP_PRECHARGE)


@bare
def execute(tables, state, row, tag, counters):
    """Issue the commands of an instruction in the channels that it selects."""
    opcode = row[0]
    if opcode == _OP_ACTIVATE:
        first, number = row[_activate.channel], row[_activate.channels]
    elif opcode == _OP_PRECHARGE:
        return
    elif opcode == _OP_WRITE_VECTOR:
        first, number = row[_write_vector.channel], row[_write_vector.channels]
        counters[BUFFER] += row[_write_vector.columns] * tables[COLUMN_BYTES] * number
    elif opcode == _OP_MOVE_VECTOR:
        first, number = row[_move_vector.channel], row[_move_vector.channels]
        counters[BUFFER] += row[_move_vector.columns] * tables[COLUMN_BYTES] * row[_move_vector.parts] * number
    elif opcode == _OP_MAC_TREE:
        first, number = row[_mac.channel], row[_mac.channels]
        _count_macs(tables, counters, row[_mac.columns] * number)
    elif opcode == _OP_MAC_LANES:
        first, number = row[_lanes.channel], row[_lanes.channels]
        _count_macs(tables, counters, row[_lanes.columns] * number)
    elif opcode == _OP_MOVE_SCORES:
        first, number = row[_scores.channel], row[_scores.channels]
        counters[RESULT] += row[_scores.tokens] * row[_scores.parts] * _F32 * number
    elif opcode == _OP_MOVE_SUMS:
        first, number = row[_sums.channel], row[_sums.channels]
        counters[RESULT] += tables[BANKS] // row[_sums.parts] * _RESULTS * _F32 * number
    elif opcode == _OP_SOFTMAX_HEAD:
        first, number = row[_softmax.channel], row[_softmax.channels]
        counters[SOFTMAX_ELEMENTS] += row[_softmax.cols] * number
    else:
        first, number = row[_fence.channel], row[_fence.channels]
    for channel in range(first, first + number):
        base = channel * tables[CHANNEL_WORDS]
        _meet(state, base)
        if opcode == _OP_ACTIVATE:
            _open(tables, state, base, row[_activate.row], tag)
        elif opcode == _OP_MAC_TREE:
            counters[MAC_BUSY] += _macs(tables, state, base, _MAC_TREE, row[_mac.column], row[_mac.columns], tag)
        elif opcode == _OP_MAC_LANES:
            counters[MAC_BUSY] += _macs(tables, state, base, _MAC_LANES, row[_lanes.column], row[_lanes.columns], tag)
        elif opcode == _OP_WRITE_VECTOR:
            _moves(tables, state, base, _WRITE_VECTOR, row[_write_vector.columns], tag)
        elif opcode == _OP_MOVE_VECTOR:
            _moves(tables, state, base, _MOVE_VECTOR, row[_move_vector.columns], tag)
        elif opcode == _OP_MOVE_SCORES:
            _moves(tables, state, base, _MOVE_SCORES, ONE, tag)
        elif opcode == _OP_MOVE_SUMS:
            _moves(tables, state, base, _MOVE_SUMS, ONE, tag)
        elif opcode == _OP_SOFTMAX_HEAD:
            _moves(tables, state, base, _SOFTMAX_HEAD, ONE, tag)
        else:
            _close_section(state, base, state[base + STREAM])


@bare
def _count_macs(tables, counters, commands):
    counters[MAC_COLUMNS] += commands
    counters[MACS] += commands * tables[LANES] * tables[BANKS]


@bare
def _close_section(state, base, at):
    """What follows waits for what came before, rows apart."""
    state[base + FENCE] = state[base + MOVE_STREAM] = at
    state[base + RUNS] = 0


@bare
def _meet(state, base):
    """Begin after whatever else was issued in the channel since its last instruction of heads."""
    if state[base + STREAM] != state[base + HEAD_STREAM] or state[base + QUEUE_END] > state[base + STREAM]:
        at = max(state[base + STREAM], state[base + QUEUE_END])
        state[base + MAC_STREAM] = state[base + HEAD_STREAM] = state[base + STREAM] = at
        _close_section(state, base, at)


@bare
def _advance(tables, state, base, command, last):
    """Note when a command issued in cycle `last` takes effect, and that everything else comes after it."""
    state[base + DONE] = max(state[base + DONE], last + command_field(tables, command, LATENCY))
    state[base + STREAM] = state[base + HEAD_STREAM] = max(state[base + STREAM], last + 1)


@bare
def _open(tables, state, base, row, tag):
    """Open `row` in all banks unless it is open: close others, refresh what is due, activate."""
    now = max(state[base + MAC_STREAM], ready_at(tables, state, base, tables[PRE_PIM], ZERO))
    due, wrong = False, False
    for node in range(tables[REFRESH_NODES]):
        due |= now >= state[base + tables[AT_DUE] + node]
    for bank in range(tables[BANKS]):
        wrong |= state[row_slot(tables, base, ZERO, bank)] != row
    if not (wrong or due):
        return
    at = close_all(tables, state, base, state[base + MAC_STREAM], tag)
    for node in range(tables[REFRESH_NODES]):
        if now >= state[base + tables[AT_DUE] + node]:
            refresh_from(tables, state, base, node, now, at)
    target = first_target(tables, tables[ACT_PIM])
    at = issue_row_command(tables, state, base, tables[ACT_PIM], target, at, row, tag)
    for bank in range(tables[BANKS]):
        state[row_slot(tables, base, ZERO, bank)] = row
    state[base + MAC_STREAM] = at + 1
    _advance(tables, state, base, tables[ACT_PIM], at)


@bare
def _entry(tables, instruction):
    return tables[AT_HEAD_INSTRUCTION] + instruction * INSTRUCTION_FIELDS


@bare
def _macs(tables, state, base, instruction, column, count, tag):
    """A run of MACs of the open row, after the moves that the program has before it; cycles that it keeps the units busy."""
    if count <= 0:
        return ZERO
    command = tables[tables[_entry(tables, instruction) + FIRST_COMMAND]]
    target, spacing = first_target(tables, command), command_field(tables, command, SPACING)
    at = max(state[base + MAC_STREAM], max(state[base + FENCE], state[base + MOVE_STREAM]))
    at = max(at, ready_at(tables, state, base, command, target))
    forbid_run(tables, state, base, command, target, at, count, spacing)
    open_row = state[row_slot(tables, base, ZERO, ZERO)]
    record(tables, state, base, command, target, at, count, spacing, open_row, column, tag)
    last = at + (count - 1) * spacing
    place = base + tables[AT_RUNS] + 3 * (state[base + RUNS] % MAX_RUNS)
    if state[base + RUNS] >= MAX_RUNS:  # the run that is forgotten keeps moves behind it
        state[base + MOVE_STREAM] = max(state[base + MOVE_STREAM], state[place + 1] + 1)
    state[place], state[place + 1], state[place + 2] = at, last, spacing
    state[base + RUNS] += 1
    state[base + MAC_STREAM] = last + 1
    _advance(tables, state, base, command, last)
    return count * spacing


@bare
def _moves(tables, state, base, instruction, pieces, tag):
    """A command for each piece of a vector to each node, where MACs leave cycles of the column bus free."""
    entry = _entry(tables, instruction)
    command = tables[tables[entry + FIRST_COMMAND]]
    at = state[base + MOVE_STREAM]
    for _ in range(pieces):
        for index in range(tables[entry + TARGET_COUNT]):
            target = tables[tables[entry + TARGETS_OF] + index]
            at = _free(tables, state, base, max(at, ready_at(tables, state, base, command, target)))
            forbid_run(tables, state, base, command, target, at, ONE, ONE)
            record(tables, state, base, command, target, at, ONE, ONE, NONE, NONE, tag)
            _advance(tables, state, base, command, at)
            at += 1
    state[base + MOVE_STREAM] = at


@bare
def _free(tables, state, base, at):
    """First cycle from `at` in which no MAC of the section is issued."""
    runs = base + tables[AT_RUNS]
    taken = True
    while taken:
        taken = False
        for run in range(min(state[base + RUNS], MAX_RUNS)):
            first = state[runs + 3 * run]
            if first <= at <= state[runs + 3 * run + 1] and (at - first) % state[runs + 3 * run + 2] == 0:
                at += 1
                taken = True
    return at
