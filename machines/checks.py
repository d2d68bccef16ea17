"""Limits of a machine file that involve more than one key, found on the raw tables so that all are reported at once."""

import re
from math import prod
from typing import Any

from ..backends.isa.npu import BINARY_OPS, REDUCE_OPS, UNARY_FUNCTIONS
from ..backends.isa.pim import PIM
from .schema import LEVELS

Mistake = tuple[tuple[Any, ...], str]

ORDINARY = ("act", "pre", "rd", "wr")
VECTOR_OPS = (
    *BINARY_OPS,
    *UNARY_FUNCTIONS,
    *(f"reduce_{op}" for op in REDUCE_OPS),
    "rope",
    "mask",
    "argmax",
    "fill",
    "gemv",
)
"""Keys of `[npu.vector_cost]`: the operations of `binary`, `unary` and `reduce`, and the other vector instructions."""

PIM_COMMANDS = tuple(opcode.name for opcode in PIM.opcodes if opcode.queue == "cmd")
_COMMAND_LISTS = ("row_bus", "column_bus", "unchecked_data")  # of [controller]
PLAIN = ("write", "read", "scatter", "softmax", "softmax_head", "fence")
"""Instructions that need no [pim.instruction]: ordinary traffic, the softmax unit, and order."""

QUEUE_NEEDS: dict[str, dict[str, tuple[str, ...]]] = {
    "banks": {
        "command": (*ORDINARY, "ref", "copy_row", "header", "act_pim", "mac", "read_result", "mac_read", "pre_pim"),
        "timing": ("nRCDRD", "nRP", "nGWRITE", "nRTP", "nFAW"),
    },
    "ranks": {"command": (*ORDINARY, "ref"), "pim": ("all_bank",)},
}
"""Keys that the machine must have, by section, for controllers of a kind of `[controller] queues`."""

EXTENTS = ("channels", "pseudo_channels", "ranks", "bank_groups", "banks_per_group")  # of [memory]
MAX_BANKS, MAX_BYTES = 1 << 20, 1 << 50

SUM = re.compile(r"\s*\w+(\s*[+-]\s*\w+)*\s*")


def resolve_cycles(raw: dict[str, Any]) -> list[Mistake]:
    """Replace sums of `[timing]` names by numbers, in place; in `[timing]` itself first."""
    mistakes: list[Mistake] = []
    timing = _table(raw, "timing")
    underway: list[str] = []

    def resolve(owner: dict[str, Any], key: str, location: tuple[Any, ...]) -> None:
        text = owner.get(key)
        if not isinstance(text, str):
            return
        owner[key] = 0
        if not SUM.fullmatch(text):
            mistakes.append((location, f"found {text!r}, expected a number or a sum of [timing] names"))
            return
        total = 0
        for sign, term in re.findall(r"([+-]?)\s*(\w+)", text):
            if term in underway:
                mistakes.append((location, f"{term} is a sum of itself: {' -> '.join([*underway, term])}"))
                return
            if isinstance(timing.get(term), str):
                resolve_name(term)
            value = int(term) if term.isdecimal() else timing.get(term)
            if not isinstance(value, int):
                mistakes.append((location, f"{term!r} is not a name of [timing]"))
                return
            total += -value if sign == "-" else value
        owner[key] = max(0, total)  # a rule that asks for less than nothing asks for nothing

    def resolve_name(term: str) -> None:
        underway.append(term)
        resolve(timing, term, ("timing", term))
        underway.pop()

    for term in timing:
        resolve_name(term)
    for index, rule in _rules(raw):
        resolve(rule, "cycles", ("constraint", index, "cycles"))
    for name, command in _table(raw, "command").items():
        if isinstance(command, dict):
            for key in ("latency_cycles", "data_end_cycles"):
                resolve(command, key, ("command", name, key))
    memory = _table(raw, "memory")
    for key in ("refresh_interval_cycles", "burst_cycles"):
        resolve(memory, key, ("memory", key))
    return mistakes


def cross_checks(raw: dict[str, Any]) -> list[Mistake]:
    """Mistakes between keys; keys of the wrong type are skipped, the schema reports them."""
    return [*_npu(raw), *_memory(raw), *_commands(raw), *_pim(raw), *_controller(raw), *_energy(raw)]


