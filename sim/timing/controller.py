"""What the queues of a memory controller hold: runs of requests, the command that each needs next, and issuing it.

Every policy is a number in the tables; no machine has code of its own. `base` is where the words of a group of channels
begin in `state`.
"""

from ..functional.jit import bare
from . import controller_tables as c
from .constraints import TARGETS, numbers
from .engine import forbid, ready_at
from .tables import ONE, ZERO

(UNKNOWN, MIXED, CLOSED) = numbers(-3, 0)  # what a row group holds besides a row


@bare
def field(tables, command, which):
    """One of the fields of a command, such as LATENCY."""
    return tables[tables[c.AT_COMMAND] + command * c.COMMAND_FIELDS + which]


@bare
def queue_word(base, queue, which):
    """Where the first run, the number of runs or that of requests of a queue is."""
    return base + c.QUEUE + c.QUEUE_FIELDS * queue + which


@bare
def size_of(state, base, queue):
    """How many requests a queue holds."""
    return state[queue_word(base, queue, c.SIZE)]


@bare
def runs_of(state, base, queue):
    """How many runs of requests a queue holds."""
    return state[queue_word(base, queue, c.RUNS)]


@bare
def request_at(tables, state, base, queue, position):
    """Where the words of the position-th run of a queue are; the order holds their offsets."""
    capacity = tables[c.CAPACITY]
    place = state[queue_word(base, queue, c.HEAD)] + position
    if place >= capacity:
        place -= capacity
    return base + state[base + tables[c.AT_ORDER] + queue * capacity + place]


@bare
def append(tables, state, base, queue, command, target, now):
    """Make room for one request at the end of a queue; where its words are. The caller fills in what it asks for."""
    state[queue_word(base, queue, c.RUNS)] += 1
    state[queue_word(base, queue, c.SIZE)] += 1
    state[base + c.SOON + queue] = ZERO
    request = request_at(tables, state, base, queue, runs_of(state, base, queue) - 1)
    state[request + c.COMMAND], state[request + c.TARGET], state[request + c.ARRIVAL] = command, target, now
    state[request + c.COUNT], state[request + c.COLUMN_STEP], state[request + c.LINE_STEP] = 1, 0, 0
    state[request + c.READY], state[request + c.ROW_GROUP] = 0, tables[c.GROUPS]
    if command >= 0 and (target >= tables[c.BANKS] or field(tables, command, c.PRECHARGE) >= 0):
        state[request + c.ROW_GROUP] = group_of(tables, command, target)
    return request


@bare
def remove(tables, state, base, queue, position):
    """Take out the next request of a run. An empty run moves to the front of the order and is given up there."""
    state[queue_word(base, queue, c.SIZE)] -= 1
    request = request_at(tables, state, base, queue, position)
    state[request + c.COUNT] -= 1
    if state[request + c.COUNT] > 0:
        state[request + c.COLUMN] += state[request + c.COLUMN_STEP]
        state[request + c.LINE] += state[request + c.LINE_STEP]
        return
    if queue == c.PIM and position + 1 == runs_of(state, base, queue):
        state[base + c.JOINED] = 0
    capacity = tables[c.CAPACITY]
    head = state[queue_word(base, queue, c.HEAD)]
    order = base + tables[c.AT_ORDER] + queue * capacity
    place = head + position
    if place >= capacity:
        place -= capacity
    slot = state[order + place]
    while place != head:
        before = place - 1 if place > 0 else capacity - 1
        state[order + place] = state[order + before]
        place = before
    state[order + head] = slot
    state[queue_word(base, queue, c.HEAD)] = head + 1 if head + 1 < capacity else 0
    state[queue_word(base, queue, c.RUNS)] -= 1


@bare
def give_up(tables, state, base, queue, position, now):
    """Take out a request for good, which lets the front end go on."""
    remove(tables, state, base, queue, position)
    state[base + c.LAST], state[c.CHANGED] = now, 1
    if queue != c.PRIORITY:
        state[c.PROGRESS] = now


@bare
def _row_of(tables, state, base, group):
    """The row that all banks of a row group have open, CLOSED or MIXED."""
    place = base + tables[c.AT_ROW] + group
    if state[place] == UNKNOWN:
        at = tables[c.AT_GROUP] + group * c.GROUP_FIELDS
        rows = base + tables[c.AT_BANK_ROW]
        row = state[rows + tables[tables[at + c.MEMBERS]]]
        for index in range(tables[at + c.MEMBERS], tables[at + c.CONTAINED]):
            if state[rows + tables[index]] != row:
                row = MIXED
                break
        state[place] = row
    return state[place]


@bare
def _set_row(tables, state, base, group, row):
    at = tables[c.AT_GROUP] + group * c.GROUP_FIELDS
    for index in range(tables[at + c.MEMBERS], tables[at + c.CONTAINED]):
        state[base + tables[c.AT_BANK_ROW] + tables[index]] = row
    for index in range(tables[at + c.CONTAINED], tables[at + c.OVERLAPPING]):
        state[base + tables[c.AT_ROW] + tables[index]] = row
    for index in range(tables[at + c.OVERLAPPING], tables[at + c.GROUP_FIELDS]):
        state[base + tables[c.AT_ROW] + tables[index]] = UNKNOWN
    for queue in range(c.QUEUES):
        state[base + c.SOON + queue] = 0


