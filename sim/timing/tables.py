"""The memory of a machine as two flat int64 arrays: tables that never change, and the state that the engine changes.

Flat because Numba counts references of every array that it takes out of a tuple, which costs ten times the work itself.
`tables` starts with the facts of `constraints`, then those below; the ones called AT_ are offsets, in `tables`, in `state`
or in the words of a channel. `state` holds the words of one channel after the other, then the log. Banks are targets, in
the order of their indices; `memory.bank_order` numbers them for addresses and programs, AT_BANK turns that into targets.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .constraints import AT_READY, AT_RING, CORE_FACTS, LEVELS, Geometry, build_entries, geometry, numbers, spacing

INSTRUCTIONS = ("write_buffer", "copy_row", "activate", "mac", "read_acc", "precharge", "scatter")
"""PIM instructions that stand for DRAM commands, in the order of the instruction table."""

PRECHARGE = np.int64(INSTRUCTIONS.index("precharge"))
HEAD_INSTRUCTIONS = (
    *("write_vector", "move_vector", "mac_tree", "mac_lanes"),
    *("move_scores", "move_sums", "softmax_head"),
)
"""Those of attention by heads, in the order of their table."""


NONE, ZERO, ONE = numbers(-1, 2)

(PC, WAITING, TIME, END, HANDED_FROM, HANDED_OVER, WALK_FIELDS) = numbers(0, 7)
"""Where a program stands: next instruction, whether it was fetched and its start is TIME, latest completion so far; cycle in
which the front end of the PIM begins to hand over instructions, and how many it has handed over.

TIME also tells when the program goes on after it was interrupted. Cycles are of the device's clock."""

FINISHED, PAUSED, FAULTED = numbers(0, 3)
"""What walking a program returns; it pauses before an instruction that starts after the horizon."""

BUS_SLOTS = 1024  # cycles around the present for which the row-command bus is remembered
BUS_MASK = np.int64(BUS_SLOTS - 1)
WRITE_QUEUE = np.int64(32)  # ordinary accesses of a channel's PIM stream that wait for their banks side by side
CACHE_LINE = 8  # words; the words of a channel are an odd number of lines, so that channels do not fall on each other

LOG_FIELDS = ("cycle", "command", "channel", "target", "row", "column", "count", "spacing", "tag", "columns")
"""A row of the log is `count` equal commands, the first in `cycle` (memory clock), the others `spacing` cycles apart.

`command` indexes `command_names`, `target` the nodes of a channel (`constraints.geometry`). `row` and `column` are -1
where the command has none; columns count what one command moves, the i-th of a run is at `column` + i. `tag` is that of
the instruction (Program.tags), 0 for refreshes, `columns` how many column steps one command holds."""

(CHANNELS, BANKS, ROW_BYTES, ACCESS_BYTES, COLUMN_BYTES) = numbers(CORE_FACTS, CORE_FACTS + 5)
(REFRESH_NODES, REFRESH_TARGET, REFRESH_INTERVAL) = numbers(CORE_FACTS + 5, CORE_FACTS + 8)
(ACT, PRE, RD, WR, REF, MODE) = numbers(CORE_FACTS + 8, CORE_FACTS + 14)  # numbers of commands, -1 where there is none
(DUAL, LANES, SOFTMAX_RATE, SOFTMAX_LATENCY) = numbers(CORE_FACTS + 14, CORE_FACTS + 18)
(AT_COMMAND, AT_BANK, AT_REFRESH_NODE, AT_INSTRUCTION) = numbers(CORE_FACTS + 18, CORE_FACTS + 22)  # in tables
(AT_LOG_SIZE, AT_LOG, LOG_CAPACITY) = numbers(CORE_FACTS + 22, CORE_FACTS + 25)  # in state
(CHANNEL_WORDS, AT_ROW, AT_DUE, AT_COUNTS) = numbers(CORE_FACTS + 25, CORE_FACTS + 29)  # in a channel's words
(AT_ROW_BUS, AT_COLUMN_BUS) = numbers(CORE_FACTS + 29, CORE_FACTS + 31)  # in a channel's words
(SLOTS, COLUMN_PERIOD, BURST, TURNS, AT_PSEUDO_CHANNEL) = numbers(CORE_FACTS + 31, CORE_FACTS + 36)
AT_WRITE_QUEUE = np.int64(CORE_FACTS + 36)  # in a channel's words
(HEADS, ACT_PIM, PRE_PIM, AT_HEAD_INSTRUCTION, AT_RUNS) = numbers(CORE_FACTS + 37, CORE_FACTS + 42)
(HEADER, JOINED, HAND_OVER) = numbers(CORE_FACTS + 42, CORE_FACTS + 45)  # -1 without header and joined command
(CLOSE_CYCLES, WINDOW_CYCLES, ACT_CYCLES, PRE_CYCLES) = numbers(CORE_FACTS + 45, CORE_FACTS + 49)
FACTS = CORE_FACTS + 49
"""AT_BANK: [number of a bank] target. AT_REFRESH_NODE: [bank] index of its refresh node, counted from REFRESH_TARGET.
AT_ROW: [side, bank] open row or -1. AT_DUE: [refresh node] next refresh. AT_COUNTS: [command] how often.
AT_ROW_BUS: [cycle modulo BUS_SLOTS] last such cycle that is taken. AT_COLUMN_BUS: [cycle modulo COLUMN_PERIOD] until when
such cycles are taken, and by which pseudo-channel. AT_PSEUDO_CHANNEL: [target] its number, -1 above. AT_WRITE_QUEUE:
[entry] cycle after the access that was there. HEADS: whether the machine has attention by heads, with ACT_PIM and PRE_PIM
for its rows. AT_RUNS: MACs since the last fence, [first, last, spacing] cycles. HAND_OVER: PIM instructions that the front
end hands to all channels in a cycle, 0: as many as there are. CLOSE_CYCLES to PRE_CYCLES: what the controller estimates the
duration of a PIM row with."""