def _npu(raw: dict[str, Any]) -> list[Mistake]:
    npu = _table(raw, "npu")
    mistakes: list[Mistake] = []
    for key in ("array_rows", "array_cols"):
        if _int(npu, "arrays") and _int(npu, key) == 0:
            mistakes.append((("npu", key), f"found 0, expected more than 0: the machine has {npu['arrays']} arrays"))
    for key in ("scratchpad_bytes", "accumulator_bytes"):
        align, size = _int(npu, "align_bytes"), _int(npu, key)
        if align and align > 0 and size and size % align:
            mistakes.append((("npu", key), f"found {size}, expected a multiple of align_bytes {align}"))
    costs = npu.get("vector_cost")
    if isinstance(costs, dict):
        mistakes += [(("npu", "vector_cost", op), "unknown vector operation") for op in costs if op not in VECTOR_OPS]
        missing = [op for op in VECTOR_OPS if op not in costs]
        if missing:
            mistakes.append((("npu", "vector_cost"), f"no cost for {', '.join(missing)}"))
    return mistakes


def _memory(raw: dict[str, Any]) -> list[Mistake]:
    memory = _table(raw, "memory")
    mistakes: list[Mistake] = []
    row, column, access = (_int(memory, key) for key in ("row_bytes", "column_bytes", "access_bytes"))
    for key, size in (("column_bytes", column), ("access_bytes", access)):
        if row and size and size > row:
            mistakes.append((("memory", key), f"found {size}, expected at most row_bytes {row}"))
    order = memory.get("bank_order")
    if (
        isinstance(order, list)
        and all(isinstance(level, str) for level in order)
        and sorted(order) != sorted(LEVELS[1:])
    ):
        mistakes.append((("memory", "bank_order"), f"found {order}, expected each of {', '.join(LEVELS[1:])} once"))
    extents = {key: max(1, _int(memory, key) or 1) for key in EXTENTS}
    banks = prod(extents.values())
    size = banks * max(1, _int(memory, "rows") or 1) * max(1, row or 1)
    if banks > MAX_BANKS:
        most = max(extents, key=lambda key: extents[key])
        mistakes.append((("memory", most), f"found {banks} banks of all channels, expected at most {MAX_BANKS}"))
    elif size > MAX_BYTES:
        mistakes.append((("memory", "rows"), f"found a memory of {size} bytes, expected at most {MAX_BYTES}"))
    commands = _table(raw, "command")
    if _int(memory, "refresh_interval_cycles") and "ref" not in commands:
        mistakes.append((("memory", "refresh_interval_cycles"), "refresh needs a command named ref"))
    scope = memory.get("refresh_scope", "rank")
    others = [name for name in commands if name != "ref" and _refreshes(commands, name) == scope]
    if others and _refreshes(commands, "ref") != scope:
        mistakes.append(
            (("memory", "refresh_scope"), f"found {scope!r}, the scope of {others[0]}: controllers refresh by ref only")
        )
    return mistakes


def _refreshes(commands: dict[str, Any], name: str) -> Any:
    """The scope of a refresh command."""
    command = _table(commands, name)
    return command.get("scope") if command.get("action") == "refresh" else None


def _commands(raw: dict[str, Any]) -> list[Mistake]:
    commands = _table(raw, "command")
    mistakes: list[Mistake] = [
        (("command",), f"command {name} is missing: ordinary traffic needs act, pre, rd and wr")
        for name in ORDINARY
        if name not in commands
    ]
    for index, rule in _rules(raw):
        for key in ("preceding", "following"):
            names = rule.get(key)
            for name in names if isinstance(names, list) else ():
                if isinstance(name, str) and name not in commands:
                    mistakes.append((("constraint", index, key), f"{name!r} is not a [command] of the machine"))
    return mistakes


