"""The DRAM command engine: the earliest legal cycle of a command, what issuing it forbids, and accesses built on that.

Everything is a loop over the tables of `Dram`; no command has code of its own. Nothing ticks: a command goes to the
first cycle that the rules allow, and n equal column commands to an open row are one step.
"""

from ..functional.jit import inner
from .tables import (
    ACCESS_BYTES,
    ACT,
    AT_BUS,
    AT_COMMAND,
    AT_COUNTS,
    AT_DUE,
    AT_ENTRY,
    AT_LOG,
    AT_LOG_SIZE,
    AT_MEMBERS,
    AT_READY,
    AT_REFRESH_NODE,
    AT_REGISTER_MODE,
    AT_RING,
    AT_ROW,
    BANKS,
    BUS_SLOTS,
    CHANNELS,
    CHECKS,
    COMMAND_COUNT,
    COMMAND_FIELDS,
    COUNTED,
    EFFECTS,
    ENTRY_FIELDS,
    FIRST_ENTRY,
    LATENCY,
    LIMITS,
    LOG_CAPACITY,
    LOG_FIELDS,
    MODE,
    NONE,
    ONE,
    PRE,
    REF,
    REFRESH_INTERVAL,
    REFRESH_NODES,
    REGISTER_MODE,
    RING_WORDS,
    ROW_BYTES,
    SCOPE,
    SLOTS,
    SPACING,
    ZERO,
)

_LOG_WORDS = len(LOG_FIELDS)


@inner
def command_field(tables, command, field):
    """One of the fields of a command, such as LATENCY."""
    return tables[tables[AT_COMMAND] + command * COMMAND_FIELDS + field]


@inner
def member(tables, level, node, index):
    """The index-th bank of a node."""
    return tables[tables[AT_MEMBERS] + (level * tables[BANKS] + node) * tables[BANKS] + index]


@inner
def row_slot(tables, channel, side, bank):
    """Where `state` holds the open row of a bank."""
    return tables[AT_ROW] + (channel * 2 + side) * tables[BANKS] + bank


@inner
def _entry(tables, command, node):
    return tables[AT_ENTRY] + (command_field(tables, command, FIRST_ENTRY) + node) * ENTRY_FIELDS


@inner
def earliest(tables, state, channel, command, node, at):
    """First cycle from `at` in which `command` may go to a node (numbered within the level of its scope)."""
    entry = _entry(tables, command, node)
    ready = tables[AT_READY] + channel * tables[SLOTS]
    for check in range(tables[entry + CHECKS], tables[entry + EFFECTS]):
        at = max(at, state[ready + tables[check]])
    rings = tables[AT_RING] + channel * tables[RING_WORDS]
    for limit in range(tables[entry + LIMITS], tables[entry + COUNTED], 2):
        ring = rings + tables[limit]
        at = max(at, state[ring + 1 + state[ring]] + tables[limit + 1])
    return at


@inner
def issue(tables, state, channel, command, node, at, count, row, tag):
    """Issue `count` equal commands from cycle `at` on, as close as they may be; returns the cycle of the last.

    A level that allows them closer than the command's own scope does sees the run shortened to its own spacing: its
    gaps are free for runs in other nodes (bank groups, where tCCD_L > tCCD_S).
    """
    entry = _entry(tables, command, node)
    ready = tables[AT_READY] + channel * tables[SLOTS]
    spacing = command_field(tables, command, SPACING)
    for effect in range(tables[entry + EFFECTS], tables[entry + LIMITS], 3):
        slot = ready + tables[effect]
        state[slot] = max(state[slot], at + tables[effect + 1] + (count - 1) * tables[effect + 2])
    rings = tables[AT_RING] + channel * tables[RING_WORDS]
    for counted in range(tables[entry + COUNTED], tables[entry + ENTRY_FIELDS], 2):
        ring, size = rings + tables[counted], tables[counted + 1]
        for index in range(max(0, count - size), count):
            state[ring + 1 + state[ring]] = at + index * spacing
            state[ring] = (state[ring] + 1) % size
    state[tables[AT_COUNTS] + channel * tables[COMMAND_COUNT] + command] += count
    if tables[LOG_CAPACITY] > 0:
        _log(tables, state, at, command, channel, node, row, count, tag)
    return at + (count - 1) * spacing


