"""The kernel that runs a trace: takes its instructions into the queues of the channels and lets time jump from event to event.

A trace comes in parts: `simulate` returns when it needs the next one, or room in the log, and goes on where it was.
"""

from ..functional.jit import bare, bare_entry
from . import controller_tables as c
from .channel_groups import base_of, divide, lowest_channel, merge
from .controller import append, queue_word, request_at, runs_of, size_of
from .controller_cycle import answer, tick
from .controller_runs import interrupt
from .tables import NONE, ZERO
from .words import words_of

STUCK, DONE, OVERFLOW, HUNGRY, LOG_FULL = range(5)
"""How a call ends: the queues wait for each other; the trace is done; too many answers wait behind a mark; more
instructions are needed; the log must be emptied."""

LOG_ROWS, LOG_LIMIT = (
    1 << 13,
    1 << 17,
)  # of the log: rows that it has, commands of all channels after which it is emptied
EVENT_ROWS = 4  # that a group may write in a cycle
PATIENCE = 1 << 20  # cycles in which some request must be done
_FORWARDED = c.FOREVER  # room of a queue for a read that a waiting write answers


@bare
def _forwards(tables, trace, instruction, state, base):
    """Whether a waiting write answers a read."""
    if trace[instruction + c.I_QUEUE] != c.READS or tables[c.FORWARD] == 0:
        return False
    if tables[c.FORWARD] == 2:
        return size_of(state, base, c.WRITES) > 0
    for position in range(size_of(state, base, c.WRITES)):
        request = request_at(tables, state, base, c.WRITES, position)
        same_row = (
            state[request + c.TARGET] == trace[instruction + c.I_TARGET]
            and state[request + c.ROW] == trace[instruction + c.I_ROW]
        )
        if same_row and state[request + c.COLUMN] == trace[instruction + c.I_COLUMN]:
            return True
    return False


@bare
def _room(tables, trace, instruction, state, base):
    """How many requests of an instruction a group takes: there must be room, and PIM and others may refuse each other."""
    queue = trace[instruction + c.I_QUEUE]
    if tables[c.EXCLUSIVE]:
        others = size_of(state, base, c.PIM)
        if queue == c.PIM:
            others = size_of(state, base, c.READS) + size_of(state, base, c.WRITES)
            if not tables[c.OVERTAKE]:
                others += size_of(state, base, c.ACTIVE)
        if others > 0:
            return ZERO
    return (
        _FORWARDED
        if _forwards(tables, trace, instruction, state, base)
        else tables[c.ENTRIES] - size_of(state, base, queue)
    )


@bare
def _push(tables, trace, instruction, state, group, count, now):
    """Give a group the next `count` requests of an instruction, or answer one of them by a waiting write."""
    base, left = base_of(tables, group), state[tables[c.AT_LEFT] + group]
    queue, flags = trace[instruction + c.I_QUEUE], trace[instruction + c.I_FLAGS]
    size = size_of(state, base, queue)
    state[tables[c.AT_LEFT] + group] = left - count
    if state[tables[c.AT_ROOM] + group] == _FORWARDED:
        answer(tables, state, base, flags & c.NOTIFIES, now)
    elif queue == c.PIM and state[base + c.JOINED]:
        request = request_at(tables, state, base, queue, runs_of(state, base, queue) - 1)
        state[request + c.COUNT] += count
        state[queue_word(base, queue, c.SIZE)] += count
    else:
        request = append(
            tables, state, base, queue, trace[instruction + c.I_COMMAND], trace[instruction + c.I_TARGET], now
        )
        taken = trace[instruction + c.I_COUNT] - left
        column, line = trace[instruction + c.I_COLUMN_STEP], trace[instruction + c.I_LINE_STEP]
        state[request + c.COLUMN_STEP], state[request + c.LINE_STEP] = column, line
        state[request + c.COLUMN] = trace[instruction + c.I_COLUMN] + taken * column
        state[request + c.LINE] = trace[instruction + c.I_LINE] + taken * line
        state[request + c.ROW], state[request + c.FLAGS] = trace[instruction + c.I_ROW], flags
        state[request + c.COUNT] = count
        state[queue_word(base, queue, c.SIZE)] += count - 1
        state[base + c.JOINED] = queue == c.PIM
        if queue != c.PIM or not tables[c.IN_ORDER] or size == 0:
            state[tables[c.AT_NEXT] + group] = min(state[tables[c.AT_NEXT] + group], now)


