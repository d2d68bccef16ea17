"""The memory of a machine as typed arrays: nodes, commands and rules, and the state that the command engine changes."""

from itertools import product
from typing import Any, NamedTuple

import numpy as np

LEVELS = ("channel", "pseudo_channel", "rank", "bank_group", "bank")
ACTIONS = ("none", "activate", "precharge", "column", "column_precharge", "refresh")
INSTRUCTIONS = ("write_buffer", "copy_row", "activate", "mac", "read_acc", "precharge", "scatter")
"""PIM instructions that stand for DRAM commands, in the order of the instruction tables."""

NEVER = -(1 << 60)  # long before cycle 0
BUS_SLOTS = 1024  # cycles around the present for which the row-command bus is remembered
LOG_FIELDS = ("cycle", "command", "channel", "scope", "node", "row", "count", "spacing", "tag")

(
    CHANNELS,
    BANKS,
    ROW_BYTES,
    ACCESS_BYTES,
    COLUMN_BYTES,
    REFRESH_LEVEL,
    REFRESH_NODES,
    REFRESH_INTERVAL,
    ACT,
    PRE,
    RD,
    WR,
    REF,
    MODE,
    DUAL,
    LANES,
    SOFTMAX_ELEMENTS,
    SOFTMAX_LATENCY,
    FACTS,
) = range(19)
"""Indices of `Dram.facts`."""

REPEAT, COLUMNS_PER_COMMAND, EXTRA_SLOTS, FILL_CYCLES, FIRST_COMMAND, COMMANDS = range(6)
"""Columns of `Dram.instruction`."""


class Dram(NamedTuple):
    """All memory state of a device. Numba sees a tuple of int64 arrays.

    A node is a channel, pseudo-channel, rank, bank group or bank; node ids count over a channel, all levels together.
    `path[level, i]` holds the ids of the i-th node of a level and of the nodes above it, `members[level, i]` its banks.
    Banks are numbered in the machine's bank order.
    """

    facts: np.ndarray
    path: np.ndarray  # [level, node of the level, level above]
    members: np.ndarray  # [level, node of the level, bank]
    nodes: np.ndarray  # [level] nodes of a level in a channel
    refresh_node: np.ndarray  # [bank] which of the refresh nodes it belongs to
    scope: np.ndarray  # [command] and so on
    latency: np.ndarray
    register_mode: np.ndarray
    spacing: np.ndarray  # [command, level] distance of equal commands as that level sees it
    rule_begin: np.ndarray  # [command, level + 1] range in the next two
    rule_following: np.ndarray
    rule_cycles: np.ndarray
    windows: np.ndarray  # [window] level, cycles, size
    window_counts: np.ndarray  # [window, command] whether it counts the command
    window_limits: np.ndarray  # [window, command] whether it limits the command
    in_window: np.ndarray  # [command] whether any window counts or limits it
    instruction: np.ndarray  # [INSTRUCTIONS, 6]
    instruction_commands: np.ndarray
    ready: np.ndarray  # [channel, node, command] earliest cycle
    open_row: np.ndarray  # [channel, side, bank] open row or -1
    ring: np.ndarray  # [channel, window, node, entry] cycles of the last commands counted
    ring_next: np.ndarray  # [channel, window, node] oldest entry
    refresh_due: np.ndarray  # [channel, refresh node]
    bus: np.ndarray  # [channel, cycle mod BUS_SLOTS] cycle in which the slot was last taken
    in_register_mode: np.ndarray  # [channel]
    stream: np.ndarray  # [channel] when the next PIM instruction may start
    done: np.ndarray  # [channel] when the last effect of a PIM instruction is complete
    counts: np.ndarray  # [channel, command]
    log: np.ndarray  # [capacity, LOG_FIELDS]
    log_size: np.ndarray  # [1] entries, also those that did not fit


