"""Ordinary accesses and refresh, built on the command engine: rows that open and close, modes, bulk transfers, the log.

Nothing ticks: a command goes to the first cycle that the rules allow, and n equal column commands to an open row are one
step. `base` is where the words of a channel begin in `state`.
"""

from ..functional.jit import bare, bare_entry
from .buses import column_cycle, row_cycle
from .engine import forbid, forbid_run, ready_at
from .tables import (
    ACCESS_BYTES,
    ACT,
    AT_BANK,
    AT_COMMAND,
    AT_COUNTS,
    AT_DUE,
    AT_LOG,
    AT_LOG_SIZE,
    AT_REFRESH_NODE,
    AT_ROW,
    BANKS,
    CHANNEL_WORDS,
    CHANNELS,
    COMMAND_FIELDS,
    DUAL,
    HEADS,
    IN_REGISTER_MODE,
    LATENCY,
    LOG_CAPACITY,
    LOG_FIELDS,
    MODE,
    MODE_SINCE,
    NODES,
    NONE,
    ONE,
    PRE,
    PRE_PIM,
    REF,
    REFRESH_INTERVAL,
    REFRESH_NODES,
    REFRESH_TARGET,
    REGISTER_MODE,
    ROW_BYTES,
    SPACING,
    STREAM,
    TARGET,
    ZERO,
)

_LOG_WORDS = len(LOG_FIELDS)


@bare
def command_field(tables, command, field):
    """One of the fields of a command, such as LATENCY."""
    return tables[tables[AT_COMMAND] + command * COMMAND_FIELDS + field]


@bare
def first_target(tables, command):
    """The node that a command names if it works on all banks."""
    return tables[command_field(tables, command, NODES) + TARGET]


@bare
def row_slot(tables, base, side, bank):
    """Where `state` holds the open row of a bank."""
    return base + tables[AT_ROW] + side * tables[BANKS] + bank


@bare
def issue(tables, state, base, command, target, at, count, row, column, tag):
    """Issue `count` equal commands from cycle `at` on, as close as they and the buses allow; returns the cycle of the first."""
    spacing = command_field(tables, command, SPACING)
    at = column_cycle(tables, state, base, command, target, at, count, spacing)
    forbid_run(tables, state, base, command, target, at, count, spacing)
    record(tables, state, base, command, target, at, count, spacing, row, column, tag)
    return at


@bare
def issue_row_command(tables, state, base, command, target, at, row, tag):
    """Issue an activate, precharge or refresh; its cycle."""
    at = row_cycle(tables, state, base, command, target, at)
    forbid(tables, state, base, command, target, at)
    record(tables, state, base, command, target, at, ONE, ONE, row, NONE, tag)
    return at


@bare
def record(tables, state, base, command, target, at, count, spacing, row, column, tag):
    """Count and log a run of commands."""
    state[base + tables[AT_COUNTS] + command] += count
    if tables[LOG_CAPACITY] > 0:
        size = state[tables[AT_LOG_SIZE]]
        state[tables[AT_LOG_SIZE]] += 1
        if size < tables[LOG_CAPACITY]:
            place = tables[AT_LOG] + size * _LOG_WORDS
            state[place], state[place + 1], state[place + 2] = at, command, base // tables[CHANNEL_WORDS]
            state[place + 3], state[place + 4], state[place + 5] = target, row, column
            state[place + 6], state[place + 7], state[place + 8] = count, spacing, tag


@bare
def set_mode(tables, state, base, command, at, tag):
    """Switch the channel between data and register mode if the command needs the other; when it may follow."""
    wanted, switch = command_field(tables, command, REGISTER_MODE), tables[MODE]
    if switch < 0 or state[base + IN_REGISTER_MODE] == wanted:
        return at
    at = issue(tables, state, base, switch, first_target(tables, switch), at, ONE, NONE, NONE, tag)
    state[base + IN_REGISTER_MODE], state[base + MODE_SINCE] = wanted, at + 1
    return at + 1


@bare
def close_all(tables, state, base, at, tag):
    """Close the rows of a channel with one command, if any is open; the cycle after it."""
    for bank in range(tables[BANKS]):
        if state[row_slot(tables, base, ZERO, bank)] >= 0:
            target = first_target(tables, tables[PRE_PIM])
            at = issue_row_command(tables, state, base, tables[PRE_PIM], target, at, NONE, tag) + 1
            for other in range(tables[BANKS]):
                state[row_slot(tables, base, ZERO, other)] = NONE
            break
    return at


