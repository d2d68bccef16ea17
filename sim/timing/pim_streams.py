"""The PIM streams of the channels: a queue of instructions each, which advances by itself, command by command.

`advance` goes on to a given cycle, `next_command` says when the next command may come: ordinary traffic of another launch asks
for it and lets it pass (`transfers.py`). Instructions stand decoded in the queue, eight words each.
"""

from typing import Any, NamedTuple

import numpy as np

from ..functional.dispatch import MAX_INT
from ..functional.jit import bare
from .dram import (
    access,
    close_pim_rows,
    column_time,
    command_field,
    first_target,
    issue,
    issue_joined,
    issue_row_command,
    refresh,
    row_slot,
    set_mode,
    set_rows,
)
from .engine import forbid, ready_at
from .tables import (
    ACCESS_BYTES,
    ACT_CYCLES,
    AT_BANK,
    AT_DUE,
    AT_INSTRUCTION,
    AT_WRITE_QUEUE,
    BANKS,
    BURST,
    CHANNEL_WORDS,
    CLOSE_CYCLES,
    COLUMNS_PER_COMMAND,
    COMMANDS,
    DONE,
    DUAL,
    END,
    EXTRA_SLOTS,
    FILL_CYCLES,
    FIRST_COMMAND,
    HEAD,
    HEADER,
    IDLE,
    INSTRUCTION_FIELDS,
    JOINED,
    LATENCY,
    MEMBERS,
    MIN_COLUMNS,
    NEXT,
    NODE_COUNT,
    NODE_FIELDS,
    NODES,
    NONE,
    ONE,
    PIM_TAG,
    PRE_CYCLES,
    QUEUE_END,
    QUEUED,
    RD,
    REFRESH_INTERVAL,
    REFRESH_NODES,
    RELEASED,
    REPEAT,
    RESULT_AT,
    ROW_IN_USE,
    SPACING,
    STEP,
    STREAM,
    TARGET,
    WINDOW_CYCLES,
    WR,
    WRITE_QUEUE,
    ZERO,
    numbers,
)

WRITE_BUFFER, COPY_ROW, ACTIVATE, MAC, READ_ACC, PRECHARGE, SCATTER, ACCESS_READ, ACCESS_WRITE, MAC_READ = numbers(
    0, 10
)
"""Kinds of queued instructions; the first ones are those of the instruction table."""

(KIND, TAG, FIRST, SECOND, THIRD, FOURTH, HANDED, _UNUSED) = range(8)
ITEM_WORDS = 8
"""Words of a queued instruction: its kind and tag, its operands, and the cycle from which on the front end has handed it over.

Operands: activate has row, MAC columns and results until the row is closed; mac has column and columns; an access has bank,
row, and its first and last access unit; copy_row has bank, row, column, columns; scatter has row, byte offset, banks;
write_buffer has columns."""


class Streams(NamedTuple):
    """The queues of a launch, what its commands count for, and where its program stands (`tables.END`)."""

    items: np.ndarray  # [channel, number of the instruction modulo capacity, word]
    busy: np.ndarray  # [1] cycles that MACs kept their channels busy
    by_tag: np.ndarray
    place: np.ndarray


def build_streams(channels: int, capacity: int, by_tag: np.ndarray, place: np.ndarray) -> Streams:
    """Empty queues of `capacity` instructions, a power of two."""
    return Streams(np.zeros((channels, capacity, ITEM_WORDS), np.int64), np.zeros(1, np.int64), by_tag, place)


def no_streams() -> Streams:
    """For ordinary traffic beside which no PIM launch runs."""
    return build_streams(1, 1, np.zeros((1, 2), np.int64), np.zeros(8, np.int64))


def larger(streams: Streams, channels: Any) -> Streams:
    """The same queues with twice the capacity; `channels` are the words of the channels."""
    before = streams.items.shape[1]
    items = np.zeros((len(streams.items), 2 * before, ITEM_WORDS), np.int64)
    for channel, words in enumerate(channels):
        numbers_ = np.arange(words[HEAD], words[HEAD] + before)
        items[channel, numbers_ % (2 * before)] = streams.items[channel, numbers_ % before]
    return streams._replace(items=items)


