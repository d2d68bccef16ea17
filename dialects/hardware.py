"""The hardware that a module is compiled for: `#npu.core` and `#pim.memory`, put there by `attach-machine`.

They carry what passes decide by: shapes, capacities, and the few rates that a cost model weighs against each other. The
commands and rules that time really follows from, and energy, belong to the simulator.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Data
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import PassFailedException, VerifyException

from ..backends.isa.pim import PIM

CORE_KEY = "npu.core"
MEMORY_KEY = "pim.memory"

F16_BYTES = 2

DATAFLOWS = ("weight_stationary", "output_stationary")
"""Which operand stays in a systolic array while the others move."""

_SPECIAL = {"special": True}
"""Metadata of fields that few machines need: printed only where they differ from the default."""

MAC_OPERANDS = ("both", "row", "none")
"""Which columns the MAC of a machine names: the first of the row and that of the buffer, the row's alone, or none."""


@dataclass(frozen=True)
class NpuCore:
    """The tile machine as passes see it. `arrays` = 0: no matrix unit, products run on the vector unit.

    Rates are in cycles of the NPU and mean what they mean in a machine file; `gemv_cycles` is per product and lane.
    `dram_bytes_per_kilocycle` is what main memory and DMA can deliver in 1000 cycles at best, `row_latency_cycles` what a
    whole row of a closed bank takes. 0 bytes a kilocycle, and 0 `dma_outstanding_bytes`, are no limit. In text, fields
    with a default may be left out.
    """

    name: str
    arrays: int
    array_rows: int
    array_cols: int
    vector_lanes: int
    scratchpad_bytes: int
    accumulator_bytes: int
    align_bytes: int
    dataflow: str = DATAFLOWS[0]
    array_overlap: bool = True
    weight_rows_per_cycle: int = 1
    min_stream_rows: int = 1
    vector_min_cycles: int = 0
    vector_latency_cycles: int = 0
    gemv_cycles: int = 1
    dma_latency_cycles: int = 0
    dma_issue_cycles: int = 1
    dma_outstanding_bytes: int = 0
    dram_bytes_per_kilocycle: int = 0
    row_latency_cycles: int = 0


@dataclass(frozen=True)
class PimMemory:
    """The memory as passes see it: `banks` and `rows` are per channel and per bank, `commands` the PIM instructions.

    `mac_operands` is one of MAC_OPERANDS; columns that a MAC cannot name start at 0. The banks of a channel are in `parts`
    parts (backends/isa/pim_heads.py).
    """

    name: str
    channels: int
    banks: int
    rows: int
    row_bytes: int
    column_bytes: int
    buffer_bytes: int
    dual_row_buffer: bool
    softmax_buffer_bytes: int
    commands: tuple[str, ...]
    mac_operands: str = field(default=MAC_OPERANDS[0], metadata=_SPECIAL)
    parts: int = field(default=1, metadata=_SPECIAL)

    @property
    def units(self) -> int:
        """MAC units of the device: one a bank."""
        return self.channels * self.banks

    @property
    def column_elements(self) -> int:
        """f16 elements of one column, the lanes of a MAC unit."""
        return self.column_bytes // F16_BYTES

    @property
    def row_elements(self) -> int:
        """f16 elements of one row of one bank."""
        return self.row_bytes // F16_BYTES

    @property
    def row_columns(self) -> int:
        """Columns of one row of one bank."""
        return self.row_bytes // self.column_bytes

    @property
    def buffer_columns(self) -> int:
        """Columns that the global buffer of a channel holds."""
        return self.buffer_bytes // self.column_bytes

    def has(self, command: str) -> bool:
        """Whether the machine has this PIM instruction."""
        return command in self.commands


@irdl_attr_definition
class NpuCoreAttr(Data[NpuCore]):
    """The tile machine of the module, under `npu.core`.

    Example: `#npu.core<name = "tiny", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16,
    scratchpad_bytes = 1048576, accumulator_bytes = 65536, align_bytes = 32, dataflow = "weight_stationary",
    array_overlap = true, weight_rows_per_cycle = 1, min_stream_rows = 4, vector_min_cycles = 4, vector_latency_cycles = 8,
    gemv_cycles = 1, dma_latency_cycles = 10, dma_issue_cycles = 1, dma_outstanding_bytes = 8192,
    dram_bytes_per_kilocycle = 64000, row_latency_cycles = 36>`
    """

    name = "npu.core"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> NpuCore:
        return NpuCore(**_parse(parser, NpuCore))

    def print_parameter(self, printer: Printer) -> None:
        _print(printer, self.data)

    def verify(self) -> None:
        core = self.data
        _at_least(self.name, core, 0 if core.arrays == 0 else 1, "array_rows", "array_cols")
        _at_least(self.name, core, 0, "arrays")
        _at_least(self.name, core, 1, "vector_lanes", "scratchpad_bytes", "accumulator_bytes")
        _at_least(self.name, core, 1, "weight_rows_per_cycle", "min_stream_rows", "gemv_cycles", "dma_issue_cycles")
        _at_least(self.name, core, 0, "vector_min_cycles", "vector_latency_cycles", "dma_latency_cycles")
        _at_least(self.name, core, 0, "dma_outstanding_bytes", "dram_bytes_per_kilocycle", "row_latency_cycles")
        if core.dataflow not in DATAFLOWS:
            _fail(self.name, core, "dataflow", f"one of {', '.join(DATAFLOWS)}")
        _power_of_two(self.name, core, "align_bytes")
        _multiple(self.name, core, "scratchpad_bytes", "align_bytes")
        _multiple(self.name, core, "accumulator_bytes", "align_bytes")


