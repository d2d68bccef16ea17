"""A cycle of a controller in which something may happen: choose commands for its slots, carry them out, find the next one."""

from ..functional.jit import bare
from . import controller_tables as c
from .controller import (
    CHANGED,
    FULL,
    HELD,
    READY,
    WAITING,
    alike,
    answer,
    append,
    drains_writes,
    field,
    first_ready,
    issue,
    next_command,
    refresh,
    remove,
    request_at,
    serve_mark,
    size_of,
    target_of,
)
from .engine import ready_at
from .tables import NONE, ZERO


@bare
def _fits(tables, first, command):
    """Whether a second command may go with the first one of a cycle: one on the row bus, one on the column bus."""
    return first >= 0 and command >= 0 and field(tables, first, c.BUS) * field(tables, command, c.BUS) == 2


@bare
def _legal(tables, state, base, request, command, now):
    return ready_at(tables, state, base, command, target_of(tables, state, base, request, command)) <= now


@bare
def _choose(tables, state, shared, base, now, second, first):
    """The request to serve: (outcome, queue, position, next command); the command is -1 for marks and fences."""
    if size_of(state, base, c.ACTIVE) > 0:
        position = first_ready(tables, state, base, c.ACTIVE, now)
        request = request_at(tables, state, base, c.ACTIVE, position)
        command = next_command(tables, state, base, request)
        if _legal(tables, state, base, request, command, now) and (not second or _fits(tables, first, command)):
            return READY, c.ACTIVE, position, command
    if size_of(state, base, c.PRIORITY) > 0:
        request = request_at(tables, state, base, c.PRIORITY, ZERO)
        command = next_command(tables, state, base, request)
        if not second or _fits(tables, first, command):
            ready = _legal(tables, state, base, request, command, now)
            return READY if ready else HELD, c.PRIORITY, ZERO, command
    if size_of(state, base, c.PIM) > 0:
        request = request_at(tables, state, base, c.PIM, ZERO)
        if state[request + c.FLAGS] & c.IS_FENCE:
            _give_up(tables, state, shared, base, c.PIM, ZERO, now)
            state[base + c.DROPPED] = 1
    if size_of(state, base, c.PIM) > 0:
        position = ZERO if tables[c.IN_ORDER] else first_ready(tables, state, base, c.PIM, now)
        request = request_at(tables, state, base, c.PIM, position)
        if state[request + c.FLAGS] & (c.IS_MARK | c.IS_FENCE):
            if not second:
                return READY, c.PIM, position, NONE
        else:
            command = next_command(tables, state, base, request)
            if _legal(tables, state, base, request, command, now) and (not second or _fits(tables, first, command)):
                return READY, c.PIM, position, command
        if tables[c.EXCLUSIVE]:
            return WAITING, c.PIM, position, NONE
    queue = drains_writes(tables, state, base)
    if size_of(state, base, queue) == 0:
        return WAITING, queue, ZERO, NONE
    position = first_ready(tables, state, base, queue, now)
    request = request_at(tables, state, base, queue, position)
    command = next_command(tables, state, base, request)
    ready = _legal(tables, state, base, request, command, now) and (not second or _fits(tables, first, command))
    return READY if ready else WAITING, queue, position, command


@bare
def _give_up(tables, state, shared, base, queue, position, now):
    remove(tables, state, base, queue, position)
    state[base + c.LAST] = now
    shared[CHANGED] = 1


@bare
def _closes_active(tables, state, base, request, command):
    """Whether a command would close the bank of a request whose row was opened for it."""
    if not field(tables, command, c.CLOSES):
        return False
    for position in range(size_of(state, base, c.ACTIVE)):
        other = request_at(tables, state, base, c.ACTIVE, position)
        if state[other + c.TARGET] == state[request + c.TARGET]:
            return True
    return False


