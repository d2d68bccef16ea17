"""Put the hardware of a machine file on the module, so that the passes after it need nothing else."""

from dataclasses import dataclass, fields
from typing import Literal, Self

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec
from xdsl.utils.exceptions import PassFailedException

from ...dialects.hardware import CORE_KEY, MEMORY_KEY, NpuCore, NpuCoreAttr, PimMemory, PimMemoryAttr
from ...dialects.xpu import PROCESSOR
from ...machines import MachineFileError, load_machine
from ...machines.schema import Machine, Npu


@dataclass(frozen=True)
class AttachMachinePass(ModulePass):
    """Describe the machine on the module: shapes, capacities and rates of the tile machine, and those of the memory.

    `name` is a machine that comes with pimlir, `file` a machine file; give one of them. A machine that is already
    attached is replaced. `mac-operands` overrides which columns a MAC names (`both`, `row` or `none`), for programs that
    another simulator must be able to express.

    Before:

        module {}

    After `attach-machine{name=tiny}`:

        module attributes {machine.name = "tiny", machine.source = "invented for tests", npu.core = #npu.core<name = "tiny", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 1048576, accumulator_bytes = 65536, align_bytes = 32, dataflow = "weight_stationary", array_overlap = true, weight_rows_per_cycle = 1, min_stream_rows = 4, vector_min_cycles = 4, vector_latency_cycles = 8, gemv_cycles = 1, dma_latency_cycles = 10, dma_issue_cycles = 1, dma_outstanding_bytes = 8192, dram_bytes_per_kilocycle = 64000, row_latency_cycles = 36>, pim.memory = #pim.memory<name = "tiny", channels = 4, banks = 4, rows = 16384, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 65536, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>} {}
    """

    name = "attach-machine"

    machine: str | None = None  # the option `name`
    file: str | None = None
    mac_operands: Literal["both", "row", "none"] | None = None

    @classmethod
    def from_spec(cls, spec: ArgSpec) -> Self:
        """The option is called `name`, which as a field would hide the name of the pass."""
        return super().from_spec(_rename(spec, "name", "machine"))

    def spec(self, *, include_default: bool = False) -> ArgSpec:
        return _rename(super().spec(include_default=include_default), "machine", "name")

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        named = self.machine if self.machine is not None else self.file
        if named is None or None not in (self.machine, self.file):
            raise PassFailedException("attach-machine needs either name=<machine> or file=<path>, and not both")
        try:
            found = load_machine(named)
        except MachineFileError as error:
            raise PassFailedException(f"attach-machine: {error}") from None
        npu, memory, pim = found.npu, found.memory, found.pim
        if npu is None or not pim.lanes:
            lacking = "[npu] and no [pim]" if npu is None and not pim.lanes else "[npu]" if npu is None else "[pim]"
            raise PassFailedException(
                f"attach-machine: {found.name} has no {lacking}: it is a memory for traces (pimlir sim) and timing tables "
                "(pimlir machines), not for programs"
            )
        op.attributes["machine.name"] = StringAttr(found.name)
        op.attributes["machine.source"] = StringAttr(found.source)
        op.attributes.pop(PROCESSOR, None)
        if found.processor == "xpu":
            op.attributes[PROCESSOR] = StringAttr(found.processor)
        op.attributes[CORE_KEY] = NpuCoreAttr(_core(found, npu))
        op.attributes[MEMORY_KEY] = PimMemoryAttr(
            PimMemory(
                found.name,
                memory.channels,
                memory.banks,
                memory.rows,
                memory.row_bytes,
                memory.column_bytes,
                pim.buffer_bytes,
                pim.dual_row_buffer,
                pim.softmax_buffer_bytes,
                tuple(pim.commands),
                self.mac_operands or pim.mac_operands,
                pim.parts,
            )
        )


def _core(machine: Machine, npu: Npu) -> NpuCore:
    other = {
        "name": machine.name,
        "vector_lanes": npu.vector_units * npu.vector_lanes,
        "gemv_cycles": npu.vector_cost["gemv"],
        "dram_bytes_per_kilocycle": min(
            1000 * npu.dma_bytes_per_cycle, _memory_bytes_per_kilocycle(machine, npu.clock_mhz)
        ),
        "row_latency_cycles": _row_latency_cycles(machine, npu.clock_mhz),
    }
    same = {field.name: getattr(npu, field.name) for field in fields(NpuCore) if field.name not in other}
    return NpuCore(**same, **other)


def _memory_bytes_per_kilocycle(machine: Machine, clock_mhz: int) -> int:
    """What all data buses deliver in 1000 cycles of the NPU, when they are never idle."""
    memory = machine.memory
    burst = memory.channels * memory.pseudo_channels * memory.access_bytes
    return burst * 10**9 // (memory.burst_cycles * memory.clock_ps * clock_mhz)


def _row_latency_cycles(machine: Machine, clock_mhz: int) -> int:
    """From the activate of a closed bank to the last byte of the row that it reads."""
    memory = machine.memory

    def delay(first: str, second: str) -> int:
        rules = [c for c in machine.constraint if first in c.preceding and second in c.following and c.window == 1]
        return max((rule.cycles for rule in rules if not rule.siblings), default=0)

    reads = memory.row_bytes // memory.access_bytes
    cycles = delay("act", "rd") + (reads - 1) * delay("rd", "rd") + machine.command["rd"].latency_cycles
    return -(-cycles * memory.clock_ps * clock_mhz // 10**6)


def _rename(spec: ArgSpec, old: str, new: str) -> ArgSpec:
    return ArgSpec(spec.name, {new if key == old else key: value for key, value in spec.parameters.items()})
