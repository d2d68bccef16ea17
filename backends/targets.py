"""`xdsl-opt -t npu-asm`, `pim-asm`, `xpu-asm` and `host-asm`: the programs of a machine-stage module as assembly text."""

from dataclasses import dataclass
from typing import IO, ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.target import Target


@dataclass(frozen=True)
class _AssemblyTarget(Target):
    """Prints all programs of `device`."""

    device: ClassVar[str]

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        from .emit.module import programs_of
        from .isa.disassembly import disassemble_all

        output.write(disassemble_all(programs_of(module, self.device)))


@dataclass(frozen=True)
class NpuAssemblyTarget(_AssemblyTarget):
    """Assembly text of the kernels that run on the NPU."""

    name = "npu-asm"
    device = "npu"


@dataclass(frozen=True)
class PimAssemblyTarget(_AssemblyTarget):
    """Assembly text of the kernels that run on the PIM."""

    name = "pim-asm"
    device = "pim"


@dataclass(frozen=True)
class XpuAssemblyTarget(_AssemblyTarget):
    """Assembly text of the kernels that run on the xPU."""

    name = "xpu-asm"
    device = "xpu"


@dataclass(frozen=True)
class HostAssemblyTarget(_AssemblyTarget):
    """Assembly text of the host plan."""

    name = "host-asm"
    device = "host"
