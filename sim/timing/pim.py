"""Time of a PIM program: one in-order stream of commands per channel, on the banks that ordinary traffic uses too."""

from .. import kernel_cache  # noqa: F401, I001  before numba
import numpy as np
from numba import njit

from ...backends.isa.pim import PIM
from ..functional.dispatch import FAILED, FAULT_PC, FINISHED, LAST_CONTROL, columns, control, fetch
from .dram import access, earliest, issue, refresh, set_mode
from .tables import (
    ACCESS_BYTES,
    BANKS,
    CHANNELS,
    COLUMN_BYTES,
    COLUMNS_PER_COMMAND,
    COMMANDS,
    DUAL,
    EXTRA_SLOTS,
    FILL_CYCLES,
    FIRST_COMMAND,
    INSTRUCTIONS,
    LANES,
    RD,
    REFRESH_INTERVAL,
    REFRESH_NODES,
    REPEAT,
    SOFTMAX_ELEMENTS,
    SOFTMAX_LATENCY,
    WR,
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
) = range(len(COUNTERS))

_WRITE_BUFFER, _COPY_ROW, _ACTIVATE, _MAC, _READ_ACC, _PRECHARGE, _SCATTER = range(len(INSTRUCTIONS))

_write_buffer, _copy_row, _activate, _mac, _read_acc, _precharge, _write, _read, _scatter, _softmax = (
    columns(PIM[name])
    for name in (
        *("write_buffer", "copy_row", "activate", "mac", "read_acc", "precharge"),
        *("write", "read", "scatter", "softmax"),
    )
)
_OP_WRITE_BUFFER, _OP_COPY_ROW, _OP_ACTIVATE, _OP_MAC, _OP_READ_ACC, _OP_PRECHARGE = (
    PIM[name].number for name in ("write_buffer", "copy_row", "activate", "mac", "read_acc", "precharge")
)
_OP_WRITE, _OP_READ, _OP_SCATTER, _OP_SOFTMAX = (
    PIM[name].number for name in ("write", "read", "scatter", "softmax")
)
_TAG = 2

_F16, _F32 = 2, 4  # bytes


@njit(cache=True)
def run_pim(dram, code, terms, registers, row, start, counters, by_tag, fault):
    """Walk a program from memory cycle `start` on; the cycle in which its last effect is complete, -1 on a fault."""
    channels = dram.facts[CHANNELS]
    for channel in range(channels):
        dram.stream[channel] = max(dram.stream[channel], start)
        dram.done[channel] = start
    pc = np.int64(0)
    while True:
        fault[FAULT_PC] = pc
        fetch(code, terms, registers, pc, row)
        if row[0] <= LAST_CONTROL:
            pc = control(code, terms, registers, pc, row, fault)
            if pc == FINISHED:
                break
            if pc == FAILED:
                return -1
            continue
        counters[_INSTRUCTIONS] += 1
        before = counters[_MAC_BUSY] + counters[_SOFTMAX_BUSY]
        if not _execute(dram, row, counters):
            return -1
        by_tag[row[_TAG], 0] += 1
        by_tag[row[_TAG], 1] += counters[_MAC_BUSY] + counters[_SOFTMAX_BUSY] - before
        pc += 1
    end = start
    for channel in range(channels):
        end = max(end, max(dram.stream[channel], dram.done[channel]))
    return end