def build_dram(machine: dict[str, Any], log_capacity: int = 0) -> Dram:
    """Tables and idle state for the `memory`, `command`, `constraint` and `pim` sections of a machine."""
    memory, pim = machine["memory"], machine["pim"]
    names = command_names(machine)
    commands = [machine["command"][name] for name in names]
    number = {name: index for index, name in enumerate(names)}
    path, members, nodes = _nodes(memory)
    channels, banks = memory["channels"], int(nodes[-1])
    node_count = int(nodes.sum())
    rules, windows = _rules(machine, number)
    refresh_level = LEVELS.index(memory["refresh_scope"])
    refresh_nodes = int(nodes[refresh_level])
    instruction, instruction_commands = _instructions(pim, number)

    facts = np.zeros(FACTS, np.int64)
    facts[[CHANNELS, BANKS, ROW_BYTES, ACCESS_BYTES, COLUMN_BYTES]] = (
        channels,
        banks,
        memory["row_bytes"],
        memory["access_bytes"],
        memory["column_bytes"],
    )
    facts[[REFRESH_LEVEL, REFRESH_NODES, REFRESH_INTERVAL]] = (
        refresh_level,
        refresh_nodes,
        memory["refresh_interval_cycles"],
    )
    facts[[ACT, PRE, RD, WR]] = [number[name] for name in ("act", "pre", "rd", "wr")]
    facts[REF] = number.get("ref", -1)
    facts[MODE] = number.get(pim.get("mode_command", ""), -1)
    facts[[DUAL, LANES, SOFTMAX_ELEMENTS, SOFTMAX_LATENCY]] = (
        int(pim["dual_row_buffer"]),
        pim["lanes"],
        max(1, pim["softmax_elements_per_cycle"]),
        pim["softmax_latency_cycles"],
    )
    begin, following, cycles, spacing = _rule_arrays(rules, len(names))
    counts, limits = (np.zeros((len(windows), len(names)), np.int64) for _ in range(2))
    for index, (_, preceding, limited, _, _) in enumerate(windows):
        counts[index, preceding] = 1
        limits[index, limited] = 1
    size = max((window[4] for window in windows), default=1)
    interval = memory["refresh_interval_cycles"]
    due = [interval * (node + 1) // refresh_nodes if interval else 1 << 62 for node in range(refresh_nodes)]
    refresh_node = np.zeros(banks, np.int64)
    for node in range(refresh_nodes):
        refresh_node[members[refresh_level, node, : banks // refresh_nodes]] = node
    return Dram(
        facts=facts,
        path=path,
        members=members,
        nodes=nodes,
        refresh_node=refresh_node,
        scope=_array([LEVELS.index(command["scope"]) for command in commands]),
        latency=_array([command["latency_cycles"] for command in commands]),
        register_mode=_array([int(command["register_mode"]) for command in commands]),
        spacing=spacing,
        rule_begin=begin,
        rule_following=following,
        rule_cycles=cycles,
        windows=_array([[window[0], window[3], window[4]] for window in windows]).reshape(-1, 3),
        window_counts=counts,
        window_limits=limits,
        in_window=(counts.any(axis=0) | limits.any(axis=0)).astype(np.int64),
        instruction=instruction,
        instruction_commands=instruction_commands,
        ready=np.zeros((channels, node_count, len(names)), np.int64),
        open_row=np.full((channels, 2, banks), -1, np.int64),
        ring=np.full((channels, len(windows), node_count, size), NEVER, np.int64),
        ring_next=np.zeros((channels, len(windows), node_count), np.int64),
        refresh_due=np.tile(_array(due), (channels, 1)),
        bus=np.full((channels, BUS_SLOTS), -1, np.int64),
        in_register_mode=np.zeros(channels, np.int64),
        stream=np.zeros(channels, np.int64),
        done=np.zeros(channels, np.int64),
        counts=np.zeros((channels, len(names)), np.int64),
        log=np.zeros((log_capacity, len(LOG_FIELDS)), np.int64),
        log_size=np.zeros(1, np.int64),
    )


def command_names(machine: dict[str, Any]) -> tuple[str, ...]:
    """DRAM commands in the order of the engine's numbers."""
    return tuple(machine["command"])


def _array(values: Any) -> np.ndarray:
    return np.array(values, np.int64)


def _nodes(memory: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Node ids along the path of every node, the banks of every node, and how many nodes each level has."""
    extents = {
        "pseudo_channel": memory["pseudo_channels"],
        "rank": memory["ranks"],
        "bank_group": memory["bank_groups"],
        "bank": memory["banks_per_group"],
    }
    shape = [extents[level] for level in LEVELS[1:]]
    nodes = _array([1, *np.cumprod(shape)])
    first = np.concatenate(([0], np.cumsum(nodes)[:-1]))
    banks = int(nodes[-1])
    path = np.full((len(LEVELS), banks, len(LEVELS)), -1, np.int64)
    members = np.full((len(LEVELS), banks, banks), -1, np.int64)
    fill = np.zeros((len(LEVELS), banks), np.int64)
    order = memory["bank_order"]
    ranges = [range(extents[level]) for level in reversed(order)]
    for bank, indices in enumerate(product(*ranges)):
        index = dict(zip(reversed(order), indices, strict=True))
        positions = [0]  # of the nodes above the bank, each among the nodes of its level
        for level in LEVELS[1:]:
            positions.append(positions[-1] * extents[level] + index[level])
        ids = first + positions
        for level, position in enumerate(positions[:-1]):
            path[level, position, : level + 1] = ids[: level + 1]
            members[level, position, fill[level, position]] = bank
            fill[level, position] += 1
        path[-1, bank] = ids  # banks go by the machine's order, inner nodes by their position
        members[-1, bank, 0] = bank
    return path, members, nodes


Rules = list[list[dict[int, int]]]  # [preceding command][level] -> {following command: cycles}
Window = tuple[int, list[int], list[int], int, int]  # level, preceding, following, cycles, size


def _rules(machine: dict[str, Any], number: dict[str, int]) -> tuple[Rules, list[Window]]:
    """The strictest distance for every pair of commands at every level, and the counting rules."""
    rules: Rules = [[{} for _ in LEVELS] for _ in number]
    windows: list[Window] = []
    for rule in machine["constraint"]:
        level, cycles = LEVELS.index(rule["level"]), rule["cycles"]
        preceding, following = ([number[name] for name in rule[key]] for key in ("preceding", "following"))
        if rule["window"] > 1:
            windows.append((level, preceding, following, cycles, rule["window"]))
            continue
        for first, second in product(preceding, following):
            if cycles > 0:
                rules[first][level][second] = max(cycles, rules[first][level].get(second, 0))
    return rules, windows


def _rule_arrays(rules: Rules, commands: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    begin = np.zeros((commands, len(LEVELS) + 1), np.int64)
    following: list[int] = []
    cycles: list[int] = []
    spacing = np.ones((commands, len(LEVELS)), np.int64)
    for command, levels in enumerate(rules):
        for level, pairs in enumerate(levels):
            begin[command, level] = len(following)
            following += pairs.keys()
            cycles += pairs.values()
            above = spacing[command, level - 1] if level else 1
            spacing[command, level] = max(above, pairs.get(command, 1))
        begin[command, -1] = len(following)
    return begin, _array(following), _array(cycles), spacing


def _instructions(pim: dict[str, Any], number: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    table = np.zeros((len(INSTRUCTIONS), 6), np.int64)
    commands: list[int] = []
    for index, name in enumerate(INSTRUCTIONS):
        entry = pim["instruction"].get(name)
        if entry is None or name not in pim["commands"]:
            table[index] = (1, 1, 0, 0, len(commands), 0)
            continue
        table[index] = (
            entry["repeat"],
            entry["columns_per_command"],
            entry["extra_slots"],
            entry["fill_cycles"],
            len(commands),
            len(entry["commands"]),
        )
        commands += [number[command] for command in entry["commands"]]
    return table, _array(commands)
