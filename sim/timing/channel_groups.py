"""Groups of channels that got the same requests so far: each is simulated once, split and merged as the trace demands."""

from ..functional.jit import bare
from . import controller_tables as c
from .constraints import AT_READY, AT_RING
from .controller import size_of


@bare
def base_of(tables, group):
    """Where the words of a group are."""
    return tables[c.AT_GROUPS] + group * tables[c.WORDS]


@bare
def _channels(mask):
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@bare
def lowest_channel(tables, state, group):
    """The lowest channel of a group."""
    channel = 0
    for word in range(tables[c.MASK_WORDS]):
        mask = state[tables[c.AT_MASK] + group * tables[c.MASK_WORDS] + word]
        if mask:
            return channel + _channels((mask & -mask) - 1)
        channel += c.MASK_BITS
    return channel


@bare
def divide(tables, trace, instruction, state, group, limit):
    """Make the channels below `limit` that an instruction is for a group of their own, the last one.

    That group; the old one if all of its channels are in it, -1 if none is.
    """
    words, mask = tables[c.MASK_WORDS], tables[c.AT_MASK] + group * tables[c.MASK_WORDS]
    inside, outside = 0, 0
    for word in range(words):
        below = min(max(limit - word * c.MASK_BITS, 0), c.MASK_BITS)
        part = state[mask + word] & trace[instruction + c.I_CHANNELS + word] & ((1 << below) - 1)
        inside |= part
        outside |= state[mask + word] ^ part
    if inside == 0:
        return -1
    if outside == 0:
        return group
    new = state[c.CHANNEL_GROUPS]
    state[c.CHANNEL_GROUPS] = new + 1
    _copy(tables, state, group, new)
    count = 0
    for word in range(words):
        below = min(max(limit - word * c.MASK_BITS, 0), c.MASK_BITS)
        part = state[mask + word] & trace[instruction + c.I_CHANNELS + word] & ((1 << below) - 1)
        state[tables[c.AT_MASK] + new * words + word] = part
        state[mask + word] ^= part
        count += _channels(part)
    state[base_of(tables, new) + c.CHANNEL_COUNT] = count
    state[base_of(tables, group) + c.CHANNEL_COUNT] -= count
    return new


@bare
def _copy(tables, state, group, new):
    old_base, new_base = base_of(tables, group), base_of(tables, new)
    for word in range(tables[c.WORDS]):
        state[new_base + word] = state[old_base + word]
    for region in (c.AT_NEXT, c.AT_LEFT, c.AT_ROOM):
        state[tables[region] + new] = state[tables[region] + group]
    for word in range(tables[c.MASK_WORDS]):
        at = tables[c.AT_MASK] + word
        state[at + new * tables[c.MASK_WORDS]] = state[at + group * tables[c.MASK_WORDS]]


@bare
def _alike(tables, state, a, b, now):
    """Whether two groups without requests will behave alike from now on; times that have passed do not matter."""
    for queue in range(c.QUEUES):
        if size_of(state, a, queue) or size_of(state, b, queue):
            return False
    different = 0
    for word in (c.REGISTER_MODE, c.WRITE_MODE, c.MARK_FROM, c.BEHIND, c.DUE):
        different += state[a + word] != state[b + word]
    for word in (c.SERVED, c.WRITTEN):
        different += max(state[a + word], now - 1) != max(state[b + word], now - 1)
    for word in range(tables[c.BANKS]):
        different += state[a + tables[c.AT_BANK_ROW] + word] != state[b + tables[c.AT_BANK_ROW] + word]
    for word in range(tables[AT_READY], tables[AT_RING]):
        different += max(state[a + word], now) != max(state[b + word], now)
    for word in range(tables[AT_RING], tables[c.WORDS]):
        different += state[a + word] != state[b + word]
    return different == 0


@bare
def merge(tables, state, now):
    """Make groups that have become alike one group again."""
    keep = 0
    while keep < state[c.CHANNEL_GROUPS]:
        other = keep + 1
        while other < state[c.CHANNEL_GROUPS]:
            a, b = base_of(tables, keep), base_of(tables, other)
            if state[tables[c.AT_LEFT] + keep] == state[tables[c.AT_LEFT] + other] and _alike(tables, state, a, b, now):
                for word in range(tables[c.MASK_WORDS]):
                    mask = tables[c.AT_MASK] + word
                    state[mask + keep * tables[c.MASK_WORDS]] |= state[mask + other * tables[c.MASK_WORDS]]
                state[a + c.CHANNEL_COUNT] += state[b + c.CHANNEL_COUNT]
                last = state[c.CHANNEL_GROUPS] - 1
                if other != last:
                    _copy(tables, state, last, other)
                state[c.CHANNEL_GROUPS] = last
            else:
                other += 1
        keep += 1