MAX_RUNS = np.int64(32)  # of MACs between two fences that are remembered

(IN_REGISTER_MODE, MODE_SINCE, STREAM, DONE, ROWS_UNTIL, COLUMNS_UNTIL, QUEUED, QUEUE_END) = numbers(0, 8)
(HEAD_STREAM, MAC_STREAM, MOVE_STREAM, FENCE, RUNS) = numbers(8, 13)
(HEAD, RELEASED, TAIL, STEP, NEXT, RESULT_AT, ROW_IN_USE, OPENING, FOLLOWS, CHANNEL_FACTS) = numbers(13, 23)
"""First words of a channel: its mode and since when, the next place in its PIM stream, when what it issued there is done,
the last cycles that are taken on its two command buses, the next entry of its write queue and when that is empty.
Attention by heads: the place in the stream behind its last command, the next places of MACs and of moves, the last fence,
runs of MACs since.

Then its queue of PIM instructions: number of the first, of the first that may not be issued yet and of the first that is not
there; how much of the first is issued; no command of it comes before cycle NEXT; cycle of a result that leaves by itself;
whether a row of MACs is under way; number of the instruction that opens the last row in the queue, or -1. FOLLOWS: the row of the
linear space behind the last transfer beside the stream."""

IDLE = np.int64(1 << 62)
PIM_TAG = np.int64(1 << 32)  # added to the tags of a PIM stream, whose commands may be issued beside another program's

(LATENCY, REGISTER_MODE, SPACING, NODES, NODE_COUNT, COLUMN_CYCLES, MIN_COLUMNS, COMMAND_FIELDS) = numbers(0, 8)
"""Fields of a command. SPACING: distance of equal commands in one node. NODES: where the nodes begin to which it goes if
it goes to all banks, NODE_COUNT of them in the order of issue. It takes COLUMN_CYCLES longer for each of the columns in it,
at least MIN_COLUMNS of them."""

(TARGET, MEMBERS, NODE_FIELDS) = numbers(0, 3)
"""Fields of such a node: its target, and where its banks begin; they end where those of the next node begin."""

(REPEAT, COLUMNS_PER_COMMAND, EXTRA_SLOTS, FILL_CYCLES, FIRST_COMMAND, COMMANDS) = numbers(0, 6)
(TARGETS_OF, TARGET_COUNT, INSTRUCTION_FIELDS) = numbers(6, 9)
"""Fields of a PIM instruction; FIRST_COMMAND is an offset in `tables`, where its COMMANDS command numbers stand, and so is
TARGETS_OF, where the nodes stand that each goes to."""


