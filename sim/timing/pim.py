"""Time of a PIM program: one in-order stream of commands per channel, on the banks that ordinary traffic uses too."""

import numpy as np

from ...backends.isa.pim import PIM
from ...backends.isa.spec import HEADER
from ..functional.dispatch import FAILED, FAULT_PC, LAST_CONTROL, MAX_INT, columns, control, fetch, within
from ..functional.dispatch import FINISHED as HALTED
from ..functional.jit import bare, bare_entry
from . import pim_heads
from .dram import access, command_field, first_target, issue, issue_row_command, refresh, row_slot, set_mode
from .pim_counters import (
    BUFFER,
    COPIED,
    INSTRUCTIONS,
    MAC_BUSY,
    MAC_COLUMNS,
    MACS,
    READ,
    RESULT,
    SOFTMAX_BUSY,
    SOFTMAX_ELEMENTS,
    WRITTEN,
)
from .tables import (
    ACCESS_BYTES,
    AT_BANK,
    AT_DUE,
    AT_INSTRUCTION,
    AT_WRITE_QUEUE,
    BANKS,
    CHANNEL_WORDS,
    CHANNELS,
    COLUMN_BYTES,
    COLUMNS_PER_COMMAND,
    COMMANDS,
    DONE,
    DUAL,
    END,
    EXTRA_SLOTS,
    FAULTED,
    FILL_CYCLES,
    FINISHED,
    FIRST_COMMAND,
    HEADS,
    INSTRUCTION_FIELDS,
    LANES,
    LATENCY,
    MEMBERS,
    NODE_COUNT,
    NODE_FIELDS,
    NODES,
    NONE,
    ONE,
    PAUSED,
    PC,
    QUEUE_END,
    QUEUED,
    RD,
    REFRESH_INTERVAL,
    REFRESH_NODES,
    REPEAT,
    SOFTMAX_LATENCY,
    SOFTMAX_RATE,
    SPACING,
    STREAM,
    TARGET,
    TIME,
    WR,
    WRITE_QUEUE,
    ZERO,
    numbers,
)

_WRITE_BUFFER, _COPY_ROW, _ACTIVATE, _MAC, _READ_ACC, _PRECHARGE, _SCATTER = numbers(0, 7)

_write_buffer, _copy_row, _activate, _mac, _read_acc, _precharge = (
    columns(PIM[name]) for name in ("write_buffer", "copy_row", "activate", "mac", "read_acc", "precharge")
)
_write, _scatter, _softmax = (columns(PIM[name]) for name in ("write", "scatter", "softmax"))  # read is as write
_OP_WRITE_BUFFER, _OP_COPY_ROW, _OP_ACTIVATE, _OP_MAC, _OP_READ_ACC, _OP_PRECHARGE = (
    np.int64(PIM[name].number) for name in ("write_buffer", "copy_row", "activate", "mac", "read_acc", "precharge")
)
_OP_WRITE, _OP_READ, _OP_SCATTER, _OP_SOFTMAX = (
    np.int64(PIM[name].number) for name in ("write", "read", "scatter", "softmax")
)


def _columns_of(field):
    """For every opcode the column of this field, -1 without one."""
    table = np.full(1 + max(opcode.number for opcode in PIM.opcodes), -1, np.int64)
    for opcode in PIM.opcodes:
        if field in opcode.fields:
            table[opcode.number] = opcode.column(field)
    return table


_CHANNEL, _CHANNELS = (_columns_of(field) for field in ("channel", "channels"))
_BANK, _BANKS = (_columns_of(field) for field in ("bank", "banks"))
_TAG = HEADER.index("tag")

_F16, _F32 = np.int64(2), np.int64(4)  # bytes


