"""Time of a PIM program: one in-order stream of commands per channel, on the banks that ordinary traffic uses too."""

import numpy as np

from ...backends.isa.pim import PIM
from ...backends.isa.spec import HEADER
from ..functional.dispatch import FAILED, FAULT_PC, LAST_CONTROL, MAX_INT, columns, control, fetch, within
from ..functional.dispatch import FINISHED as HALTED
from ..functional.jit import entry, inner
from .dram import access, command_field, earliest, issue, member, refresh, row_slot, set_mode
from .tables import (
    ACCESS_BYTES,
    AT_DONE,
    AT_DUE,
    AT_INSTRUCTION,
    AT_STREAM,
    BANKS,
    CHANNELS,
    COLUMN_BYTES,
    COLUMNS_PER_COMMAND,
    COMMANDS,
    DUAL,
    END,
    EXTRA_SLOTS,
    FAULTED,
    FILL_CYCLES,
    FINISHED,
    FIRST_COMMAND,
    INSTRUCTION_FIELDS,
    INSTRUCTIONS,
    LANES,
    LATENCY,
    NODES,
    NONE,
    ONE,
    PAUSED,
    PC,
    RANKS,
    RD,
    REFRESH_INTERVAL,
    REFRESH_NODES,
    REPEAT,
    SCOPE,
    SOFTMAX_ELEMENTS,
    SOFTMAX_LATENCY,
    SPACING,
    TIME,
    WR,
    ZERO,
    numbers,
)

COUNTERS = (
    "buffer_bytes",
    "copied_bytes",
    "mac_columns",
    "macs",
    "mac_busy_cycles",
    "result_bytes",
    "written_bytes",
    "read_bytes",
    "softmax_elements",
    "softmax_busy_cycles",
    "instructions",
)
(
    _BUFFER,
    _COPIED,
    _MAC_COLUMNS,
    _MACS,
    _MAC_BUSY,
    _RESULT,
    _WRITTEN,
    _READ,
    _SOFTMAX_ELEMENTS,
    _SOFTMAX_BUSY,
    _INSTRUCTIONS,
) = numbers(0, len(COUNTERS))

_WRITE_BUFFER, _COPY_ROW, _ACTIVATE, _MAC, _READ_ACC, _PRECHARGE, _SCATTER = numbers(0, len(INSTRUCTIONS))

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


@entry
def run_pim(tables, state, code, terms, registers, sequences, row, walk, horizon, counters, by_tag, fault):
    """Walk a program on from where it stands, up to memory cycle `horizon`; walk[END] is its end when FINISHED."""
    while True:
        fault[FAULT_PC] = walk[PC]
        fetch(code, terms, registers, walk[PC], row)
        if row[0] <= LAST_CONTROL:
            following = control(code, terms, registers, sequences, walk[PC], row, fault)
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
        counters[_INSTRUCTIONS] += 1
        by_tag[row[_TAG], 0] += 1
        by_tag[row[_TAG], 1] += end - walk[END]
        walk[END] = end
        walk[PC] += 1


@inner
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


@inner
def _end_of(tables, state, row, at):
    """When the channels of an instruction are through with it, at the earliest `at`."""
    first, count = ZERO, tables[CHANNELS]
    if _CHANNEL[row[0]] >= 0:
        first = row[_CHANNEL[row[0]]]
        count = row[_CHANNELS[row[0]]] if _CHANNELS[row[0]] >= 0 else ONE
    for channel in range(first, first + count):
        at = max(at, max(state[tables[AT_STREAM] + channel], state[tables[AT_DONE] + channel]))
    return at


@inner
def _latest(tables, state, at):
    """When the channels are through with the instructions so far."""
    for channel in range(tables[CHANNELS]):
        at = max(at, max(state[tables[AT_STREAM] + channel], state[tables[AT_DONE] + channel]))
    return at


