"""A machine's memory controller as one flat int64 array that never changes, and the words of a group of channels.

`tables` starts with the facts numbered below; those called AT_ are offsets, in `tables` or in the words of a group. A
group is a set of channels whose requests were the same so far, so that one of them stands for all.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .constraints import (
    AT_ENTRY,
    AT_READY,
    AT_RING,
    COMMANDS,
    CORE_FACTS,
    ENTRY_FIELDS,
    LEVELS,
    TARGETS,
    Geometry,
    build_entries,
    geometry,
    numbers,
)

FOREVER = np.int64(1 << 60)
BEHIND_ENTRIES = 1024  # answers that may wait behind a mark, more than all queues hold
MASK_BITS = 62  # channels in a word of a channel set

(ACTIVE, PRIORITY, PIM, READS, WRITES, QUEUES) = numbers(0, 6)
"""Queues of a channel: requests whose row was opened for them, refreshes, PIM requests, ordinary reads and writes."""

(GROUPS, CAPACITY, WORDS, REFRESH_NODES, REFRESH_INTERVAL, REFRESH_TARGET, REF) = numbers(CORE_FACTS, CORE_FACTS + 7)
(WIDTH, STRICT, EXCLUSIVE, FORWARD, WRITE_HIGH, WRITE_LOW, SLOTS, IN_ORDER, PROTECT) = numbers(
    CORE_FACTS + 7, CORE_FACTS + 16
)
(MIXED_ROWS, OVERTAKE, MODE_COMMAND, ENTRIES, BANKS, CHANNELS, MASK_WORDS, BULK, SPAN, FIELDS) = numbers(
    CORE_FACTS + 16, CORE_FACTS + 26
)
(AT_COMMAND, AT_GROUP_OF, AT_GROUP, AT_PERIOD, AT_SHARED) = numbers(CORE_FACTS + 26, CORE_FACTS + 31)  # in tables
(AT_ORDER, AT_REQUEST, AT_BEHIND, AT_BANK_ROW, AT_ROW, AT_MEMO) = numbers(
    CORE_FACTS + 31, CORE_FACTS + 37
)  # in a group
(AT_COUNTS, AT_NEXT, AT_LEFT, AT_ROOM, AT_MASK, AT_GROUPS) = numbers(CORE_FACTS + 37, CORE_FACTS + 43)  # in state
FACTS = CORE_FACTS + 43
"""BULK: whether a run of equal requests may be one step, which only tests switch off. CHANNELS: of the machine;
MASK_WORDS: in a set of them. SPAN: places of all queues of a channel; FIELDS: words of an instruction. Of every group the next event, requests of the instruction at the front that were refused,
how many it takes, and the set of its channels stand side by side at the beginning of the state; GROUPS counts row groups."""

MEMO_LINES = 128  # first legal cycles that are remembered until the next command, a power of two

_RANK = LEVELS.index("rank")

FORWARDING = ("off", "same_address", "any")
MIXED_ROWS_CHOICES = ("first", "close", "close_all")

(BUS, OPENS, CLOSES, HITS, LATENCY, REGISTER, ACTIVATE, PRECHARGE, ONE_BANK, COMMAND_FIELDS) = numbers(0, 10)
"""Fields of a command. `BUS` 0 none, 1 row, 2 column; `HITS`: it needs a row and is a row hit when it is next;
`ACTIVATE`, `PRECHARGE`: commands that prepare it, or -1; `ONE_BANK`: it names one bank."""

(MEMBERS, CONTAINED, OVERLAPPING, GROUP_FIELDS) = numbers(0, 4)
"""Fields of a row group, a set of banks that some command works on: its banks, and groups inside and across it."""

(PC, END, FINAL, TAKEN, WAITS, REFUSED, WAKE, NOW, RESUME, QUEUE_AT_FRONT, ONLY) = numbers(0, 11)
(CYCLES, OUTSTANDING, FINISH, CHANGED, FULL, CHANNEL_GROUPS, PROGRESS) = numbers(11, 18)
(LOG_CAPACITY, LOG_SIZE, LOG_COMMANDS) = numbers(18, 21)
SHARED_WORDS = 21
"""First words of the state. The front end: next instruction, how many there are, whether the trace ends with them,
instructions taken in this cycle, whether it waits for answers, whether a part of an instruction was refused, when it goes
on; the cycle in which it ran out of instructions, if RESUME; queue of the instruction and the one group that it is for, or -1.

