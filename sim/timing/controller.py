"""One cycle of a memory controller: what a channel's queues hold, which command goes next, and what it changes.

Every policy is a number in the tables; no machine has code of its own. `base` is where the words of a group of channels
begin in `state`; `shared` is what all channels have in common.
"""

from ..functional.jit import bare
from . import controller_tables as c
from .constraints import TARGETS, numbers
from .engine import forbid, ready_at
from .tables import NONE

(UNKNOWN, MIXED, CLOSED) = numbers(-3, 0)  # what a row group holds besides a row
READY, WAITING, HELD = 1, 0, -1  # outcome of a choice; HELD: a refresh waits and lets nothing before it

(CYCLES, OUTSTANDING, FINISH, CHANGED, LOG_SIZE, FULL, GROUPS, COUNTS) = range(8)
"""Words that all channels share: the cycle that the run took, answers that the front end waits for and the cycle of the
last one, whether a queue gave up a request, rows that the log wants, whether a queue overflowed, how many groups of
channels there are; then how often each command was issued."""


@bare
def field(tables, command, which):
    """One of the fields of a command, such as LATENCY."""
    return tables[tables[c.AT_COMMAND] + command * c.COMMAND_FIELDS + which]


@bare
def size_of(state, base, queue):
    """How many requests a queue holds."""
    return state[base + c.QUEUE + 2 * queue + 1]


@bare
def request_at(tables, state, base, queue, position):
    """Where the words of the position-th request of a queue are."""
    capacity = tables[c.CAPACITY]
    place = state[base + c.QUEUE + 2 * queue] + position
    if place >= capacity:
        place -= capacity
    slot = state[base + tables[c.AT_ORDER] + queue * capacity + place]
    return base + tables[c.AT_REQUEST] + (queue * capacity + slot) * c.REQUEST_FIELDS


@bare
def append(tables, state, base, queue):
    """Make room at the end of a queue; where the words of the new request are."""
    state[base + c.QUEUE + 2 * queue + 1] += 1
    return request_at(tables, state, base, queue, size_of(state, base, queue) - 1)


@bare
def remove(tables, state, base, queue, position):
    """Take out a request: its slot moves to the front of the order and is given up there."""
    capacity = tables[c.CAPACITY]
    head = state[base + c.QUEUE + 2 * queue]
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
    state[base + c.QUEUE + 2 * queue] = head + 1 if head + 1 < capacity else 0
    state[base + c.QUEUE + 2 * queue + 1] -= 1


@bare
def alike(state, a, b):
    """Whether two requests want the same of the same banks."""
    same = state[a + c.COMMAND] == state[b + c.COMMAND] and state[a + c.TARGET] == state[b + c.TARGET]
    return same and state[a + c.ROW] == state[b + c.ROW] and state[a + c.FLAGS] == state[b + c.FLAGS]


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
def next_command(tables, state, base, request):
    """The command that brings a request forward: its own, or the one that opens or closes a row for it."""
    command = state[request + c.COMMAND]
    precharge = field(tables, command, c.PRECHARGE)
    if precharge < 0:
        return command
    group = group_of(tables, command, state[request + c.TARGET])
    row, wanted = _row_of(tables, state, base, group), state[request + c.ROW]
    activate = field(tables, command, c.ACTIVATE)
    if activate < 0:
        return command if row == CLOSED else precharge
    if row == MIXED:
        row = _obstacle(tables, state, base, group, wanted)
    if row == wanted:
        return command
    return activate if row == CLOSED else precharge


@bare
def target_of(tables, state, base, request, command):
    """The node that a command of a request goes to; a refresh closes open banks one by one if there is no other way."""
    target = state[request + c.TARGET]
    if target < tables[c.BANKS] or not field(tables, command, c.ONE_BANK):
        return target
    at = tables[c.AT_GROUP] + group_of(tables, state[request + c.COMMAND], target) * c.GROUP_FIELDS
    for index in range(tables[at + c.MEMBERS], tables[at + c.CONTAINED]):
        if state[base + tables[c.AT_BANK_ROW] + tables[index]] != CLOSED:
            return tables[index]
    return target


@bare
def issue(tables, state, shared, log, base, request, command, now):
    """Issue a command for a request: what it forbids, the row that it opens or closes, the count and the log."""
    target = target_of(tables, state, base, request, command)
    forbid(tables, state, base, command, target, now)
    if field(tables, command, c.OPENS):
        _set_row(tables, state, base, group_of(tables, command, target), state[request + c.ROW])
    elif field(tables, command, c.CLOSES):
        _set_row(tables, state, base, group_of(tables, command, target), CLOSED)
    shared[COUNTS + command] += state[base + c.CHANNEL_COUNT]
    size = shared[LOG_SIZE]
    shared[LOG_SIZE] = size + 1
    if size < log.shape[0]:
        log[size, 0], log[size, 1], log[size, 2] = now, command, state[base + c.CHANNEL_MASK]
        log[size, 3], log[size, 4] = target, state[request + c.ROW]
        log[size, 5], log[size, 6] = state[request + c.COLUMN], state[request + c.LINE]


