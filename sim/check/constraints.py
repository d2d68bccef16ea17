"""The `[[constraint]]` rules of a machine file on pairs and windows of a log's commands."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ...machines.schema import LEVELS
from .all_bank import refreshes_at_once
from .commands import BANK, Commands
from .findings import Finding, finding


def check_constraints(commands: Commands) -> Iterator[Finding]:
    """Commands that follow another one too soon."""
    pairs, at_once = _Pairs(commands), refreshes_at_once(commands)
    closes = commands.where(action="precharge")
    for rule in commands.machine["constraint"]:
        if rule["cycles"] == rule["column_cycles"] == 0:
            continue
        for rows, earlier in pairs.of_rule(rule):
            gap = commands.cycle[rows] - commands.cycle[earlier]
            needed = rule["cycles"] + rule["column_cycles"] * commands.column_steps[earlier]
            bad = (gap < needed) & ~(at_once[rows] & closes[earlier])
            if bad.any():
                yield finding(_text(rule), rows[bad], earlier[bad], gap[bad], needed[bad])


def _text(rule: dict[str, Any]) -> str:
    """A rule in one line, as the machine file has it."""
    where = f"other {rule['level']}" if rule["siblings"] else rule["level"]
    count = f", {rule['window']} of them" if rule["window"] > 1 else ""
    each = f" + {rule['column_cycles']} a column" if rule["column_cycles"] else ""
    return (
        f"{where}: {'|'.join(rule['preceding'])} -> {'|'.join(rule['following'])}{count}: {rule['cycles']}{each} cycles"
    )


Pairs = tuple[np.ndarray, np.ndarray]
"""Rows of following commands, and of each the row of the preceding command that the rule measures from."""

_NO_PAIRS = (np.zeros(0, np.int64), np.zeros(0, np.int64))


class _Sorted(NamedTuple):
    """The rows that name a node of a level, by node and then by time."""

    rows: np.ndarray
    node: np.ndarray
    kind: np.ndarray


class _Pairs:
    """Finds, for commands of some kinds, the last command of other kinds before them in the same node.

    The last one is the strictest: time does not go back in a log. Masks of kinds are looked up and counted along the rows
    of a level, so a rule takes time linear in the log.
    """

    def __init__(self, commands: Commands):
        self.commands = commands
        self.present = np.bincount(commands.kind, minlength=len(commands.names)) > 0
        self.sorted = cache(self._sorted)

    def _sorted(self, level: int) -> _Sorted:
        commands = self.commands
        rows = np.flatnonzero(commands.depth >= level)
        rows = rows[np.argsort(commands.nodes[level][rows], kind="stable")]
        return _Sorted(rows, commands.nodes[level][rows], commands.kind[rows].astype(np.uint8))

    def _kinds(self, names: list[str]) -> np.ndarray:
        return np.array([name in names for name in self.commands.names])

    def of_rule(self, rule: dict[str, Any]) -> Iterator[Pairs]:
        """All pairs of a rule: what it says, and what echoes and commands of several banks add to it."""
        commands, level = self.commands, LEVELS.index(rule["level"])
        controller = commands.machine["controller"]
        before, after = self._kinds(rule["preceding"]), self._kinds(rule["following"])
        if not ((before & self.present).any() and (after & self.present).any()):
            return
        scoped = after & (commands.scope >= level)  # later commands obey levels down to their scope
        if rule["siblings"]:
            yield self._beside(level, before, scoped)
        else:
            order = self.sorted(level)
            yield _last(order, before[order.kind], scoped[order.kind], rule["window"])
        if (
            controller["waits_for_all"]
            and rule["window"] == 1
            and (commands.extents[level] > 1 or not rule["siblings"])
        ):
            for above in range(level):
                order = self.sorted(above)
                depth = commands.depth[order.rows]
                yield _last(order, before[order.kind] & (depth >= level), after[order.kind] & (depth == above), 1)
        if level == BANK and rule["window"] == 1 and not rule["siblings"]:
            for name in (name for name in rule["preceding"] if controller["echo"].get(name)):
                yield self._echoed(controller["echo"][name], self._kinds([name]), scoped)

    def _beside(self, level: int, before: np.ndarray, after: np.ndarray) -> Pairs:
        """Pairs in two nodes of `level` that share the node above."""
        node = self.commands.nodes[level]
        order = self.sorted(level - 1)
        named = node[order.rows] >= 0
        order = _Sorted(order.rows[named], order.node[named], order.kind[named])
        mask = before[order.kind]
        first, then = np.flatnonzero(mask), np.flatnonzero(after[order.kind])
        if not len(first):
            return _NO_PAIRS
        own = node[order.rows]
        begins = np.concatenate([[True], own[first[1:]] != own[first[:-1]]])
        run_begin = np.maximum.accumulate(np.where(begins, np.arange(len(first)), 0))
        last = (np.cumsum(mask) - mask)[then] - 1
        same = (last >= 0) & (own[first[last]] == own[then])
        last = np.where(same, run_begin[last] - 1, last)
        valid = (last >= 0) & (order.node[first[last]] == order.node[then])
        return order.rows[then[valid]], order.rows[first[last[valid]]]

    def _echoed(self, levels: dict[str, str], before: np.ndarray, after: np.ndarray) -> Pairs:
        """Pairs of a command and the banks that its `echo` names: both have the same indices where it copies them."""
        commands = self.commands
        own = commands.address[:, 0]
        echoed = own
        for level, name in enumerate(LEVELS[1:], 1):
            chosen = levels.get(name, name)
            if chosen != "all":
                extent = max(commands.extents)
                own = own * extent + commands.address[:, level]
                echoed = echoed * extent + commands.address[:, LEVELS.index(chosen)]
        first = np.flatnonzero(before[commands.kind] & (commands.depth == BANK))
        then = np.flatnonzero(after[commands.kind])
        rows, nodes = np.concatenate([first, then]), np.concatenate([echoed[first], own[then]])
        is_first = np.arange(len(rows)) < len(first)
        order = np.lexsort((is_first, rows, nodes))  # a command is not before itself
        return _last(_Sorted(rows[order], nodes[order], rows), is_first[order], ~is_first[order], 1)


def _last(order: _Sorted, before: np.ndarray, after: np.ndarray, window: int) -> Pairs:
    """For each row of `after` the `window`-th last row of `before` ahead of it in the same node, where there is one."""
    first, then = np.flatnonzero(before), np.flatnonzero(after)
    if not (len(first) and len(then)):
        return _NO_PAIRS
    last = (np.cumsum(before, dtype=np.int32)[then] - before[then]) - window
    valid = last >= 0
    then, earlier = then[valid], first[last[valid]]
    same = order.node[then] == order.node[earlier]
    return order.rows[then[same]], order.rows[earlier[same]]
