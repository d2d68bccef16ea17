"""What the rules of a machine say, read literally from its file, and one channel of the command engine: both by names.

An address is a tuple of indices from pseudo-channel on; a shorter one names a higher node, () the channel.
"""

from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from pimlir.sim.functional.jit import entry
from pimlir.sim.timing.constraints import AT_READY, AT_RING, CORE_FACTS, build_entries, geometry
from pimlir.sim.timing.engine import forbid, ready_at

Address = tuple[int, ...]

LEVELS = ("channel", "pseudo_channel", "rank", "bank_group", "bank")
EXTENTS = ("pseudo_channels", "ranks", "bank_groups", "banks_per_group")


@entry
def _forbid(tables, state, command, target, now):
    forbid(tables, state, 0, command, target, now)


@entry
def _ready(tables, state, command, target):
    return ready_at(tables, state, 0, command, target)


class Channel:
    """One channel of a machine; nothing has happened on it yet, or after `reset`."""

    def __init__(self, machine: dict[str, Any]):
        self.tree = geometry(machine["memory"])
        words = [0] * int(CORE_FACTS)
        rings = build_entries(words, machine, self.tree)
        self.names = list(machine["command"])
        slots = len(self.tree.paths) * len(self.names)
        words[AT_READY], words[AT_RING] = 0, slots
        self.tables = np.array(words, np.int64)
        self.idle = np.array([0] * slots + rings, np.int64)
        self.reset()

    def reset(self) -> None:
        self.state = self.idle.copy()

    def issue(self, command: str, address: Address, cycle: int) -> None:
        _forbid(self.tables, self.state, self.names.index(command), self.tree.target(address), cycle)

    def ready(self, command: str, address: Address) -> int:
        return int(_ready(self.tables, self.state, self.names.index(command), self.tree.target(address)))


class Table:
    """What the rules of a machine file say about two commands, read literally."""

    def __init__(self, machine: dict[str, Any]):
        self.machine = machine
        self.extents = tuple(machine["memory"][key] for key in EXTENTS)
        self.rules = [
            rule | {"cycles": rule["cycles"] + rule["column_cycles"] * self._least_columns(rule)}
            for rule in machine["constraint"]
            if rule["cycles"] > 0
        ]
        self.wait = cache(self._wait)

    def _least_columns(self, rule: dict[str, Any]) -> int:
        """Column steps that a command is charged for at least."""
        return max(self.machine["command"][name]["min_columns"] for name in rule["preceding"])

    def scope(self, command: str) -> int:
        return LEVELS.index(self.machine["command"][command]["scope"])

    def _wait(self, first: str, at: Address, then: str, to: Address) -> int:
        """Cycles from `first` to `then` by all rules but the counting ones."""
        return max(
            (
                rule["cycles"]
                for rule in self.rules
                if rule["window"] == 1 and first in rule["preceding"] and then in rule["following"]
                if self._meets(rule, first, at, then, to)
            ),
            default=0,
        )

    def _meets(self, rule: dict[str, Any], first: str, at: Address, then: str, to: Address) -> bool:
        level, echo = LEVELS.index(rule["level"]), self.machine["controller"]["echo"].get(first)
        if len(at) < level:
            return False
        if level == len(self.extents) and echo and not rule["siblings"] and self.scope(then) == level:
            sources = dict(zip(LEVELS[1:], at, strict=True))
            echoed = [echo.get(name, name) for name in LEVELS[1:]]
            if all(name == "all" or sources[name] == index for name, index in zip(echoed, to, strict=True)):
                return True
        if level <= min(len(to), self.scope(then)):
            if rule["siblings"]:
                return level > 0 and at[: level - 1] == to[: level - 1] and at[level - 1] != to[level - 1]
            return at[:level] == to[:level]
        if self.machine["controller"]["waits_for_all"] and len(to) < level:
            return at[: len(to)] == to and (not rule["siblings"] or self.extents[level - 1] > 1)
        return False

    def window_end(self, first: str, sent: list[tuple[Address, int]], then: str, to: Address) -> int:
        """Cycle in which the counting rules allow `then` after these commands `first`; 0: they do not hold it up."""
        ends = [0]
        for rule in (rule for rule in self.rules if rule["window"] > 1):
            level, size = LEVELS.index(rule["level"]), rule["window"]
            if first in rule["preceding"] and then in rule["following"] and level <= self.scope(then):
                counted = [cycle for at, cycle in sent if len(at) >= level and at[:level] == to[:level]]
                ends += [counted[-size] + rule["cycles"]] if len(counted) >= size else []
        return max(ends)

    def addresses(self, command: str) -> list[Address]:
        """Nodes that the command may be sent to: two of its scope, and one below it, as a refresh of a rank has."""
        scope, last = self.scope(command), tuple(extent - 1 for extent in self.extents)
        return sorted({(0,) * scope, last[:scope], (0,) * len(last), last})

    def relatives(self, command: str, address: Address) -> set[Address]:
        """Nodes for a second command: the same, and those that differ in one or more levels."""
        full = (*address, *(0,) * (len(self.extents) - len(address)))
        found = set()
        levels = [level for level, extent in enumerate(self.extents) if extent > 1]
        for count in range(len(levels) + 1):
            for chosen in combinations(levels, count):
                other = tuple((index + (level in chosen)) % self.extents[level] for level, index in enumerate(full))
                found |= {other, other[: self.scope(command)]}
        return found


@pytest.fixture(scope="session")
def channel() -> Callable[[dict[str, Any]], Channel]:
    """One channel of the command engine."""
    return Channel


@pytest.fixture(scope="session")
def rule_table() -> Callable[[dict[str, Any]], Table]:
    """The rules of a machine."""
    return Table