@njit(cache=True)
def _execute(dram, row, counters):
    opcode, tag = row[0], row[_TAG]
    column = dram.facts[COLUMN_BYTES]
    if opcode == _OP_MAC:
        count, first, number = row[_mac.columns], row[_mac.channel], row[_mac.channels]
        for channel in range(first, first + number):
            spent = _commands(dram, channel, _MAC, count, -1, tag)
            counters[_MAC_BUSY] += spent
        counters[_MAC_COLUMNS] += count * number
        counters[_MACS] += count * number * dram.facts[LANES] * dram.facts[BANKS]
    elif opcode == _OP_ACTIVATE:
        for channel in range(row[_activate.channel], row[_activate.channel] + row[_activate.channels]):
            _open(dram, channel, row[_activate.row], tag)
    elif opcode == _OP_PRECHARGE:
        for channel in range(row[_precharge.channel], row[_precharge.channel] + row[_precharge.channels]):
            _close(dram, channel, tag)
    elif opcode == _OP_READ_ACC:
        number = row[_read_acc.channels]
        for channel in range(row[_read_acc.channel], row[_read_acc.channel] + number):
            _commands(dram, channel, _READ_ACC, 0, -1, tag)
        counters[_RESULT] += row[_read_acc.banks] * _F32 * number
    elif opcode == _OP_WRITE_BUFFER:
        number = row[_write_buffer.channels]
        for channel in range(row[_write_buffer.channel], row[_write_buffer.channel] + number):
            _commands(dram, channel, _WRITE_BUFFER, row[_write_buffer.columns], -1, tag)
        counters[_BUFFER] += row[_write_buffer.columns] * column * number
    elif opcode == _OP_COPY_ROW:
        number = row[_copy_row.channels]
        for channel in range(row[_copy_row.channel], row[_copy_row.channel] + number):
            _copy(dram, channel, row[_copy_row.bank], row[_copy_row.row], row[_copy_row.columns], tag)
        counters[_COPIED] += row[_copy_row.columns] * column * number
    elif opcode == _OP_WRITE or opcode == _OP_READ:
        write = opcode == _OP_WRITE
        _ordinary(
            dram,
            row[_write.channel],
            row[_write.bank],
            row[_write.row],
            row[_write.offset],
            row[_write.bytes],
            dram.facts[WR] if write else dram.facts[RD],
            tag,
        )
        counters[_WRITTEN if write else _READ] += row[_write.bytes]
    elif opcode == _OP_SCATTER:
        channel, banks = row[_scatter.channel], row[_scatter.banks]
        if dram.instruction[_SCATTER, COMMANDS]:
            _open(dram, channel, row[_scatter.row], tag)
            _commands(dram, channel, _SCATTER, 0, row[_scatter.row], tag)
            dram.open_row[channel, dram.facts[DUAL], :] = -1  # such a write ends with a precharge
        else:
            for bank in range(banks):
                _ordinary(dram, channel, bank, row[_scatter.row], row[_scatter.offset], _F16, dram.facts[WR], tag)
        counters[_WRITTEN] += banks * _F16
    elif opcode == _OP_SOFTMAX:
        _barrier(dram, row[_softmax.rows] * row[_softmax.cols], counters)
    else:
        return False
    return True