@inner
def _execute(tables, state, row, counters):
    opcode, tag = row[0], row[_TAG]
    column = tables[COLUMN_BYTES]
    if opcode == _OP_MAC:
        count, first, number = row[_mac.columns], row[_mac.channel], row[_mac.channels]
        for channel in range(first, first + number):
            spent = _commands(tables, state, channel, _MAC, count, NONE, tag)
            counters[_MAC_BUSY] += spent
        counters[_MAC_COLUMNS] += count * number
        counters[_MACS] += count * number * tables[LANES] * tables[BANKS]
    elif opcode == _OP_ACTIVATE:
        for channel in range(row[_activate.channel], row[_activate.channel] + row[_activate.channels]):
            _open(tables, state, channel, row[_activate.row], tag)
    elif opcode == _OP_PRECHARGE:
        for channel in range(row[_precharge.channel], row[_precharge.channel] + row[_precharge.channels]):
            _close(tables, state, channel, tag)
    elif opcode == _OP_READ_ACC:
        number = row[_read_acc.channels]
        for channel in range(row[_read_acc.channel], row[_read_acc.channel] + number):
            _commands(tables, state, channel, _READ_ACC, ZERO, NONE, tag)
        counters[_RESULT] += row[_read_acc.banks] * _F32 * number
    elif opcode == _OP_WRITE_BUFFER:
        number = row[_write_buffer.channels]
        for channel in range(row[_write_buffer.channel], row[_write_buffer.channel] + number):
            _commands(tables, state, channel, _WRITE_BUFFER, row[_write_buffer.columns], NONE, tag)
        counters[_BUFFER] += row[_write_buffer.columns] * column * number
    elif opcode == _OP_COPY_ROW:
        number = row[_copy_row.channels]
        for channel in range(row[_copy_row.channel], row[_copy_row.channel] + number):
            _copy(tables, state, channel, row[_copy_row.bank], row[_copy_row.row], row[_copy_row.columns], tag)
        counters[_COPIED] += row[_copy_row.columns] * column * number
    elif opcode in (_OP_WRITE, _OP_READ):
        write = opcode == _OP_WRITE
        _ordinary(
            tables,
            state,
            row[_write.channel],
            row[_write.bank],
            row[_write.row],
            row[_write.offset],
            row[_write.bytes],
            tables[WR] if write else tables[RD],
            tag,
        )
        counters[_WRITTEN if write else _READ] += row[_write.bytes]
    elif opcode == _OP_SCATTER:
        channel, banks = row[_scatter.channel], row[_scatter.banks]
        if tables[_entry(tables, _SCATTER) + COMMANDS]:
            _open(tables, state, channel, row[_scatter.row], tag)
            _commands(tables, state, channel, _SCATTER, ZERO, row[_scatter.row], tag)
            _set_rows(tables, state, channel, tables[DUAL], ZERO, ZERO, ONE, NONE)  # such a write ends with a precharge
        else:
            for bank in range(banks):
                _ordinary(tables, state, channel, bank, row[_scatter.row], row[_scatter.offset], _F16, tables[WR], tag)
        counters[_WRITTEN] += banks * _F16
    elif opcode == _OP_SOFTMAX:
        _barrier(tables, state, row[_softmax.rows] * row[_softmax.cols], counters)
    else:
        return False
    return True


@inner
def _entry(tables, instruction):
    return tables[AT_INSTRUCTION] + instruction * INSTRUCTION_FIELDS


@inner
def _finish(tables, state, channel, command, last):
    """Note when a command issued in cycle `last` takes effect; the next place in the stream."""
    done = tables[AT_DONE] + channel
    state[done] = max(state[done], last + command_field(tables, command, LATENCY))
    return last + 1