@bare
def _obstacle(tables, state, base, group, row):
    """Of banks in different states, the one that decides what comes next: a row to close, CLOSED, or `row` itself."""
    if tables[c.MIXED_ROWS] == 2:
        return MIXED
    at = tables[c.AT_GROUP] + group * c.GROUP_FIELDS
    found = row
    for index in range(tables[at + c.MEMBERS], tables[at + c.CONTAINED]):
        there = state[base + tables[c.AT_BANK_ROW] + tables[index]]
        if there != row:
            if there != CLOSED or tables[c.MIXED_ROWS] == 0:
                return there
            found = CLOSED
    return found


@bare
def group_of(tables, command, target):
    """The row group that a command works on."""
    return tables[tables[c.AT_GROUP_OF] + command * tables[TARGETS] + target]


@bare
def _next_command(tables, state, base, group, command, wanted):
    """The command that brings a request forward: its own, or the one that opens or closes a row for it."""
    precharge = field(tables, command, c.PRECHARGE)
    row = _row_of(tables, state, base, group)
    if precharge < 0:
        return command
    activate = field(tables, command, c.ACTIVATE)
    if activate < 0:
        return command if row == CLOSED else precharge
    if row == MIXED:
        row = _obstacle(tables, state, base, group, wanted)
    if row == wanted:
        return command
    return activate if row == CLOSED else precharge


@bare
def _open_bank(tables, state, base, group, target):
    """The node for a command of one bank that many need: an open one; a refresh closes them one by one if it must."""
    at = tables[c.AT_GROUP] + group * c.GROUP_FIELDS
    for index in range(tables[at + c.MEMBERS], tables[at + c.CONTAINED]):
        if state[base + tables[c.AT_BANK_ROW] + tables[index]] != CLOSED:
            return tables[index]
    return target


@bare
def look(tables, state, base, request, now):
    """When what a request needs next is legal: exact if that is now or past, otherwise it may become later.

    Rules only ever move the first legal cycle of a command back, so what was found holds as a lower bound until the row
    that the request depends on has changed.
    """
    group = state[request + c.ROW_GROUP]
    row = base + tables[c.AT_ROW] + group
    seen = state[row] == state[request + c.ROW_SEEN] and state[row] != MIXED
    if not seen or state[request + c.READY] <= now:
        command, target = state[request + c.COMMAND], state[request + c.TARGET]
        if group < tables[c.GROUPS]:
            command = _next_command(tables, state, base, group, command, state[request + c.ROW])
            if target >= tables[c.BANKS] and field(tables, command, c.ONE_BANK):
                target = _open_bank(tables, state, base, group, target)
        state[request + c.ROW_SEEN] = state[row]
        state[request + c.NEXT], state[request + c.NODE] = command, target
        state[request + c.READY] = ready_at(tables, state, base, command, target)
    return state[request + c.READY]


@bare
def write_log(tables, state, log, base, command, target, request, cycle, count, period):
    """Count commands of a request and write them to the log, if there is one."""
    commands = count * state[base + c.CHANNEL_COUNT]
    state[tables[c.AT_COUNTS] + command] += commands
    size = state[c.LOG_SIZE]
    if size < log.shape[0]:
        state[c.LOG_SIZE] = size + 1
        state[c.LOG_COMMANDS] += commands
        log[size, 0], log[size, 1], log[size, 2], log[size, 3] = cycle, command, target, state[request + c.ROW]
        log[size, 4], log[size, 5] = state[request + c.COLUMN], state[request + c.LINE]
        log[size, 6], log[size, 7] = count, period
        log[size, 8], log[size, 9] = state[request + c.COLUMN_STEP], state[request + c.LINE_STEP]
        mask = tables[c.AT_MASK] + (base - tables[c.AT_GROUPS]) // tables[c.WORDS] * tables[c.MASK_WORDS]
        for word in range(tables[c.MASK_WORDS]):
            log[size, c.RUN_CHANNELS + word] = state[mask + word]


@bare
def issue(tables, state, log, base, request, command, target, now):
    """Issue a command for a request: what it forbids, the row that it opens or closes, the count and the log."""
    forbid(tables, state, base, command, target, now)
    if field(tables, command, c.OPENS):
        _set_row(tables, state, base, group_of(tables, command, target), state[request + c.ROW])
    elif field(tables, command, c.CLOSES):
        _set_row(tables, state, base, group_of(tables, command, target), CLOSED)
    write_log(tables, state, log, base, command, target, request, now, ONE, ZERO)
    if state[base + c.BLOCKED]:
        state[base + c.BLOCKED] = 0
        for queue in range(c.PIM, c.QUEUES):
            state[base + c.SOON + queue] = 0