The run: cycles that it took, answers that the front end waits for and the cycle of the last one, whether a queue gave up
a request, whether one overflowed, groups of channels, and when a request was last done that is no refresh. The log: how many
rows fit, how many there are and the commands that they stand for."""

(CHANNEL_COUNT, REGISTER_MODE, WRITE_MODE, SERVED, WRITTEN, MARK_FROM, BEHIND, DUE, DROPPED, LAST) = numbers(0, 10)
(JOINED, BLOCKED, RUN, PERIOD, RUN_START, REFILLS, ISSUED, SOON) = numbers(10, 18)
QUEUE = SOON + QUEUES
(RUNS, SIZE, QUEUE_FIELDS) = numbers(0, 3)
GROUP_WORDS = QUEUE + QUEUES * QUEUE_FIELDS
"""First words of a group of channels: how many; whether in register mode, whether draining writes; when the last answer is
served and the last write done; from when a waiting mark may be served (-1: none) and how many answers wait behind it; next
refresh; whether a fence was dropped; cycle of the last change; whether the instruction at the front has a run in the PIM
queue; whether a choice passed over requests that were ready.

Of a run that is one step: its commands, their distance, the first cycle, whether refused requests take the free places.
Commands issued so far. For every queue the cycle before which none of its requests is ready; its runs and requests."""

(COMMAND, TARGET, ROW, COLUMN, LINE, FLAGS, ARRIVAL, COUNT, COLUMN_STEP, LINE_STEP) = numbers(0, 10)
(NEXT, NODE, REQUEST_FIELDS) = numbers(10, 13)
"""Fields of a run of COUNT requests, which differ only in column and line; they need the command NEXT to the target NODE.

