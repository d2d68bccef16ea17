"""What the row buffers of the banks are in when a command comes, and whether the channel is in the mode that it needs."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .commands import Commands
from .findings import Finding, finding

_EVENTS = 1 << 22  # commands on single banks that are looked at together
_CLOSED = -1


def check_banks(commands: Commands) -> Iterator[Finding]:
    """Commands on banks that are open or closed at the wrong time, or have another row open."""
    rows = np.flatnonzero(~commands.where(action="none"))
    rows = rows[np.argsort(commands.address[rows, 0], kind="stable")]
    rows, repeats = _without_repeats(commands, rows)
    found: list[list[Finding]] = []
    for part in _parts(commands, rows):
        found.append(list(_check_part(commands, part)))
    by_rule: dict[str, list[Finding]] = {}
    for one in (one for part in found for one in part):
        by_rule.setdefault(one.rule, []).append(one)
    for rule, parts in by_rule.items():
        fields = (
            np.concatenate([getattr(part, key) for part in parts]) for key in ("rows", "earlier", "found", "needed")
        )
        yield _with_repeats(Finding(rule, *fields), repeats)


def _without_repeats(commands: Commands, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop column commands that repeat the one before: [row] the row that it stands for.

    A row of MACs works on all banks of a channel: to look at its first one is enough.
    """
    plain = commands.where(action="column")[rows]
    sets, _ = commands.bank_sets
    same = np.zeros(len(rows), bool)
    same[1:] = plain[1:] & plain[:-1]
    for values in (commands.address[:, 0], sets, commands.row):
        same[1:] &= values[rows[1:]] == values[rows[:-1]]
    heads = np.maximum.accumulate(np.where(same, 0, np.arange(len(rows))))
    stands_for = np.arange(len(commands))
    stands_for[rows] = rows[heads]
    return rows[~same], stands_for


def _with_repeats(found: Finding, stands_for: np.ndarray) -> Finding:
    """The same for the commands that were left out."""
    best = np.full(len(stands_for), -1)
    best[found.rows[::-1]] = np.arange(len(found))[::-1]  # a command may be wrong in several banks: the first counts
    which = best[stands_for]
    rows = np.flatnonzero(which >= 0)
    which = which[rows]
    return Finding(found.rule, rows, found.earlier[which], found.found[which], found.needed[which])


def _parts(commands: Commands, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of whole channels, as many as make few enough events."""
    numbers, sets = commands.bank_sets
    sizes = np.cumsum(np.array([len(banks) for banks in sets], np.int64)[numbers[rows]]) if len(rows) else rows
    channel = commands.address[rows, 0]
    begins = np.flatnonzero(np.concatenate([[True], channel[1:] != channel[:-1]])) if len(rows) else []
    first = done = 0
    for begin in [*begins[1:], len(rows)] if len(rows) else ():
        if sizes[begin - 1] - done >= _EVENTS or begin == len(rows):
            yield rows[first:begin]
            first, done = begin, sizes[begin - 1]


class _Events(NamedTuple):
    """Commands on single row buffers, by buffer and then by time, and what was there before."""

    rows: np.ndarray
    opened: np.ndarray  # the row that is open, _CLOSED or -2: open, but the log does not say which
    earlier: np.ndarray  # the row of the log that opened or closed it


_UNKNOWN = -2


def _events(commands: Commands, rows: np.ndarray) -> _Events:
    numbers, sets = commands.bank_sets
    lengths = np.array([len(banks) for banks in sets])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    repeat = lengths[numbers[rows]]
    event_rows = np.repeat(rows, repeat)
    within = np.arange(len(event_rows)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    banks = np.concatenate(sets)[np.repeat(starts[numbers[rows]], repeat) + within]
    dual = commands.pim.get("dual_row_buffer", False)
    side = (commands.where(side="pim") & dual)[event_rows].astype(np.int64)
    buffer = (commands.address[event_rows, 0] * commands.banks + banks) * 2 + side
    if dual:
        both = commands.where(action="refresh")[event_rows]
        event_rows = np.concatenate([event_rows, event_rows[both]])
        buffer = np.concatenate([buffer, buffer[both] ^ 1])
    order = np.lexsort((event_rows, buffer))
    event_rows, buffer = event_rows[order], buffer[order]

    activates = commands.where(action="activate")[event_rows]
    closes = (commands.where(action="precharge") | commands.where(action="column_precharge"))[event_rows]
    before = np.maximum.accumulate(np.where(activates | closes, np.arange(len(event_rows)), -1))
    before = np.concatenate([[-1], before[:-1]])
    valid = before >= 0
    valid[valid] = buffer[before[valid]] == buffer[valid]
    named = np.where(commands.row < 0, _UNKNOWN, commands.row)
    opened = np.where(valid & activates[before], named[event_rows[before]], _CLOSED)
    return _Events(event_rows, opened, np.where(valid, event_rows[before], -1))


def _check_part(commands: Commands, rows: np.ndarray) -> Iterator[Finding]:
    events = _events(commands, rows)
    is_open = events.opened != _CLOSED
    asked = commands.row[events.rows]
    activates = commands.where(action="activate")[events.rows]
    columns = (commands.where(action="column") | commands.where(action="column_precharge"))[events.rows]
    match commands.machine["controller"]["activates_open_rows"]:
        case "never":
            reopens = np.zeros(len(is_open), bool)
        case "same_row":
            reopens = events.opened == asked
        case _:
            reopens = np.ones(len(is_open), bool)
    wide = (commands.scope[commands.kind] < len(commands.extents) - 1) | np.array(
        [bool(command["spread"]) for command in commands.machine["command"].values()]
    )[commands.kind]
    reopens &= wide[events.rows]

    def report(rule: str, bad: np.ndarray, needed: np.ndarray | int) -> Iterator[Finding]:
        if bad.any():
            wanted = np.broadcast_to(needed, bad.shape)[bad]
            yield Finding(rule, events.rows[bad], events.earlier[bad], events.opened[bad], wanted)

    yield from report("banks: activate a closed bank only", activates & is_open & ~reopens, _CLOSED)
    yield from report("banks: column commands need an open row", columns & ~is_open, asked)
    other = columns & is_open & (asked >= 0) & (events.opened != _UNKNOWN) & (events.opened != asked)
    yield from report("banks: column commands need their row open", other, asked)
    yield from report(
        "banks: refresh closed banks only", commands.where(action="refresh")[events.rows] & is_open, _CLOSED
    )
    yield from report("banks: activates name a row", activates & (asked < 0), 0)


def check_mode(commands: Commands) -> Iterator[Finding]:
    """Commands for which a channel is in the wrong mode: register commands need register mode, all others data mode."""
    switch = commands.pim.get("mode_command", "")
    if not switch:
        return
    order = np.argsort(commands.address[:, 0], kind="stable")
    switches = commands.of([switch])[order]
    channel = commands.address[order, 0]
    total = np.cumsum(switches)
    first = np.searchsorted(channel, channel)
    mode = (total - total[first] + switches[first]) % 2
    needed = commands.values("register_mode")[order].astype(np.int64)
    bad = ~switches & (mode != needed)
    if bad.any():
        last = np.maximum.accumulate(np.where(switches, np.arange(len(order)), -1))[bad]
        same = (last >= 0) & (channel[last] == channel[bad])
        earlier = np.where(same, order[last], -1)
        yield finding(
            f"mode: {switch} switches between data (0) and register mode (1)",
            order[bad],
            earlier,
            mode[bad],
            needed[bad],
        )