class Dram(NamedTuple):
    """The arrays for kernels, and views of the state for everybody else."""

    tables: np.ndarray
    state: np.ndarray
    geometry: Geometry
    channels: np.ndarray  # [channel, word]
    ready: np.ndarray  # [channel, target, command] first legal cycle, as the node sees it
    open_row: np.ndarray  # [channel, side, bank] open row or -1
    counts: np.ndarray  # [channel, command]
    log: np.ndarray  # [capacity, LOG_FIELDS]


def build_dram(machine: dict[str, Any], log_capacity: int = 0) -> Dram:
    """Tables and idle state for the `memory`, `command`, `constraint` and `pim` sections of a machine."""
    memory, pim = machine["memory"], machine["pim"]
    number = {name: index for index, name in enumerate(command_names(machine))}
    tree = geometry(memory)
    channels, banks, interval = memory["channels"], tree.banks, memory["refresh_interval_cycles"]
    refresh_level = LEVELS.index(memory["refresh_scope"])
    refresh_nodes = int(np.prod(tree.extents[: refresh_level + 1]))

    words = [0] * FACTS
    words[CHANNELS], words[BANKS] = channels, banks
    words[ROW_BYTES : COLUMN_BYTES + 1] = [memory[key] for key in ("row_bytes", "access_bytes", "column_bytes")]
    words[REFRESH_NODES : REFRESH_INTERVAL + 1] = [refresh_nodes, tree.first[refresh_level], interval]
    commands = ("act", "pre", "rd", "wr", "ref", pim.get("mode_command", ""))
    words[ACT : MODE + 1] = [number.get(name, -1) for name in commands]
    results = pim["instruction"].get("read_acc", {})
    words[HEADER : HAND_OVER + 1] = [
        number.get(pim.get("header_command", ""), -1),
        number.get(results.get("joined", ""), -1),
        pim.get("instructions_per_cycle", 0),
    ]
    names = ("nRTP", "nFAW", "nRCDRD", "nRP")
    words[CLOSE_CYCLES : PRE_CYCLES + 1] = [machine["timing"].get(name, 0) for name in names]
    words[DUAL : SOFTMAX_LATENCY + 1] = [
        int(pim["dual_row_buffer"]),
        pim["lanes"],
        max(1, pim["softmax_elements_per_cycle"]),
        pim["softmax_latency_cycles"],
    ]
    words[SLOTS], words[COLUMN_PERIOD] = machine["controller"]["slots"], spacing(machine, "rd")
    turns = memory["pseudo_channels"]
    words[BURST] = memory["burst_cycles"]
    words[TURNS] = 1 if words[BURST] % turns or words[COLUMN_PERIOD] % turns else turns
    rings = build_entries(words, machine, tree)
    words[AT_PSEUDO_CHANNEL] = _add(words, (index[1] if len(index) > 1 else -1 for index in tree.indices))
    words[AT_COMMAND] = _add(words, _commands(words, machine, tree))
    words[AT_BANK] = _add(words, _bank_targets(memory, tree))
    words[AT_REFRESH_NODE] = _add(
        words, (tree.paths[bank][refresh_level] - tree.first[refresh_level] for bank in range(banks))
    )
    words[AT_INSTRUCTION] = _add(words, _instructions(words, machine, INSTRUCTIONS, tree))
    words[AT_HEAD_INSTRUCTION] = _add(words, _instructions(words, machine, HEAD_INSTRUCTIONS, tree))
    words[HEADS] = "fence" in pim["commands"]
    words[ACT_PIM], words[PRE_PIM] = (
        number[pim["instruction"][name]["commands"][0]] if words[HEADS] else -1 for name in ("activate", "precharge")
    )

    stagger = refresh_nodes if memory["refresh_staggered"] else 1
    due = [interval * min(node + 1, stagger) // stagger if interval else 1 << 62 for node in range(refresh_nodes)]
    channel = [0] * CHANNEL_FACTS
    channel[NEXT], channel[OPENING] = IDLE, -1
    for region, values in {
        AT_ROW: [-1] * (2 * banks),
        AT_DUE: due,
        AT_COUNTS: [0] * len(number),
        AT_READY: [0] * (len(tree.paths) * len(number)),
        AT_RING: rings,
        AT_COLUMN_BUS: [-1] * (2 * words[COLUMN_PERIOD]),
        AT_ROW_BUS: [-1] * BUS_SLOTS,
        AT_WRITE_QUEUE: [0] * int(WRITE_QUEUE),
        AT_RUNS: [0] * (3 * int(MAX_RUNS) if words[HEADS] else 0),
    }.items():
        words[region] = _add(channel, values)
    lines = -(-len(channel) // CACHE_LINE)
    channel += [0] * ((lines + 1 - lines % 2) * CACHE_LINE - len(channel))
    words[CHANNEL_WORDS], words[LOG_CAPACITY] = len(channel), log_capacity
    words[AT_LOG_SIZE] = channels * len(channel)
    words[AT_LOG] = words[AT_LOG_SIZE] + 1
    state = np.zeros(words[AT_LOG] + log_capacity * len(LOG_FIELDS), np.int64)
    by_channel = state[: words[AT_LOG_SIZE]].reshape(channels, len(channel))
    by_channel[:] = channel

    def view(region: int, *shape: int) -> np.ndarray:
        begin = words[region]
        return by_channel[:, begin : begin + int(np.prod(shape))].reshape(channels, *shape)

    return Dram(
        tables=np.array(words, np.int64),
        state=state,
        geometry=tree,
        channels=by_channel,
        ready=view(AT_READY, len(tree.paths), len(number)),
        open_row=view(AT_ROW, 2, banks),
        counts=view(AT_COUNTS, len(number)),
        log=state[words[AT_LOG] :].reshape(log_capacity, len(LOG_FIELDS)),
    )


def command_names(machine: dict[str, Any]) -> tuple[str, ...]:
    """DRAM commands in the order of the engine's numbers."""
    return tuple(machine["command"])


def _add(words: list[int], values: Iterable[int]) -> int:
    """Append a region; where it begins."""
    begin = len(words)
    words.extend(int(value) for value in values)
    return begin


def _bank_targets(memory: dict[str, Any], tree: Geometry) -> list[int]:
    """The target of each bank in the numbering of `bank_order`, whose first level runs fastest."""
    order = [LEVELS.index(level) for level in memory["bank_order"]]
    return sorted(range(tree.banks), key=lambda bank: [tree.indices[bank][level] for level in reversed(order)])


def _commands(words: list[int], machine: dict[str, Any], tree: Geometry) -> list[int]:
    """The fields of all commands; adds their nodes to the words."""
    fields: list[int] = []
    for name, command in machine["command"].items():
        scope = LEVELS.index(command["scope"])
        spread = {LEVELS.index(level) for level in command["spread"]}
        # one node stands for those that the command works on besides
        nodes = [
            node
            for node, index in enumerate(tree.indices)
            if len(index) == scope + 1 and not any(place for level, place in enumerate(index) if level in spread)
        ]
        if command["action"] == "activate":  # ranks in turn, so that the waits between activates of one overlap
            rank = LEVELS.index("rank")
            nodes.sort(key=lambda node: (tree.indices[node][rank + 1 :], tree.indices[node][: rank + 1]))
        table: list[int] = []
        for node in nodes:
            index = tree.indices[node]
            covered = (
                bank
                for bank in range(tree.banks)
                if all(level in spread or tree.indices[bank][level] == place for level, place in enumerate(index))
            )
            table += [node, _add(words, covered)]
        table += [-1, len(words)]
        fields += [command["latency_cycles"], int(command["register_mode"]), spacing(machine, name)]
        fields += [_add(words, table), len(nodes), command["column_cycles"], command["min_columns"]]
    return fields


def _instructions(words: list[int], machine: dict[str, Any], names: tuple[str, ...], tree: Geometry) -> list[int]:
    """The fields of PIM instructions; adds their commands and nodes to the words."""
    fields: list[int] = []
    pim, number = machine["pim"], {name: index for index, name in enumerate(command_names(machine))}
    for name in names:
        entry = pim["instruction"].get(name) if name in pim["commands"] else None
        if entry is None:
            fields += [1, 1, 0, 0, 0, 0, 0, 0]
            continue
        commands = _add(words, (number[command] for command in entry["commands"]))
        fields += [entry[key] for key in ("repeat", "columns_per_command", "extra_slots", "fill_cycles")]
        nodes = [
            tree.target([places.get(level, 0) for level in LEVELS[1:]])
            for places in (
                dict(zip(entry["over"], place, strict=True))
                for place in product(*(range(tree.extents[LEVELS.index(level)]) for level in entry["over"]))
            )
        ]
        fields += [commands, len(entry["commands"]), _add(words, nodes), len(nodes)]
    return fields
