"""Instruction traces of the AiM simulator: `AiM OPCODE operands`, `W MEM channel bank row`, `R MEM ...`, `W CFR id value`."""

from typing import NamedTuple

import numpy as np

from ..timing import controller_tables as c
from .text import Source, instruction_array

CHANNELS = 32
MODE_REGISTERS = 3  # broadcast, bank group of EWMUL, activation function
ACTIVATION_FUNCTION = 2
TABLE_ROW = 1 << 29  # activation tables lie in rows of their own, one for each function


class _Opcode(NamedTuple):
    operands: tuple[str, ...]
    command: str  # DRAM command of each request
    queue: int = c.PIM
    flags: int = c.IS_PIM


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
    "EWADD": _Opcode(("size", "gpr", "gpr"), ""),
    "SYNC": _Opcode((), "", c.PIM, _MARK),
    "EOC": _Opcode((), "", c.PIM, _MARK),
}
"""Operands in their order, and what an opcode becomes. EWADD works on registers of the device and takes no time."""

_MEMORY = {"W": ("wr", c.WRITES, 0), "R": ("rd", c.READS, c.IS_READ)}


def parse(source: Source) -> np.ndarray:
    """Instructions up to EOC."""
    memory = source.memory
    if memory["channels"] != CHANNELS or source.tables.geometry.banks != 16:
        raise source.error("the machine has not the 32 channels of 16 banks that AiM traces address")
    rows: list[tuple[int, ...]] = []
    function = 0
    for words in source.lines(","):
        if words[0] == "AiM":
            rows.append(_aim(source, words, function))
            if words[1].removeprefix("ISR_") == "EOC":
                return instruction_array(rows, source.memory["channels"])
        elif words[0] in _MEMORY:
            row, function = _register(source, words, function)
            rows.append(row)
        else:
            raise source.error(f"unknown request {words[0]!r}, expected AiM, W or R")
    raise source.error("the trace ends without AiM EOC")


def _aim(source: Source, words: list[str], function: int) -> tuple[int, ...]:
    name = words[1].removeprefix("ISR_") if len(words) > 1 else ""
    if name not in OPCODES:
        raise source.error(f"unknown opcode {name!r}, expected one of {', '.join(OPCODES)}")
    opcode = OPCODES[name]
    if len(words) - 2 != len(opcode.operands):
        wanted = " ".join(opcode.operands) or "none"
        raise source.error(f"{name}: found {len(words) - 2} operands, expected {len(opcode.operands)}: {wanted}")
    values = {key: _operand(source, key, text) for key, text in zip(opcode.operands, words[2:], strict=True)}
    if name == "EWADD":
        return _nothing(source)
    channels = values.get("channels", (1 << CHANNELS) - 1)
    if name == "WR_ABK" and channels & (channels - 1):
        raise source.error(f"WR_ABK: found channel mask {words[3]}, expected one channel")
    command = source.command(opcode.command, name) if opcode.command else -1
    target = values.get("bank", source.tables.geometry.target(()))
    row = TABLE_ROW + function if name == "AF" else values.get("row", -1)
    return (command, channels, target, row, values.get("size", 1), 0, source.number, opcode.flags, opcode.queue)


def _operand(source: Source, key: str, text: str) -> int:
    memory = source.memory
    limit = {"bank": 16, "row": memory["rows"], "channels": 1 << CHANNELS, "size": 1 << 20, "gpr": 1 << 31}[key]
    value = source.integer(text, key, limit)
    if key != "channels":
        return value
    if value == 0:
        raise source.error("channels: found an empty mask, expected at least one channel")
    return int(f"{value:032b}"[::-1], 2)  # bit i of the mask is channel 31 - i


def _register(source: Source, words: list[str], function: int) -> tuple[tuple[int, ...], int]:
    """A W or R line: an access of the host to memory, or to registers of the device, which takes no time."""
    operands = {"MEM": 3, "GPR": 1, "CFR": 2 if words[0] == "W" else 1}
    region = words[1] if len(words) > 1 else ""
    if region not in operands:
        raise source.error(f"unknown region {region!r}, expected MEM, GPR or CFR")
    if len(words) - 2 != operands[region]:
        raise source.error(f"{words[0]} {region}: found {len(words) - 2} operands, expected {operands[region]}")
    if region == "CFR":
        number = source.integer(words[2], "register", MODE_REGISTERS)
        if words[0] == "W":
            value = source.integer(words[3], "value", 1 << 31)
            function = value if number == ACTIVATION_FUNCTION else function
        return _nothing(source), function
    if region == "GPR":
        source.integer(words[2], "gpr", 1 << 31)
        return _nothing(source), function
    command, queue, flags = _MEMORY[words[0]]
    channel = source.integer(words[2], "channel", CHANNELS)
    bank = source.integer(words[3], "bank", 16)
    row = source.integer(words[4], "row", source.memory["rows"])
    number = source.command(command, words[0])
    return (number, 1 << channel, bank, row, 1, -1, source.number, flags, queue), function


def _nothing(source: Source) -> tuple[int, ...]:
    """An instruction that takes its turn at the front end and nothing else."""
    return (-1, 0, 0, -1, 0, 0, source.number, 0, c.PIM)