@bare
def refresh(tables, state, base, node, now):
    """Issue the refreshes of a node that are due by cycle `now`: after the rows in use are done, then in time.

    PIM rows that have a buffer of their own are not closed: the refreshes wait until they are.
    """
    refresh_from(tables, state, base, node, now, ZERO)


@bare
def refresh_from(tables, state, base, node, now, at):
    """`refresh`, none of it before cycle `at`: where no rule keeps it behind the precharges before it."""
    command, interval, place = tables[REF], tables[REFRESH_INTERVAL], base + tables[AT_DUE] + node
    for bank in range(tables[BANKS]):
        pim_row = state[row_slot(tables, base, ONE, bank)]
        if tables[DUAL] and pim_row >= 0 and tables[tables[AT_REFRESH_NODE] + bank] == node:
            return
    due = state[place]
    begin = max(at, max(due, state[base + MODE_SINCE]))
    if state[base + IN_REGISTER_MODE]:
        begin = set_mode(tables, state, base, command, max(begin, state[base + STREAM]), ZERO)
    if tables[HEADS]:
        begin = close_all(tables, state, base, begin, ZERO)
    for bank in range(tables[BANKS]):
        slot = row_slot(tables, base, ZERO, bank)
        if tables[tables[AT_REFRESH_NODE] + bank] == node and state[slot] >= 0:
            issue_row_command(tables, state, base, tables[PRE], bank, begin, NONE, ZERO)
            state[slot] = -1
    target = tables[REFRESH_TARGET] + node
    while due <= now:
        at = issue_row_command(tables, state, base, command, target, max(begin, due), NONE, ZERO)
        due += interval
        if at < due <= now and ready_at(tables, state, base, command, target) <= due:
            count = (now - due) // interval + 1  # nothing happened meanwhile: they are in time
            record(tables, state, base, command, target, due, count, interval, NONE, NONE, ZERO)
            due += count * interval
            forbid(tables, state, base, command, target, due - interval)
    state[place] = due


@bare_entry
def refresh_all(tables, state, now):
    """Bring all channels, on which nothing is under way, up to cycle `now`."""
    for channel in range(tables[CHANNELS]):
        base = channel * tables[CHANNEL_WORDS]
        for node in range(tables[REFRESH_NODES]):
            if state[base + tables[AT_DUE] + node] <= now:
                refresh(tables, state, base, node, now)


@bare
def access(tables, state, base, bank, row, column, command, count, at, tag):
    """`count` ordinary reads or writes of one bank row from cycle `at` on, with what opens it; cycle of the last."""
    slot = row_slot(tables, base, ZERO, bank)
    first = max(at, ready_at(tables, state, base, command if state[slot] == row else tables[ACT], bank))
    node = tables[tables[AT_REFRESH_NODE] + bank]
    if first >= state[base + tables[AT_DUE] + node]:
        refresh(tables, state, base, node, first)
    if state[base + IN_REGISTER_MODE]:
        at = set_mode(tables, state, base, command, at, tag)
    if state[slot] != row:
        if state[slot] >= 0:
            issue_row_command(tables, state, base, tables[PRE], bank, at, NONE, tag)
        issue_row_command(tables, state, base, tables[ACT], bank, at, row, tag)
        state[slot] = row
    first = issue(tables, state, base, command, bank, at, count, row, column, tag)
    return first + (count - 1) * command_field(tables, command, SPACING)


@bare
def transfer(tables, state, address, size, command, at, tag):
    """Move `size` bytes from `address` of the linear space, row by row over the channels; when the last data is there."""
    row_bytes, unit = tables[ROW_BYTES], tables[ACCESS_BYTES]
    channels, banks = tables[CHANNELS], tables[BANKS]
    last = at
    while size > 0:
        segment = address // row_bytes
        offset = address - segment * row_bytes
        part = min(row_bytes - offset, size)
        line = segment // channels
        base = (segment - line * channels) * tables[CHANNEL_WORDS]
        bank, row = tables[tables[AT_BANK] + line % banks], line // banks
        column = offset // unit
        count = (offset + part - 1) // unit - column + 1
        last = max(last, access(tables, state, base, bank, row, column, command, count, at, tag))
        address += part
        size -= part
    return last + command_field(tables, command, LATENCY)
