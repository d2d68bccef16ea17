"""A machine's memory controller as one flat int64 array that never changes, and the words of a group of channels.

`tables` starts with the facts numbered below; those called AT_ are offsets, in `tables` or in the words of a group. A
group is a set of channels whose requests were the same so far, so that one of them stands for all.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .constraints import (
    AT_READY,
    AT_RING,
    COMMANDS,
    CORE_FACTS,
    LEVELS,
    TARGETS,
    Geometry,
    build_entries,
    geometry,
    numbers,
)

FOREVER = np.int64(1 << 60)
BEHIND_ENTRIES = 1024  # answers that may wait behind a mark, more than all queues hold

(ACTIVE, PRIORITY, PIM, READS, WRITES, QUEUES) = numbers(0, 6)
"""Queues of a channel: requests whose row was opened for them, refreshes, PIM requests, ordinary reads and writes."""

(GROUPS, CAPACITY, WORDS, REFRESH_NODES, REFRESH_INTERVAL, REFRESH_TARGET, REF) = numbers(CORE_FACTS, CORE_FACTS + 7)
(WIDTH, STRICT, EXCLUSIVE, FORWARD, WRITE_HIGH, WRITE_LOW, SLOTS, IN_ORDER, PROTECT) = numbers(
    CORE_FACTS + 7, CORE_FACTS + 16
)
(MIXED_ROWS, OVERTAKE, MODE_COMMAND, ENTRIES, BANKS) = numbers(CORE_FACTS + 16, CORE_FACTS + 21)
(AT_COMMAND, AT_GROUP_OF, AT_GROUP) = numbers(CORE_FACTS + 21, CORE_FACTS + 24)  # in tables
(AT_ORDER, AT_REQUEST, AT_BEHIND, AT_BANK_ROW, AT_ROW) = numbers(CORE_FACTS + 24, CORE_FACTS + 29)  # in a group's words
FACTS = CORE_FACTS + 29

FORWARDING = ("off", "same_address", "any")
MIXED_ROWS_CHOICES = ("first", "close", "close_all")

(BUS, OPENS, CLOSES, HITS, LATENCY, REGISTER, ACTIVATE, PRECHARGE, ONE_BANK, COMMAND_FIELDS) = numbers(0, 10)
"""Fields of a command. `BUS` 0 none, 1 row, 2 column; `HITS`: it needs a row and is a row hit when it is next;
`ACTIVATE`, `PRECHARGE`: commands that prepare it, or -1; `ONE_BANK`: it names one bank."""

(MEMBERS, CONTAINED, OVERLAPPING, GROUP_FIELDS) = numbers(0, 4)
"""Fields of a row group, a set of banks that some command works on: its banks, and groups inside and across it."""

(CHANNEL_MASK, CHANNEL_COUNT, NEXT, REGISTER_MODE, WRITE_MODE, SERVED, WRITTEN, MARK_FROM, BEHIND) = numbers(0, 9)
(DUE, LEFT, DROPPED, LAST, QUEUE) = numbers(9, 14)
GROUP_WORDS = 14 + 2 * int(QUEUES)
"""First words of a group of channels: which they are, how many, their next event; whether in register mode, whether
draining writes; when the last answer is served and the last write done; from when a waiting mark may be served (-1: none)
and how many answers wait behind it; next refresh; requests of the instruction at the front that were refused; whether a
fence was dropped; cycle of the last change; head and size of each queue."""

(COMMAND, TARGET, ROW, COLUMN, LINE, FLAGS, ARRIVAL, REQUEST_FIELDS) = numbers(0, 8)

IS_PIM, IS_READ, NOTIFIES, IS_MARK, IS_FENCE = (1 << bit for bit in range(5))
"""Flags of a request: not ordinary traffic; is answered; holds up the front end until answered; is consumed by the
controller (SYNC, EOC); orders the PIM queue (barrier)."""

LOG_FIELDS = ("cycle", "command", "channels", "target", "row", "column", "line")


class ControllerTables(NamedTuple):
    """The array for the kernel and what is needed to talk about it."""

    words: np.ndarray
    group: np.ndarray  # initial words of a group of channels
    geometry: Geometry
    commands: tuple[str, ...]
    labels: tuple[str, ...]


def build_controller(machine: dict[str, Any]) -> ControllerTables:
    """Tables of the `memory`, `command`, `constraint` and `controller` sections of a machine."""
    memory, controller, pim = machine["memory"], machine["controller"], machine["pim"]
    names = tuple(machine["command"])
    number = {name: index for index, name in enumerate(names)} | {"": -1}
    tree = geometry(memory)
    interval, scope = memory["refresh_interval_cycles"], LEVELS.index(memory["refresh_scope"])
    nodes = int(np.prod(tree.extents[: scope + 1]))
    capacity = max(controller["queue_entries"], 4 * nodes)

    words: list[int] = [0] * FACTS

    def add(values: Iterable[int]) -> int:
        begin = len(words)
        words.extend(int(value) for value in values)
        return begin

    words[COMMANDS], words[TARGETS] = len(names), len(tree.paths)
    words[CAPACITY], words[ENTRIES], words[BANKS] = capacity, controller["queue_entries"], tree.banks
    words[REFRESH_NODES], words[REFRESH_INTERVAL], words[REFRESH_TARGET] = nodes, interval, tree.first[scope]
    words[REF], words[MODE_COMMAND] = number.get("ref", -1), number[pim.get("mode_command", "")]
    words[WIDTH], words[STRICT] = controller["instructions_per_cycle"], controller["strict_order"]
    words[EXCLUSIVE], words[FORWARD] = controller["exclusive"], FORWARDING.index(controller["forward_reads"])
    for key, percent in ((WRITE_HIGH, "write_high_percent"), (WRITE_LOW, "write_low_percent")):
        words[key] = controller[percent]
    words[SLOTS], words[IN_ORDER] = controller["slots"], controller["pim_order"] == "in_order"
    words[PROTECT], words[MIXED_ROWS] = (
        controller["protect_row_hits"],
        MIXED_ROWS_CHOICES.index(controller["mixed_rows"]),
    )
    words[OVERTAKE] = controller["marks_overtake"]

    fields: list[int] = []
    for name, command in machine["command"].items():
        bus = 1 if name in controller["row_bus"] else 2 if name in controller["column_bus"] else 0
        action, opens_with, closes_with = command["action"], command["activate"], command["precharge"]
        closes = action in ("precharge", "column_precharge")
        fields += [bus, action == "activate", closes, bool(opens_with), command["latency_cycles"]]
        fields += [command["register_mode"], number[opens_with], number[closes_with], command["scope"] == "bank"]
    words[AT_COMMAND] = add(fields)
    _groups(words, add, machine, tree)
    rings = build_entries(words, machine, tree)

    places = {
        AT_ORDER: list(range(capacity)) * int(QUEUES),
        AT_REQUEST: [0] * (QUEUES * capacity * REQUEST_FIELDS),
        AT_BEHIND: [0] * BEHIND_ENTRIES,
        AT_BANK_ROW: [-1] * tree.banks,
        AT_ROW: [-1] * words[GROUPS],
        AT_READY: [0] * (len(tree.paths) * len(names)),
        AT_RING: rings,
    }
    group = [0] * GROUP_WORDS
    group[NEXT], group[MARK_FROM] = 1, -1
    group[DUE] = interval if interval else int(FOREVER)
    for region, values in places.items():
        words[region] = len(group)
        group += values
    words[WORDS] = len(group)
    labels = tuple(command["label"] or name.upper() for name, command in machine["command"].items())
    return ControllerTables(np.array(words, np.int64), np.array(group, np.int64), tree, names, labels)


def _groups(words: list[int], add: Any, machine: dict[str, Any], tree: Geometry) -> None:
    """Add the row groups, and which of them every command works on at every target."""
    found: dict[frozenset[int], int] = {frozenset({bank}): bank for bank in range(tree.banks)}
    group_of: list[int] = []
    for command in machine["command"].values():
        everything = command["scope"] == "channel"
        spread = {LEVELS.index(level) for level in command["spread"]}
        for index in tree.indices:
            banks = frozenset(
                bank
                for bank in range(tree.banks)
                if everything
                or all(level in spread or tree.indices[bank][level] == position for level, position in enumerate(index))
            )
            group_of.append(found.setdefault(banks, len(found)))
    sets = list(found)
    words[GROUPS], words[AT_GROUP_OF] = len(sets), add(group_of)
    table = words[AT_GROUP] = add([0] * (len(sets) * int(GROUP_FIELDS) + 1))
    for group, banks in enumerate(sets):
        inside = [other for other, members in enumerate(sets) if members <= banks]
        across = [other for other, members in enumerate(sets) if members & banks and not members <= banks]
        for field, values in ((MEMBERS, sorted(banks)), (CONTAINED, inside), (OVERLAPPING, across)):
            words[table + group * GROUP_FIELDS + field] = add(values)
    words[table + len(sets) * GROUP_FIELDS] = len(words)