@njit(cache=True)
def _commands(dram, channel, instruction, columns_, row, tag):
    """Issue the commands of an instruction at the channel's place in its stream; cycles its first command keeps busy."""
    entry = dram.instruction[instruction]
    at = dram.stream[channel] + entry[EXTRA_SLOTS]
    begin = np.int64(-1)
    busy = np.int64(0)
    for index in range(entry[FIRST_COMMAND], entry[FIRST_COMMAND] + entry[COMMANDS]):
        command = dram.instruction_commands[index]
        count = entry[REPEAT]
        if columns_ > 0:
            count *= -(-columns_ // entry[COLUMNS_PER_COMMAND])
        at = set_mode(dram, channel, command, at, tag)
        at = earliest(dram, channel, command, 0, at)
        if begin < 0:
            begin = at
            busy = count * dram.spacing[command, dram.scope[command]]
        last = issue(dram, channel, command, 0, at, count, row, tag)
        dram.done[channel] = max(dram.done[channel], last + dram.latency[command])
        at = last + 1
    dram.stream[channel] = max(at, begin + entry[FILL_CYCLES])
    return busy


@njit(cache=True)
def _each_node(dram, channel, instruction, row, closing, tag):
    """Issue the row command of an instruction to every node of its scope, neighbours in turn from different ranks.

    When closing, nodes without an open row are left out.
    """
    entry = dram.instruction[instruction]
    side = dram.facts[DUAL]
    at = dram.stream[channel] + entry[EXTRA_SLOTS]
    for index in range(entry[FIRST_COMMAND], entry[FIRST_COMMAND] + entry[COMMANDS]):
        command = dram.instruction_commands[index]
        level = dram.scope[command]
        nodes = dram.nodes[level]
        ranks = min(nodes, dram.nodes[2])
        at = set_mode(dram, channel, command, at, tag)
        for turn in range(nodes):
            node = turn if closing else (turn % ranks) * (nodes // ranks) + turn // ranks
            if closing:
                open_rows = 0
                for member in range(dram.facts[BANKS] // nodes):
                    bank = dram.members[level, node, member]
                    if dram.open_row[channel, side, bank] >= 0:
                        open_rows += 1
                        dram.open_row[channel, side, bank] = -1
                if open_rows == 0:
                    continue
            at = earliest(dram, channel, command, node, at)
            at = issue(dram, channel, command, node, at, 1, row, tag) + 1
            dram.done[channel] = max(dram.done[channel], at - 1 + dram.latency[command])
    dram.stream[channel] = at


@njit(cache=True)
def _close(dram, channel, tag):
    """Close the rows that PIM commands see: in every bank with one row buffer, else those of the PIM side."""
    _each_node(dram, channel, _PRECHARGE, -1, True, tag)


@njit(cache=True)
def _open(dram, channel, row, tag):
    """Refresh what is due, close what is open, then open `row` in all banks."""
    _close(dram, channel, tag)
    if dram.facts[REFRESH_INTERVAL]:
        for node in range(dram.facts[REFRESH_NODES]):
            if dram.stream[channel] >= dram.refresh_due[channel, node]:
                refresh(dram, channel, node, dram.stream[channel])
    _each_node(dram, channel, _ACTIVATE, row, False, tag)
    dram.open_row[channel, dram.facts[DUAL], :] = row


@njit(cache=True)
def _copy(dram, channel, bank, row, columns_, tag):
    """Copy columns of an ordinarily opened row to the global buffer."""
    entry = dram.instruction[_COPY_ROW]
    command = dram.instruction_commands[entry[FIRST_COMMAND]]
    count = entry[REPEAT] * -(-columns_ // entry[COLUMNS_PER_COMMAND])
    last = access(dram, channel, bank, row, command, count, dram.stream[channel] + entry[EXTRA_SLOTS], tag)
    dram.done[channel] = max(dram.done[channel], last + dram.latency[command])
    dram.stream[channel] = last + 1


@njit(cache=True)
def _ordinary(dram, channel, bank, row, offset, size, command, tag):
    """Read or write bytes of one row, in order with the PIM commands of the channel."""
    if size <= 0:
        return
    unit = dram.facts[ACCESS_BYTES]
    count = (offset + size - 1) // unit - offset // unit + 1
    last = access(dram, channel, bank, row, command, count, dram.stream[channel], tag)
    dram.done[channel] = max(dram.done[channel], last + dram.latency[command])
    dram.stream[channel] = last + 1


@njit(cache=True)
def _barrier(dram, elements, counters):
    """The softmax unit: after everything before it in all channels, before everything after it."""
    at = np.int64(0)
    for channel in range(dram.facts[CHANNELS]):
        at = max(at, max(dram.stream[channel], dram.done[channel]))
    cycles = dram.facts[SOFTMAX_LATENCY] + -(-elements // dram.facts[SOFTMAX_ELEMENTS])
    for channel in range(dram.facts[CHANNELS]):
        dram.stream[channel] = at + cycles
    counters[_SOFTMAX_ELEMENTS] += elements
    counters[_SOFTMAX_BUSY] += cycles
