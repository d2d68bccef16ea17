"""What the queues of a memory controller hold: runs of requests, the command that each needs next, and issuing it.

Every policy is a number in the tables; no machine has code of its own. `base` is where the words of a group of channels
begin in `state`.
"""

from ..functional.jit import bare
from . import controller_tables as c
from .constraints import COMMANDS, TARGETS, numbers
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
def place_at(tables, base, queue, position):
    """Where the words of the position-th place of a queue are."""
    return base + tables[c.AT_ORDER] + queue * tables[c.CAPACITY] + position


@bare
def request_at(tables, state, base, queue, position):
    """Where the words of the position-th run of a queue are."""
    return base + state[place_at(tables, base, queue, position)]


@bare
def append(tables, state, base, queue, command, target, now):
    """Make room for one request at the end of a queue; where its words are. The caller fills in what it asks for."""
    place = place_at(tables, base, queue, runs_of(state, base, queue))
    state[queue_word(base, queue, c.RUNS)] += 1
    state[queue_word(base, queue, c.SIZE)] += 1
    state[base + c.SOON + queue] = ZERO
    state[place + c.READY * tables[c.SPAN]], state[place + c.ROW_GROUP * tables[c.SPAN]] = 0, tables[c.GROUPS]
    if command >= 0 and (target >= tables[c.BANKS] or field(tables, command, c.PRECHARGE) >= 0):
        state[place + c.ROW_GROUP * tables[c.SPAN]] = group_of(tables, command, target)
    request = base + state[place]
    state[request + c.COMMAND], state[request + c.TARGET], state[request + c.ARRIVAL] = command, target, now
    state[request + c.COUNT], state[request + c.COLUMN_STEP], state[request + c.LINE_STEP] = 1, 0, 0
    return request


@bare
def remove(tables, state, base, queue, position):
    """Take out the next request of a run. The words of an empty run wait behind the queue for the next one."""
    state[queue_word(base, queue, c.SIZE)] -= 1
    place = place_at(tables, base, queue, position)
    request = base + state[place]
    state[request + c.COUNT] -= 1
    if state[request + c.COUNT] > 0:
        state[request + c.COLUMN] += state[request + c.COLUMN_STEP]
        state[request + c.LINE] += state[request + c.LINE_STEP]
        return
    last = runs_of(state, base, queue) - 1
    if queue == c.PIM and position == last:
        state[base + c.JOINED] = 0
    state[queue_word(base, queue, c.RUNS)] = last
    for region in range(c.PLACE_REGIONS):
        begin = place + region * tables[c.SPAN]
        for moved in range(begin, begin + last - position):
            state[moved] = state[moved + 1]
    state[place + last - position] = request - base


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
        first = place_at(tables, base, queue, ZERO)
        for place in range(first, first + runs_of(state, base, queue)):
            row = state[base + tables[c.AT_ROW] + state[place + c.ROW_GROUP * tables[c.SPAN]]]
            if row != state[place + c.ROW_SEEN * tables[c.SPAN]] or row == MIXED:
                state[place + c.READY * tables[c.SPAN]], state[base + c.SOON + queue] = 0, 0


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
def _ready_at(tables, state, base, command, target):
    """What the engine says, remembered until the next command: many requests need the same of the same node."""
    line = base + tables[c.AT_MEMO] + 2 * (target & (c.MEMO_LINES - 1))
    key = (state[base + c.ISSUED] * tables[TARGETS] + target) * tables[COMMANDS] + command
    if state[line] != key:
        state[line], state[line + 1] = key, ready_at(tables, state, base, command, target)
    return state[line + 1]


@bare
def look(tables, state, base, place, now):
    """When what the request in a place needs next is legal: exact if that is now or past, otherwise it may become later.

    Rules only ever move the first legal cycle of a command back, so what was found holds as a lower bound until the row
    that the request depends on changes. Its rank alone, which many requests share, may already say "not yet".
    """
    ready = state[place + c.READY * tables[c.SPAN]]
    if ready > now:
        return ready
    request = base + state[place]
    command, target = state[request + c.NEXT], state[request + c.NODE]
    if ready == 0:
        command, target = state[request + c.COMMAND], state[request + c.TARGET]
        group = state[place + c.ROW_GROUP * tables[c.SPAN]]
        if group < tables[c.GROUPS]:
            command = _next_command(tables, state, base, group, command, state[request + c.ROW])
            if target >= tables[c.BANKS] and field(tables, command, c.ONE_BANK):
                target = _open_bank(tables, state, base, group, target)
        state[place + c.ROW_SEEN * tables[c.SPAN]] = state[base + tables[c.AT_ROW] + group]
        state[request + c.NEXT], state[request + c.NODE] = command, target
    if target < tables[c.BANKS] and tables[tables[c.AT_SHARED] + target] >= 0:
        ready = _ready_at(tables, state, base, command, tables[tables[c.AT_SHARED] + target])
    if ready <= now:
        ready = _ready_at(tables, state, base, command, target)
    ready = max(ready, 1)
    state[place + c.READY * tables[c.SPAN]] = ready
    return ready


@bare
def write_log(tables, state, log, base, command, target, request, cycle, count, period):
    """Count commands of a request and write them to the log, if there is one."""
    commands = count * state[base + c.CHANNEL_COUNT]
    state[tables[c.AT_COUNTS] + command] += commands
    if state[c.LOG_CAPACITY] > 0:
        row = state[c.LOG_SIZE] * (c.RUN_CHANNELS + tables[c.MASK_WORDS])
        state[c.LOG_SIZE] += 1
        state[c.LOG_COMMANDS] += commands
        log[row], log[row + 1], log[row + 2], log[row + 3] = cycle, command, target, state[request + c.ROW]
        log[row + 4], log[row + 5] = state[request + c.COLUMN], state[request + c.LINE]
        log[row + 6], log[row + 7] = count, period
        log[row + 8], log[row + 9] = state[request + c.COLUMN_STEP], state[request + c.LINE_STEP]
        mask = tables[c.AT_MASK] + (base - tables[c.AT_GROUPS]) // tables[c.WORDS] * tables[c.MASK_WORDS]
        for word in range(tables[c.MASK_WORDS]):
            log[row + c.RUN_CHANNELS + word] = state[mask + word]


@bare
def issue(tables, state, log, base, request, command, target, now):
    """Issue a command for a request: what it forbids, the row that it opens or closes, the count and the log."""
    forbid(tables, state, base, command, target, now)
    state[base + c.ISSUED] += 1
    if field(tables, command, c.OPENS):
        _set_row(tables, state, base, group_of(tables, command, target), state[request + c.ROW])
    elif field(tables, command, c.CLOSES):
        _set_row(tables, state, base, group_of(tables, command, target), CLOSED)
    write_log(tables, state, log, base, command, target, request, now, ONE, ZERO)
    if state[base + c.BLOCKED]:
        state[base + c.BLOCKED] = 0
        for queue in range(c.PIM, c.QUEUES):
            state[base + c.SOON + queue] = 0
