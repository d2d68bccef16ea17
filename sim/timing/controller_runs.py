"""Runs of equal requests as one step: planned when nothing else of the channel can act before their end, then carried out.

Why this is exact. The run is at the head of the PIM queue and its first command goes in cycle `now`. Its next command is
its own and stays so, since column commands move no rows. The i-th goes at now + i*period, the first cycle in which the
slots that it raises itself allow it; all others that it checks were in the past (`controller_tables._periods`). Others that
could act in between:

- refreshes fall due, and other requests of a first-ready queue become ready, in known cycles, at which the run ends; but not
  those that the command itself holds back for as long as its own period, for at the end of a period the run goes first;
- in order, the requests behind the run wait for it;
- ordinary requests and marks: there is none, or there is no run;
- new requests: when the front end has one, `interrupt` carries out what is past and drops the rest.

The last request of a run is never part of the plan, so at all times one of the run waits at the head of the queue: what
that protects or refuses stays protected or refused. If requests of the instruction at the front were refused because the
queue is full, one of them takes each free place in the cycle after; the plan ends when none is left. It also ends after
LONGEST commands, so that a log need not look far ahead.
"""

from ..functional.jit import bare
from . import controller_tables as c
from .constraints import AT_ENTRY, CHECKS, EFFECTS, ENTRY_FIELDS, LIMITS, TARGETS
from .controller import field, look, place_at, queue_word, request_at, runs_of, size_of, write_log
from .controller_choice import passes
from .engine import forbid
from .tables import ONE, ZERO

LONGEST = 4096


@bare
def _holds_back(tables, state, request, other, cycles):
    """Whether a command of one request delays what the other needs next by at least `cycles`."""
    first = tables[AT_ENTRY] + (state[request + c.NEXT] * tables[TARGETS] + state[request + c.NODE]) * ENTRY_FIELDS
    second = tables[AT_ENTRY] + (state[other + c.NEXT] * tables[TARGETS] + state[other + c.NODE]) * ENTRY_FIELDS
    for effect in range(tables[first + EFFECTS], tables[first + LIMITS], 3):
        if tables[effect + 1] >= cycles:
            for check in range(tables[second + CHECKS], tables[second + EFFECTS]):
                if tables[check] == tables[effect]:
                    return True
    return False


@bare
def _limit(tables, state, base, request, period, now):
    """The cycle from which on something else may act."""
    limit = state[base + c.DUE]
    if tables[c.IN_ORDER]:
        return limit
    fenced = ZERO
    for position in range(1, runs_of(state, base, c.PIM)):
        place = place_at(tables, base, c.PIM, position)
        other = base + state[place]
        if state[other + c.FLAGS] & (c.IS_FENCE | c.IS_MARK):
            fenced = ONE
            continue
        ready = look(tables, state, base, place, now)
        held = _holds_back(tables, state, request, other, period)
        if ready < limit and not held and passes(tables, state, base, c.PIM, position, other, fenced, now):
            limit = ready
    return limit


@bare
def plan(tables, state, base, group, request, now):
    """Plan a run of the request at the head of the PIM queue, which may go now; whether it is more than one command."""
    command = state[request + c.COMMAND]
    period = tables[tables[c.AT_PERIOD] + command * tables[TARGETS] + state[request + c.TARGET]]
    count = state[request + c.COUNT] - 1
    others = size_of(state, base, c.ACTIVE) + size_of(state, base, c.PRIORITY)
    others += size_of(state, base, c.READS) + size_of(state, base, c.WRITES)
    if count < 2 or period == 0 or others > 0 or state[base + c.MARK_FROM] >= 0 or not tables[c.BULK]:
        return False
    if state[request + c.NEXT] != command or state[request + c.FLAGS] != c.IS_PIM:
        return False
    if tables[c.MODE_COMMAND] >= 0 and field(tables, command, c.REGISTER) != state[base + c.REGISTER_MODE]:
        return False
    left = state[tables[c.AT_LEFT] + group]
    state[base + c.REFILLS] = left > 0 and state[c.QUEUE_AT_FRONT] == c.PIM
    if state[base + c.REFILLS]:
        alone = not tables[c.STRICT] or state[c.ONLY] >= 0 or state[c.CHANNEL_GROUPS] == 1
        if not (alone and state[base + c.JOINED]):
            return False
        tail = request_at(tables, state, base, c.PIM, runs_of(state, base, c.PIM) - 1)
        count = left if tail == request else min(count, left)
    count = min(count, (_limit(tables, state, base, request, period, now) - now - 1) // period + 1)
    if count < 2:
        return False
    state[base + c.RUN], state[base + c.PERIOD] = min(count, LONGEST), period
    state[base + c.RUN_START] = now
    return True


@bare
def last_of_run(state, base):
    """The cycle of the last command that is planned."""
    return state[base + c.RUN_START] + (state[base + c.RUN] - 1) * state[base + c.PERIOD]


@bare
def carry_out(tables, state, log, base, group, count, refills):
    """Issue the first `count` commands of the planned run at once; `refills` requests have taken their places so far."""
    request = request_at(tables, state, base, c.PIM, ZERO)
    command, target = state[request + c.COMMAND], state[request + c.NODE]
    period, start = state[base + c.PERIOD], state[base + c.RUN_START]
    last = start + (count - 1) * period
    state[base + c.ISSUED] += count
    forbid(tables, state, base, command, target, last)  # what earlier ones forbid is shorter by whole periods
    write_log(tables, state, log, base, command, target, request, start, count, period)
    state[base + c.WRITTEN] = max(state[base + c.WRITTEN], last + field(tables, command, c.LATENCY))
    state[base + c.LAST], state[base + c.RUN] = last, 0
    state[base + c.SOON + c.PIM] = 0
    state[request + c.COUNT] -= count
    state[request + c.COLUMN] += count * state[request + c.COLUMN_STEP]
    state[request + c.LINE] += count * state[request + c.LINE_STEP]
    state[queue_word(base, c.PIM, c.SIZE)] -= count
    if state[base + c.REFILLS]:
        tail = request_at(tables, state, base, c.PIM, runs_of(state, base, c.PIM) - 1)
        state[tail + c.COUNT] += refills
        state[queue_word(base, c.PIM, c.SIZE)] += refills
        state[tables[c.AT_LEFT] + group] -= refills


@bare
def interrupt(tables, state, log, base, group, now):
    """The front end looks at a channel in cycle `now`: carry out what was planned for earlier cycles and drop the rest."""
    period, start = state[base + c.PERIOD], state[base + c.RUN_START]
    count = min(state[base + c.RUN], (now - start + period - 1) // period)
    state[base + c.RUN] = 0
    if count > 0:
        carry_out(tables, state, log, base, group, count, count)
    state[tables[c.AT_NEXT] + group] = start + count * period
