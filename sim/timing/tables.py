"""The memory of a machine as two flat int64 arrays: tables that never change, and the state that the engine changes.

Flat because Numba counts references of every array that it takes out of a tuple, which costs ten times the work itself.
`tables` starts with the numbers below; those called AT_ are offsets of a region, in `tables` or in `state`.
"""

from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .constraints import LEVELS, NEVER, numbers

INSTRUCTIONS = ("write_buffer", "copy_row", "activate", "mac", "read_acc", "precharge", "scatter")
"""PIM instructions that stand for DRAM commands, in the order of the instruction table."""


NONE, ZERO, ONE = numbers(-1, 2)

(PC, WAITING, TIME, END, WALK_FIELDS) = numbers(0, 5)
"""Where a program stands: next instruction, whether it was fetched and its start is TIME, latest completion so far.

TIME also tells when the program goes on after it was interrupted. Cycles are of the device's clock."""

FINISHED, PAUSED, FAULTED = numbers(0, 3)
"""What walking a program returns; it pauses before an instruction that starts after the horizon."""

BUS_SLOTS = 1024  # cycles around the present for which the row-command bus is remembered
LOG_FIELDS = ("cycle", "command", "channel", "node", "row", "count", "spacing", "tag")

(CHANNELS, BANKS, RANKS, ROW_BYTES, ACCESS_BYTES, COLUMN_BYTES, REFRESH_NODES, REFRESH_INTERVAL) = numbers(0, 8)
(ACT, PRE, RD, WR, REF, MODE) = numbers(8, 14)  # numbers of commands, -1 where the machine has none
(DUAL, LANES, SOFTMAX_ELEMENTS, SOFTMAX_LATENCY) = numbers(14, 18)
(AT_COMMAND, AT_ENTRY, AT_MEMBERS, AT_REFRESH_NODE, AT_INSTRUCTION) = numbers(18, 23)  # in tables
(AT_READY, SLOTS, AT_RING, RING_WORDS, AT_ROW, AT_DUE, AT_BUS) = numbers(23, 30)  # in state, per channel
(AT_REGISTER_MODE, AT_STREAM, AT_DONE, AT_COUNTS, AT_LOG_SIZE, AT_LOG, LOG_CAPACITY, COMMAND_COUNT) = numbers(30, 38)
FACTS = 38

(SCOPE, NODES, FIRST_ENTRY, LATENCY, REGISTER_MODE, SPACING, COMMAND_FIELDS) = numbers(0, 7)
"""Fields of a command in its region: level, nodes of that level in a channel, number of its first entry, ..."""

(CHECKS, EFFECTS, LIMITS, COUNTED, ENTRY_FIELDS) = numbers(0, 5)
"""Fields of an entry, one for every command and node it may go to; a list ends where the next begins.

CHECKS: slots of `ready` to look at. EFFECTS: slot, cycles, step: after n commands from cycle t on, the slot is not
ready before t + (n - 1)*step + cycles. LIMITS: ring, cycles: the oldest time in the ring must be that long ago.
COUNTED: ring, size: where to note the command. A ring is its next index, then its times.
"""

(REPEAT, COLUMNS_PER_COMMAND, EXTRA_SLOTS, FILL_CYCLES, FIRST_COMMAND, COMMANDS, INSTRUCTION_FIELDS) = numbers(0, 7)
"""Fields of a PIM instruction; FIRST_COMMAND is an offset in `tables`, where its COMMANDS command numbers stand."""


class Dram(NamedTuple):
    """The arrays for kernels, and views of the state for everybody else."""

    tables: np.ndarray
    state: np.ndarray
    ready: np.ndarray  # [channel, node, command] first legal cycle, as the node sees it
    open_row: np.ndarray  # [channel, side, bank] open row or -1
    counts: np.ndarray  # [channel, command]
    log: np.ndarray  # [capacity, LOG_FIELDS]