@inner
def _commands(tables, state, channel, instruction, columns_, row, tag):
    """Issue the commands of an instruction at the channel's place in its stream; cycles its first command keeps busy."""
    entry, stream = _entry(tables, instruction), tables[AT_STREAM] + channel
    at = state[stream] + tables[entry + EXTRA_SLOTS]
    begin, busy = np.int64(-1), np.int64(0)
    for index in range(tables[entry + COMMANDS]):
        command = tables[tables[entry + FIRST_COMMAND] + index]
        count = tables[entry + REPEAT]
        if columns_ > 0:
            count *= -(-columns_ // tables[entry + COLUMNS_PER_COMMAND])
        at = set_mode(tables, state, channel, command, at, tag)
        at = earliest(tables, state, channel, command, ZERO, at)
        if begin < 0:
            begin = at
            busy = count * command_field(tables, command, SPACING)
        last = issue(tables, state, channel, command, ZERO, at, count, row, tag)
        at = _finish(tables, state, channel, command, last)
    state[stream] = max(at, begin + tables[entry + FILL_CYCLES])
    return busy


@inner
def _row_commands(tables, state, channel, instruction, row, tag):
    """Issue the row command of an instruction to every node of its scope; row -1 closes, where a row is open.

    Rows are opened in the ranks in turn, so that the waits between activates of one rank overlap.
    """
    entry, stream, side = _entry(tables, instruction), tables[AT_STREAM] + channel, tables[DUAL]
    at = state[stream] + tables[entry + EXTRA_SLOTS]
    for index in range(tables[entry + COMMANDS]):
        command = tables[tables[entry + FIRST_COMMAND] + index]
        level, nodes = command_field(tables, command, SCOPE), command_field(tables, command, NODES)
        ranks = min(nodes, tables[RANKS])
        for turn in range(nodes):
            node = turn if row < 0 else turn % ranks * (nodes // ranks) + turn // ranks
            if not _set_rows(tables, state, channel, side, level, node, nodes, row):
                continue
            at = set_mode(tables, state, channel, command, at, tag)
            at = earliest(tables, state, channel, command, node, at)
            at = _finish(
                tables, state, channel, command, issue(tables, state, channel, command, node, at, ONE, row, tag)
            )
    state[stream] = at


@inner
def _set_rows(tables, state, channel, side, level, node, nodes, row):
    """Set the open row of a node's banks; whether that changes any."""
    changed = False
    for index in range(tables[BANKS] // nodes):
        slot = row_slot(tables, channel, side, member(tables, level, node, index))
        changed |= state[slot] != row
        state[slot] = row
    return changed


@inner
def _close(tables, state, channel, tag):
    """Close the rows that PIM commands see: all of them with one row buffer, else those of the PIM side."""
    _row_commands(tables, state, channel, _PRECHARGE, NONE, tag)


@inner
def _open(tables, state, channel, row, tag):
    """Close what is open, refresh what is due, then open `row` in all banks."""
    for bank in range(tables[BANKS]):
        if state[row_slot(tables, channel, tables[DUAL], bank)] >= 0:
            _close(tables, state, channel, tag)
            break
    if tables[REFRESH_INTERVAL]:
        for node in range(tables[REFRESH_NODES]):
            now = state[tables[AT_STREAM] + channel]
            if now >= state[tables[AT_DUE] + channel * tables[REFRESH_NODES] + node]:
                refresh(tables, state, channel, node, now)
    _row_commands(tables, state, channel, _ACTIVATE, row, tag)


@inner
def _copy(tables, state, channel, bank, row, columns_, tag):
    """Copy columns of an ordinarily opened row to the global buffer."""
    entry, stream = _entry(tables, _COPY_ROW), tables[AT_STREAM] + channel
    command = tables[tables[entry + FIRST_COMMAND]]
    count = tables[entry + REPEAT] * -(-columns_ // tables[entry + COLUMNS_PER_COMMAND])
    at = state[stream] + tables[entry + EXTRA_SLOTS]
    last = access(tables, state, channel, bank, row, command, count, at, tag)
    state[stream] = _finish(tables, state, channel, command, last)


@inner
def _ordinary(tables, state, channel, bank, row, offset, size, command, tag):
    """Read or write bytes of one row, in order with the PIM commands of the channel."""
    if size <= 0:
        return
    unit, stream = tables[ACCESS_BYTES], tables[AT_STREAM] + channel
    count = (offset + size - 1) // unit - offset // unit + 1
    last = access(tables, state, channel, bank, row, command, count, state[stream], tag)
    state[stream] = _finish(tables, state, channel, command, last)


@inner
def _barrier(tables, state, elements, counters):
    """The softmax unit: after everything before it in all channels, before everything after it."""
    at = _latest(tables, state, ZERO)
    cycles = tables[SOFTMAX_LATENCY] + -(-elements // tables[SOFTMAX_ELEMENTS])
    for channel in range(tables[CHANNELS]):
        state[tables[AT_STREAM] + channel] = at + cycles
    counters[_SOFTMAX_ELEMENTS] += elements
    counters[_SOFTMAX_BUSY] += cycles
