"""The kernel that runs a trace: takes its instructions into the queues of the channels and lets time jump from event to event.

Channels that got the same requests so far are one group, simulated once; an instruction for some of them splits the group,
and groups that have become alike are merged.
"""

from ..functional.jit import bare, bare_entry
from . import controller_tables as c
from .constraints import AT_READY, AT_RING
from .controller import CHANGED, CYCLES, FINISH, FULL, GROUPS, OUTSTANDING, answer, append, request_at, size_of
from .controller_cycle import tick
from .tables import ZERO

INSTRUCTION_FIELDS = ("command", "channels", "target", "row", "count", "column", "line", "flags", "queue")
(I_COMMAND, I_CHANNELS, I_TARGET, I_ROW, I_COUNT, I_COLUMN, I_LINE, I_FLAGS, I_QUEUE) = range(len(INSTRUCTION_FIELDS))

STUCK, DONE, OVERFLOW = range(3)


@bare
def _channels(mask):
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@bare
def _split(tables, state, shared, group, part):
    """Make the channels `part` of a group a group of their own, the last one."""
    words = tables[c.WORDS]
    old, new = group * words, shared[GROUPS] * words
    for word in range(words):
        state[new + word] = state[old + word]
    state[new + c.CHANNEL_MASK] = part
    state[old + c.CHANNEL_MASK] ^= part
    for base in (old, new):
        state[base + c.CHANNEL_COUNT] = _channels(state[base + c.CHANNEL_MASK])
    shared[GROUPS] += 1


@bare
def _admits(tables, state, base, queue):
    """Whether the kinds of requests that wait already let one for `queue` in."""
    if not tables[c.EXCLUSIVE]:
        return True
    if queue != c.PIM:
        return size_of(state, base, c.PIM) == 0
    ordinary = size_of(state, base, c.READS) + size_of(state, base, c.WRITES)
    if not tables[c.OVERTAKE]:
        ordinary += size_of(state, base, c.ACTIVE)
    return ordinary == 0


@bare
def _forwards(tables, trace, pc, state, base, column):
    """Whether a waiting write answers a read."""
    if trace[pc, I_QUEUE] != c.READS or tables[c.FORWARD] == 0:
        return False
    if tables[c.FORWARD] == 2:
        return size_of(state, base, c.WRITES) > 0
    for position in range(size_of(state, base, c.WRITES)):
        request = request_at(tables, state, base, c.WRITES, position)
        same_row = state[request + c.TARGET] == trace[pc, I_TARGET] and state[request + c.ROW] == trace[pc, I_ROW]
        if same_row and state[request + c.COLUMN] == column:
            return True
    return False


@bare
def _takes_one(tables, trace, pc, state, base):
    queue = trace[pc, I_QUEUE]
    if not _admits(tables, state, base, queue):
        return False
    room = size_of(state, base, queue) < tables[c.ENTRIES]
    return room or _forwards(tables, trace, pc, state, base, trace[pc, I_COLUMN])


@bare
def _push(tables, trace, pc, state, shared, base, now):
    """Give a group what is left of an instruction for it, until a queue refuses."""
    queue, flags = trace[pc, I_QUEUE], trace[pc, I_FLAGS]
    left = state[base + c.LEFT]
    if queue != c.PIM or not tables[c.IN_ORDER] or size_of(state, base, queue) == 0:
        state[base + c.NEXT] = min(state[base + c.NEXT], now)
    while left > 0 and _admits(tables, state, base, queue):
        column = trace[pc, I_COLUMN] + trace[pc, I_COUNT] - left
        if _forwards(tables, trace, pc, state, base, column):
            answer(state, shared, base, flags & c.NOTIFIES, now)
        elif size_of(state, base, queue) < tables[c.ENTRIES]:
            request = append(tables, state, base, queue)
            state[request + c.COMMAND], state[request + c.TARGET] = trace[pc, I_COMMAND], trace[pc, I_TARGET]
            state[request + c.ROW], state[request + c.COLUMN] = trace[pc, I_ROW], column
            state[request + c.LINE], state[request + c.FLAGS] = trace[pc, I_LINE], flags
            state[request + c.ARRIVAL] = now
        else:
            break
        left -= 1
    state[base + c.LEFT] = left


@bare
def _offer(tables, trace, pc, state, shared, now):
    """Offer what is left of an instruction to all channels; whether all of it was taken.

    In strict order the first channel that refuses holds up those after it.
    """
    words, first_refusal = tables[c.WORDS], 0
    if tables[c.STRICT]:
        for group in range(shared[GROUPS]):
            base = group * words
            if state[base + c.LEFT] > 0 and not _takes_one(tables, trace, pc, state, base):
                lowest = state[base + c.CHANNEL_MASK] & -state[base + c.CHANNEL_MASK]
                first_refusal = lowest if first_refusal == 0 else min(first_refusal, lowest)
    for group in range(shared[GROUPS]):
        base = group * words
        if state[base + c.LEFT] == 0:
            continue
        if first_refusal:
            before = state[base + c.CHANNEL_MASK] & (first_refusal - 1)
            if before == 0:
                continue
            if before != state[base + c.CHANNEL_MASK]:
                _split(tables, state, shared, group, before)
                base = (shared[GROUPS] - 1) * words
        _push(tables, trace, pc, state, shared, base, now)
    left = 0
    for group in range(shared[GROUPS]):
        left += state[group * words + c.LEFT]
    return left == 0