def build_dram(machine: dict[str, Any], log_capacity: int = 0) -> Dram:
    """Tables and idle state for the `memory`, `command`, `constraint` and `pim` sections of a machine."""
    memory, pim = machine["memory"], machine["pim"]
    names = command_names(machine)
    number = {name: index for index, name in enumerate(names)}
    tree = _tree(memory)
    channels, banks = memory["channels"], len(tree.banks)
    interval, refresh_level = memory["refresh_interval_cycles"], LEVELS.index(memory["refresh_scope"])
    refresh_members = tree.members[refresh_level]

    tables = _Builder(FACTS)
    tables.words[CHANNELS : REFRESH_INTERVAL + 1] = [
        channels,
        banks,
        len(tree.members[LEVELS.index("rank")]),
        *(memory[key] for key in ("row_bytes", "access_bytes", "column_bytes")),
        len(refresh_members),
        interval,
    ]
    commands = [number.get(name, -1) for name in ("act", "pre", "rd", "wr", "ref", pim.get("mode_command", ""))]
    tables.words[ACT : MODE + 1] = commands
    tables.words[DUAL : SOFTMAX_LATENCY + 1] = [
        int(pim["dual_row_buffer"]),
        pim["lanes"],
        max(1, pim["softmax_elements_per_cycle"]),
        pim["softmax_latency_cycles"],
    ]
    ring_words = _commands(tables, machine, number, tree)
    members = [[*group, *[-1] * (banks - len(group))] for level in tree.members for group in _pad(level, banks)]
    tables.words[AT_MEMBERS] = tables.add([bank for group in members for bank in group])
    owner = {bank: node for node, group in enumerate(refresh_members) for bank in group}
    tables.words[AT_REFRESH_NODE] = tables.add([owner[bank] for bank in range(banks)])
    _instructions(tables, pim, number)

    due = [
        interval * (node + 1) // len(refresh_members) if interval else 1 << 62 for node in range(len(refresh_members))
    ]
    slots = tree.nodes * len(names)
    state = _Builder(0)
    ring = np.full(max(1, ring_words), NEVER, np.int64)
    ring[tables.rings] = 0
    regions = {
        AT_READY: [0] * (channels * slots),
        AT_RING: list(ring) * channels,
        AT_ROW: [-1] * (channels * 2 * banks),
        AT_DUE: due * channels,
        AT_BUS: [-1] * (channels * BUS_SLOTS),
        AT_REGISTER_MODE: [0] * channels,
        AT_STREAM: [0] * channels,
        AT_DONE: [0] * channels,
        AT_COUNTS: [0] * (channels * len(names)),
        AT_LOG_SIZE: [0],
        AT_LOG: [0] * (log_capacity * len(LOG_FIELDS)),
    }
    for region, values in regions.items():
        tables.words[region] = state.add(values)
    tables.words[SLOTS], tables.words[RING_WORDS] = slots, max(1, ring_words)
    tables.words[LOG_CAPACITY], tables.words[COMMAND_COUNT] = log_capacity, len(names)
    words = np.array(state.words, np.int64)

    def view(region: int, *shape: int) -> np.ndarray:
        begin = tables.words[region]
        return words[begin : begin + int(np.prod(shape))].reshape(shape)

    return Dram(
        tables=np.array(tables.words, np.int64),
        state=words,
        ready=view(AT_READY, channels, tree.nodes, len(names)),
        open_row=view(AT_ROW, channels, 2, banks),
        counts=view(AT_COUNTS, channels, len(names)),
        log=view(AT_LOG, log_capacity, len(LOG_FIELDS)),
    )


def command_names(machine: dict[str, Any]) -> tuple[str, ...]:
    """DRAM commands in the order of the engine's numbers."""
    return tuple(machine["command"])


class _Builder:
    """A growing list of words; `rings` are the places of the next indices in the ring region."""

    def __init__(self, facts: int):
        self.words = [0] * facts
        self.rings: list[int] = []

    def add(self, values: list[int]) -> int:
        """Append a region; its offset."""
        begin = len(self.words)
        self.words += values
        return begin


class Tree(NamedTuple):
    """Nodes of a channel. Banks are numbered in the machine's bank order, other nodes by their position."""

    nodes: int  # of all levels together
    paths: list[list[tuple[int, ...]]]  # [level][node] ids of the nodes from the channel down to this one
    members: list[list[list[int]]]  # [level][node] its banks
    banks: list[tuple[int, ...]]


def _tree(memory: dict[str, Any]) -> Tree:
    extents = {
        "pseudo_channel": memory["pseudo_channels"],
        "rank": memory["ranks"],
        "bank_group": memory["bank_groups"],
        "bank": memory["banks_per_group"],
    }
    sizes = [1, *np.cumprod([extents[level] for level in LEVELS[1:]]).tolist()]
    first = [sum(sizes[:level]) for level in range(len(LEVELS))]
    paths: list[list[tuple[int, ...]]] = [[()] * size for size in sizes]
    members: list[list[list[int]]] = [[[] for _ in range(size)] for size in sizes]
    slowest_first = list(reversed(memory["bank_order"]))
    for bank, indices in enumerate(product(*(range(extents[level]) for level in slowest_first))):
        index = dict(zip(slowest_first, indices, strict=True))
        positions = [0]
        for level in LEVELS[1:]:
            positions.append(positions[-1] * extents[level] + index[level])
        ids = tuple(begin + position for begin, position in zip(first, positions, strict=True))
        for level, position in enumerate(positions[:-1]):
            paths[level][position] = ids[: level + 1]
            members[level][position].append(bank)
        paths[-1][bank] = ids
        members[-1][bank].append(bank)
    return Tree(sum(sizes), paths, members, paths[-1])


def _pad(level: list[list[int]], banks: int) -> list[list[int]]:
    return level + [[]] * (banks - len(level))