@bare
def _perform(tables, state, shared, log, base, queue, position, command, now):
    request = request_at(tables, state, base, queue, position)
    flags, final = state[request + c.FLAGS], state[request + c.COMMAND]
    if command < 0:
        if flags & c.IS_MARK:
            state[base + c.MARK_FROM] = max(now, state[base + c.SERVED]) + 1
        _give_up(tables, state, shared, base, queue, position, now)
        return
    register = field(tables, final, c.REGISTER) if flags & c.IS_PIM else 0
    if tables[c.MODE_COMMAND] >= 0 and register != state[base + c.REGISTER_MODE]:
        issue(tables, state, shared, log, base, request, tables[c.MODE_COMMAND], now)
        state[base + c.REGISTER_MODE] = register
        return
    issue(tables, state, shared, log, base, request, command, now)
    if command == final:
        done = now + field(tables, command, c.LATENCY)
        if flags & c.IS_READ:
            behind = answer(state, shared, base, flags & c.NOTIFIES, done)
            if behind >= c.BEHIND_ENTRIES:
                shared[FULL] = 1
            elif behind >= 0:
                state[base + tables[c.AT_BEHIND] + behind] = done
        elif command != tables[c.REF]:
            state[base + c.WRITTEN] = max(state[base + c.WRITTEN], done)
        _give_up(tables, state, shared, base, queue, position, now)
    elif not flags & c.IS_PIM and field(tables, command, c.OPENS):
        target, row, column = state[request + c.TARGET], state[request + c.ROW], state[request + c.COLUMN]
        line, arrival = state[request + c.LINE], state[request + c.ARRIVAL]
        _give_up(tables, state, shared, base, queue, position, now)
        if size_of(state, base, c.ACTIVE) < tables[c.ENTRIES]:
            moved = append(tables, state, base, c.ACTIVE)
            state[moved + c.COMMAND], state[moved + c.TARGET], state[moved + c.ROW] = final, target, row
            state[moved + c.COLUMN], state[moved + c.LINE] = column, line
            state[moved + c.FLAGS], state[moved + c.ARRIVAL] = flags, arrival


@bare
def _next_event(tables, state, base, now, busy):
    """The next cycle in which this channel may do something by itself; after a command that is any legal one."""
    soon = state[base + c.DUE]
    if state[base + c.MARK_FROM] >= 0:
        soon = min(soon, max(state[base + c.MARK_FROM], state[base + c.WRITTEN] + 1))
    for queue in range(c.QUEUES):
        count = size_of(state, base, queue)
        if count > 0 and (queue == c.PRIORITY or (queue == c.PIM and tables[c.IN_ORDER])):
            count = 1
        if count > 0 and busy and queue >= c.READS:
            return now + 1  # the choice between reads and writes is made every cycle
        fenced, before = False, NONE
        for position in range(count):
            request = request_at(tables, state, base, queue, position)
            if before >= 0 and alike(state, before, request):
                continue
            before = request
            if state[request + c.FLAGS] & (c.IS_MARK | c.IS_FENCE):
                if position == 0:
                    return now + 1
                fenced, before = True, NONE
                continue
            command = next_command(tables, state, base, request)
            if fenced and not (field(tables, command, c.OPENS) or field(tables, command, c.CLOSES)):
                continue
            ready = ready_at(tables, state, base, command, target_of(tables, state, base, request, command))
            if busy and ready <= now + 1:
                return now + 1
            if ready > now:
                soon = min(soon, ready)
    return soon


@bare
def tick(tables, state, shared, log, base, now):
    """Everything that a controller does in cycle `now`."""
    state[base + c.DROPPED] = 0
    serve_mark(tables, state, shared, base, now)
    refresh(tables, state, shared, base, now)
    busy, first = False, NONE
    for slot in range(tables[c.SLOTS]):
        outcome, queue, position, command = _choose(tables, state, shared, base, now, slot > 0, first)
        if outcome == READY and command >= 0:
            request = request_at(tables, state, base, queue, position)
            if _closes_active(tables, state, base, request, command):
                outcome = WAITING
        if outcome == READY:
            _perform(tables, state, shared, log, base, queue, position, command, now)
            busy = True
        first = command
    busy = busy or state[base + c.DROPPED] == 1
    state[base + c.NEXT] = _next_event(tables, state, base, now, busy)