@bare
def _start(tables, trace, pc, state, shared, now):
    """Decode an instruction and offer its requests; whether all were taken."""
    words, channels = tables[c.WORDS], trace[pc, I_CHANNELS]
    for group in range(shared[GROUPS]):
        part = state[group * words + c.CHANNEL_MASK] & channels
        if part != 0 and part != state[group * words + c.CHANNEL_MASK]:
            _split(tables, state, shared, group, part)
    for group in range(shared[GROUPS]):
        base = group * words
        if state[base + c.CHANNEL_MASK] & channels:
            state[base + c.LEFT] = trace[pc, I_COUNT]
            if trace[pc, I_FLAGS] & c.NOTIFIES:
                shared[OUTSTANDING] += trace[pc, I_COUNT] * state[base + c.CHANNEL_COUNT]
    return _offer(tables, trace, pc, state, shared, now)


@bare
def _same(tables, state, a, b, now):
    """Whether two groups without requests will behave alike from now on; times that have passed do not matter."""
    for queue in range(c.QUEUES):
        if size_of(state, a, queue) or size_of(state, b, queue):
            return False
    for word in (c.REGISTER_MODE, c.WRITE_MODE, c.MARK_FROM, c.BEHIND, c.DUE, c.LEFT):
        if state[a + word] != state[b + word]:
            return False
    for word in (c.SERVED, c.WRITTEN):
        if max(state[a + word], now - 1) != max(state[b + word], now - 1):
            return False
    different = 0
    for word in range(tables[c.BANKS]):
        different += state[a + tables[c.AT_BANK_ROW] + word] != state[b + tables[c.AT_BANK_ROW] + word]
    for word in range(tables[AT_READY], tables[AT_RING]):
        different += max(state[a + word], now) != max(state[b + word], now)
    for word in range(tables[AT_RING], tables[c.WORDS]):
        different += state[a + word] != state[b + word]
    return different == 0


@bare
def _merge(tables, state, shared, now):
    """Make groups that have become alike one group again."""
    words = tables[c.WORDS]
    keep = 0
    while keep < shared[GROUPS]:
        other = keep + 1
        while other < shared[GROUPS]:
            a, b = keep * words, other * words
            if _same(tables, state, a, b, now):
                last = (shared[GROUPS] - 1) * words
                state[a + c.CHANNEL_MASK] |= state[b + c.CHANNEL_MASK]
                state[a + c.CHANNEL_COUNT] += state[b + c.CHANNEL_COUNT]
                for word in range(words):
                    state[b + word] = state[last + word]
                shared[GROUPS] -= 1
            else:
                other += 1
        keep += 1


@bare
def _front_end(tables, trace, pc, waits, left, state, shared, now):
    """Take instructions in cycle `now`: (next instruction, whether it waits for answers, whether part of it is left)."""
    if left:
        left = not _offer(tables, trace, pc, state, shared, now)
        if waits or left:
            return pc, waits, left
        pc += 1
        if tables[c.WIDTH] > 0:
            return pc, waits, left
    taken = 0
    while pc < trace.shape[0] and (tables[c.WIDTH] == 0 or taken < tables[c.WIDTH]):
        left = not _start(tables, trace, pc, state, shared, now)
        waits = trace[pc, I_FLAGS] & c.NOTIFIES != 0
        if waits or left:
            break
        pc += 1
        taken += 1
    return pc, waits, left


@bare_entry
def simulate(tables, trace, state, shared, log):
    """Run a trace to its end: DONE with the cycles in `shared`, or STUCK, or OVERFLOW.

    The end is the answer to the last instruction if that is a mark, otherwise when all queues are empty.
    """
    words, end = tables[c.WORDS], trace.shape[0]
    marked = end > 0 and trace[end - 1, I_FLAGS] & c.IS_MARK != 0
    pc, waits, left = ZERO, end < 0, end < 0
    wake = c.FOREVER if end == 0 else 1
    while True:
        now = wake
        for group in range(shared[GROUPS]):
            now = min(now, state[group * words + c.NEXT])
        if now >= c.FOREVER or (pc >= end and not waits and _drained(tables, state, shared)):
            break
        if wake == now:
            if waits and shared[OUTSTANDING] == 0:
                waits = False
                pc += 1
                if pc >= end and marked:
                    break
                if shared[GROUPS] > 1:
                    _merge(tables, state, shared, now)
            pc, waits, left = _front_end(tables, trace, pc, waits, left, state, shared, now)
        shared[CHANGED] = 0
        for group in range(shared[GROUPS]):
            if state[group * words + c.NEXT] <= now:
                tick(tables, state, shared, log, group * words, now)
        if left:
            wake = now + 1 if shared[CHANGED] else c.FOREVER
        elif waits:
            wake = shared[FINISH] + 1 if shared[OUTSTANDING] == 0 else c.FOREVER
        else:
            wake = now + 1 if pc < end else c.FOREVER
    if shared[FULL]:
        return OVERFLOW
    if pc < end or waits:
        return STUCK
    shared[CYCLES] = shared[FINISH] if marked else _last(tables, state, shared)
    return DONE


@bare
def _drained(tables, state, shared):
    for group in range(shared[GROUPS]):
        for queue in range(c.QUEUES):
            if size_of(state, group * tables[c.WORDS], queue) > 0:
                return False
    return True


@bare
def _last(tables, state, shared):
    """The last cycle in which anything was under way."""
    last = 0
    for group in range(shared[GROUPS]):
        base = group * tables[c.WORDS]
        last = max(last, state[base + c.LAST], state[base + c.SERVED])
    return last
