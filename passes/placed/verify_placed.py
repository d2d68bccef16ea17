"""Check that a module is at stage `placed`."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ..stage_checks import check_dialects, check_launches, functions_with_devices

_KERNEL = ("llm", "arith", "func", "scf", "host")
_PLAN = ("arith", "func", "scf", "host")


@dataclass(frozen=True)
class VerifyPlacedPass(ModulePass):
    """Every function is a kernel with a device or the plan; kernels hold `llm` ops between reads and writes of buffers;
    the plan launches kernels that exist, with the arguments they take.
    """

    name = "verify-placed"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function, device in functions_with_devices(op, "placed"):
            check_dialects(function, _PLAN if device == "host" else _KERNEL, "placed")
        check_launches(op, "placed")
