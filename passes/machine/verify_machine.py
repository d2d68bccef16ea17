"""Check that a module is at stage `machine`."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ...dialects.hardware import npu_core, pim_memory
from ...dialects.instruction import InstructionOp
from ...dialects.npu.instructions import MatmulOp, PreloadOp
from ...dialects.pim.instructions import PimInstructionOp
from ...dialects.structured import StructuredOp
from ..npu.accesses import queue_of
from ..stage_checks import check_dialects, check_launches, functions_with_devices, illegal


@dataclass(frozen=True)
class VerifyMachinePass(ModulePass):
    """Kernels hold only instructions that their machine has, loops and scalars; every place is a number."""

    name = "verify-machine"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        core, memory = npu_core(op), pim_memory(op)
        for tensor in op.ops:
            if isinstance(tensor, host.MemoryOp) and tensor.address is None and tensor.row is None:
                raise PassFailedException(f"host.memory @{tensor.sym_name.data} has no place at stage machine")
        for function, device in functions_with_devices(op, "machine"):
            allowed = ("arith", "func", "scf", "host") if device == "host" else ("arith", "func", "scf", "host", device)
            check_dialects(function, allowed, "machine")
            for inner in function.walk():
                if isinstance(inner, host.ViewOp) and device != "host":
                    illegal(inner, function, "machine")
                if isinstance(inner, StructuredOp | host.AddressOfOp | host.ReadOp | host.WriteOp):
                    illegal(inner, function, "machine")
                if isinstance(inner, PimInstructionOp) and not memory.has(inner.OPCODE.name):
                    raise PassFailedException(
                        f"@{function.sym_name.data}: {inner.name} is not a command of machine {memory.name}, "
                        f"which has {', '.join(memory.commands)}"
                    )
                if isinstance(inner, PreloadOp | MatmulOp) and not core.arrays:
                    raise PassFailedException(
                        f"@{function.sym_name.data}: {inner.name} needs a systolic array, machine {core.name} has none"
                    )
                if isinstance(inner, host.BufferOp) and inner.address is None:
                    raise PassFailedException(
                        f"@{function.sym_name.data}: a host.buffer has no address at stage machine"
                    )
                if isinstance(inner, InstructionOp):
                    _check_instruction(inner, function)
        check_launches(op, "machine")


def _check_instruction(op: InstructionOp, function: FuncOp) -> None:
    """Its queue exists, and no field needs a place that is not a number."""
    queues = [queue for queue in op.INSTRUCTION_SET.queues if queue != "ctl"]
    if queue_of(op) not in queues:
        raise PassFailedException(
            f"@{function.sym_name.data}: {op.name} runs on queue {queue_of(op)}, expected one of {', '.join(queues)}"
        )
    for name, value in op.values().items():
        if any(isinstance(term.owner, host.BufferOp) for term in value.terms):
            raise PassFailedException(
                f"@{function.sym_name.data}: field '{name}' of {op.name} names a host.buffer, "
                "expected its address at stage machine"
            )
