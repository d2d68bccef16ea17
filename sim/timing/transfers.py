"""Transfers of the NPU in the channels, alone or beside PIM streams, whose commands go first.

Beside a PIM stream the commands of a transfer go into the cycles that it leaves: whatever comes first is issued next, PIM
commands before others, and a run of columns ends where the next PIM command begins.
"""

import numpy as np

from ..functional.jit import bare
from .buses import free_columns
from .dram import access, command_field, issue, issue_row_command, refresh, row_slot, set_mode
from .engine import ready_at
from .pim_streams import issue_next, next_command
from .tables import (
    ACCESS_BYTES,
    ACT,
    AT_BANK,
    AT_DUE,
    AT_REFRESH_NODE,
    BANKS,
    CHANNEL_WORDS,
    CHANNELS,
    FOLLOWS,
    IDLE,
    IN_REGISTER_MODE,
    LATENCY,
    NEXT,
    NONE,
    ONE,
    PRE,
    RD,
    ROW_BYTES,
    SPACING,
    ZERO,
)

_AHEAD, _BEHIND = np.int64(8), np.int64(8)
"""Rows that are opened before their columns come, each in a bank of its own; as many of them behind the end of a read that
follows the last one, since the next one is in the queues already when a program streams.

Eight rows of 16 accesses are what the 128 entries of a command queue in NeuPIMs' simulator hold (its configuration)."""


@bare
def transfer(tables, state, streams, address, size, command, at, tag):
    """Move `size` bytes from `address` of the linear space, row by row over the channels; when the last data is there."""
    channels = tables[CHANNELS]
    last = at
    if size > 0:
        first_row, last_row = address // tables[ROW_BYTES], (address + size - 1) // tables[ROW_BYTES]
        for row in range(first_row, min(first_row + channels, last_row + 1)):
            channel = row % channels
            if state[channel * tables[CHANNEL_WORDS] + NEXT] < IDLE:
                end = _beside(tables, state, streams, channel, row, last_row, address, size, command, at, tag)
            else:
                end = _alone(tables, state, channel, row, last_row, address, size, command, at, tag)
            last = max(last, end)
    return last + command_field(tables, command, LATENCY)


@bare
def _place(tables, row):
    """Bank and DRAM row of a row of the linear space."""
    line = row // tables[CHANNELS]
    return tables[tables[AT_BANK] + line % tables[BANKS]], line // tables[BANKS]


@bare
def _part(tables, row, address, size):
    """First access unit and number of them that a transfer has in a row of the linear space."""
    row_bytes, unit = tables[ROW_BYTES], tables[ACCESS_BYTES]
    begin = max(address - row * row_bytes, ZERO)
    end = min(address + size - row * row_bytes, row_bytes)
    return begin // unit, (end - 1) // unit - begin // unit + 1


@bare
def _alone(tables, state, channel, row, last_row, address, size, command, at, tag):
    """The rows of a transfer in one channel, one after the other; cycle of its last command."""
    base, last = channel * tables[CHANNEL_WORDS], at
    while row <= last_row:
        bank, dram_row = _place(tables, row)
        column, count = _part(tables, row, address, size)
        last = max(last, access(tables, state, base, bank, dram_row, column, command, count, at, tag))
        row += tables[CHANNELS]
    return last


@bare
def _beside(tables, state, streams, channel, row, last_row, address, size, command, at, tag):
    """The same between the commands of a PIM stream."""
    base, last, moved, ahead = channel * tables[CHANNEL_WORDS], at, ZERO, row
    spacing = command_field(tables, command, SPACING)
    reach = min(_AHEAD, tables[BANKS] - 1) * tables[CHANNELS]
    last_open = last_row
    if command == tables[RD] and state[base + FOLLOWS] == row:
        last_open += min(_BEHIND, tables[BANKS] - 1) * tables[CHANNELS]
    while row <= last_row:
        bank, dram_row = _place(tables, row)
        column_at, open_at, open_command, open_bank = IDLE, IDLE, NONE, NONE
        if state[row_slot(tables, base, ZERO, bank)] == dram_row:
            column_at = free_columns(tables, state, base, command, bank, at, ONE, spacing)
            ahead = max(ahead, row)
        else:
            ahead = row  # not opened yet, or closed by a refresh
        while ahead <= min(last_open, row + reach):
            open_bank, wanted = _place(tables, ahead)
            found = state[row_slot(tables, base, ZERO, open_bank)]
            if found != wanted:
                open_command = tables[PRE] if found >= 0 else tables[ACT]
                open_at = max(at, ready_at(tables, state, base, open_command, open_bank))
                break
            ahead += tables[CHANNELS]
        opens = open_at < column_at
        now = min(open_at, column_at)
        if state[base + NEXT] <= now and next_command(tables, state, streams, channel) <= now:
            issue_next(tables, state, streams, channel)
            continue
        node = tables[tables[AT_REFRESH_NODE] + (open_bank if opens else bank)]
        if now >= state[base + tables[AT_DUE] + node] and refresh(tables, state, base, node, now) > 0:
            continue
        if state[base + IN_REGISTER_MODE]:
            at = set_mode(tables, state, base, command, at, tag)
            continue
        if opens:
            _, wanted = _place(tables, ahead)
            wanted = wanted if open_command == tables[ACT] else NONE
            issue_row_command(tables, state, base, open_command, open_bank, at, wanted, tag)
            state[row_slot(tables, base, ZERO, open_bank)] = wanted
            continue
        column, count = _part(tables, row, address, size)
        count -= moved
        following = state[base + NEXT]
        if following <= column_at + (count - 1) * spacing:
            count = max(ONE, (following - 1 - column_at) // spacing + 1)
        first = issue(tables, state, base, command, bank, at, count, dram_row, column + moved, tag)
        last = first + (count - 1) * spacing
        moved += count
        if moved == _part(tables, row, address, size)[1]:
            row, moved = row + tables[CHANNELS], ZERO
    state[base + FOLLOWS] = row
    return last
