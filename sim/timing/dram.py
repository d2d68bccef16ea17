"""The DRAM command engine: the earliest legal cycle of a command, what issuing it forbids, and accesses built on that.

Everything is a loop over the tables of `Dram`; no command has code of its own. Nothing ticks: a command goes to the
first cycle that the rules allow, and n equal column commands to an open row are one step.
"""

from .. import kernel_cache  # noqa: F401, I001  before numba
from numba import njit

from .tables import (
    ACCESS_BYTES,
    ACT,
    BANKS,
    BUS_SLOTS,
    CHANNELS,
    MODE,
    PRE,
    REF,
    REFRESH_INTERVAL,
    REFRESH_LEVEL,
    REFRESH_NODES,
    ROW_BYTES,
)


@njit(cache=True)
def earliest(dram, channel, command, node, at):
    """First cycle from `at` in which `command` may go to a node (counted within the level of its scope)."""
    scope = dram.scope[command]
    for level in range(scope + 1):
        at = max(at, dram.ready[channel, dram.path[scope, node, level], command])
    if dram.in_window[command]:
        for window in range(dram.windows.shape[0]):
            level = dram.windows[window, 0]
            if dram.window_limits[window, command] and level <= scope:
                there = dram.path[scope, node, level]
                oldest = dram.ring[channel, window, there, dram.ring_next[channel, window, there]]
                at = max(at, oldest + dram.windows[window, 1])
    return at


@njit(cache=True)
def issue(dram, channel, command, node, at, count, row, tag):
    """Issue `count` equal commands from cycle `at` on, as close as they may be; returns the cycle of the last.

    A level that allows them closer than the command's own scope does sees the run shortened to its own spacing: its
    gaps are free for runs in other nodes (bank groups, where tCCD_L > tCCD_S).
    """
    scope = dram.scope[command]
    last = at + (count - 1) * dram.spacing[command, scope]
    for level in range(scope + 1):
        there = dram.path[scope, node, level]
        last_here = at + (count - 1) * dram.spacing[command, level]
        for rule in range(dram.rule_begin[command, level], dram.rule_begin[command, level + 1]):
            following = dram.rule_following[rule]
            issued = last_here if following == command else last
            ready = issued + dram.rule_cycles[rule]
            if ready > dram.ready[channel, there, following]:
                dram.ready[channel, there, following] = ready
    if dram.in_window[command]:
        _count_in_windows(dram, channel, command, node, at, count)
    dram.counts[channel, command] += count
    if dram.log.shape[0] > 0:
        _log(dram, at, command, channel, node, row, count, tag)
    return last


@njit(cache=True)
def _count_in_windows(dram, channel, command, node, at, count):
    scope = dram.scope[command]
    for window in range(dram.windows.shape[0]):
        level, size = dram.windows[window, 0], dram.windows[window, 2]
        if dram.window_counts[window, command] and level <= scope:
            there = dram.path[scope, node, level]
            for index in range(max(0, count - size), count):
                entry = dram.ring_next[channel, window, there]
                dram.ring[channel, window, there, entry] = at + index * dram.spacing[command, scope]
                dram.ring_next[channel, window, there] = (entry + 1) % size


@njit(cache=True)
def _log(dram, at, command, channel, node, row, count, tag):
    size = dram.log_size[0]
    dram.log_size[0] += 1
    if size < dram.log.shape[0]:
        scope = dram.scope[command]
        entry = dram.log[size]
        entry[0], entry[1], entry[2], entry[3], entry[4] = at, command, channel, scope, node
        entry[5], entry[6], entry[7], entry[8] = row, count, dram.spacing[command, scope], tag


@njit(cache=True)
def _row_command(dram, channel, command, node, at, row, tag):
    """Issue an ordinary activate or precharge: one in a cycle and channel, in any order of simulation."""
    at = earliest(dram, channel, command, node, at)
    while dram.bus[channel, at % BUS_SLOTS] == at:
        at += 1
    dram.bus[channel, at % BUS_SLOTS] = at
    return issue(dram, channel, command, node, at, 1, row, tag)


@njit(cache=True)
def set_mode(dram, channel, command, at, tag):
    """Switch the channel between data and register mode if the command needs the other; when it may follow."""
    wanted = dram.register_mode[command]
    if dram.facts[MODE] < 0 or dram.in_register_mode[channel] == wanted:
        return at
    dram.in_register_mode[channel] = wanted
    at = earliest(dram, channel, dram.facts[MODE], 0, at)
    return issue(dram, channel, dram.facts[MODE], 0, at, 1, -1, tag) + 1


@njit(cache=True)
def refresh(dram, channel, node, now):
    """Bring a refresh node up to cycle `now`.

    Refreshes that fell due while nothing happened went unnoticed; the last one closes the rows that are open, as soon
    as that is legal, so a refresh waits for the end of a row that is in use.
    """
    command, interval = dram.facts[REF], dram.facts[REFRESH_INTERVAL]
    missed = (now - dram.refresh_due[channel, node]) // interval
    due = dram.refresh_due[channel, node] + missed * interval
    dram.counts[channel, command] += missed
    level = dram.facts[REFRESH_LEVEL]
    for index in range(dram.facts[BANKS] // dram.facts[REFRESH_NODES]):
        bank = dram.members[level, node, index]
        if dram.open_row[channel, 0, bank] >= 0:
            _row_command(dram, channel, dram.facts[PRE], bank, due, -1, -1)
            dram.open_row[channel, 0, bank] = -1
    at = earliest(dram, channel, command, node, due)
    issue(dram, channel, command, node, at, 1, -1, -1)
    dram.refresh_due[channel, node] = due + interval


@njit(cache=True)
def access(dram, channel, bank, row, command, count, at, tag):
    """`count` ordinary reads or writes of one bank row from cycle `at` on, with what opens it; cycle of the last."""
    hit = dram.open_row[channel, 0, bank] == row
    first = earliest(dram, channel, command if hit else dram.facts[ACT], bank, at)
    node = dram.refresh_node[bank]
    if first >= dram.refresh_due[channel, node]:
        refresh(dram, channel, node, first)
        hit = False
    if dram.in_register_mode[channel]:
        at = set_mode(dram, channel, command, at, tag)
    if not hit:
        if dram.open_row[channel, 0, bank] >= 0:
            _row_command(dram, channel, dram.facts[PRE], bank, at, -1, tag)
        _row_command(dram, channel, dram.facts[ACT], bank, at, row, tag)
        dram.open_row[channel, 0, bank] = row
    first = earliest(dram, channel, command, bank, at)
    return issue(dram, channel, command, bank, first, count, row, tag)


@njit(cache=True)
def transfer(dram, address, size, command, at, tag):
    """Move `size` bytes from `address` of the linear space, row by row over the channels; when the last data is there."""
    row_bytes, unit = dram.facts[ROW_BYTES], dram.facts[ACCESS_BYTES]
    channels, banks = dram.facts[CHANNELS], dram.facts[BANKS]
    last = at
    while size > 0:
        segment = address // row_bytes
        offset = address - segment * row_bytes
        part = min(row_bytes - offset, size)
        line = segment // channels
        row = line // banks
        count = (offset + part - 1) // unit - offset // unit + 1
        end = access(dram, segment - line * channels, line - row * banks, row, command, count, at, tag)
        last = max(last, end)
        address += part
        size -= part
    return last + dram.latency[command]
