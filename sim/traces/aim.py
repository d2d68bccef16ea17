"""Instruction traces of the AiM simulator: `AiM OPCODE operands`, `W MEM channel bank row`, `R MEM ...`, `W CFR id value`."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..command_log import TABLE_ROW
from ..timing import controller_tables as c
from .scan import Names, Words
from .text import Source, instruction_array, shown

CHANNELS, BANKS = 32, 16
MODE_REGISTERS = 3  # broadcast, bank group of EWMUL, activation function
ACTIVATION_FUNCTION = 2


class _Opcode(NamedTuple):
    operands: tuple[str, ...]
    command: str  # DRAM command of each request
    queue: Any = c.PIM
    flags: Any = c.IS_PIM  # a typed constant of the kernel


_ANSWERED = c.IS_PIM | c.IS_READ | c.NOTIFIES
_MARK = c.IS_PIM | c.IS_MARK | c.NOTIFIES

OPCODES = {
    "WR_SBK": _Opcode(("gpr", "channels", "bank", "row"), "wr", c.WRITES, 0),
    "RD_SBK": _Opcode(("gpr", "channels", "bank", "row"), "rd", c.READS, c.IS_READ),
    "WR_ABK": _Opcode(("gpr", "channels", "row"), "write_all"),
    "WR_GB": _Opcode(("size", "gpr", "channels"), "write_gb"),
    "WR_BIAS": _Opcode(("gpr", "channels"), "clear_result"),
    "RD_MAC": _Opcode(("gpr", "channels"), "read_result", c.PIM, _ANSWERED),
    "RD_AF": _Opcode(("gpr", "channels"), "read_activation", c.PIM, _ANSWERED),
    "COPY_BKGB": _Opcode(("size", "channels", "bank", "row"), "copy_row"),
    "COPY_GBBK": _Opcode(("size", "channels", "bank", "row"), "store_row"),
    "MAC_SBK": _Opcode(("size", "channels", "bank", "row"), "mac_one"),
    "MAC_ABK": _Opcode(("size", "channels", "row"), "mac"),
    "AF": _Opcode(("channels",), "activation"),
    "EWMUL": _Opcode(("size", "channels", "row"), "multiply"),
    "EWADD": _Opcode(("size", "gpr", "gpr"), "", c.PIM, 0),
    "SYNC": _Opcode((), "", c.PIM, _MARK),
    "EOC": _Opcode((), "", c.PIM, _MARK),
}
"""Operands in their order, and what an opcode becomes. EWADD works on registers of the device and takes no time."""

_REGIONS = {
    "W": {"MEM": ("channel", "bank", "row"), "GPR": ("gpr",), "CFR": ("register", "value")},
    "R": {"MEM": ("channel", "bank", "row"), "GPR": ("gpr",), "CFR": ("register",)},
}
_NOTHING = _Opcode((), "", c.PIM, 0)  # takes its turn at the front end and nothing else


def _kinds() -> dict[tuple[str, str], _Opcode]:
    """All first two words of a line and what they become; registers of the device take no time."""
    found = {("AiM", name): opcode for name, opcode in OPCODES.items()}
    for word, (command, queue, flags) in {"W": ("wr", c.WRITES, 0), "R": ("rd", c.READS, c.IS_READ)}.items():
        for region, operands in _REGIONS[word].items():
            opcode = _NOTHING._replace(operands=operands)
            if region == "MEM":
                opcode = _Opcode(operands, command, queue, flags)
            found[word, region] = opcode
    return found


KINDS = _kinds()
_SET_FUNCTION = ("W", "CFR")


def parse(source: Source) -> Iterator[np.ndarray]:
    """The instructions of each block, up to EOC, behind which nothing may stand."""
    parser = _Parser(source)
    for block in source.blocks():
        if parser.ended:
            for words in source.block_lines(block, ","):
                raise source.error(f"found {shown(words[0])} after AiM EOC, expected the end of the trace")
        else:
            yield parser.lines(block)
    if not parser.ended:
        raise source.error("the trace ends without AiM EOC")


class _Parser:
    """Reads blocks into instructions, at once if all lines are as they should be, otherwise one by one."""

    def __init__(self, source: Source):
        self.ended = False
        self._source, self._function = source, 0
        memory, geometry = source.memory, source.tables.geometry
        if memory["channels"] != CHANNELS or geometry.banks != BANKS:
            raise source.error(f"the machine has not the {CHANNELS} channels of {BANKS} banks that AiM traces address")
        self._all_banks = geometry.target(())
        self._limits = {"bank": BANKS, "row": memory["rows"], "channels": 1 << CHANNELS, "channel": CHANNELS}
        self._limits |= {"size": 1 << 20, "register": MODE_REGISTERS, "value": 1 << 31, "gpr": 1 << 31}
        self._requests = Names(_REQUESTS)
        self._opcodes = Names([*OPCODES, *(f"ISR_{name}" for name in OPCODES), "MEM", "GPR", "CFR"])

    def lines(self, block: bytes) -> np.ndarray:
        """All lines of a block."""
        words = Words(block, ",")
        kind = self._kind(words)
        end = np.flatnonzero(kind == _EOC)[:1] + 1
        last = int(end[0]) if len(end) else len(kind)
        rows = self._at_once(words, kind[:last])
        if rows is None or last < len(kind):
            return self._one_by_one(block)
        self.ended = len(end) > 0
        return rows

    def _kind(self, words: Words) -> np.ndarray:
        """The number of each line's first two words in KINDS, -1 if they are not there."""
        request = words.names(words.first, self._requests)
        second = words.names(words.first + (words.count > 1), self._opcodes)
        return _KIND_NUMBERS[request, np.where(words.count > 1, second, -1)]

    def _at_once(self, words: Words, kind: np.ndarray) -> np.ndarray | None:
        """The instructions of lines; None if a line is not as it should be."""
        rows = instruction_array(len(kind), CHANNELS)
        rows[:, c.I_TARGET], rows[:, c.I_ROW], rows[:, c.I_COLUMN_STEP] = self._all_banks, -1, 1
        rows[:, c.I_LINE] = words.line[: len(kind)] + self._source.number
        function = np.full(len(kind), -1)
        for number in np.unique(kind).tolist():
            if number < 0:
                return None
            (request, name), opcode = _KIND_LIST[number]
            lines = np.flatnonzero(kind == number)
            if (words.count[lines] != 2 + len(opcode.operands)).any():
                return None
            values: dict[str, np.ndarray] = {}
            for place, operand in enumerate(opcode.operands, 2):
                found, valid = words.numbers(words.first[lines] + place)
                if not (valid & (found < self._limits[operand])).all():
                    return None
                values[operand] = found
            if not self._fill(rows, lines, request, name, values):
                return None
            if (request, name) == _SET_FUNCTION:
                function[lines] = np.where(values["register"] == ACTIVATION_FUNCTION, values["value"], -1)
        self._activate(rows, kind, function)
        return rows

    def _fill(
        self, rows: np.ndarray, lines: np.ndarray, request: str, name: str, values: dict[str, np.ndarray]
    ) -> bool:
        """Write the instructions of lines of one kind; False if an operand has no meaning."""
        opcode = KINDS[request, name]
        rows[lines, c.I_FLAGS], rows[lines, c.I_QUEUE] = opcode.flags, opcode.queue
        rows[lines, c.I_COMMAND] = -1
        if opcode.command:
            if not self._source.has_command(opcode.command):
                return False
            rows[lines, c.I_COMMAND] = self._source.command(opcode.command, name)
        elif not opcode.flags:
            rows[lines, c.I_COUNT], rows[lines, c.I_TARGET] = 0, 0
            return True
        channels = values.get("channels", np.full(len(lines), (1 << CHANNELS) - 1))
        if (channels == 0).any() or (name == "WR_ABK" and (channels & (channels - 1)).any()):
            return False
        rows[lines, c.I_CHANNELS] = 1 << values["channel"] if "channel" in values else _reversed(channels)
        for operand, field in (("bank", c.I_TARGET), ("row", c.I_ROW), ("size", c.I_COUNT)):
            if operand in values:
                rows[lines, field] = values[operand]
        if request != "AiM":
            rows[lines, c.I_COLUMN] = -1
        return True

    def _activate(self, rows: np.ndarray, kind: np.ndarray, function: np.ndarray) -> None:
        """Give each AF the row of the function that was set last before it."""
        latest = np.maximum.accumulate(np.where(function >= 0, np.arange(len(function)), -1))
        current = np.where(latest >= 0, function[latest], self._function)
        lines = kind == _AF
        rows[lines, c.I_ROW] = TABLE_ROW + current[lines]
        self._function = int(current[-1]) if len(current) else self._function

    def _one_by_one(self, block: bytes) -> np.ndarray:
        """The same line by line: finds the mistake, or reads numbers that are written in an unusual way."""
        found = [np.zeros((0, int(c.I_CHANNELS) + 1), np.int64)]
        for words in self._source.block_lines(block, ","):
            if self.ended:
                raise self._source.error(f"found {shown(words[0])} after AiM EOC, expected the end of the trace")
            text = " ".join(self._checked(words)).encode()
            number, line = self._source.number, Words(text, "")
            rows = self._at_once(line, self._kind(line))
            assert rows is not None, text
            rows[:, c.I_LINE] = number
            found.append(rows)
            if words[1].removeprefix("ISR_") == "EOC":
                self.ended = True
        return np.concatenate(found)

    def _checked(self, words: list[str]) -> list[str]:
        """The words of a line with plain decimal numbers, if they are as they should be."""
        source, request = self._source, words[0]
        if request not in _REQUESTS:
            raise source.error(f"unknown request {shown(request)}, expected AiM, W or R")
        name = words[1].removeprefix("ISR_") if len(words) > 1 else ""
        if (request, name) not in KINDS:
            what, known = ("opcode", ", ".join(OPCODES)) if request == "AiM" else ("region", "MEM, GPR or CFR")
            raise source.error(f"unknown {what} {shown(name)}, expected {'one of ' * (request == 'AiM')}{known}")
        opcode = KINDS[request, name]
        label = name if request == "AiM" else f"{request} {name}"
        if len(words) - 2 != len(opcode.operands):
            wanted = f": {' '.join(opcode.operands) or 'none'}"
            raise source.error(f"{label}: found {len(words) - 2} operands, expected {len(opcode.operands)}{wanted}")
        values = [
            source.integer(text, operand, self._limits[operand])
            for operand, text in zip(opcode.operands, words[2:], strict=True)
        ]
        channels = dict(zip(opcode.operands, values, strict=True)).get("channels", 1)
        if channels == 0:
            raise source.error("channels: found an empty mask, expected at least one channel")
        if name == "WR_ABK" and channels & (channels - 1):
            raise source.error(f"WR_ABK: found channel mask {words[3]}, expected one channel")
        if opcode.command:
            source.command(opcode.command, label)
        return [request, name, *map(str, values)]


_REQUESTS = ("AiM", "W", "R")
_KIND_LIST = list(KINDS.items())
_EOC, _AF = (list(KINDS).index(("AiM", name)) for name in ("EOC", "AF"))


def _kind_numbers() -> np.ndarray:
    """[request, second word] the number in KINDS; the last row and column are for unknown words."""
    seconds = [*OPCODES, *OPCODES, "MEM", "GPR", "CFR"]
    table = np.full((len(_REQUESTS) + 1, len(seconds) + 1), -1)
    for number, (request, name) in enumerate(KINDS):
        for place, second in enumerate(seconds):
            if second == name:
                table[_REQUESTS.index(request), place] = number
    return table


_KIND_NUMBERS = _kind_numbers()


def _reversed(masks: np.ndarray) -> np.ndarray:
    """Bit i of a mask is channel 31 - i."""
    bits = np.unpackbits(masks.astype(">u4").view(np.uint8).reshape(-1, 4), axis=1)
    return bits.astype(np.int64) @ (1 << np.arange(CHANNELS))