@bare_entry
def run_pim(tables, state, code, terms, registers, sequences, pages, row, walk, horizon, counters, by_tag, fault):
    """Walk a program on from where it stands, up to memory cycle `horizon`; walk[END] is its end when FINISHED."""
    while True:
        fault[FAULT_PC] = walk[PC]
        fetch(code, terms, registers, walk[PC], row)
        if row[0] <= LAST_CONTROL:
            following = control(code, terms, registers, sequences, pages, walk[PC], row, fault)
            if following == HALTED:
                walk[END] = _latest(tables, state, walk[END])
                return FINISHED
            if following == FAILED:
                return FAULTED
            walk[PC] = following
            continue
        if horizon < MAX_INT:
            walk[TIME] = _latest(tables, state, walk[END])
            if walk[TIME] > horizon:
                return PAUSED
        if not _fits(tables, row, fault) or not _execute(tables, state, row, counters):
            return FAULTED
        end = _end_of(tables, state, row, walk[END])
        counters[INSTRUCTIONS] += 1
        by_tag[row[_TAG], 0] += 1
        by_tag[row[_TAG], 1] += end - walk[END]
        walk[END] = end
        walk[PC] += 1


@bare
def _fits(tables, row, fault):
    """Whether the machine has the channels and banks that an instruction names."""
    channel, channels = _CHANNEL[row[0]], _CHANNELS[row[0]]
    bank, banks = _BANK[row[0]], _BANKS[row[0]]
    if banks >= 0 and not within(fault, row, banks, ZERO, tables[BANKS]):
        return False
    if bank >= 0 and not within(fault, row, bank, ZERO, tables[BANKS] - 1):
        return False
    if channel >= 0 and not within(fault, row, channel, ZERO, tables[CHANNELS] - 1):
        return False
    return channels < 0 or within(fault, row, channels, ZERO, tables[CHANNELS] - row[channel])


@bare
def _base(tables, channel):
    """Where the words of a channel begin."""
    return channel * tables[CHANNEL_WORDS]


@bare
def _end_of(tables, state, row, at):
    """When the channels of an instruction are through with it, at the earliest `at`."""
    first, count = ZERO, tables[CHANNELS]
    if _CHANNEL[row[0]] >= 0:
        first = row[_CHANNEL[row[0]]]
        count = row[_CHANNELS[row[0]]] if _CHANNELS[row[0]] >= 0 else ONE
    return _through(tables, state, first, count, at)


@bare
def _latest(tables, state, at):
    """When all channels are through with the instructions so far."""
    return _through(tables, state, ZERO, tables[CHANNELS], at)


@bare
def _through(tables, state, first, count, at):
    for channel in range(first, first + count):
        base = _base(tables, channel)
        at = max(at, max(state[base + STREAM], max(state[base + DONE], state[base + QUEUE_END])))
    return at


