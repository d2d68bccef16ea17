"""Command bus and data bus: what may share a cycle, and which bursts overlap."""

from collections.abc import Iterator

import numpy as np

from .commands import Commands
from .findings import Finding, finding


def check_command_bus(commands: Commands) -> Iterator[Finding]:
    """More commands in a cycle of a channel than the controller has slots, or two of the same bus."""
    controller = commands.machine["controller"]
    order = np.argsort(commands.address[:, 0], kind="stable")
    if not len(order):
        return
    channel, cycle = commands.address[order, 0], commands.cycle[order]
    begins = np.concatenate([[True], (channel[1:] != channel[:-1]) | (cycle[1:] != cycle[:-1])])
    first = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    position = np.arange(len(order)) - first
    slots = controller["slots"]
    bad = position >= slots
    if bad.any():
        rule = f"command bus: {slots} command{'s' * (slots > 1)} a cycle"
        yield finding(rule, order[bad], order[first[bad]], position[bad] + 1, slots)
    if slots == 2:
        row, column = commands.of(controller["row_bus"])[order], commands.of(controller["column_bus"])[order]
        second = np.flatnonzero(position == 1)
        fits = (row[second] & column[second - 1]) | (column[second] & row[second - 1])
        wrong = second[~fits]
        if len(wrong):
            rule = "command bus: one row and one column command a cycle"
            yield finding(rule, order[wrong], order[wrong - 1], np.full(len(wrong), 2), 1)


def check_data_bus(commands: Commands) -> Iterator[Finding]:
    """Bursts that overlap on the data bus of a pseudo-channel. A command that names none uses the bus of each."""
    memory, unchecked = commands.machine["memory"], commands.machine["controller"]["unchecked_data"]
    table = commands.machine["command"]
    lengths = np.array(
        [
            0 if name in unchecked else command["data_cycles"] or memory["burst_cycles"] * (name in ("rd", "wr"))
            for name, command in table.items()
        ]
    )[commands.kind]
    rows = np.flatnonzero(lengths)
    if not len(rows):
        return
    every = rows[commands.address[rows, 1] < 0]
    rows = np.concatenate([rows[commands.address[rows, 1] >= 0], *[every] * commands.extents[1]])
    bus = commands.nodes[1][rows]
    wide = np.repeat(np.arange(commands.extents[1]), len(every))
    if len(every):
        bus[-len(wide) :] = commands.address[rows[-len(wide) :], 0] * commands.extents[1] + wide
    ends_after = np.array([command["data_end_cycles"] or command["latency_cycles"] for command in table.values()])
    steps = commands.values("column_cycles") * commands.column_steps
    end = commands.cycle[rows] + ends_after[commands.kind[rows]] + steps[rows]
    begin = end - lengths[rows]
    order = np.lexsort((rows, begin, bus))
    rows, bus, begin, end = rows[order], bus[order], begin[order], end[order]
    far = np.int64(end.max() + 1)
    ends = bus * far + end  # so that the latest end so far is that of this bus
    latest = np.maximum.accumulate(ends)
    holder = np.maximum.accumulate(np.where(np.concatenate([[True], ends[1:] > latest[:-1]]), np.arange(len(ends)), 0))
    bad = np.flatnonzero(bus[1:] * far + begin[1:] < latest[:-1]) + 1
    if len(bad):
        first = holder[bad - 1]
        yield finding(
            "data bus: a burst begins at the end of those before", rows[bad], rows[first], begin[bad], end[first]
        )