@bare
def answer(state, shared, base, notifies, done):
    """An answer is there at `done`; answers leave one a cycle, in order. After a mark they wait for it."""
    if state[base + c.MARK_FROM] >= 0:
        behind = state[base + c.BEHIND]
        state[base + c.BEHIND] = behind + 1
        return behind
    served = max(done, state[base + c.SERVED] + 1)
    state[base + c.SERVED] = served
    if notifies:
        shared[OUTSTANDING] -= state[base + c.CHANNEL_COUNT]
        shared[FINISH] = max(shared[FINISH], served)
    return -1


@bare
def serve_mark(tables, state, shared, base, now):
    """Answer a waiting mark once the answers before it have left and no write is under way."""
    due = state[base + c.MARK_FROM]
    if due < 0 or due > now or state[base + c.WRITTEN] >= now:
        return
    state[base + c.MARK_FROM] = -1
    state[base + c.SERVED] = now
    shared[OUTSTANDING] -= state[base + c.CHANNEL_COUNT]
    shared[FINISH] = max(shared[FINISH], now)
    for index in range(state[base + c.BEHIND]):
        state[base + c.SERVED] = max(state[base + tables[c.AT_BEHIND] + index], state[base + c.SERVED] + 1)
    state[base + c.BEHIND] = 0


@bare
def refresh(tables, state, shared, base, now):
    """Queue the refreshes that fall due, one for each refresh node."""
    if state[base + c.DUE] > now:
        return
    state[base + c.DUE] += tables[c.REFRESH_INTERVAL]
    for node in range(tables[c.REFRESH_NODES]):
        if size_of(state, base, c.PRIORITY) == tables[c.CAPACITY]:
            shared[FULL] = 1
            return
        request = append(tables, state, base, c.PRIORITY)
        state[request + c.COMMAND], state[request + c.TARGET] = tables[c.REF], tables[c.REFRESH_TARGET] + node
        state[request + c.ROW], state[request + c.COLUMN], state[request + c.LINE] = -1, -1, -1
        state[request + c.FLAGS], state[request + c.ARRIVAL] = c.IS_PIM, now


@bare
def _hit_waits(tables, state, base, queue, target):
    """Whether a request of the queue would use the row that a bank has open."""
    for position in range(size_of(state, base, queue)):
        request = request_at(tables, state, base, queue, position)
        command = state[request + c.COMMAND]
        if (
            state[request + c.TARGET] == target
            and field(tables, command, c.HITS)
            and not state[request + c.FLAGS] & c.IS_FENCE
            and next_command(tables, state, base, request) == command
        ):
            return True
    return False


@bare
def first_ready(tables, state, base, queue, now):
    """The oldest request whose next command is legal, else the oldest; behind a fence only row commands are. Position."""
    best, arrival, before = NONE, c.FOREVER, NONE
    fenced = False
    for position in range(size_of(state, base, queue)):
        request = request_at(tables, state, base, queue, position)
        if before >= 0 and alike(state, before, request):
            continue
        before = NONE
        if state[request + c.FLAGS] & c.IS_FENCE:
            if position == 0:
                return position
            fenced = True
            continue
        command = next_command(tables, state, base, request)
        if queue != c.ACTIVE and position > 0:
            before = request  # if it is passed over, so are those like it that follow
        if fenced and not (field(tables, command, c.OPENS) or field(tables, command, c.CLOSES)):
            continue
        if state[request + c.ARRIVAL] >= arrival:
            continue
        target = target_of(tables, state, base, request, command)
        if ready_at(tables, state, base, command, target) > now:
            continue
        if tables[c.PROTECT] and position > 0:
            hit = command == state[request + c.COMMAND] and field(tables, command, c.HITS)
            if not hit and _hit_waits(tables, state, base, queue, state[request + c.TARGET]):
                continue
        if queue != c.ACTIVE:
            return position
        best, arrival = position, state[request + c.ARRIVAL]
    return max(best, 0)


@bare
def drains_writes(tables, state, base):
    """Decide between reads and writes, with hysteresis; which queue is served."""
    reads, writes = size_of(state, base, c.READS), size_of(state, base, c.WRITES)
    full = tables[c.ENTRIES] - 1
    if state[base + c.WRITE_MODE]:
        if 100 * writes < tables[c.WRITE_LOW] * full and reads > 0:
            state[base + c.WRITE_MODE] = 0
    elif 100 * writes > tables[c.WRITE_HIGH] * full or reads == 0:
        state[base + c.WRITE_MODE] = 1
    return c.WRITES if state[base + c.WRITE_MODE] else c.READS
