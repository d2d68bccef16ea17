"""Refresh deadlines: how many refreshes of a node may be owed at a time."""

from collections.abc import Iterator

import numpy as np

from ...machines.schema import LEVELS
from .commands import Commands
from .findings import Finding, finding


def check_refresh(commands: Commands, end_cycle: np.ndarray) -> Iterator[Finding]:
    """Refreshes that are too late. Each node of `refresh_scope` is due one every interval, `refresh_postponed_max` may wait.

    `end_cycle` is the last cycle of each channel: what is missing until then is reported at the node's last refresh.
    """
    memory = commands.machine["memory"]
    interval, waiting = memory["refresh_interval_cycles"], memory["refresh_postponed_max"]
    if not interval:
        return
    level = LEVELS.index(memory["refresh_scope"])
    per_channel = int(np.prod(commands.extents[1 : level + 1]))
    rows, nodes = _refreshes(commands, level, per_channel)
    order = np.lexsort((rows, nodes))
    rows, nodes = rows[order], nodes[order]
    number = np.arange(len(rows)) - np.searchsorted(nodes, nodes)  # of refreshes of the node before
    owed = commands.cycle[rows] // interval - number
    late = commands.cycle[rows] > (number + 1 + waiting) * interval  # until then, in that cycle it is just in time
    rule = f"refresh: at most {waiting} of a {memory['refresh_scope']} owed, one due every {interval} cycles"
    if late.any():
        earlier = np.where(number > 0, np.concatenate([[-1], rows[:-1]]), -1)
        yield finding(rule, rows[late], earlier[late], owed[late], waiting)
    every = np.arange(commands.extents[0] * per_channel)
    done = np.bincount(nodes, minlength=len(every))
    last = np.full(len(every), -1)
    last[nodes] = rows
    ends = end_cycle[every // per_channel]
    missing = (ends > (done + 1 + waiting) * interval) & np.isin(every // per_channel, commands.address[:, 0])
    if missing.any():
        final = _last_rows(commands)[every // per_channel][missing]
        yield finding(f"{rule}, until the end", final, last[missing], (ends // interval - done)[missing], waiting)


def _refreshes(commands: Commands, level: int, per_channel: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of refreshes and the refresh nodes that they serve; one that names a higher node serves all below it."""
    refresh = commands.where(action="refresh")
    rows: list[np.ndarray] = []
    nodes: list[np.ndarray] = []
    for depth in range(level + 1):
        chosen = np.flatnonzero(refresh & (commands.depth == depth))
        below = int(np.prod(commands.extents[depth + 1 : level + 1]))
        rows.append(np.repeat(chosen, below))
        nodes.append((commands.nodes[depth][chosen, None] * below + np.arange(below)).reshape(-1))
    return np.concatenate(rows), np.concatenate(nodes)


def _last_rows(commands: Commands) -> np.ndarray:
    """[channel] its last row."""
    last = np.full(commands.extents[0], -1)
    last[commands.address[:, 0]] = np.arange(len(commands))
    return last