@bare
def _offer(tables, trace, instruction, state, log, now):
    """Offer what is left of an instruction to its channels; whether all of it was taken.

    In strict order the first request is offered to all channels, then the second, ...: the first channel that refuses
    holds up all others. So channels below some number have one request less left than those from there on.
    """
    lefts, rooms = tables[c.AT_LEFT], tables[c.AT_ROOM]
    strict = tables[c.STRICT] and state[c.ONLY] < 0
    while True:
        first, groups = ZERO, state[c.CHANNEL_GROUPS]
        if state[c.ONLY] >= 0:
            first, groups = state[c.ONLY], state[c.ONLY] + 1
        top = ZERO
        for group in range(first, groups):
            top = max(top, state[lefts + group])
        most, refusal = top, c.FOREVER
        for group in range(first, groups):
            left = state[lefts + group]
            if left > 0:
                base = base_of(tables, group)
                if state[base + c.RUN] > 0:
                    interrupt(tables, state, log, base, group, now)
                    left = state[lefts + group]
                room = state[rooms + group] = _room(tables, trace, instruction, state, base)
                if strict and left < top:
                    most = min(most, 1)
                elif strict:
                    most = min(most, room)
                    if room <= 0:
                        refusal = min(refusal, lowest_channel(tables, state, group))
        if refusal < c.FOREVER:
            most = 1
        for group in range(first, groups):
            part = group
            if strict and (state[lefts + group] < top or refusal < c.FOREVER):
                part = (
                    divide(tables, trace, instruction, state, group, refusal) if state[lefts + group] == top else NONE
                )
            if part >= 0:
                count = min(min(state[lefts + part], most), state[rooms + part])
                if count > 0:
                    _push(tables, trace, instruction, state, part, count, now)
        left = ZERO
        for group in range(first, max(groups, state[c.CHANNEL_GROUPS] * strict)):
            left = max(left, state[lefts + group])
        if left == 0 or not strict or refusal < c.FOREVER:
            return left == 0


@bare
def _start(tables, trace, instruction, state, log, now):
    """Decode an instruction and offer its requests; whether all were taken."""
    count, matches = trace[instruction + c.I_COUNT], 0
    state[c.QUEUE_AT_FRONT] = trace[instruction + c.I_QUEUE]
    for group in range(state[c.CHANNEL_GROUPS]):
        part = divide(tables, trace, instruction, state, group, c.FOREVER)
        if part >= 0:
            base = base_of(tables, part)
            state[tables[c.AT_LEFT] + part], state[base + c.JOINED] = count, 0
            if trace[instruction + c.I_FLAGS] & c.NOTIFIES:
                state[c.OUTSTANDING] += count * state[base + c.CHANNEL_COUNT]
            state[c.ONLY] = part
            matches += 1
    if matches != 1:
        state[c.ONLY] = -1
    return _offer(tables, trace, instruction, state, log, now)