@irdl_attr_definition
class PimMemoryAttr(Data[PimMemory]):
    """The memory of the module, under `pim.memory`.

    Example: `#pim.memory<name = "tiny", channels = 4, banks = 4, rows = 16384, row_bytes = 256, column_bytes = 32,
    buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [write_buffer, activate, mac]>`
    """

    name = "pim.memory"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> PimMemory:
        return PimMemory(**_parse(parser, PimMemory))

    def print_parameter(self, printer: Printer) -> None:
        _print(printer, self.data)

    def verify(self) -> None:
        memory = self.data
        _at_least(self.name, memory, 1, "channels", "banks", "rows")
        _at_least(self.name, memory, 0, "softmax_buffer_bytes")
        _power_of_two(self.name, memory, "row_bytes", "column_bytes")
        _at_least(self.name, memory, memory.column_bytes, "row_bytes", "buffer_bytes")
        _multiple(self.name, memory, "buffer_bytes", "column_bytes")
        if memory.parts < 1 or memory.banks % memory.parts:
            _fail(self.name, memory, "parts", f"a divisor of the {memory.banks} banks")
        if memory.mac_operands not in MAC_OPERANDS:
            _fail(self.name, memory, "mac_operands", f"one of {', '.join(MAC_OPERANDS)}")
        known = [opcode.name for opcode in PIM.opcodes if opcode.queue == "cmd"]
        for command in memory.commands:
            if command not in known:
                raise VerifyException(
                    f"{self.name} {memory.name} has the command {command!r}, expected one of {', '.join(known)}"
                )
        if memory.has("softmax") and not memory.softmax_buffer_bytes:
            raise VerifyException(
                f"{self.name} {memory.name} has softmax_buffer_bytes 0, expected at least 1: it has the softmax command"
            )


def npu_core(module: ModuleOp) -> NpuCore:
    """The tile machine of the module; PassFailedException without one."""
    return _attached(module, CORE_KEY, NpuCoreAttr).data


def pim_memory(module: ModuleOp) -> PimMemory:
    """The memory of the module; PassFailedException without one."""
    return _attached(module, MEMORY_KEY, PimMemoryAttr).data


_A = TypeVar("_A", bound=Attribute)


def _attached(module: ModuleOp, key: str, kind: type[_A]) -> _A:
    found = module.attributes.get(key)
    if not isinstance(found, kind):
        raise PassFailedException(f"the module has no {key}: run attach-machine{{name=...}} first")
    return found


def _parse(parser: AttrParser, kind: type) -> dict[str, Any]:
    """`<key = value, ...>` with every field of the data class at most once, in order; those without default are needed."""
    values: dict[str, Any] = {}
    with parser.in_angle_brackets():
        more = True
        for entry in fields(kind):
            if entry.default is MISSING:
                if not more:
                    parser.parse_punctuation(",")
                parser.parse_keyword(entry.name)
            elif not more or parser.parse_optional_keyword(entry.name) is None:
                continue
            parser.parse_punctuation("=")
            match entry.type:
                case "str":
                    values[entry.name] = parser.parse_str_literal()
                case "bool":
                    values[entry.name] = parser.parse_boolean()
                case "int":
                    values[entry.name] = parser.parse_integer(allow_boolean=False)
                case _:
                    values[entry.name] = tuple(
                        parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_identifier)
                    )
            more = parser.parse_optional_punctuation(",") is not None
    return values


def _print(printer: Printer, data: NpuCore | PimMemory) -> None:
    with printer.in_angle_brackets():
        for index, entry in enumerate(fields(data)):
            value = getattr(data, entry.name)
            if entry.metadata == _SPECIAL and value == entry.default:
                continue
            printer.print_string(f"{', ' if index else ''}{entry.name} = ")
            if isinstance(value, str):
                printer.print_string_literal(value)
            elif isinstance(value, tuple):
                printer.print_string(f"[{', '.join(value)}]")
            else:
                printer.print_string(str(value).lower())


def _fail(kind: str, data: NpuCore | PimMemory, key: str, expected: str) -> None:
    raise VerifyException(f"{kind} {data.name} has {key} {getattr(data, key)}, expected {expected}")


def _at_least(kind: str, data: NpuCore | PimMemory, limit: int, *keys: str) -> None:
    for key in keys:
        if getattr(data, key) < limit:
            _fail(kind, data, key, f"at least {limit}")


def _power_of_two(kind: str, data: NpuCore | PimMemory, *keys: str) -> None:
    for key in keys:
        value = getattr(data, key)
        if value < 1 or value & (value - 1):
            _fail(kind, data, key, "a power of two")


def _multiple(kind: str, data: NpuCore | PimMemory, key: str, of: str) -> None:
    unit = getattr(data, of)
    if getattr(data, key) % unit:
        _fail(kind, data, key, f"a multiple of {of} {unit}")