Rules = list[list[dict[int, int]]]  # [preceding command][level] -> {following command: cycles}


class _Window(NamedTuple):
    level: int
    preceding: set[int]
    following: set[int]
    cycles: int
    size: int
    begin: int  # of the first ring, one for each node of the level


def _rules(machine: dict[str, Any], number: dict[str, int], tree: Tree) -> tuple[Rules, list[_Window], int]:
    """The strictest distance for every pair of commands at every level, the counting rules, and words of rings."""
    rules: Rules = [[{} for _ in LEVELS] for _ in number]
    windows: list[_Window] = []
    words = 0
    for rule in machine["constraint"]:
        level, cycles, size = LEVELS.index(rule["level"]), rule["cycles"], rule["window"]
        preceding, following = ([number[name] for name in rule[key]] for key in ("preceding", "following"))
        if cycles <= 0 or rule["siblings"]:  # this engine looks at the path of a command only
            continue
        if size > 1:
            windows.append(_Window(level, set(preceding), set(following), cycles, size, words))
            words += (1 + size) * len(tree.paths[level])
            continue
        for before, after in product(preceding, following):
            rules[before][level][after] = max(cycles, rules[before][level].get(after, 0))
    for levels in rules:
        strictest: dict[int, int] = {}  # a rule that the level above contains is left out
        for level, pairs in enumerate(levels):
            levels[level] = {after: cycles for after, cycles in pairs.items() if cycles > strictest.get(after, 0)}
            strictest |= levels[level]
    return rules, windows, words


def _commands(tables: _Builder, machine: dict[str, Any], number: dict[str, int], tree: Tree) -> int:
    """Add the command and entry regions; how many words the rings of a channel take."""
    rules, windows, ring_words = _rules(machine, number, tree)
    scopes = [LEVELS.index(command["scope"]) for command in machine["command"].values()]
    first_entry = np.cumsum([0, *(len(tree.paths[scope]) for scope in scopes)]).tolist()
    limited = [{command for pairs in rules for command in pairs[level]} for level in range(len(LEVELS))]
    fields: list[int] = []
    for index, command in enumerate(machine["command"].values()):
        spacing = _spacing(rules[index], index, scopes[index])
        fields += [scopes[index], len(tree.paths[scopes[index]]), first_entry[index], command["latency_cycles"]]
        fields += [int(command["register_mode"]), spacing[scopes[index]]]
    tables.words[AT_COMMAND] = tables.add(fields)
    entries = tables.add([0] * (first_entry[-1] * ENTRY_FIELDS + 1))
    tables.words[AT_ENTRY] = entries
    for command, scope in enumerate(scopes):
        spacing = _spacing(rules[command], command, scope)
        for node, path in enumerate(tree.paths[scope]):
            checks = [there * len(number) + command for level, there in enumerate(path) if command in limited[level]]
            effects = [
                (there * len(number) + after, cycles, spacing[level if after == command else scope])
                for level, there in enumerate(path)
                for after, cycles in rules[command][level].items()
            ]
            rings = [(window, _ring(window, path, tree)) for window in windows if window.level <= scope]
            limits = [(ring, window.cycles) for window, ring in rings if command in window.following]
            counted = [(ring, window.size) for window, ring in rings if command in window.preceding]
            tables.rings += [ring for _, ring in rings]
            entry = entries + (first_entry[command] + node) * ENTRY_FIELDS
            for field, values in ((CHECKS, checks), (EFFECTS, effects), (LIMITS, limits), (COUNTED, counted)):
                tables.words[entry + field] = tables.add([int(word) for value in values for word in _words(value)])
            tables.words[entry + ENTRY_FIELDS] = len(tables.words)
    return ring_words


def _words(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _ring(window: _Window, path: tuple[int, ...], tree: Tree) -> int:
    position = [node[-1] for node in tree.paths[window.level]].index(path[window.level])
    return window.begin + position * (1 + window.size)


def _spacing(levels: list[dict[int, int]], command: int, scope: int) -> list[int]:
    """Distance of equal commands that stay in one node, as each level down to the scope sees it."""
    spacing: list[int] = []
    for level in range(scope + 1):
        spacing.append(max(spacing[-1] if spacing else 1, levels[level].get(command, 1)))
    return spacing


def _instructions(tables: _Builder, pim: dict[str, Any], number: dict[str, int]) -> None:
    fields: list[int] = []
    for name in INSTRUCTIONS:
        entry = pim["instruction"].get(name) if name in pim["commands"] else None
        if entry is None:
            fields += [1, 1, 0, 0, 0, 0]
            continue
        commands = tables.add([number[command] for command in entry["commands"]])
        fields += [entry[key] for key in ("repeat", "columns_per_command", "extra_slots", "fill_cycles")]
        fields += [commands, len(entry["commands"])]
    tables.words[AT_INSTRUCTION] = tables.add(fields)