def _pim(raw: dict[str, Any]) -> list[Mistake]:
    pim, memory, commands = _table(raw, "pim"), _table(raw, "memory"), _table(raw, "command")
    required = ("lanes", "buffer_bytes", "dual_row_buffer", "commands", "instruction") if "pim" in raw else ()
    mistakes: list[Mistake] = [(("pim", key), "required key is missing") for key in required if key not in pim]
    column, buffer = _int(memory, "column_bytes"), _int(pim, "buffer_bytes")
    if column and column > 0 and buffer and buffer % column:
        mistakes.append((("pim", "buffer_bytes"), f"found {buffer}, expected a multiple of column_bytes {column}"))
    lanes = _int(pim, "lanes")
    if column and lanes is not None and lanes * 2 != column:
        mistakes.append((("pim", "lanes"), f"found {lanes}, expected {column // 2}: a column of {column} bytes of f16"))
    names = pim.get("commands")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    instructions = _table(pim, "instruction")
    for name in names:
        if name not in PIM_COMMANDS:
            mistakes.append((("pim", "commands"), f"{name!r} is not a PIM instruction ({', '.join(PIM_COMMANDS)})"))
        elif name not in PLAIN and name not in instructions:
            mistakes.append((("pim", "commands"), f"{name} has no [pim.instruction.{name}]"))
    for name, entry in instructions.items():
        used = entry.get("commands") if isinstance(entry, dict) else None
        if name not in PIM_COMMANDS:
            mistakes.append((("pim", "instruction", name), f"{name!r} is not a PIM instruction"))
        joined = entry.get("joined") if isinstance(entry, dict) else None
        for key, found in (("commands", used), ("joined", [joined] if joined else [])):
            for command in found if isinstance(found, list) else ():
                if isinstance(command, str) and command not in commands:
                    location = ("pim", "instruction", name, key)
                    mistakes.append((location, f"{command!r} is not a [command] of the machine"))
    if "softmax" in names and not (_int(pim, "softmax_buffer_bytes") and _int(pim, "softmax_elements_per_cycle")):
        mistakes.append(
            (("pim", "commands"), "softmax needs softmax_buffer_bytes and softmax_elements_per_cycle above 0")
        )
    mistakes += _all_bank(raw)
    for key in ("mode_command", "header_command"):
        command = pim.get(key)
        if isinstance(command, str) and command and command not in commands:
            mistakes.append((("pim", key), f"{command!r} is not a [command] of the machine"))
    return mistakes


def _all_bank(raw: dict[str, Any]) -> list[Mistake]:
    memory, pim = _table(raw, "memory"), _table(raw, "pim")
    if "all_bank" not in pim:
        return []
    found = _table(pim, "all_bank")
    banks = (_int(memory, "bank_groups") or 1) * (_int(memory, "banks_per_group") or 1)
    columns = (_int(memory, "row_bytes") or 1) // (_int(memory, "column_bytes") or 1)
    limits = [(("pim", "all_bank", key), found.get(key), _int(memory, "rows")) for key in found if key.endswith("_row")]
    limits.append((("pim", "all_bank", "switch_column"), found.get("switch_column"), columns))
    registers = _table(found, "register_columns")
    limits += [(("pim", "all_bank", "register_columns", key), value, columns) for key, value in registers.items()]
    entered = found.get("enter_banks")
    for bank in entered if isinstance(entered, list) else ():
        limits.append((("pim", "all_bank", "enter_banks"), bank, banks))
    limits.append((("pim", "all_bank", "lead_banks"), found.get("lead_banks"), banks + 1))
    return [
        (location, f"found {value}, expected 0 to {limit - 1}")
        for location, value, limit in limits
        if isinstance(value, int) and limit and value >= limit
    ]


def _controller(raw: dict[str, Any]) -> list[Mistake]:
    commands, controller = _table(raw, "command"), _table(raw, "controller")
    named = [
        *(
            (("command", name, key), entry.get(key))
            for name, entry in commands.items()
            for key in ("activate", "precharge")
            if isinstance(entry, dict)
        ),
        *((("controller", key), name) for key in _COMMAND_LISTS for name in _names(controller.get(key))),
        *((("controller", "echo", name), name) for name in _table(controller, "echo")),
    ]
    mistakes: list[Mistake] = [
        (location, f"{name!r} is not a [command] of the machine")
        for location, name in named
        if isinstance(name, str) and name and name not in commands
    ]
    address = controller.get("address")
    fields = sorted([*LEVELS, "row", "column"])
    if isinstance(address, list) and sorted(map(str, address)) != fields:
        mistakes.append((("controller", "address"), f"found {address}, expected each of {', '.join(fields)} once"))
    queues = controller.get("queues")
    needs = QUEUE_NEEDS.get(queues, {}) if isinstance(queues, str) else {}
    missing = [
        f"[{section}] {', '.join(absent)}"
        for section, keys in needs.items()
        if (absent := [key for key in keys if key not in _table(raw, section)])
    ]
    if missing:
        mistakes.append((("controller", "queues"), f"found {queues!r}, which needs {' and '.join(missing)}"))
    return mistakes


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _energy(raw: dict[str, Any]) -> list[Mistake]:
    table = _table(raw, "energy").get("command")
    commands = _table(raw, "command")
    return [
        (("energy", "command", name), f"{name!r} is not a [command] of the machine")
        for name in (table if isinstance(table, dict) else ())
        if name not in commands
    ]


def _rules(raw: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    rules = raw.get("constraint")
    return [(i, rule) for i, rule in enumerate(rules) if isinstance(rule, dict)] if isinstance(rules, list) else []


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def _int(table: dict[str, Any], key: str) -> int | None:
    value = table.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