@bare
def advance(tables, state, streams, channel, until):
    """Issue the commands of a channel that may be issued up to cycle `until`."""
    base = channel * tables[CHANNEL_WORDS]
    while state[base + HEAD] < state[base + RELEASED] or state[base + RESULT_AT] > 0:
        if until < MAX_INT:
            at = next_command(tables, state, streams, channel)
            if at > until:
                return
        issue_next(tables, state, streams, channel)
    state[base + NEXT] = IDLE


@bare
def next_command(tables, state, streams, channel):
    """The first cycle in which the next command of a channel may come, as things stand; IDLE if there is none."""
    base = channel * tables[CHANNEL_WORDS]
    at = IDLE
    if state[base + RESULT_AT] > 0:
        at = state[base + RESULT_AT] - tables[BURST] + 1  # a burst of other data must end before its own
    elif state[base + HEAD] < state[base + RELEASED]:
        item = streams.items[channel, state[base + HEAD] & (streams.items.shape[1] - 1)]
        at = _next_of_item(tables, state, base, item)
    state[base + NEXT] = at
    return at


@bare
def _next_of_item(tables, state, base, item):
    kind, at = item[KIND], max(state[base + STREAM], item[HANDED])
    if kind in (ACCESS_READ, ACCESS_WRITE, SCATTER):
        return max(at, state[base + tables[AT_WRITE_QUEUE] + state[base + QUEUED]])
    at = max(at, state[base + QUEUE_END])
    if kind == ACTIVATE:
        step = state[base + STEP]
        if step == 0:
            if tables[HEADER] >= 0:
                return _begin(
                    tables, state, base, _header_time(tables, state, base, at), _row_estimate(tables, state, base, item)
                )
            return at
        return max(at, _next_activate(tables, state, base, item[FIRST])[2])
    if kind == MAC_READ:
        return max(at, ready_at(tables, state, base, tables[JOINED], first_target(tables, tables[JOINED])))
    if kind in (MAC, READ_ACC):
        command = tables[tables[_entry(tables, kind) + FIRST_COMMAND]]
        return max(at, ready_at(tables, state, base, command, first_target(tables, command)))
    if kind == COPY_ROW:
        if tables[HEADER] >= 0:
            return _begin(tables, state, base, at, _copy_estimate(tables, state, base, item))
        return at
    return at


@bare
def issue_next(tables, state, streams, channel):
    """Issue the next command of a channel, or the next run of equal ones."""
    base = channel * tables[CHANNEL_WORDS]
    if state[base + RESULT_AT] > 0:
        result = tables[tables[_entry(tables, READ_ACC) + FIRST_COMMAND]]
        forbid(tables, state, base, result, first_target(tables, result), state[base + RESULT_AT])
        state[base + RESULT_AT] = state[base + NEXT] = 0
        return
    item = streams.items[channel, state[base + HEAD] & (streams.items.shape[1] - 1)]
    state[base + STREAM] = max(state[base + STREAM], item[HANDED])
    if _issue_item(tables, state, streams, base, item):
        state[base + HEAD] += 1
        state[base + STEP] = 0
        end = max(state[base + STREAM], max(state[base + DONE], state[base + QUEUE_END]))
        if end > streams.place[END]:
            streams.by_tag[item[TAG] - PIM_TAG, 1] += end - streams.place[END]
            streams.place[END] = end
    state[base + NEXT] = 0