@bare
def _front_end(tables, trace, state, log, now):
    """Take instructions in cycle `now`; False if there are none left in this part of the trace."""
    if not state[c.RESUME]:
        if state[c.REFUSED]:
            state[c.REFUSED] = not _offer(tables, trace, state[c.PC] * tables[c.FIELDS], state, log, now)
            if state[c.WAITS] or state[c.REFUSED]:
                return True
            state[c.PC] += 1
            if tables[c.WIDTH] > 0:
                return True
        state[c.TAKEN] = 0
    state[c.RESUME] = 0
    while tables[c.WIDTH] == 0 or state[c.TAKEN] < tables[c.WIDTH]:
        instruction = state[c.PC] * tables[c.FIELDS]
        if state[c.PC] >= state[c.END]:
            return state[c.FINAL] == 1
        state[c.REFUSED] = not _start(tables, trace, instruction, state, log, now)
        state[c.WAITS] = trace[instruction + c.I_FLAGS] & c.NOTIFIES
        if state[c.WAITS] or state[c.REFUSED]:
            break
        state[c.PC] += 1
        state[c.TAKEN] += 1
    return True


@bare_entry
def simulate(tables, trace, state, log):
    """Run a part of a trace; how the call ended. After DONE the cycles are in `state`. All arrays are flat.

    The end is the answer to the last instruction if that is a mark, otherwise when all queues are empty.
    """
    return _simulate(words_of(tables), words_of(trace), words_of(state), words_of(log))  # pyright: ignore[reportCallIssue]


@bare
def _simulate(tables, trace, state, log):
    end, nexts = state[c.END], tables[c.AT_NEXT]
    marked = state[c.FINAL] and end > 0 and trace[(end - 1) * tables[c.FIELDS] + c.I_FLAGS] & c.IS_MARK
    room = state[c.LOG_CAPACITY] - EVENT_ROWS * tables[c.CHANNELS]
    while True:
        now = state[c.NOW]
        if not state[c.RESUME]:
            if state[c.LOG_CAPACITY] > 0 and (state[c.LOG_SIZE] > room or state[c.LOG_COMMANDS] > LOG_LIMIT):
                return LOG_FULL
            now = state[c.WAKE]
            for group in range(state[c.CHANNEL_GROUPS]):
                now = min(now, state[nexts + group])
            over = state[c.PC] >= end and state[c.FINAL] and not state[c.WAITS]
            if now >= c.FOREVER or (over and _drained(tables, state)):
                break
            state[c.NOW] = now
        if state[c.RESUME] or state[c.WAKE] == now:
            if not state[c.RESUME] and state[c.WAITS] and state[c.OUTSTANDING] == 0:
                state[c.WAITS] = 0
                state[c.PC] += 1
                if state[c.PC] >= end and marked:
                    break
                if state[c.CHANNEL_GROUPS] > 1:
                    merge(tables, state, now)
            if not _front_end(tables, trace, state, log, now):
                state[c.RESUME] = 1
                return HUNGRY
        state[c.CHANGED] = 0
        for group in range(state[c.CHANNEL_GROUPS]):
            if state[nexts + group] <= now:
                state[nexts + group] = tick(tables, state, log, base_of(tables, group), group, now)
        if now - state[c.PROGRESS] > PATIENCE and not _drained(tables, state):
            return STUCK
        state[c.WAKE] = c.FOREVER
        if state[c.REFUSED]:
            if state[c.CHANGED]:
                state[c.WAKE] = now + 1
        elif state[c.WAITS]:
            if state[c.OUTSTANDING] == 0:
                state[c.WAKE] = state[c.FINISH] + 1
        elif state[c.PC] < end or not state[c.FINAL]:
            state[c.WAKE] = now + 1
    if state[c.FULL]:
        return OVERFLOW
    if state[c.PC] < end or state[c.WAITS]:
        return STUCK
    state[c.CYCLES] = state[c.FINISH] if marked else _last(tables, state)
    return DONE


@bare
def _drained(tables, state):
    for group in range(state[c.CHANNEL_GROUPS]):
        for queue in range(c.QUEUES):
            if size_of(state, base_of(tables, group), queue) > 0:
                return False
    return True


@bare
def _last(tables, state):
    """The last cycle in which anything was under way."""
    last = 0
    for group in range(state[c.CHANNEL_GROUPS]):
        base = base_of(tables, group)
        last = max(last, max(state[base + c.LAST], state[base + c.SERVED]))
    return last
