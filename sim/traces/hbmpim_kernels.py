"""The kernels of Samsung's PIM library as traces in the `hbmpim` format, for any size, and the same work by the host.

A pseudo-channel has a unit for every two banks, 16 lanes and 8 + 8 registers of 32 bytes. All channels run the same program on
their share of the operands; what does not fill a tile is padded. Source: the command logs of PIMSimulator b464dde.
"""

from math import ceil
from typing import Any

from ..functional.errors import SimulationError

REGISTERS = 8  # of GRF_A and of GRF_B
LANES = 16
DATA_ROWS = 0x1000  # from this row on all-bank modes ignore data
ZERO_ROW = 1000  # where gemv-tree keeps zeros, with which it clears the accumulators
OPERAND_ROWS = 128  # operands of element-wise kernels begin at multiples of this


class KernelError(SimulationError):
    """A kernel that the machine cannot hold, in one line."""


def gemv(machine: dict[str, Any], outputs: int, inputs: int, batch: int = 1, tree: bool = False) -> list[str]:
    """A matrix of fp16 in the banks times `batch` vectors.

    A tile is 64 outputs of a channel (a register in each of 8 units) by 128 inputs (GRF_A), 64 columns in the even banks or in
    the odd ones. The sums of an output tile stay in GRF_B until its last input tile; with `tree` they are stored after each
    and cleared, so that the host can add them in pairs. Every item of the batch reads the weights again.
    """
    tile_columns = REGISTERS * REGISTERS
    input_tiles = ceil(inputs / (REGISTERS * LANES))
    output_tiles = ceil(outputs / (tile_columns * machine["memory"]["channels"]))
    even, odd = ceil(input_tiles / 2), input_tiles // 2
    columns = _columns(machine)
    tile_rows = ceil(tile_columns / columns)
    results = output_tiles * even * tile_rows
    stores = batch * output_tiles * (input_tiles if tree else 1)
    _check_rows(results + ceil(stores * REGISTERS / columns), f"gemv of {outputs} x {inputs}")
    if tree and results > ZERO_ROW - ceil(stores * REGISTERS / columns):
        raise KernelError(f"gemv-tree of {outputs} x {inputs}: found {results} rows, expected less than {ZERO_ROW}")

    def store() -> str:
        nonlocal stored
        place = stored * REGISTERS
        stored += 1
        return f"WR 1 {results + place // columns} {place % columns} {REGISTERS} BAR"

    stored = 0
    tiles = [(parity, tile) for parity, count in enumerate((even, odd)) for tile in range(count)]
    if tree:
        tiles.sort(key=lambda tile: tile[::-1])
        banks = machine["memory"]["bank_groups"] * machine["memory"]["banks_per_group"]
        lines = [f"WR {bank} {ZERO_ROW} 0 {REGISTERS}{' BAR' * (bank == banks - 1)}" for bank in range(banks)]
    else:
        lines = []
    lines += ["PARK", "MODE all_bank", f"CRF {2 if tree else 1} BAR"]
    for _ in range(batch):
        for output_tile in range(output_tiles):
            lines.append("MODE pim")
            for parity, tile in tiles:
                lines.append(f"GRF_A {REGISTERS} BAR")
                lines.append(f"RD {parity} {(output_tile * even + tile) * tile_rows} 0 {tile_columns} BAR")
                if tree:
                    lines += [store(), f"RD 0 {ZERO_ROW} 0 {REGISTERS} BAR"]
            if not tree:
                lines.append(store())
            lines.append("MODE all_bank")
    return [*lines, "MODE single", "PARK"]


def elementwise(machine: dict[str, Any], elements: int, operands: int) -> list[str]:
    """`operands` vectors of fp16 combined into one: 2 for add and mul, 1 for relu.

    A tile is 8 columns of every bank of a channel: the even banks through GRF_A, then the odd ones through GRF_B.
    """
    memory = machine["memory"]
    per_tile = memory["bank_groups"] * memory["banks_per_group"] * REGISTERS * LANES
    tiles = ceil(elements / (per_tile * memory["channels"]))
    columns = _columns(machine)
    spacing = max(OPERAND_ROWS, ceil(tiles * REGISTERS / columns))
    _check_rows(2 * spacing + ceil(tiles * REGISTERS / columns), f"{elements} elements")
    lines = ["PARK", "MODE all_bank", "CRF 1 BAR", "MODE pim"]
    for tile in range(tiles):
        row, column = divmod(tile * REGISTERS, columns)
        for parity in range(2):
            for operand in range(operands):
                lines.append(f"RD {parity} {row + operand * spacing} {column} {REGISTERS} BAR")
            lines.append(f"WR {parity} {row + 2 * spacing} {column} {REGISTERS} BAR")
    return [*lines, "MODE all_bank", "MODE single", "PARK"]


def host_stream(machine: dict[str, Any], read: int, written: int) -> list[str]:
    """The host reads `read` values of fp16 and then writes `written`, from address 0 on."""
    unit = machine["memory"]["access_bytes"]
    reads, writes = ceil(2 * read / unit), ceil(2 * written / unit)
    return [f"LD 0 {reads}", f"ST {unit * reads} {writes}"]


def kernel(
    machine: dict[str, Any], name: str, outputs: int, inputs: int, batch: int = 1, host: bool = False
) -> list[str]:
    """A kernel by its name; for element-wise ones `outputs` is the number of elements and the rest has no meaning."""
    if name.startswith("gemv"):
        if host:
            return host_stream(machine, outputs * inputs + batch * inputs, batch * outputs)
        return gemv(machine, outputs, inputs, batch, name == "gemv-tree")
    operands = 1 if name == "relu" else 2
    return host_stream(machine, operands * outputs, outputs) if host else elementwise(machine, outputs, operands)


def _columns(machine: dict[str, Any]) -> int:
    return machine["memory"]["row_bytes"] // machine["memory"]["access_bytes"]


def _check_rows(found: int, what: str) -> None:
    if found > DATA_ROWS:
        raise KernelError(
            f"{what}: found {found} rows of a bank, expected at most {DATA_ROWS}: all-bank modes reach no more"
        )
