"""All programs of a machine-stage module."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ..isa.image import Program
from .kernel import FunctionEmitter
from .plan import PlanEmitter


def functions_of(module: ModuleOp, device: str) -> list[FuncOp]:
    """The functions of a device, in the order of the module."""
    return [op for op in module.ops if isinstance(op, FuncOp) and op.attributes.get(host.DEVICE) == StringAttr(device)]


def kernel_functions(module: ModuleOp) -> list[FuncOp]:
    """All kernels in the order of the module: their index is their number in the image."""
    devices = (StringAttr("npu"), StringAttr("pim"), StringAttr("xpu"))
    return [op for op in module.ops if isinstance(op, FuncOp) and op.attributes.get(host.DEVICE) in devices]


def programs_of(module: ModuleOp, device: str) -> list[Program]:
    """The programs of one device: "npu", "pim", "xpu", or "host" for the plan."""
    if device == "host":
        return [emit_plan(module)]
    return [FunctionEmitter(function, device).emit() for function in functions_of(module, device)]


def emit_kernels(module: ModuleOp) -> list[Program]:
    """The programs of all kernels, by number."""
    programs: list[Program] = []
    for function in kernel_functions(module):
        device = function.attributes[host.DEVICE]
        assert isinstance(device, StringAttr)
        programs.append(FunctionEmitter(function, device.data).emit())
    return programs


def emit_plan(module: ModuleOp) -> Program:
    """The host plan."""
    plans = functions_of(module, "host")
    if len(plans) != 1:
        raise PassFailedException(f"the module has {len(plans)} host plans, expected 1: run llm-outline-kernels first")
    kernels = {function.sym_name.data: index for index, function in enumerate(kernel_functions(module))}
    return PlanEmitter(plans[0], kernels).emit()