The places of a queue, in the order of arrival, have their words in four regions of SPAN words from AT_ORDER on: where the
request is; READY, before which what it needs is not legal (0: both unknown); its row group; the row that this had then.
"""
(READY, ROW_GROUP, ROW_SEEN, PLACE_REGIONS) = numbers(1, 5)

IS_PIM, IS_READ, NOTIFIES, IS_MARK, IS_FENCE = (np.int64(1 << bit) for bit in range(5))
"""Flags of a request: not ordinary traffic; is answered; holds up the front end until answered; is consumed by the
controller (SYNC, EOC); orders the PIM queue (barrier)."""

INSTRUCTION_FIELDS = (
    *("command", "target", "row", "count", "column", "line", "flags", "queue", "column_step", "line_step", "channels"),
)
(I_COMMAND, I_TARGET, I_ROW, I_COUNT, I_COLUMN, I_LINE, I_FLAGS, I_QUEUE, I_COLUMN_STEP, I_LINE_STEP, I_CHANNELS) = (
    numbers(0, len(INSTRUCTION_FIELDS))
)
"""Columns of a trace, of which `channels` is one or more words: bit i of word w is channel MASK_BITS*w + i."""

RUN_FIELDS = ("cycle", "command", "target", "row", "column", "line", "count", "period", "column_step", "line_step")
RUN_CHANNELS = np.int64(len(RUN_FIELDS))
"""Columns of the log that the kernel writes, before the words of the channel set."""


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
    channels, mask_words = memory["channels"], -(-memory["channels"] // MASK_BITS)

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
    words[PROTECT] = controller["protect_row_hits"]
    words[MIXED_ROWS] = MIXED_ROWS_CHOICES.index(controller["mixed_rows"])
    words[OVERTAKE] = controller["marks_overtake"]
    words[CHANNELS], words[MASK_WORDS], words[BULK] = channels, mask_words, 1

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
    words[AT_PERIOD] = add(_periods(words, machine))
    words[AT_SHARED] = add(-1 if controller["waits_for_all"] else path[_RANK] for path in tree.paths[: tree.banks])

    words[FIELDS] = int(I_CHANNELS) + mask_words
    words[SPAN] = span = int(QUEUES) * capacity
    requests = int(GROUP_WORDS) + int(PLACE_REGIONS) * span
    order = [requests + slot * int(REQUEST_FIELDS) for slot in range(span)]
    places = {
        AT_ORDER: order + [0] * ((int(PLACE_REGIONS) - 1) * span),
        AT_REQUEST: [0] * (span * int(REQUEST_FIELDS)),
        AT_BEHIND: [0] * BEHIND_ENTRIES,
        AT_BANK_ROW: [-1] * tree.banks,
        AT_ROW: [-1] * (words[GROUPS] + 1),  # the last one for commands that need no row
        AT_MEMO: [0] * (2 * MEMO_LINES),
        AT_READY: [0] * (len(tree.paths) * len(names)),
        AT_RING: rings,
    }
    group = [0] * int(GROUP_WORDS)
    group[ISSUED], group[MARK_FROM], group[DUE] = 1, -1, interval if interval else int(FOREVER)
    for region, values in places.items():
        words[region] = len(group)
        group += values
    words[WORDS] = len(group)
    size = SHARED_WORDS
    for region, length in (
        (AT_COUNTS, len(names)),
        (AT_NEXT, channels),
        (AT_LEFT, channels),
        (AT_ROOM, channels),
        (AT_MASK, channels * mask_words),
        (AT_GROUPS, 0),
    ):
        words[region] = size
        size += length
    labels = tuple(command["label"] or name.upper() for name, command in machine["command"].items())
    return ControllerTables(np.array(words, np.int64), np.array(group, np.int64), tree, names, labels)


def channel_masks(sets: np.ndarray) -> np.ndarray:
    """Sets of channels [set, channel] as the words of masks [set, word]."""
    count, channels = sets.shape
    words = -(-channels // MASK_BITS)
    bits = np.zeros((count, words * MASK_BITS), bool)
    bits[:, :channels] = sets
    return bits.reshape(count, words, MASK_BITS) @ (1 << np.arange(MASK_BITS, dtype=np.int64))


def initial_state(tables: ControllerTables) -> np.ndarray:
    """The state before the first cycle: all channels are one group."""
    words, channels = tables.words, int(tables.words[CHANNELS])
    state = np.zeros(words[AT_GROUPS] + channels * words[WORDS], np.int64)
    state[WAKE], state[CHANNEL_GROUPS] = 1, 1
    state[words[AT_NEXT]] = 1
    masks = state[words[AT_MASK] : words[AT_GROUPS]].reshape(channels, -1)
    masks[0] = channel_masks(np.ones((1, channels), bool))[0]
    group = state[words[AT_GROUPS] :][: words[WORDS]]
    group[:] = tables.group
    group[CHANNEL_COUNT] = channels
    return state


def _periods(words: list[int], machine: dict[str, Any]) -> list[int]:
    """For every command and target the distance of equal commands that nothing else disturbs; 0 if it varies.

    A command waits for the slots that it checks. Those that it raises itself are as far ahead after each command; the
    others were in the past when the first command went. Rings of counting rules would make the distance vary, and
    commands that open or close rows are never followed by equal ones.
    """
    periods: list[int] = []
    for description in machine["command"].values():
        moves_rows = description["action"] not in ("column", "none")
        for _ in range(words[TARGETS]):
            entry = words[AT_ENTRY] + len(periods) * int(ENTRY_FIELDS)
            checks, effects, limits, _, end = words[entry : entry + int(ENTRY_FIELDS) + 1]
            checked = set(words[checks:effects])
            own = [words[at + 1] for at in range(effects, limits, 3) if words[at] in checked]
            periods.append(0 if moves_rows or end > limits else max(own, default=1))
    return periods


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
