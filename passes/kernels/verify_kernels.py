"""Check that a module is at stage `kernels`."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects.instruction import InstructionOp
from ...dialects.structured import StructuredOp
from ..stage_checks import check_dialects, check_launches, check_symbols, functions_with_devices, illegal


@dataclass(frozen=True)
class VerifyKernelsPass(ModulePass):
    """Kernels hold structured ops of their device on buffers, no `llm` op and no instruction is in them, and every
    `host.memory` that they name exists. Kernels of the xPU are operators already: it has no lower level.
    """

    name = "verify-kernels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function, device in functions_with_devices(op, "kernels"):
            allowed = ("arith", "func", "scf", "host") if device == "host" else ("arith", "func", "scf", "host", device)
            check_dialects(function, allowed, "kernels")
            for inner in function.walk():
                if isinstance(inner, InstructionOp) and device != "xpu":
                    illegal(inner, function, "kernels")
                if isinstance(inner, StructuredOp):
                    check_symbols(inner, op)
        check_launches(op, "kernels")
