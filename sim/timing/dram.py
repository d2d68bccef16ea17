"""Ordinary accesses and refresh, built on the command engine: rows that open and close, modes, bulk transfers, the log.

Nothing ticks: a command goes to the first cycle that the rules allow, and n equal column commands to an open row are one
step. `base` is where the words of a channel begin in `state`.
"""

from ..functional.jit import bare, bare_entry
from .buses import column_cycle, row_cycle
from .engine import forbid, forbid_run, ready_at
from .tables import (
    ACT,
    AT_COMMAND,
    AT_COUNTS,
    AT_DUE,
    AT_INSTRUCTION,
    AT_LOG,
    AT_LOG_SIZE,
    AT_REFRESH_NODE,
    AT_ROW,
    BANKS,
    CHANNEL_WORDS,
    CHANNELS,
    COLUMN_CYCLES,
    COMMAND_FIELDS,
    COMMANDS,
    DONE,
    DUAL,
    FIRST_COMMAND,
    HEADER,
    HEADS,
    IDLE,
    IN_REGISTER_MODE,
    INSTRUCTION_FIELDS,
    LATENCY,
    LOG_CAPACITY,
    LOG_FIELDS,
    MEMBERS,
    MIN_COLUMNS,
    MODE,
    MODE_SINCE,
    NODE_COUNT,
    NODE_FIELDS,
    NODES,
    NONE,
    ONE,
    PRE,
    PRE_PIM,
    PRECHARGE,
    REF,
    REFRESH_INTERVAL,
    REFRESH_NODES,
    REFRESH_TARGET,
    REGISTER_MODE,
    ROW_IN_USE,
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
def issue_joined(tables, state, base, command, target, at, columns, row, column, tag):
    """Issue one command that holds `columns` column steps from cycle `at` on; its cycle."""
    at = column_cycle(tables, state, base, command, target, at, ONE, ONE)
    more = max(ZERO, columns - command_field(tables, command, MIN_COLUMNS))
    forbid_run(tables, state, base, command, target, at, more + 1, ZERO)
    record(tables, state, base, command, target, at, ONE, ONE, row, column, tag)
    size = state[tables[AT_LOG_SIZE]]
    if 0 < size <= tables[LOG_CAPACITY]:
        state[tables[AT_LOG] + size * _LOG_WORDS - 1] = columns
    return at


@bare
def column_time(tables, command, columns):
    """Cycles that the column steps in one command add to its latency."""
    least = command_field(tables, command, MIN_COLUMNS)
    return command_field(tables, command, COLUMN_CYCLES) * max(columns, least)


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
            state[place + 9] = 1


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
    """Close the rows of a channel with one command, if any is open; the cycle after it. Rules of single banks hold, too."""
    found = False
    for bank in range(tables[BANKS]):
        if state[row_slot(tables, base, ZERO, bank)] >= 0:
            at = max(at, ready_at(tables, state, base, tables[PRE], bank))
            state[row_slot(tables, base, ZERO, bank)] = NONE
            found = True
    if found:
        target = first_target(tables, tables[PRE_PIM])
        at = issue_row_command(tables, state, base, tables[PRE_PIM], target, at, NONE, tag) + 1
    return at


@bare
def _rows_in_use(tables, state, base, node):
    """Whether PIM rows with a buffer of their own keep a refresh waiting."""
    if not tables[DUAL] or (tables[HEADER] >= 0 and not state[base + ROW_IN_USE]):
        return False
    for bank in range(tables[BANKS]):
        if tables[tables[AT_REFRESH_NODE] + bank] == node and state[row_slot(tables, base, ONE, bank)] >= 0:
            return True
    return False


@bare
def refresh(tables, state, base, node, now):
    """Issue the refreshes of a node that are due by cycle `now`, after the rows in use are done, then in time; the cycle
    after the last one, 0 if they have to wait for a PIM row in use.
    """
    return refresh_from(tables, state, base, node, now, ZERO)


@bare
def refresh_from(tables, state, base, node, now, at):
    """`refresh`, none of it before cycle `at`: where no rule keeps it behind the precharges before it."""
    if _rows_in_use(tables, state, base, node):
        return ZERO
    command, interval, place = tables[REF], tables[REFRESH_INTERVAL], base + tables[AT_DUE] + node
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
    if tables[DUAL]:
        close_pim_rows(tables, state, base, begin, node, ZERO)
    target, at = tables[REFRESH_TARGET] + node, ZERO
    while due <= now:
        at = issue_row_command(tables, state, base, command, target, max(begin, due), NONE, ZERO)
        due += interval
        if at < due <= now and ready_at(tables, state, base, command, target) <= due:
            count = (now - due) // interval + 1  # nothing happened meanwhile: they are in time
            record(tables, state, base, command, target, due, count, interval, NONE, NONE, ZERO)
            due += count * interval
            forbid(tables, state, base, command, target, due - interval)
            at = due - interval
    state[place] = due
    return at + 1


@bare
def close_pim_rows(tables, state, base, at, node, tag):
    """Close the rows that PIM commands see, from cycle `at` on, in the banks of refresh node `node`, or of all if it is -1;
    those first that are ready first. The cycle after the last command, `at` if nothing is open.
    """
    entry = tables[AT_INSTRUCTION] + PRECHARGE * INSTRUCTION_FIELDS
    for index in range(tables[entry + COMMANDS]):
        command = tables[tables[entry + FIRST_COMMAND] + index]
        first = command_field(tables, command, NODES)
        end = first + command_field(tables, command, NODE_COUNT) * NODE_FIELDS
        waits = at
        while waits < IDLE:
            at, waits = max(at, waits), IDLE
            for place in range(first, end, NODE_FIELDS):
                if not _is_open(tables, state, base, place, node):
                    continue
                ready = ready_at(tables, state, base, command, tables[place + TARGET])
                if ready > at:
                    waits = min(waits, ready)
                    continue
                set_rows(tables, state, base, place, NONE)
                at = set_mode(tables, state, base, command, at, tag)
                at = issue_row_command(tables, state, base, command, tables[place + TARGET], at, NONE, tag)
                state[base + DONE] = max(state[base + DONE], at + command_field(tables, command, LATENCY))
                at += 1
    return at


@bare
def _is_open(tables, state, base, place, node):
    """Whether a PIM row is open in a bank of a command's node, of refresh node `node` unless that is -1."""
    if node >= 0 and tables[tables[AT_REFRESH_NODE] + tables[tables[place + MEMBERS]]] != node:
        return False
    for index in range(tables[place + MEMBERS], tables[place + NODE_FIELDS + MEMBERS]):
        if state[row_slot(tables, base, tables[DUAL], tables[index])] >= 0:
            return True
    return False


@bare
def set_rows(tables, state, base, node, row):
    """Set the row that PIM commands see open in a node's banks; whether that changes any."""
    changed = False
    for index in range(tables[node + MEMBERS], tables[node + NODE_FIELDS + MEMBERS]):
        slot = row_slot(tables, base, tables[DUAL], tables[index])
        changed |= state[slot] != row
        state[slot] = row
    return changed


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