@bare
def _execute(tables, state, row, counters):
    opcode, tag = row[0], row[_TAG]
    column = tables[COLUMN_BYTES]
    if tables[HEADS] and pim_heads.of_heads(opcode):
        pim_heads.execute(tables, state, row, tag, counters)
        return True
    if opcode == _OP_MAC:
        count, first, number = row[_mac.columns], row[_mac.channel], row[_mac.channels]
        for channel in range(first, first + number):
            base = _base(tables, channel)
            open_row = state[row_slot(tables, base, tables[DUAL], ZERO)]
            counters[MAC_BUSY] += _commands(tables, state, base, _MAC, open_row, row[_mac.column], count, tag)
        counters[MAC_COLUMNS] += count * number
        counters[MACS] += count * number * tables[LANES] * tables[BANKS]
    elif opcode == _OP_ACTIVATE:
        for channel in range(row[_activate.channel], row[_activate.channel] + row[_activate.channels]):
            _open(tables, state, _base(tables, channel), row[_activate.row], tag)
    elif opcode == _OP_PRECHARGE:
        for channel in range(row[_precharge.channel], row[_precharge.channel] + row[_precharge.channels]):
            _close(tables, state, _base(tables, channel), tag)
    elif opcode == _OP_READ_ACC:
        number = row[_read_acc.channels]
        for channel in range(row[_read_acc.channel], row[_read_acc.channel] + number):
            _commands(tables, state, _base(tables, channel), _READ_ACC, NONE, NONE, ZERO, tag)
        counters[RESULT] += row[_read_acc.banks] * _F32 * number
    elif opcode == _OP_WRITE_BUFFER:
        number = row[_write_buffer.channels]
        for channel in range(row[_write_buffer.channel], row[_write_buffer.channel] + number):
            _commands(tables, state, _base(tables, channel), _WRITE_BUFFER, NONE, NONE, row[_write_buffer.columns], tag)
        counters[BUFFER] += row[_write_buffer.columns] * column * number
    elif opcode == _OP_COPY_ROW:
        number = row[_copy_row.channels]
        for channel in range(row[_copy_row.channel], row[_copy_row.channel] + number):
            _copy(tables, state, _base(tables, channel), row, tag)
        counters[COPIED] += row[_copy_row.columns] * column * number
    elif opcode in (_OP_WRITE, _OP_READ):
        write = opcode == _OP_WRITE
        command, base = tables[WR] if write else tables[RD], _base(tables, row[_write.channel])
        bank, offset, size = row[_write.bank], row[_write.offset], row[_write.bytes]
        _ordinary(tables, state, base, bank, row[_write.row], offset, size, command, tag)
        counters[WRITTEN if write else READ] += row[_write.bytes]
    elif opcode == _OP_SCATTER:
        base, banks = _base(tables, row[_scatter.channel]), row[_scatter.banks]
        if tables[_entry(tables, _SCATTER) + COMMANDS]:
            _open(tables, state, base, row[_scatter.row], tag)
            column = row[_scatter.offset] // tables[ACCESS_BYTES]
            _commands(tables, state, base, _SCATTER, row[_scatter.row], column, ZERO, tag)
            for bank in range(tables[BANKS]):  # such a write ends with a precharge
                state[row_slot(tables, base, tables[DUAL], bank)] = NONE
        else:
            for bank in range(banks):
                _ordinary(tables, state, base, bank, row[_scatter.row], row[_scatter.offset], _F16, tables[WR], tag)
        counters[WRITTEN] += banks * _F16
    elif opcode == _OP_SOFTMAX:
        _barrier(tables, state, row[_softmax.rows] * row[_softmax.cols], counters)
    else:
        return False
    return True


@bare
def _entry(tables, instruction):
    return tables[AT_INSTRUCTION] + instruction * INSTRUCTION_FIELDS


@bare
def _finish(tables, state, base, command, last):
    """Note when a command issued in cycle `last` takes effect; the next place in the stream."""
    state[base + DONE] = max(state[base + DONE], last + command_field(tables, command, LATENCY))
    return last + 1