@inner
def _log(tables, state, at, command, channel, node, row, count, tag):
    size = state[tables[AT_LOG_SIZE]]
    state[tables[AT_LOG_SIZE]] += 1
    if size < tables[LOG_CAPACITY]:
        place = tables[AT_LOG] + size * _LOG_WORDS
        state[place], state[place + 1], state[place + 2], state[place + 3] = at, command, channel, node
        state[place + 4], state[place + 5] = row, count
        state[place + 6], state[place + 7] = command_field(tables, command, SPACING), tag


@inner
def _row_command(tables, state, channel, command, node, at, row, tag):
    """Issue an ordinary activate or precharge: one in a cycle and channel, in any order of simulation."""
    at = earliest(tables, state, channel, command, node, at)
    bus = tables[AT_BUS] + channel * BUS_SLOTS
    while state[bus + at % BUS_SLOTS] == at:
        at += 1
    state[bus + at % BUS_SLOTS] = at
    issue(tables, state, channel, command, node, at, ONE, row, tag)


@inner
def set_mode(tables, state, channel, command, at, tag):
    """Switch the channel between data and register mode if the command needs the other; when it may follow."""
    place = tables[AT_REGISTER_MODE] + channel
    wanted, switch = command_field(tables, command, REGISTER_MODE), tables[MODE]
    if switch < 0 or state[place] == wanted:
        return at
    state[place] = wanted
    at = earliest(tables, state, channel, switch, ZERO, at)
    return issue(tables, state, channel, switch, ZERO, at, ONE, NONE, tag) + 1


@inner
def refresh(tables, state, channel, node, now):
    """Bring a refresh node up to cycle `now`.

    Refreshes that fell due while nothing happened went unnoticed; the last one closes the rows that are open, as soon
    as that is legal, so a refresh waits for the end of a row that is in use.
    """
    command, interval = tables[REF], tables[REFRESH_INTERVAL]
    place = tables[AT_DUE] + channel * tables[REFRESH_NODES] + node
    missed = (now - state[place]) // interval
    due = state[place] + missed * interval
    state[tables[AT_COUNTS] + channel * tables[COMMAND_COUNT] + command] += missed
    level = command_field(tables, command, SCOPE)
    for index in range(tables[BANKS] // tables[REFRESH_NODES]):
        bank = member(tables, level, node, index)
        slot = row_slot(tables, channel, ZERO, bank)
        if state[slot] >= 0:
            _row_command(tables, state, channel, tables[PRE], bank, due, NONE, ZERO)
            state[slot] = -1
    at = earliest(tables, state, channel, command, node, due)
    issue(tables, state, channel, command, node, at, ONE, NONE, ZERO)
    state[place] = due + interval


@inner
def access(tables, state, channel, bank, row, command, count, at, tag):
    """`count` ordinary reads or writes of one bank row from cycle `at` on, with what opens it; cycle of the last."""
    slot = row_slot(tables, channel, ZERO, bank)
    first = earliest(tables, state, channel, command if state[slot] == row else tables[ACT], bank, at)
    node = tables[tables[AT_REFRESH_NODE] + bank]
    if first >= state[tables[AT_DUE] + channel * tables[REFRESH_NODES] + node]:
        refresh(tables, state, channel, node, first)
    if state[tables[AT_REGISTER_MODE] + channel]:
        at = set_mode(tables, state, channel, command, at, tag)
    if state[slot] != row:
        if state[slot] >= 0:
            _row_command(tables, state, channel, tables[PRE], bank, at, NONE, tag)
        _row_command(tables, state, channel, tables[ACT], bank, at, row, tag)
        state[slot] = row
    first = earliest(tables, state, channel, command, bank, at)
    return issue(tables, state, channel, command, bank, first, count, row, tag)


@inner
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
        channel, bank, row = segment - line * channels, line % banks, line // banks
        count = (offset + part - 1) // unit - offset // unit + 1
        last = max(last, access(tables, state, channel, bank, row, command, count, at, tag))
        address += part
        size -= part
    return last + command_field(tables, command, LATENCY)
