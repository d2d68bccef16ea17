"""The commands of AttAcc for the attention of one head, and their order for several heads of a stack.

A head-operation is the attention of one query over the keys and values of one sequence. It lives in one channel; all
channels of a stack work on heads of their own. Counts and order: AttAcc (ASPLOS 2024) section 5 and its trace generator
(attacc_simulator c600051), without the generator's mistakes; docs/explanation/analytic-xpu.md lists those.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..functional.errors import SimulationError
from ..timing import controller_tables as c
from ..timing.controller_tables import (
    I_CHANNELS,
    I_COLUMN,
    I_COMMAND,
    I_COUNT,
    I_FLAGS,
    I_LINE,
    I_QUEUE,
    I_ROW,
    I_TARGET,
    INSTRUCTION_FIELDS,
)

KEYS_PER_WINDOW = 16
"""Keys of each part whose scores are moved together: one operand of 16 halves."""


class Head(NamedTuple):
    """Requests of one head-operation by purpose; each array has rows (command, target, row, column)."""

    operand: np.ndarray
    score: list[np.ndarray]  # MACs of each window
    score_results: list[np.ndarray]
    softmax: np.ndarray
    vector: np.ndarray
    context: list[np.ndarray]  # MACs of each chunk of outputs
    context_results: list[np.ndarray]


@dataclass(frozen=True)
class Cut:
    """How the units of a placement share a head: keys over `parts` groups of units, the head dimension over `units`."""

    parts: int
    units: int
    mac: str

    @staticmethod
    def of(machine: dict[str, Any]) -> "Cut":
        """The cut of a machine's placement (AttAcc section 5.2)."""
        memory = machine["memory"]
        groups = memory["pseudo_channels"] * memory["ranks"] * memory["bank_groups"]
        match machine["pim_stacks"]["placement"]:
            case "bank":
                return Cut(groups, memory["banks_per_group"], "mac")
            case "bank_group":
                return Cut(groups, 1, "mac_same")
            case _:
                return Cut(memory["pseudo_channels"], 1, "mac_each")

    @property
    def banks(self) -> int:
        """Banks in which one MAC command reads a column."""
        return self.parts * self.units

    def same_work(self, length: int) -> int:
        """The longest sequence that takes the same commands as one of `length`."""
        return -(-length // self.parts) * self.parts


class HeadMaker:
    """Makes the requests of heads of one shape on one machine."""

    def __init__(self, machine: dict[str, Any], tables: c.ControllerTables, head_dim: int, element_bytes: int):
        self._memory = machine["memory"]
        self._geometry = tables.geometry
        self._commands = {name: number for number, name in enumerate(tables.commands)}
        self._placement = machine["pim_stacks"]["placement"]
        self._cut = Cut.of(machine)
        self._columns = self._memory["row_bytes"] // self._memory["column_bytes"]
        self._lanes = self._memory["column_bytes"] // element_bytes
        self._pieces = -(-head_dim // (self._cut.units * self._lanes))

    def rows(self, length: int) -> int:
        """Rows that the keys (or the values) of one head take in each bank."""
        macs = self._pieces * self._keys(length)
        spread = {"bank": 1, "bank_group": self._memory["banks_per_group"]}.get(self._placement)
        if spread is None:
            spread = self._memory["ranks"] * self._memory["bank_groups"] * self._memory["banks_per_group"]
        return -(-macs // (self._columns * spread))

    def head(self, length: int, place: int) -> Head:
        """Head number `place` of its channel; keys fill the lower half of each bank, values the upper half."""
        rows = self.rows(length)
        half = self._memory["rows"] // 2
        if (place + 1) * rows > half:
            raise SimulationError(
                f"{place + 1} heads of {length} tokens need {(place + 1) * rows} rows for their keys,"
                f" half a bank has {half}"
            )
        keys, pieces, key_row, value_row = self._keys(length), self._pieces, place * rows, half + place * rows
        ranks, groups = range(self._memory["ranks"]), range(self._memory["bank_groups"])
        banks = range(self._memory["banks_per_group"])
        first = [(0, 0, 0, 0)]
        if self._placement == "buffer":
            score_nodes = context_nodes = vector_nodes = first
        else:
            score_nodes = [(0, rank, group, 0) for group in groups for rank in ranks]
            vector_nodes = [(0, rank, group, 0) for rank in ranks for group in groups]
            inner = banks if self._placement == "bank" else (0,)
            context_nodes = [(0, rank, 0, bank) for bank in inner for rank in ranks]
        operand_nodes = [(0, 0, 0, bank) for bank in banks[: self._cut.units]]
        window = KEYS_PER_WINDOW * pieces
        score = self._macs(key_row, 0, keys * pieces)
        scores = [score[begin : begin + window] for begin in range(0, len(score), window)]
        return Head(
            self._moves("write_gb", operand_nodes, pieces, key_row),
            scores,
            [self._moves("move_result", score_nodes, 1, key_row)] * len(scores),
            self._moves("softmax", first, 1, 0),
            self._moves("move_vector", vector_nodes, -(-keys // self._lanes), value_row),
            [self._macs(value_row, piece * keys, keys) for piece in range(pieces)],
            [self._moves("move_result", context_nodes, 1, value_row)] * pieces,
        )

    def commands(self, length: int) -> dict[str, int]:
        """How often each command is issued for one head."""
        head = self.head(length, 0)
        return {
            "write_gb": len(head.operand),
            self._cut.mac: sum(map(len, head.score)) + sum(map(len, head.context)),
            "move_result": sum(map(len, head.score_results)) + sum(map(len, head.context_results)),
            "move_vector": len(head.vector),
            "softmax": len(head.softmax),
        }

    def _keys(self, length: int) -> int:
        return -(-length // self._cut.parts)

    def _macs(self, row: int, begin: int, count: int) -> np.ndarray:
        """MACs number `begin` and following of a matrix that starts in `row`; where each of them is."""
        index = np.arange(begin, begin + count)
        rank = group = bank = np.zeros_like(index)
        if self._placement == "buffer":
            groups, ranks = self._memory["bank_groups"], self._memory["ranks"]
            group, rank, index = index % groups, index // groups % ranks, index // (groups * ranks)
            bank, index = index % self._memory["banks_per_group"], index // self._memory["banks_per_group"]
        column, index = index % self._columns, index // self._columns
        if self._placement == "bank_group":
            bank, index = index % self._memory["banks_per_group"], index // self._memory["banks_per_group"]
        place = (rank * self._memory["bank_groups"] + group) * self._memory["banks_per_group"] + bank
        command = np.full(count, self._commands[self._cut.mac])
        return np.stack([command, self._geometry.target((0, 0, 0, 0)) + place, row + index, column], axis=1)

    def _moves(self, command: str, nodes: list[tuple[int, int, int, int]], each: int, row: int) -> np.ndarray:
        targets = [self._geometry.target(node) for node in nodes for _ in range(each)]
        return np.array([(self._commands[command], target, row, 0) for target in targets], np.int64)


class Step(NamedTuple):
    """Requests for some channels, or a fence if there are none: what follows waits for all requests before."""

    requests: np.ndarray | None
    channels: int  # mask


FENCE = Step(None, 0)


def stream(maker: HeadMaker, heads: int, length: int, channels: int, fenced: bool = True) -> np.ndarray:
    """Instructions for `heads` equal head-operations of one stack, dealt to its channels in turn.

    Heads of a channel are taken in pairs whose phases overlap (head-level pipelining, AttAcc section 6.1): operands of
    the second are written and the softmax of the first is moved while MACs run. `fenced` = False leaves out the fences
    around the softmax, as the published generator does: its softmax may start before the scores are there.
    """
    rounds = [
        (maker.head(length, place), (1 << min(channels, heads - first)) - 1)
        for place, first in enumerate(range(0, heads, channels))
    ]
    steps: list[Step] = []
    for first in range(0, len(rounds) - 1, 2):
        steps += _pair(*rounds[first], *rounds[first + 1], fenced)
    if len(rounds) % 2:
        steps += _single(*rounds[-1], fenced)
    return _instructions(steps, (1 << channels) - 1)


def _pair(one: Head, one_in: int, two: Head, two_in: int, fenced: bool) -> Iterator[Step]:
    yield Step(one.operand, one_in)
    yield FENCE
    windows = len(one.score)
    operand = [[step] for step in _parts(two.operand, two_in, windows)]
    yield from _phase(one.score, one.score_results, one_in, operand)
    if fenced:
        yield FENCE
    yield from _phase(two.score, two.score_results, two_in, _softmax(one, one_in, windows, fenced))
    if fenced:
        yield FENCE
    beside = _softmax(two, two_in, len(one.context), fenced)
    yield from _phase(one.context, one.context_results, one_in, beside)
    if len(beside) > len(one.context):
        yield FENCE
    yield from _phase(two.context, two.context_results, two_in)


def _single(head: Head, channels: int, fenced: bool) -> Iterator[Step]:
    yield Step(head.operand, channels)
    yield FENCE
    yield from _phase(head.score, head.score_results, channels)
    if fenced:
        yield FENCE
    yield Step(head.softmax, channels)
    if fenced:
        yield FENCE
    yield Step(head.vector, channels)
    yield FENCE
    yield from _phase(head.context, head.context_results, channels)


def _phase(
    macs: list[np.ndarray], results: list[np.ndarray], channels: int, beside: Sequence[list[Step]] = ()
) -> Iterator[Step]:
    """MACs window by window; results of a window move during the next; `beside` is what else each window does."""
    for window, requests in enumerate(macs):
        yield Step(requests, channels)
        if window:
            yield Step(results[window - 1], channels)
        if window < len(beside):
            yield from beside[window]
        yield FENCE
    yield Step(results[-1], channels)
    for steps in beside[len(macs) :]:
        yield from steps


def _softmax(head: Head, channels: int, windows: int, fenced: bool) -> list[list[Step]]:
    """The softmax of a head in the first window, its results to the units in the second half of the windows."""
    beside: list[list[Step]] = [[] for _ in range(windows)]
    beside[0].append(Step(head.softmax, channels))
    if fenced and windows == 1:
        return [*beside, [FENCE, Step(head.vector, channels)]]
    half = windows // 2
    for window, step in enumerate(_parts(head.vector, channels, windows - half), half):
        beside[window].append(step)
    return beside


def _parts(requests: np.ndarray, channels: int, count: int) -> list[Step]:
    size = -(-len(requests) // count)
    return [Step(requests[begin : begin + size], channels) for begin in range(0, len(requests), size)]


def _instructions(steps: list[Step], everywhere: int) -> np.ndarray:
    """Steps in the form that the controller takes."""
    parts = []
    for number, (requests, channels) in enumerate(steps):
        size = 1 if requests is None else len(requests)
        part = np.zeros((size, len(INSTRUCTION_FIELDS)), np.int64)
        part[:, I_COUNT], part[:, I_LINE], part[:, I_QUEUE] = 1, number, c.PIM
        if requests is None:
            part[:, I_COMMAND], part[:, I_CHANNELS], part[:, I_FLAGS] = -1, everywhere, c.IS_PIM | c.IS_FENCE
        else:
            part[:, [I_COMMAND, I_TARGET, I_ROW, I_COLUMN]] = requests
            part[:, I_CHANNELS], part[:, I_FLAGS] = channels, c.IS_PIM
        parts.append(part)
    return np.concatenate(parts)
