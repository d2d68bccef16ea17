"""`-t attacc-trace`: the PIM launches of one step as requests for AttAcc's Ramulator.

Format, from attacc_simulator c600051: a line is a request and an address, separated by one blank, without comments. An address
is channel, pseudo-channel, rank, bank group, bank, row and column, from the most significant bit on; requests to the buffers
of the units name a piece of 32 bytes in the lowest bits. A trace is for one stack.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, Literal

from xdsl.utils.exceptions import PassFailedException

from ...dialects.hardware import PimMemory
from .step import Instruction, StepTarget

CHANNELS, PSEUDO_CHANNELS, RANKS, GROUPS, BANKS = 16, 2, 2, 4, 4
ROWS, COLUMNS, COLUMN_BYTES = 1 << 14, 32, 32
PIECES = 32  # that an address can name
_ORDINARY = ("write", "read", "scatter")
ALL_BANKS = PSEUDO_CHANNELS * RANKS * GROUPS * BANKS
BITS = {"column": 5, "row": 10, "bank": 24, "group": 26, "rank": 28, "pseudo_channel": 29, "channel": 30}
"""Lowest bit of each part of an address."""


@dataclass(frozen=True)
class AttaccTraceTarget(StepTarget):
    """One step's PIM launches for AttAcc's Ramulator.

    Rows are opened and closed by the simulator: `activate` says which row later MACs name, `precharge` is left out.
    Options (`attacc-trace{past=127}`): `sequences` bring `new` tokens each after `past` others; `stack` is the stack of 16
    channels that is written, where a machine has more than one. Ordinary accesses (`write`, `read`, `scatter`) have queues of
    their own there, and no fence orders them with PIM requests; together they can even block each other for ever. So they
    are refused unless `ordinary` says otherwise: `skip` leaves them out, `keep` writes them as `ST` and `LD`.
    """

    name = "attacc-trace"
    machine: ClassVar[str] = "attacc-bank"
    mac_operands: ClassVar[str] = "row"
    attention: ClassVar[str] = "heads"

    stack: int | None = None
    ordinary: Literal["refuse", "skip", "keep"] = "refuse"

    def lines(self, memory: PimMemory, launches: Iterator[Iterator[Instruction]]) -> Iterator[str]:
        found = (memory.banks, memory.column_bytes, memory.row_bytes)
        stacks = -(-memory.channels // CHANNELS)
        if found != (ALL_BANKS, COLUMN_BYTES, COLUMNS * COLUMN_BYTES):
            raise PassFailedException(
                f"{self.name}: machine {memory.name} has {memory.banks} banks with rows of {memory.row_bytes} and columns of "
                f"{memory.column_bytes} bytes, expected {ALL_BANKS} with {COLUMNS * COLUMN_BYTES} and {COLUMN_BYTES}"
            )
        if not (stacks == 1 or self.stack is not None) or not 0 <= (self.stack or 0) < stacks:
            raise PassFailedException(
                f"{self.name}: found {'no stack' if self.stack is None else f'stack {self.stack}'}, expected "
                f"{self.name}{{stack=N}} with N from 0 to {stacks - 1}: a trace holds {CHANNELS} of the {memory.channels} "
                f"channels of machine {memory.name}"
            )
        writer = _Writer(self.name, CHANNELS * (self.stack or 0))
        for number, launch in enumerate(launches):
            if number:
                yield from writer.fence(range(CHANNELS))
            for instruction in launch:
                if instruction.name in _ORDINARY and self.ordinary == "refuse":
                    raise instruction.refusal(
                        self.name,
                        "no fence orders ordinary accesses with PIM requests: "
                        f"leave them out with {self.name}{{ordinary=skip}}",
                    )
                if not (instruction.idle or (instruction.name in _ORDINARY and self.ordinary == "skip")):
                    yield from writer.lines(instruction)


class _Writer:
    """Turns instructions into lines; keeps the open row of each channel, and what has to be fenced."""

    def __init__(self, format: str, first_channel: int):
        self.format, self.first = format, first_channel
        self.rows = [-1] * CHANNELS
        self.waiting: list[set[str]] = [set() for _ in range(CHANNELS)]  # kinds of requests since the last fence

    def lines(self, op: Instruction) -> Iterator[str]:
        channels = self.channels(op)
        if not channels and op.name != "softmax":
            return
        if op.fields.get("row", 0) >= ROWS:
            raise op.refusal(self.format, f"row is {op['row']}, a bank has {ROWS:,}")
        match op.name:
            case "activate" | "precharge":
                self.rows[channels.start : channels.stop] = [op.fields.get("row", -1)] * len(channels)
            case "mac":
                if op["buffer_column"]:
                    hint = "compile with attach-machine{mac-operands=row}"
                    raise op.refusal(
                        self.format, f"buffer_column is {op['buffer_column']}, no request names one: {hint}"
                    )
                yield from self.order("mac", channels)
                yield from self.mac(op, channels)
            case "mac_tree" | "mac_lanes":
                yield from self.mac(op, channels)
            case "write_buffer":
                yield from self.order("write", channels)
                first = op["buffer_column"]
                yield from self.pieces(op, channels, range(first, first + op["columns"]), op["space"] == 1)
            case "write_vector":
                yield from self.pieces(op, channels, range(op["columns"]), False)
            case "move_vector":
                yield from self.pieces(op, channels, range(op["first"], op["first"] + op["columns"]), True)
            case "read_acc":
                yield from self.order("move", channels)
                yield from _requests("PIM_MV_SB", channels, _ranks_of("group"))
            case "move_scores":
                yield from _requests("PIM_MV_SB", channels, _ranks_of("group"))
            case "move_sums":
                yield from _requests("PIM_MV_SB", channels, _ranks_of("bank"))
            case "softmax":
                yield from self.order("softmax", range(CHANNELS))
                for _ in range(op["rows"]):
                    yield from _requests("PIM_SFM", range(CHANNELS), (0,))
            case "softmax_head":
                yield from _requests("PIM_SFM", channels, (0,))
            case "fence":
                yield from self.fence(channels)
            case "write" | "read":
                word = "ST" if op.name == "write" else "LD"
                first, last = op["offset"] // COLUMN_BYTES, (op["offset"] + op["bytes"] - 1) // COLUMN_BYTES
                for column in range(first, last + 1):
                    yield from _requests(word, channels, (_place(op["bank"], op["row"], column),))
            case "scatter":
                column = op["offset"] // COLUMN_BYTES
                for bank in range(op["banks"]):
                    yield from _requests("ST", channels, (_place(bank, op["row"], column),))
            case _:
                raise op.refusal(self.format, "AttAcc has no such request")

    def channels(self, op: Instruction) -> range:
        """The channels of the stack that an instruction selects."""
        first = op.fields.get("channel", 0) - self.first
        last = first + op.fields.get("channels", 1)
        return range(min(max(first, 0), CHANNELS), min(max(last, 0), CHANNELS))

    def mac(self, op: Instruction, channels: range) -> Iterator[str]:
        for row in dict.fromkeys(self.rows[channels.start : channels.stop]):
            if row < 0:
                raise op.refusal(self.format, "no row is open, and PIM_MAC_AB names one")
            alike = [channel for channel in channels if self.rows[channel] == row]
            columns = range(op["column"], op["column"] + op["columns"])
            places = [(row << BITS["row"]) + (column << BITS["column"]) for column in columns]
            yield from _requests("PIM_MAC_AB", alike, places)

    def pieces(self, op: Instruction, channels: range, pieces: range, from_softmax: bool) -> Iterator[str]:
        """Pieces of a vector: from outside to each bank of a group, from the softmax buffer to each rank and group."""
        if pieces.stop > PIECES:
            raise op.refusal(self.format, f"piece {pieces.stop - 1} of a buffer, an address names {PIECES}")
        if from_softmax:
            places = (_at(rank=rank, group=group) for rank in range(RANKS) for group in range(GROUPS))
        else:
            places = (_at(bank=bank) for bank in range(BANKS))
        word = "PIM_MV_GB" if from_softmax else "PIM_WR_GB"
        yield from _requests(word, channels, (place + piece for place, piece in product(places, pieces)))

    def order(self, kind: str, channels: range) -> Iterator[str]:
        """A fence where a request must not overtake those before it: MACs stay behind buffers and moves, and these
        behind MACs.
        """
        after = {"mac": {"write", "move", "softmax"}, "write": {"mac", "softmax"}, "move": {"mac", "softmax"}}
        for channel in channels:
            if self.waiting[channel] & after.get(kind, {"mac", "write", "move", "softmax"}):
                yield from self.fence(range(channel, channel + 1))
            self.waiting[channel].add(kind)

    def fence(self, channels: range) -> Iterator[str]:
        for channel in channels:
            self.waiting[channel].clear()
        yield from _requests("PIM_BARRIER", channels, (0,))


def _requests(word: str, channels: Iterable[int], places: Iterable[int]) -> Iterator[str]:
    """A request for each place in each of the channels, which take turns."""
    for place in places:
        for channel in channels:
            yield f"{word} {place + (channel << BITS['channel']):#010x}"


def _at(**indices: int) -> int:
    return sum(index << BITS[level] for level, index in indices.items())


def _ranks_of(level: str) -> Iterator[int]:
    """Both ranks of every bank group, or of every bank: what a move of results names."""
    for index in range(GROUPS if level == "group" else BANKS):
        for rank in range(RANKS):
            yield _at(rank=rank, **{level: index})


def _place(bank: int, row: int, column: int) -> int:
    """Address of a column in bank `bank` of a channel, in the order of the banks of part-attacc-hbm3."""
    pseudo_channel, group, rank = bank % 2, bank // 2 % 4, bank // 8 % 2
    return _at(pseudo_channel=pseudo_channel, rank=rank, group=group, bank=bank // 16, row=row, column=column)
