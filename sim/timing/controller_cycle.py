"""A cycle of a controller in which something may happen: serve marks, queue refreshes, carry out the chosen commands."""

from ..functional.jit import bare
from . import controller_tables as c
from .controller import append, field, give_up, issue, request_at, size_of
from .controller_choice import choose, next_event
from .controller_runs import carry_out, last_of_run, plan
from .tables import NONE, ZERO


@bare
def answer(tables, state, base, notifies, done):
    """An answer is there at `done`; answers leave one a cycle, in order. After a mark they wait for it."""
    if state[base + c.MARK_FROM] >= 0:
        behind = state[base + c.BEHIND]
        if behind < c.BEHIND_ENTRIES:
            state[base + tables[c.AT_BEHIND] + behind], state[base + c.BEHIND] = done, behind + 1
        else:
            state[c.FULL] = 1
        return
    served = max(done, state[base + c.SERVED] + 1)
    state[base + c.SERVED] = served
    if notifies:
        state[c.OUTSTANDING] -= state[base + c.CHANNEL_COUNT]
        state[c.FINISH] = max(state[c.FINISH], served)


@bare
def _serve_mark(tables, state, base, now):
    """Answer a waiting mark once the answers before it have left and no write is under way."""
    due = state[base + c.MARK_FROM]
    if due < 0 or due > now or state[base + c.WRITTEN] >= now:
        return
    state[base + c.MARK_FROM] = -1
    state[base + c.SERVED] = now
    state[c.OUTSTANDING] -= state[base + c.CHANNEL_COUNT]
    state[c.FINISH] = max(state[c.FINISH], now)
    for index in range(state[base + c.BEHIND]):
        state[base + c.SERVED] = max(state[base + tables[c.AT_BEHIND] + index], state[base + c.SERVED] + 1)
    state[base + c.BEHIND] = 0


@bare
def _refresh(tables, state, base, now):
    """Queue the refreshes that fall due, one for each refresh node."""
    if state[base + c.DUE] > now:
        return
    state[base + c.DUE] += tables[c.REFRESH_INTERVAL]
    for node in range(tables[c.REFRESH_NODES]):
        if size_of(state, base, c.PRIORITY) == tables[c.CAPACITY]:
            state[c.FULL] = 1
            return
        request = append(tables, state, base, c.PRIORITY, tables[c.REF], tables[c.REFRESH_TARGET] + node, now)
        state[request + c.ROW], state[request + c.COLUMN], state[request + c.LINE] = NONE, NONE, NONE
        state[request + c.FLAGS] = c.IS_PIM


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
def _perform(tables, state, log, base, queue, position, command, now):
    """Carry out what was chosen: a command, first the mode switch that it may need, or the end of a mark or fence."""
    request = request_at(tables, state, base, queue, position)
    flags, final, node = state[request + c.FLAGS], state[request + c.COMMAND], state[request + c.NODE]
    moves = False
    if command >= 0:
        register = field(tables, final, c.REGISTER) if flags & c.IS_PIM else ZERO
        switch = tables[c.MODE_COMMAND] >= 0 and register != state[base + c.REGISTER_MODE]
        if switch:
            command, node = tables[c.MODE_COMMAND], state[request + c.TARGET]
            state[base + c.REGISTER_MODE] = register
        issue(tables, state, log, base, request, command, node, now)
        moves = not flags & c.IS_PIM and field(tables, command, c.OPENS)
        if switch or (command != final and not moves):
            return
        if command == final:
            done = now + field(tables, command, c.LATENCY)
            if flags & c.IS_READ:
                answer(tables, state, base, flags & c.NOTIFIES, done)
            elif command != tables[c.REF]:
                state[base + c.WRITTEN] = max(state[base + c.WRITTEN], done)
    elif flags & c.IS_MARK:
        state[base + c.MARK_FROM] = max(now, state[base + c.SERVED]) + 1
    give_up(tables, state, base, queue, position, now)
    if moves and size_of(state, base, c.ACTIVE) < tables[c.ENTRIES]:
        moved = append(tables, state, base, c.ACTIVE, final, state[request + c.TARGET], state[request + c.ARRIVAL])
        state[moved + c.ROW], state[moved + c.FLAGS] = state[request + c.ROW], flags
        state[moved + c.COLUMN], state[moved + c.LINE] = state[request + c.COLUMN], state[request + c.LINE]


@bare
def tick(tables, state, log, base, group, now):
    """Everything that a controller does in cycle `now`; the next cycle in which it may do something by itself."""
    busy = state[base + c.RUN] > 0
    if busy:  # the last command that was planned; all but its own place were taken again
        carry_out(tables, state, log, base, group, state[base + c.RUN], state[base + c.RUN] - 1)
        state[c.CHANGED], state[c.PROGRESS] = 1, now
    else:
        _serve_mark(tables, state, base, now)
        _refresh(tables, state, base, now)
        state[base + c.DROPPED] = 0
        first = NONE
        for slot in range(tables[c.SLOTS]):
            ready, queue, position, command = choose(tables, state, base, now, slot > 0, first)
            request = request_at(tables, state, base, queue, position)
            if ready and (command < 0 or not _closes_active(tables, state, base, request, command)):
                if queue == c.PIM and slot + position == 0 and plan(tables, state, base, group, request, now):
                    return last_of_run(state, base)
                _perform(tables, state, log, base, queue, position, command, now)
                busy = True
            first = command
        busy = busy or state[base + c.DROPPED] == 1
    return next_event(tables, state, base, now, busy)
