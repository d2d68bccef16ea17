"""What a memory controller does next: the first request that is ready, between reads and writes, and the next event."""

from ..functional.jit import bare
from . import controller_tables as c
from .controller import field, give_up, look, place_at, runs_of, size_of
from .tables import NONE, ONE, ZERO

_MARKS = c.IS_FENCE | c.IS_MARK


@bare
def _is_hit(tables, state, request):
    """Whether a request that was looked at uses the row that its bank has open."""
    command = state[request + c.COMMAND]
    return state[request + c.NEXT] == command and field(tables, command, c.HITS) == 1


@bare
def _protects(tables, state, base, queue, request, now):
    """Whether a command that is no row hit waits for row hits of the same address."""
    if _is_hit(tables, state, request):
        return False
    first = place_at(tables, base, queue, ZERO)
    for place in range(first, first + runs_of(state, base, queue)):
        other = base + state[place]
        if state[other + c.TARGET] == state[request + c.TARGET] and not state[other + c.FLAGS] & _MARKS:
            look(tables, state, base, place, now)
            if _is_hit(tables, state, other):
                return True
    return False


@bare
def passes(tables, state, base, queue, position, request, fenced, now):
    """Whether a request behind others may go before them: row commands pass fences, hits protect their row."""
    command = state[request + c.NEXT]
    if fenced and not (field(tables, command, c.OPENS) or field(tables, command, c.CLOSES)):
        return False
    return position == 0 or not tables[c.PROTECT] or not _protects(tables, state, base, queue, request, now)


@bare
def first_ready(tables, state, base, queue, now):
    """The oldest request whose next command is legal, else the oldest; behind a fence only row commands are. Position.

    If none is ready, SOON tells when one may be; those that were passed over may be ready after any other command.
    """
    if state[base + c.SOON + queue] > now:
        return ZERO
    first, ready_words = place_at(tables, base, queue, ZERO), c.READY * tables[c.SPAN]
    best, arrival, soon, fenced = NONE, c.FOREVER, c.FOREVER, ZERO
    for position in range(runs_of(state, base, queue)):
        ready = state[first + position + ready_words]
        if ready <= now:
            request = base + state[first + position]
            if state[request + c.FLAGS] & _MARKS:
                if position == 0:
                    return ZERO
                fenced = ONE
                continue
            ready = look(tables, state, base, first + position, now)
            if ready <= now:
                if not passes(tables, state, base, queue, position, request, fenced, now):
                    state[base + c.BLOCKED] = 1
                elif queue != c.ACTIVE:
                    return position
                elif state[request + c.ARRIVAL] < arrival:
                    best, arrival = position, state[request + c.ARRIVAL]
                continue
        soon = min(soon, ready)
    if best < 0:
        state[base + c.SOON + queue] = soon
    return max(best, ZERO)


@bare
def _fits(tables, first, command):
    """Whether a second command may go with the first one of a cycle: one on the row bus, one on the column bus."""
    return first >= 0 and command >= 0 and field(tables, first, c.BUS) * field(tables, command, c.BUS) == 2


@bare
def _turns(tables, state, base):
    """Whether the choice between reads and writes changes, with hysteresis."""
    reads, writes = size_of(state, base, c.READS), size_of(state, base, c.WRITES)
    full = tables[c.ENTRIES] - 1
    if state[base + c.WRITE_MODE]:
        return 100 * writes < tables[c.WRITE_LOW] * full and reads > 0
    return 100 * writes > tables[c.WRITE_HIGH] * full or reads == 0


@bare
def choose(tables, state, base, now, second, first):
    """The request to serve: (whether it may go, queue, position, next command); the command is -1 for marks and fences.

    First come requests whose row was opened for them, then refreshes, which let nothing past them, PIM, other requests.
    """
    for turn in range(c.WRITES):
        if turn == c.READS and _turns(tables, state, base):
            state[base + c.WRITE_MODE] ^= 1
        queue, position = turn + state[base + c.WRITE_MODE] * (turn == c.READS), ZERO
        request = base + state[place_at(tables, base, queue, position)]
        if queue == c.PIM and size_of(state, base, queue) > 0 and state[request + c.FLAGS] & c.IS_FENCE:
            give_up(tables, state, base, queue, position, now)
            state[base + c.DROPPED], state[base + c.SOON + queue] = 1, 0
        if size_of(state, base, queue) == 0:
            continue
        if queue != c.PRIORITY and (queue != c.PIM or not tables[c.IN_ORDER]):
            position = first_ready(tables, state, base, queue, now)
        place = place_at(tables, base, queue, position)
        request = base + state[place]
        if state[request + c.FLAGS] & _MARKS:
            if not second:
                return True, queue, position, NONE
        else:
            ready, command = look(tables, state, base, place, now) <= now, state[request + c.NEXT]
            fits = not second or _fits(tables, first, command)
            if (ready and fits) or turn == c.READS or (fits and queue == c.PRIORITY):
                return ready and fits, queue, position, command
        if queue == c.PIM and tables[c.EXCLUSIVE]:
            return False, queue, position, NONE
    return False, c.READS, ZERO, NONE


@bare
def _soonest(tables, state, base, queue, now, busy):
    """The next cycle in which a request of a queue becomes ready; the very next one if, after a command, one already is."""
    if state[base + c.SOON + queue] > now:
        return state[base + c.SOON + queue]
    first, ready_words, soon, waiting = place_at(tables, base, queue, ZERO), c.READY * tables[c.SPAN], c.FOREVER, ZERO
    for place in range(first, first + runs_of(state, base, queue)):
        ready = state[place + ready_words]
        if ready <= now:
            if state[base + state[place] + c.FLAGS] & _MARKS:
                continue
            ready = look(tables, state, base, place, now)
            if ready <= now:
                if busy:
                    return now + 1
                waiting = ONE
                continue
        soon = min(soon, ready)
    if not waiting:
        state[base + c.SOON + queue] = soon
    return soon


@bare
def next_event(tables, state, base, now, busy):
    """The next cycle in which this channel may do something by itself.

    Of ordinary requests only the queue that is being served counts. A change between reads and writes must be seen in the
    next cycle, after new requests have come.
    """
    soon = state[base + c.DUE]
    if state[base + c.MARK_FROM] >= 0:
        soon = min(soon, max(state[base + c.MARK_FROM], state[base + c.WRITTEN] + 1))
    for turn in range(c.WRITES):
        queue = turn
        if turn == c.READS:
            if size_of(state, base, c.READS) + size_of(state, base, c.WRITES) > 0 and _turns(tables, state, base):
                return now + 1
            queue += state[base + c.WRITE_MODE]
        if size_of(state, base, queue) == 0:
            continue
        place = place_at(tables, base, queue, ZERO)
        if state[base + state[place] + c.FLAGS] & _MARKS:
            return now + 1
        if queue != c.PRIORITY and (queue != c.PIM or not tables[c.IN_ORDER]):
            ready = _soonest(tables, state, base, queue, now, busy)
        else:
            ready = look(tables, state, base, place, now)
        if ready > now:
            soon = min(soon, ready)
        elif busy:
            return now + 1
    return soon
