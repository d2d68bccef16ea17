"""Stage `machine`: instructions op by op, in program order, on the bytes of the memories.

Semaphores are counted as in the machine; in program order every wait must find what it waits for. An observer sees each
instruction before it runs, with its fields.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from xdsl.dialects import func
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, TensorType, i32
from xdsl.ir import Operation, SSAValue

from ..dialects import host
from ..dialects.hardware import npu_core, pim_memory
from ..dialects.instruction import InstructionOp
from ..dialects.npu.instructions import NpuInstructionOp
from ..dialects.npu.semaphore import AdvanceOp, SemaphoreOp
from ..dialects.npu.types import RopeTableAttr
from .control import PlanInterpreter
from .layouts import MainMemory, rope_table
from .llm import Array, Weights
from .local import DTYPES, LocalMemory
from .npu_instructions import Fields, Npu
from .pim_instructions import Pim

Observer: TypeAlias = Callable[[InstructionOp, Fields], None]


class MachineInterpreter(PlanInterpreter):
    """Runs `@step` of a module at stage `machine`. `main` holds the weights and the caches, `local` the buffers."""

    def __init__(self, module: ModuleOp, store: Weights, observe: Observer | None = None):
        core, memory = npu_core(module), pim_memory(module)
        super().__init__(module, store)
        self.main = MainMemory(list(self.memories.values()), memory)
        self.local = LocalMemory("local memory", _used(module, "local"))
        self.softmax = LocalMemory("softmax buffer", _used(module, "softmax"))
        self.npu = Npu(core, self.local, self.main)
        self.pim = Pim(memory, self.main, self.local, self.softmax)
        self.observe = observe
        for symbol, op in self.memories.items():
            if isinstance(op.layout, RopeTableAttr):
                assert isinstance(op.type, TensorType)
                context, head_dim = op.type.get_shape()
                self.main.store(symbol, rope_table(context, head_dim, op.layout.data))
            elif op.source is not None:
                self.main.store(symbol, store.array(op.source.data))

    def allocate(self, op: host.BufferOp) -> int:
        """A buffer is its address."""
        assert op.address is not None
        return op.address.value.data

    def contents(self, role: str) -> Array:
        op = next(op for op in self.plan_buffers if op.role is not None and op.role.data == role)
        assert isinstance(op.result.type, host.BufferType)
        return self.rows_of(op.result, self.roles[role], op.result.type.shape[0])

    def rows_of(self, buffer: SSAValue, place: Any, rows: int) -> Array:
        type_ = buffer.type
        assert isinstance(type_, host.BufferType)
        cols = type_.shape[1] if len(type_.shape) == 2 else 1
        dtype = "i32" if type_.element == i32 else {2: "f16", 4: "f32"}[type_.element_bytes]
        matrix = self.local.matrix(place, cols * DTYPES[dtype].itemsize, rows, cols, dtype)
        return matrix if len(type_.shape) == 2 else matrix[:, 0]

    def launch(self, kernel: func.FuncOp, arguments: list[Any]) -> None:
        self.counts: dict[SSAValue, int] = {}
        self.positions: dict[SSAValue, int] = {}
        self.run(kernel.body.block, arguments, {})

    def execute(self, op: Operation, operands: list[Any]) -> list[Any]:
        match op:
            case InstructionOp():
                self.instruction(op, operands)
                return []
            case SemaphoreOp():
                self.counts[op.result] = op.initial.value.data
                return [None]
            case AdvanceOp():
                position = (self.positions.get(op.buffer, 0) + 1) % op.slots.value.data
                self.positions[op.buffer] = position
                return [position]
            case host.BufferOp() if op not in self.plan_buffers:
                return [self.allocate(op)]
            case host.ViewOp(buffer=SSAValue(type=host.BufferType() as type_)):
                return [operands[0] + operands[1] * type_.row_bytes]
            case _:
                return super().execute(op, operands)

    def instruction(self, op: InstructionOp, operands: list[Any]) -> None:
        """Wait, do, post."""
        fields = Fields(**op.OPCODE.defaults)
        for name, constant, terms in op.fields.data:
            setattr(fields, name, constant + sum(factor * operands[index] for index, factor in terms))
        for semaphore, count in op.semaphores("waits"):
            if self.counts[semaphore] < count:
                raise ValueError(f"{op} waits for {count} of a semaphore that holds {self.counts[semaphore]}")
            self.counts[semaphore] -= count
        if self.observe is not None:
            self.observe(op, fields)
        device = self.npu if isinstance(op, NpuInstructionOp) else self.pim
        try:
            device.run(op.OPCODE.name, fields)
        except ValueError as error:
            raise ValueError(f"{op}: {error}") from None
        for semaphore, count in op.semaphores("posts"):
            self.counts[semaphore] += count


def _used(module: ModuleOp, space: str) -> int:
    used = module.attributes.get(host.USED_BYTES + space)
    if not isinstance(used, IntegerAttr):
        raise ValueError(f"the module has no {host.USED_BYTES}{space}: run npu-allocate-scratchpad first")
    return used.value.data
