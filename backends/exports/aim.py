"""`-t aim-trace`: the PIM launches of one step as an instruction trace of the AiM simulator.

Format, from aim_simulator 0f28a07: a line is an instruction, its words separated by one blank; bit i of a channel mask is
channel 31 - i, MEM lines name the channel itself. MACs, copies and buffer writes start at column 0 of row and buffer.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from xdsl.utils.exceptions import PassFailedException

from ...dialects.hardware import PimMemory
from .step import Instruction, StepTarget

CHANNELS, BANKS, ROWS, COLUMNS, COLUMN_BYTES = 32, 16, 1 << 14, 64, 32
"""The device of the simulator: columns are those of a row, and of a global buffer."""

GPR = 0  # registers of the device hold data, which are no part of a trace
CLOSED = -1
WINDOW = 64  # instructions of a channel that wait for others like them on other channels


@dataclass(frozen=True)
class AimTraceTarget(StepTarget):
    """One step's PIM launches for the AiM simulator, ended by `EOC`; a `SYNC` ends each launch.

    Rows are opened and closed by the simulator: `activate` says which row later MACs name, `precharge` is left out. The
    order of instructions is that of the program in every channel; those that differ in the channel alone become one.
    Options (`aim-trace{past=127}`): `sequences` bring `new` tokens each after `past` others.
    """

    name = "aim-trace"
    machine: ClassVar[str] = "aim"
    mac_operands: ClassVar[str] = "none"

    def lines(self, memory: PimMemory, launches: Iterator[Iterator[Instruction]]) -> Iterator[str]:
        found = (memory.banks, memory.column_bytes)
        if memory.channels > CHANNELS or found != (BANKS, COLUMN_BYTES):
            raise PassFailedException(
                f"{self.name}: machine {memory.name} has {memory.channels} channels of {memory.banks} banks with columns "
                f"of {memory.column_bytes} bytes, expected at most {CHANNELS} of {BANKS} with {COLUMN_BYTES} bytes"
            )
        rows = [CLOSED] * CHANNELS  # that PIM has open in each channel
        multicast = _Multicast()
        yield f"AiM WR_BIAS {GPR} 0xffffffff"  # accumulators are undefined at the start
        for launch in launches:
            for instruction in launch:
                if not instruction.idle:
                    for key, channels in _requests(self.name, instruction, rows):
                        yield from multicast.add(key, channels)
            yield from multicast.drain()
            yield "AiM SYNC"
        yield "AiM EOC"


class _Key(NamedTuple):
    """A line around its channel mask; `source` tells lines apart that look alike and carry other data."""

    before: str
    after: str = ""
    source: tuple[int, ...] = ()


def _requests(format: str, op: Instruction, rows: list[int]) -> Iterator[tuple[_Key, Sequence[int]]]:
    """What an instruction becomes, and in which channels."""
    channel = op["channel"] if "channel" in op.fields else 0
    channels = range(channel, channel + op.fields.get("channels", 1))
    if op.fields.get("row", 0) >= ROWS:
        raise op.refusal(format, f"row is {op['row']}, a bank has {ROWS:,}")
    match op.name:
        case "write_buffer":
            _check_columns(format, op, "buffer_column")
            line, alike = f"AiM WR_GB {op['columns']} {GPR} ", 1 if op["channel_stride"] else len(channels)
            for index in range(0, len(channels), alike):
                source = (op["space"], op["src"] + index * op["channel_stride"])
                yield _Key(line, "", source), channels[index : index + alike]
        case "copy_row":
            _check_columns(format, op, "column", "buffer_column")
            yield _Key(f"AiM COPY_BKGB {op['columns']} ", f" {op['bank']} {op['row']}"), channels
        case "activate" | "precharge":
            rows[channels.start : channels.stop] = [op.fields.get("row", CLOSED)] * len(channels)
        case "mac":
            _check_columns(format, op, "column", "buffer_column")
            for row in dict.fromkeys(rows[channels.start : channels.stop]):
                if row == CLOSED:
                    raise op.refusal(format, "no row is open, and MAC_ABK names one")
                alike = [target for target in channels if rows[target] == row]
                yield _Key(f"AiM MAC_ABK {op['columns']} ", f" {row}"), alike
        case "read_acc":
            yield _Key(f"AiM RD_MAC {GPR} "), channels
            yield _Key(f"AiM WR_BIAS {GPR} "), channels  # reading does not clear
        case "write" | "read":
            word = "W" if op.name == "write" else "R"
            first, last = op["offset"] // COLUMN_BYTES, (op["offset"] + op["bytes"] - 1) // COLUMN_BYTES
            for _ in range(first, last + 1):
                yield _Key(f"{word} MEM {channel} {op['bank']} {op['row']}"), channels
        case "scatter":
            if op["banks"] != BANKS:
                raise op.refusal(format, f"banks is {op['banks']}, WR_ABK writes to all {BANKS}")
            yield _Key(f"AiM WR_ABK {GPR} ", f" {op['row']}", (channel,)), channels
        case _:
            raise op.refusal(format, "AiM has no such instruction")


def _check_columns(format: str, op: Instruction, *starts: str) -> None:
    """Refuse columns that an instruction cannot name."""
    for start in starts:
        if op[start] != 0:
            hint = "compile with attach-machine{mac-operands=none}"
            raise op.refusal(format, f"{start} is {op[start]}, instructions of AiM start at column 0: {hint}")
    if op["columns"] > COLUMNS:
        raise op.refusal(format, f"columns is {op['columns']}, a row and a global buffer have {COLUMNS}")


class _Multicast:
    """Joins lines of different channels into one with the mask of all of them.

    Needed because a front end that reads accumulators waits for the answer: channels that are read one after the other do
    not work side by side. Lines are ordered by how many came before them in their channels, so no channel sees another
    order; at most WINDOW steps of a channel are kept.
    """

    def __init__(self) -> None:
        self.steps: deque[dict[_Key, int]] = deque()
        self.first = 0  # number of the oldest step that is kept
        self.next = [0] * CHANNELS  # step of the next line of each channel

    def add(self, key: _Key, channels: Sequence[int]) -> Iterator[str]:
        """Take a line; lines that cannot wait any longer come out."""
        step = max(self.first, *(self.next[channel] for channel in channels))
        while step - self.first >= len(self.steps):
            self.steps.append({})
        lines = self.steps[step - self.first]
        if key.before.startswith("AiM"):
            lines[key] = lines.get(key, 0) | sum(1 << (CHANNELS - 1 - channel) for channel in channels)
        else:
            lines[key] = 0
        for channel in channels:
            self.next[channel] = step + 1
        if len(self.steps) > WINDOW:
            yield from self.take()

    def take(self) -> Iterator[str]:
        """The lines of the oldest step."""
        for key, mask in self.steps.popleft().items():
            yield f"{key.before}{mask:#010x}{key.after}" if mask else key.before
        self.first += 1

    def drain(self) -> Iterator[str]:
        """All that is left."""
        while self.steps:
            yield from self.take()
