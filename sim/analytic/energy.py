"""Energy by level in picojoules: what moved through each part of the path between cells and arithmetic, and what computed.

Constants are the `[energy.event]` items of the machine. The right sums are the default; `as_published` repeats those of
AttAcc's simulator with their mistakes (docs/explanation/analytic-xpu.md).
"""

from collections.abc import Mapping
from typing import Any

from .head_stream import Cut
from .operators import Operator
from .xpu import Cost

DRAM_PATH = ("cell_activate", "cell_read", "bank_group", "io", "tsv", "interposer")
"""From the cells to the xPU. Units sit after the second part (bank), the third (bank group), the fifth (buffer die)."""

PATH_TO_UNIT = {"bank": DRAM_PATH[:2], "bank_group": DRAM_PATH[:3], "buffer": DRAM_PATH[:5]}
MEMORY = (*DRAM_PATH, "softmax_sram")
COMPUTE = ("l2", "l1", "register", "xpu_alu", "pim_alu")

Ledger = dict[str, float]
"""Level -> pJ. MEMORY and COMPUTE list the levels; the remaining one is `link`."""


def total_pj(ledger: Mapping[str, float], levels: tuple[str, ...] | None = None) -> float:
    """Sum of some levels, or of all."""
    return sum(value for level, value in ledger.items() if levels is None or level in levels)


def add(ledger: Ledger, other: Mapping[str, float], times: float = 1) -> None:
    """Add `other`, so many times."""
    for level, value in other.items():
        ledger[level] = ledger.get(level, 0.0) + value * times


def xpu_pj(machine: dict[str, Any], op: Operator, cost: Cost, devices: int, as_published: bool) -> Ledger:
    """An operator that runs on all devices; published: registers are counted for one of its `count` products only."""
    item = _items(machine)
    accesses = cost.register_accesses / (op.count if as_published and op.k > 1 else 1)
    ledger = {part: cost.memory_bytes * 8 * item[f"{part}_bit"] for part in DRAM_PATH}
    ledger |= {
        "l2": cost.l2_bytes * 8 * item["xpu_l2_bit"],
        "l1": cost.l1_bytes * 8 * item["xpu_l1_bit"],
        "register": accesses * item["xpu_register_access"],
        "xpu_alu": cost.flops / 2 * item["xpu_mac"],
    }
    return {level: value * devices for level, value in ledger.items()}


def link_pj(machine: dict[str, Any], size: float, devices: int) -> Ledger:
    """A message of `size` bytes from each device."""
    return {"link": size * devices * 8 * _items(machine)["link_bit"]}


def attention_pj(
    machine: dict[str, Any], commands: Mapping[str, float], score: Operator, softmax: Operator, as_published: bool
) -> Ledger:
    """Attention on all stacks: `commands` are those of one stack, the operators those of one device.

    Operands pass the interposer and the path down to the units, results and softmax output the path between units and
    buffer die. A MAC command reads a column in each of its banks; every lane of a unit computes, padding too.
    Published: moves count 32 bytes instead of the 64 of two pseudo-channels, each byte as one bit, over the whole path
    for every placement; arithmetic is that of the score alone.
    """
    item, memory, stacks = _items(machine), machine["memory"], machine["pim_stacks"]
    cut = Cut.of(machine)
    column = memory["column_bytes"]
    reads = commands[cut.mac] * cut.banks
    operands, moves = commands["write_gb"], commands["move_result"] + commands["move_vector"]
    to_unit = PATH_TO_UNIT[stacks["placement"]]
    if as_published:
        moved = {part: (operands + moves) * column for part in DRAM_PATH[2:5]}
        moved["interposer"] = operands * column
        macs = score.flops / 2
    else:
        pieces = operands + memory["pseudo_channels"] * moves
        moved = {part: pieces * column * 8 for part in DRAM_PATH[2:5] if part not in to_unit}
        moved["interposer"] = operands * column * 8
        macs = reads * column / score.element_bytes * stacks["stacks"]
    for part in to_unit:
        moved[part] = moved.get(part, 0.0) + reads * column * 8
    ledger = {part: count * item[f"{part}_bit"] * stacks["stacks"] for part, count in moved.items()}
    ledger["softmax_sram"] = softmax.elementwise_bytes * item["softmax_byte"]
    ledger["pim_alu"] = (macs + softmax.flops / 2) * item["pim_mac"]
    return {level: value * stacks["devices"] for level, value in ledger.items()}


def _items(machine: dict[str, Any]) -> dict[str, float]:
    return {name: item["pj"] for name, item in machine["energy"]["event"].items()}
