"""Checks that the verify passes of the stages after `llm` share."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from xdsl.dialects.builtin import ModuleOp, StringAttr, SymbolRefAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation
from xdsl.utils.exceptions import PassFailedException

from ..dialects import host
from ..dialects.structured import StructuredOp

DEVICES = ("npu", "pim", "xpu", "host")


def functions_with_devices(module: ModuleOp, stage: str) -> Iterator[tuple[FuncOp, str]]:
    """Each function with its device; fails on a function without one, or unless there is one plan."""
    plans = 0
    for op in module.ops:
        if not isinstance(op, FuncOp):
            continue
        device = op.attributes.get(host.DEVICE)
        if not isinstance(device, StringAttr) or device.data not in DEVICES:
            raise PassFailedException(
                f"@{op.sym_name.data} has device {device}, expected one of {', '.join(DEVICES)} at stage {stage}"
            )
        plans += device.data == "host"
        yield op, device.data
    if plans != 1:
        raise PassFailedException(f"the module has {plans} host plans, expected 1 at stage {stage}")


def check_dialects(function: FuncOp, allowed: Collection[str], stage: str) -> None:
    """Refuses ops of other dialects."""
    for op in function.walk():
        if op.name.split(".")[0] not in allowed:
            illegal(op, function, stage)


def illegal(op: Operation, function: FuncOp, stage: str) -> None:
    """Fail because of an op that should be gone."""
    raise PassFailedException(f"@{function.sym_name.data}: {op.name} is not allowed at stage {stage}")


def check_launches(module: ModuleOp, stage: str) -> None:
    """Every launch names a kernel and passes what it takes."""
    kernels = {f.sym_name.data: f for f in module.ops if isinstance(f, FuncOp)}
    for function in kernels.values():
        for op in function.walk():
            if not isinstance(op, host.LaunchOp):
                continue
            kernel = kernels.get(op.symbol)
            if kernel is None or kernel is function:
                raise PassFailedException(f"launch of @{op.symbol}, which is not a kernel, at stage {stage}")
            found = [argument.type for argument in op.arguments]
            expected = list(kernel.function_type.inputs.data)
            if found != expected:
                raise PassFailedException(
                    f"launch of @{op.symbol} passes ({', '.join(map(str, found))}), "
                    f"expected ({', '.join(map(str, expected))}) at stage {stage}"
                )


def check_symbols(op: StructuredOp, module: ModuleOp) -> None:
    """Every symbol that a structured op names is a `host.memory`."""
    known = {tensor.sym_name.data for tensor in module.ops if isinstance(tensor, host.MemoryOp)}
    for name, attribute in op.properties.items():
        if isinstance(attribute, SymbolRefAttr) and attribute.root_reference.data not in known:
            raise PassFailedException(
                f"{op.name} names {name} @{attribute.root_reference.data}, which is no host.memory"
            )