@bare
def _issue_item(tables, state, streams, base, item):
    """Issue a part of an instruction; whether it was the last one."""
    kind, tag = item[KIND], item[TAG]
    if kind not in (ACCESS_READ, ACCESS_WRITE, SCATTER):
        empty_queue(tables, state, base)
    if kind == ACTIVATE:
        return _activate(tables, state, base, item)
    if kind == MAC_READ:
        streams.busy[0] += _mac_and_read(tables, state, base, item)
    elif kind == MAC:
        row = state[row_slot(tables, base, tables[DUAL], ZERO)]
        streams.busy[0] += commands(tables, state, base, MAC, row, item[FIRST], item[SECOND], tag)
    elif kind == READ_ACC:
        commands(tables, state, base, READ_ACC, NONE, NONE, ZERO, tag)
    elif kind == PRECHARGE:
        if tables[HEADER] < 0:
            close(tables, state, base, tag)
        state[base + ROW_IN_USE] = 0
    elif kind == WRITE_BUFFER:
        commands(tables, state, base, WRITE_BUFFER, NONE, NONE, item[FIRST], tag)
    elif kind == COPY_ROW:
        return _copy(tables, state, base, item)
    elif kind == SCATTER:
        return _scatter(tables, state, base, item)
    else:
        write = kind == ACCESS_WRITE
        _access(tables, state, base, item[FIRST], item[SECOND], item[THIRD], item[FOURTH], write, tag)
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
def commands(tables, state, base, instruction, row, column, columns, tag):
    """Issue the commands of an instruction, `columns` 0 if it has none, at the channel's place in its stream; cycles its
    first command keeps busy."""
    entry = _entry(tables, instruction)
    column = column // tables[entry + COLUMNS_PER_COMMAND] if column > 0 else column
    at = state[base + STREAM] + tables[entry + EXTRA_SLOTS]
    begin, busy = np.int64(-1), np.int64(0)
    for index in range(tables[entry + COMMANDS]):
        command = tables[tables[entry + FIRST_COMMAND] + index]
        count = tables[entry + REPEAT]
        if columns > 0:
            count *= -(-columns // tables[entry + COLUMNS_PER_COMMAND])
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
def _mac_and_read(tables, state, base, item):
    """MACs and their results as one command; cycles the MACs keep busy."""
    command, columns = tables[JOINED], item[SECOND]
    row = state[row_slot(tables, base, tables[DUAL], ZERO)]
    target = first_target(tables, command)
    at = issue_joined(tables, state, base, command, target, state[base + STREAM], columns, row, item[FIRST], item[TAG])
    extra = column_time(tables, command, columns)
    state[base + STREAM] = _finish(tables, state, base, command, at)
    state[base + DONE] = max(state[base + DONE], at + extra + command_field(tables, command, LATENCY))
    state[base + RESULT_AT] = at + extra if extra > 0 else ZERO
    mac = tables[tables[_entry(tables, MAC) + FIRST_COMMAND]]
    return max(columns, command_field(tables, command, MIN_COLUMNS)) * command_field(tables, mac, SPACING)


@bare
def _next_activate(tables, state, base, row):
    """The node of an activate that is ready first, of those whose row is not open: (command, node, cycle); command -1 if
    there is none."""
    entry, at = _entry(tables, ACTIVATE), state[base + STREAM]
    command, place, best = NONE, ZERO, IDLE
    for index in range(tables[entry + COMMANDS]):
        found = tables[tables[entry + FIRST_COMMAND] + index]
        first = command_field(tables, found, NODES)
        for node in range(first, first + command_field(tables, found, NODE_COUNT) * NODE_FIELDS, NODE_FIELDS):
            if not _has_open(tables, state, base, node, row):
                ready = max(at, ready_at(tables, state, base, found, tables[node + TARGET]))
                if ready < best:
                    command, place, best = found, node, ready
        if command >= 0:
            break  # of several commands one after the other
    return command, place, best


@bare
def _has_open(tables, state, base, node, row):
    """Whether all banks of a node have a PIM row open."""
    for index in range(tables[node + MEMBERS], tables[node + NODE_FIELDS + MEMBERS]):
        if state[row_slot(tables, base, tables[DUAL], tables[index])] != row:
            return False
    return True


@bare
def _activate(tables, state, base, item):
    """Announce a row or close the last one, then one activate after the other; whether that was the last one."""
    row, tag = item[FIRST], item[TAG]
    if state[base + STEP] == 0:
        if tables[HEADER] < 0:
            _prepare_row(tables, state, base, tag)
        elif not _announce(tables, state, base, item):
            return False
        state[base + STREAM] += tables[_entry(tables, ACTIVATE) + EXTRA_SLOTS]
        state[base + STEP] = 1
    return _activate_one(tables, state, base, row, tag)


@bare
def _activate_one(tables, state, base, row, tag):
    """Open a row in the node that is ready first; whether it is open in all of them now."""
    command, place, at = _next_activate(tables, state, base, row)
    if command >= 0:
        set_rows(tables, state, base, place, row)
        at = set_mode(tables, state, base, command, state[base + STREAM], tag)
        at = issue_row_command(tables, state, base, command, tables[place + TARGET], at, row, tag)
        state[base + STREAM] = _finish(tables, state, base, command, at)
        command, _, _ = _next_activate(tables, state, base, row)
    return command < 0


@bare
def _prepare_row(tables, state, base, tag):
    """Close what is open and refresh what is due."""
    refresh_due(tables, state, base, tables[REFRESH_INTERVAL])  # these fell due in idle time
    for bank in range(tables[BANKS]):
        if state[row_slot(tables, base, tables[DUAL], bank)] >= 0:
            close(tables, state, base, tag)
            break
    refresh_due(tables, state, base, ZERO)


@bare
def close(tables, state, base, tag):
    """Close the rows that PIM commands see: all of them with one row buffer, else those of the PIM side."""
    at = state[base + STREAM] + tables[_entry(tables, PRECHARGE) + EXTRA_SLOTS]
    state[base + STREAM] = close_pim_rows(tables, state, base, at, NONE, tag)


@bare
def refresh_due(tables, state, base, overdue):
    """Issue the refreshes that have been due for at least `overdue` cycles."""
    now = state[base + STREAM]
    for node in range(tables[REFRESH_NODES]):
        if now - overdue >= state[base + tables[AT_DUE] + node]:
            refresh(tables, state, base, node, now)


@bare
def _header_time(tables, state, base, at):
    """When the controller decides whether a row begins: with the first command that closes the last one, or the header."""
    entry = _entry(tables, PRECHARGE)
    command = tables[tables[entry + FIRST_COMMAND]]
    first, count = command_field(tables, command, NODES), command_field(tables, command, NODE_COUNT)
    for place in range(first, first + count * NODE_FIELDS, NODE_FIELDS):
        if state[row_slot(tables, base, tables[DUAL], tables[tables[place + MEMBERS]])] >= 0:
            at = max(at, ready_at(tables, state, base, command, tables[place + TARGET]))
            break
    return max(at, ready_at(tables, state, base, tables[HEADER], first_target(tables, tables[HEADER])))


@bare
def _announce(tables, state, base, item):
    """Issue the header of a row if the row ends before the next refresh, else the refresh; whether it was the header."""
    header = tables[HEADER]
    state[base + ROW_IN_USE] = 0  # whatever the program says: there is one row at a time
    at = _header_time(tables, state, base, state[base + STREAM])
    if not _may_begin(tables, state, base, at, _row_estimate(tables, state, base, item)):
        return False
    at = close_pim_rows(tables, state, base, at, NONE, item[TAG])
    at = issue(tables, state, base, header, first_target(tables, header), at, ONE, item[FIRST], NONE, item[TAG])
    state[base + STREAM] = at + 1
    state[base + ROW_IN_USE] = 1
    return True


@bare
def _next_refresh(tables, state, base):
    tick = state[base + tables[AT_DUE]]
    for node in range(1, tables[REFRESH_NODES]):
        tick = min(tick, state[base + tables[AT_DUE] + node])
    return tick


@bare
def _begin(tables, state, base, at, estimate):
    """When something that is ready at `at` begins: at once, or with the refresh before it."""
    tick = _next_refresh(tables, state, base)
    return at if at >= tick or _fits(tables, tick - at - 1, estimate) else tick


@bare
def _fits(tables, room, estimate):
    """Whether something is done before a refresh; what takes longer than from one to the next is not held up."""
    return room > estimate or estimate >= tables[REFRESH_INTERVAL] // tables[REFRESH_NODES]


@bare
def _may_begin(tables, state, base, at, estimate):
    """Whether something begins at `at`; if not, the refreshes before it are issued.

    It begins, too, if these wait for the PIM row in use: that has to be done first.
    """
    tick = _next_refresh(tables, state, base)
    if at < tick and _fits(tables, tick - at - 1, estimate):
        return True
    now, waits = max(at, tick), True
    for node in range(tables[REFRESH_NODES]):
        if state[base + tables[AT_DUE] + node] <= now:
            end = refresh(tables, state, base, node, now)
            waits = waits and end == ZERO
            state[base + STREAM] = max(state[base + STREAM], end)
    return waits


@bare
def _row_estimate(tables, state, base, item):
    """How long the controller expects a row of MACs to take. Source: EstimatePIMOperationLatency of NeuPIMs' simulator."""
    entry = _entry(tables, ACTIVATE)
    command = tables[tables[entry + FIRST_COMMAND]]
    first, count = command_field(tables, command, NODES), command_field(tables, command, NODE_COUNT)
    closing, opening = np.int64(0), np.int64(0)
    for place in range(first, first + count * NODE_FIELDS, NODE_FIELDS):
        right, wrong, banks = np.int64(0), np.int64(0), tables[place + NODE_FIELDS + MEMBERS] - tables[place + MEMBERS]
        for index in range(tables[place + MEMBERS], tables[place + NODE_FIELDS + MEMBERS]):
            row = state[row_slot(tables, base, tables[DUAL], tables[index])]
            right += row == item[FIRST]
            wrong += row >= 0 and row != item[FIRST]
        if right < banks:
            closing += wrong
            opening += 1
    mac = tables[tables[_entry(tables, MAC) + FIRST_COMMAND]]
    least = tables[_entry(tables, MAC) + FILL_CYCLES]  # the simulator's number for columns as well as cycles
    activates = tables[WINDOW_CYCLES] * (opening // tables[REFRESH_NODES] - 1) + tables[ACT_CYCLES]
    columns = command_field(tables, mac, SPACING) * (max(item[SECOND], least) + item[THIRD] - 1)
    return closing * tables[CLOSE_CYCLES] + activates + columns


@bare
def _copy_estimate(tables, state, base, item):
    """The same for the copy of a row to the global buffer."""
    command = tables[tables[_entry(tables, COPY_ROW) + FIRST_COMMAND]]
    open_row = state[row_slot(tables, base, ZERO, tables[tables[AT_BANK] + item[FIRST]])]
    cycles = command_field(tables, command, LATENCY)
    if open_row != item[SECOND]:
        cycles += tables[PRE_CYCLES] + tables[ACT_CYCLES]
        if open_row >= 0:
            cycles += tables[CLOSE_CYCLES]
    return cycles


@bare
def _copy(tables, state, base, item):
    """Copy columns of an ordinarily opened row to the global buffer; whether that was done."""
    if tables[HEADER] >= 0:
        estimate = _copy_estimate(tables, state, base, item)
        if not _may_begin(tables, state, base, state[base + STREAM], estimate):
            return False
    entry = _entry(tables, COPY_ROW)
    command, bank = tables[tables[entry + FIRST_COMMAND]], tables[tables[AT_BANK] + item[FIRST]]
    width = tables[entry + COLUMNS_PER_COMMAND]
    count, column = tables[entry + REPEAT] * -(-item[FOURTH] // width), item[THIRD] // width
    at = state[base + STREAM] + tables[entry + EXTRA_SLOTS]
    last = access(tables, state, base, bank, item[SECOND], column, command, count, at, item[TAG])
    state[base + STREAM] = _finish(tables, state, base, command, last)
    return True


@bare
def _scatter(tables, state, base, item):
    """Write one element in each of some banks, one bank at a time; whether it was the last one."""
    row, offset, tag, bank = item[FIRST], item[SECOND], item[TAG], state[base + STEP]
    column = offset // tables[ACCESS_BYTES]
    if tables[_entry(tables, SCATTER) + COMMANDS]:
        empty_queue(tables, state, base)
        _prepare_row(tables, state, base, tag)
        while not _activate_one(tables, state, base, row, tag):
            pass
        commands(tables, state, base, SCATTER, row, column, ZERO, tag)
        for place in range(tables[BANKS]):  # such a write ends with a precharge
            state[row_slot(tables, base, tables[DUAL], place)] = NONE
        return True
    if item[THIRD] > 0:
        _access(tables, state, base, bank, row, column, column, True, tag)
    state[base + STEP] = bank + 1
    return bank + 1 >= item[THIRD]


@bare
def _access(tables, state, base, bank, row, first, last, write, tag):
    """Read or write access units of one row; what stands in the write queue waits for its own bank only."""
    target, command = tables[tables[AT_BANK] + bank], tables[WR] if write else tables[RD]
    entry = base + tables[AT_WRITE_QUEUE] + state[base + QUEUED]
    at = max(state[base + STREAM], state[entry])
    end = access(tables, state, base, target, row, first, command, last - first + 1, at, tag)
    state[entry] = _finish(tables, state, base, command, end)
    state[base + QUEUED] = (state[base + QUEUED] + 1) % WRITE_QUEUE
    state[base + QUEUE_END] = max(state[base + QUEUE_END], state[entry])
    state[base + STREAM] = at + 1


@bare
def empty_queue(tables, state, base):
    """What follows in the stream waits for the ordinary accesses before it."""
    state[base + STREAM] = max(state[base + STREAM], state[base + QUEUE_END])
