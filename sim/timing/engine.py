"""The command engine: from which cycle on the rules allow a command, and what issuing it forbids.

Everything that times memory is built on these two functions; no command and no machine has code of its own. `base` is
where the words of a channel begin in `state`.
"""

from ..functional.jit import bare
from .constraints import (
    AT_ENTRY,
    AT_READY,
    AT_RING,
    CHECKS,
    COUNTED,
    EFFECTS,
    ENTRY_FIELDS,
    LIMITS,
    TARGETS,
)


@bare
def _entry(tables, command, target):
    return tables[AT_ENTRY] + (command * tables[TARGETS] + target) * ENTRY_FIELDS


@bare
def ready_at(tables, state, base, command, target):
    """First cycle in which the rules allow a command."""
    entry = _entry(tables, command, target)
    ready = base + tables[AT_READY]
    at = 0
    for check in range(tables[entry + CHECKS], tables[entry + EFFECTS]):
        at = max(at, state[ready + tables[check]])
    for limit in range(tables[entry + LIMITS], tables[entry + COUNTED], 2):
        ring = base + tables[AT_RING] + tables[limit]
        at = max(at, state[ring + 1 + state[ring]] + tables[limit + 1])
    return at


@bare
def forbid(tables, state, base, command, target, now):
    """Record a command that was issued in cycle `now`: what may not follow it until when."""
    entry = _entry(tables, command, target)
    ready = base + tables[AT_READY]
    for effect in range(tables[entry + EFFECTS], tables[entry + LIMITS], 3):
        slot = ready + tables[effect]
        state[slot] = max(state[slot], now + tables[effect + 1])
    for counted in range(tables[entry + COUNTED], tables[entry + ENTRY_FIELDS], 2):
        ring = base + tables[AT_RING] + tables[counted]
        state[ring + 1 + state[ring]] = now
        state[ring] = (state[ring] + 1) % tables[counted + 1]


@bare
def forbid_run(tables, state, base, command, target, at, count, spacing):
    """Record `count` equal commands, `spacing` cycles apart, the first in cycle `at`.

    A level that allows them closer than the command's own scope does sees the run shortened to its own spacing: its
    gaps are free for runs in other nodes (bank groups, where tCCD_L > tCCD_S). For one command that holds column steps,
    `count` - 1 is how many it has beyond the least that is charged anyway.
    """
    entry = _entry(tables, command, target)
    ready = base + tables[AT_READY]
    for effect in range(tables[entry + EFFECTS], tables[entry + LIMITS], 3):
        slot = ready + tables[effect]
        state[slot] = max(state[slot], at + tables[effect + 1] + (count - 1) * tables[effect + 2])
    for counted in range(tables[entry + COUNTED], tables[entry + ENTRY_FIELDS], 2):
        ring, size = base + tables[AT_RING] + tables[counted], tables[counted + 1]
        for index in range(max(0, count - size), count):
            state[ring + 1 + state[ring]] = at + index * spacing
            state[ring] = (state[ring] + 1) % size