@bare
def _commands(tables, state, base, instruction, row, column, columns_, tag):
    """Issue the commands of an instruction, `columns_` 0 if it has none, at the channel's place in its stream; cycles its
    first command keeps busy."""
    _empty_queue(tables, state, base)
    entry = _entry(tables, instruction)
    column = column // tables[entry + COLUMNS_PER_COMMAND] if column > 0 else column
    at = state[base + STREAM] + tables[entry + EXTRA_SLOTS]
    begin, busy = np.int64(-1), np.int64(0)
    for index in range(tables[entry + COMMANDS]):
        command = tables[tables[entry + FIRST_COMMAND] + index]
        count = tables[entry + REPEAT]
        if columns_ > 0:
            count *= -(-columns_ // tables[entry + COLUMNS_PER_COMMAND])
        target = first_target(tables, command)
        at = set_mode(tables, state, base, command, at, tag)
        first = issue(tables, state, base, command, target, at, count, row, column, tag)
        spacing = command_field(tables, command, SPACING)
        if begin < 0:
            begin, busy = first, count * spacing
        at = _finish(tables, state, base, command, first + (count - 1) * spacing)
    state[base + STREAM] = max(at, begin + tables[entry + FILL_CYCLES])
    return busy


@bare
def _row_commands(tables, state, base, instruction, row, tag):
    """Issue the row command of an instruction to every node that it goes to; row -1 closes, where a row is open."""
    _empty_queue(tables, state, base)
    entry = _entry(tables, instruction)
    at = state[base + STREAM] + tables[entry + EXTRA_SLOTS]
    for index in range(tables[entry + COMMANDS]):
        command = tables[tables[entry + FIRST_COMMAND] + index]
        nodes = command_field(tables, command, NODES)
        for node in range(nodes, nodes + command_field(tables, command, NODE_COUNT) * NODE_FIELDS, NODE_FIELDS):
            if not _set_rows(tables, state, base, node, row):
                continue
            at = set_mode(tables, state, base, command, at, tag)
            at = issue_row_command(tables, state, base, command, tables[node + TARGET], at, row, tag)
            at = _finish(tables, state, base, command, at)
    state[base + STREAM] = at


@bare
def _set_rows(tables, state, base, node, row):
    """Set the row that PIM commands see open in a node's banks; whether that changes any."""
    changed = False
    for index in range(tables[node + MEMBERS], tables[node + NODE_FIELDS + MEMBERS]):
        slot = row_slot(tables, base, tables[DUAL], tables[index])
        changed |= state[slot] != row
        state[slot] = row
    return changed


@bare
def _close(tables, state, base, tag):
    """Close the rows that PIM commands see: all of them with one row buffer, else those of the PIM side."""
    _row_commands(tables, state, base, _PRECHARGE, NONE, tag)


@bare
def _open(tables, state, base, row, tag):
    """Close what is open, refresh what is due, then open `row` in all banks."""
    _empty_queue(tables, state, base)
    _refresh(tables, state, base, tables[REFRESH_INTERVAL])  # these fell due in idle time
    for bank in range(tables[BANKS]):
        if state[row_slot(tables, base, tables[DUAL], bank)] >= 0:
            _close(tables, state, base, tag)
            break
    _refresh(tables, state, base, ZERO)
    _row_commands(tables, state, base, _ACTIVATE, row, tag)


@bare
def _refresh(tables, state, base, overdue):
    """Issue the refreshes that have been due for at least `overdue` cycles."""
    now = state[base + STREAM]
    for node in range(tables[REFRESH_NODES]):
        if now - overdue >= state[base + tables[AT_DUE] + node]:
            refresh(tables, state, base, node, now)


@bare
def _copy(tables, state, base, row, tag):
    """Copy columns of an ordinarily opened row to the global buffer."""
    _empty_queue(tables, state, base)
    entry = _entry(tables, _COPY_ROW)
    command, bank = tables[tables[entry + FIRST_COMMAND]], tables[tables[AT_BANK] + row[_copy_row.bank]]
    width = tables[entry + COLUMNS_PER_COMMAND]
    count, column = tables[entry + REPEAT] * -(-row[_copy_row.columns] // width), row[_copy_row.column] // width
    at = state[base + STREAM] + tables[entry + EXTRA_SLOTS]
    last = access(tables, state, base, bank, row[_copy_row.row], column, command, count, at, tag)
    state[base + STREAM] = _finish(tables, state, base, command, last)


@bare
def _ordinary(tables, state, base, bank, row, offset, size, command, tag):
    """Read or write bytes of one row; what stands in the queue waits for its own bank only, others come after all of it."""
    if size <= 0:
        return
    column = offset // tables[ACCESS_BYTES]
    count = (offset + size - 1) // tables[ACCESS_BYTES] - column + 1
    target = tables[tables[AT_BANK] + bank]
    entry = base + tables[AT_WRITE_QUEUE] + state[base + QUEUED]
    at = max(state[base + STREAM], state[entry])
    last = access(tables, state, base, target, row, column, command, count, at, tag)
    state[entry] = _finish(tables, state, base, command, last)
    state[base + QUEUED] = (state[base + QUEUED] + 1) % WRITE_QUEUE
    state[base + QUEUE_END] = max(state[base + QUEUE_END], state[entry])
    state[base + STREAM] = at + 1


@bare
def _empty_queue(tables, state, base):
    """What follows in the stream waits for the ordinary accesses before it."""
    state[base + STREAM] = max(state[base + STREAM], state[base + QUEUE_END])


@bare
def _barrier(tables, state, elements, counters):
    """The softmax unit: after everything before it in all channels, before everything after it."""
    at = _latest(tables, state, ZERO)
    cycles = tables[SOFTMAX_LATENCY] + -(-elements // tables[SOFTMAX_RATE])
    for channel in range(tables[CHANNELS]):
        state[_base(tables, channel) + STREAM] = at + cycles
    counters[SOFTMAX_ELEMENTS] += elements
    counters[SOFTMAX_BUSY] += cycles
