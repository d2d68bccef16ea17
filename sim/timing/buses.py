"""The command buses of a channel: which cycles are taken, whatever the order of simulation.

A cycle takes one command, or with two slots one row and one column command. A run of columns has gaps where columns of one
bank group must be further apart than a burst is long; other runs may use them. `period` is the distance of columns in a
run: a run takes every cycle with the same remainder, and cycles of other remainders stay free. Pseudo-channels share the
bus by turns: of two, one has the even cycles.
"""

from ..functional.jit import bare
from .engine import ready_at
from .tables import (
    AT_COLUMN_BUS,
    AT_PSEUDO_CHANNEL,
    AT_ROW_BUS,
    BURST,
    BUS_MASK,
    COLUMN_PERIOD,
    COLUMNS_UNTIL,
    ONE,
    ROWS_UNTIL,
    SLOTS,
    TURNS,
)


@bare
def row_cycle(tables, state, base, command, target, at):
    """First cycle from `at` in which a row command may be issued; it is taken."""
    at = max(at, ready_at(tables, state, base, command, target))
    at = max(at, state[base + ROWS_UNTIL] - BUS_MASK)  # what was taken longer ago is forgotten
    rows, columns = base + tables[AT_ROW_BUS], base + tables[AT_COLUMN_BUS]
    while state[rows + (at & BUS_MASK)] == at or (
        tables[SLOTS] == 1
        and state[base + COLUMNS_UNTIL] >= at
        and state[columns + 2 * (at % tables[COLUMN_PERIOD])] >= at
    ):
        at += 1
    state[rows + (at & BUS_MASK)] = at
    state[base + ROWS_UNTIL] = max(state[base + ROWS_UNTIL], at)
    return at


@bare
def free_columns(tables, state, base, command, target, at, count, spacing):
    """First cycle from `at` in which `count` other commands, `spacing` cycles apart, may begin."""
    at = max(at, ready_at(tables, state, base, command, target))
    pseudo_channel = tables[tables[AT_PSEUDO_CHANNEL] + target]
    if tables[TURNS] > 1 and pseudo_channel >= 0:
        at += (pseudo_channel - at) % tables[TURNS]
    while _taken(tables, state, base, pseudo_channel, at, count, spacing):
        at += tables[TURNS] if pseudo_channel >= 0 else ONE
    return at


@bare
def column_cycle(tables, state, base, command, target, at, count, spacing):
    """The same; the cycles are taken."""
    at = free_columns(tables, state, base, command, target, at, count, spacing)
    period, columns = tables[COLUMN_PERIOD], base + tables[AT_COLUMN_BUS]
    pseudo_channel = tables[tables[AT_PSEUDO_CHANNEL] + target]
    last = at + (count - 1) * spacing
    state[base + COLUMNS_UNTIL] = max(state[base + COLUMNS_UNTIL], last)
    if _even(tables, count, spacing):
        place = columns + 2 * (at % period)
        state[place], state[place + 1] = max(state[place], last), pseudo_channel
    else:
        for remainder in range(period):
            place = columns + 2 * remainder
            state[place], state[place + 1] = max(state[place], last), pseudo_channel
    return at


@bare
def _even(tables, count, spacing):
    """Whether a run takes only cycles with one remainder."""
    return count == 1 or spacing == tables[COLUMN_PERIOD] or spacing % tables[COLUMN_PERIOD] == 0


@bare
def _taken(tables, state, base, pseudo_channel, at, count, spacing):
    if state[base + COLUMNS_UNTIL] >= at:
        period, columns = tables[COLUMN_PERIOD], base + tables[AT_COLUMN_BUS]
        even = _even(tables, count, spacing)
        for remainder in range(period):
            if state[columns + 2 * remainder] >= at:
                apart = abs(at % period - remainder)
                apart = min(apart, period - apart)
                shared = pseudo_channel >= 0 and state[columns + 2 * remainder + 1] == pseudo_channel
                if apart == 0 or not even or (shared and apart < tables[BURST]):
                    return True
    if tables[SLOTS] == 1 and state[base + ROWS_UNTIL] >= at:
        rows = base + tables[AT_ROW_BUS]
        for index in range(count):
            cycle = at + index * spacing
            if state[rows + (cycle & BUS_MASK)] == cycle:
                return True
    return False
