"""One function of machine-stage IR to one program: loops, scalars and instructions, a register per run-time value."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith, func, scf
from xdsl.dialects.builtin import IntegerAttr, StringAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ...dialects.affine_fields import AffineSum
from ...dialects.instruction import InstructionOp
from ...dialects.npu.semaphore import AdvanceOp, SemaphoreOp
from ..isa.encode import Affine, ProgramBuilder
from ..isa.image import Program

_SCALARS = {
    arith.CeilDivUIOp: "ceildiv",
    arith.DivUIOp: "div",
    arith.RemUIOp: "rem",
    arith.MinUIOp: "min",
    arith.MaxUIOp: "max",
    arith.MuliOp: "mul",
}


class FunctionEmitter:
    """Emits the body of a function. `values` maps run-time values to what they are in terms of registers."""

    def __init__(self, function: func.FuncOp, device: str, arguments: Sequence[str] | None = None):
        self.function = function
        self.builder = ProgramBuilder(function.sym_name.data, device, arguments or _argument_names(function))
        self.values: dict[SSAValue, Affine] = {
            argument: Affine.register(index) for index, argument in enumerate(function.body.block.args)
        }
        self.semaphores: dict[SSAValue, int] = {}
        self.rings: dict[SSAValue, int] = {}

    def emit(self) -> Program:
        # Positions outlive blocks: a register that another block may use in between would lose them.
        for op in self.function.walk():
            if isinstance(op, AdvanceOp) and op.buffer not in self.rings:
                self.rings[op.buffer] = self.builder.register()
        self.block(self.function.body.block)
        return self.builder.finish()

    def block(self, block: Block) -> None:
        registers: list[int] = []
        for op in block.ops:
            registers += self.op(op)
        for register in registers:
            self.builder.release(register)

    def op(self, op: Operation) -> Sequence[int]:
        """Emit one op; returns the registers that it took until the end of its block."""
        match op:
            case InstructionOp():
                self.instruction(op)
            case scf.ForOp():
                self.loop(op)
            case arith.ConstantOp():
                if not isinstance(op.value, IntegerAttr):
                    raise PassFailedException(f"@{self.function.sym_name.data}: constant {op.value} is not an integer")
                self.values[op.result] = Affine(op.value.value.data)
            case arith.AddiOp():
                self.values[op.result] = self.affine(op.lhs) + self.affine(op.rhs)
            case arith.SubiOp():
                self.values[op.result] = self.affine(op.lhs) + self.affine(op.rhs) * -1
            case arith.MuliOp() if self.constant(op.lhs) is not None or self.constant(op.rhs) is not None:
                factor, other = self.constant(op.rhs), op.lhs
                if factor is None:
                    factor, other = self.constant(op.lhs), op.rhs
                assert factor is not None
                self.values[op.result] = self.affine(other) * factor
            case SemaphoreOp():
                self.semaphores[op.result] = self.builder.semaphore(op.initial.value.data)
            case AdvanceOp():
                self.advance(op)
            case host.SequenceOp():
                return self.sequence(op)
            case host.PageOp():
                return self.page(op)
            case host.BufferOp() | scf.YieldOp() | func.ReturnOp():
                pass
            case _:
                return [self.scalar(op)]
        return ()

    def sequence(self, op: host.SequenceOp) -> list[int]:
        registers = [self.builder.register() for _ in op.results]
        names = dict(zip(("first_row", "new_tokens", "past", "slot"), registers, strict=True))
        self.builder.emit("sequence", index=self.affine(op.index), **names)
        for result, register in zip(op.results, registers, strict=True):
            self.values[result] = Affine.register(register)
        return registers

    def page(self, op: host.PageOp) -> list[int]:
        register = self.builder.register()
        slot, index = self.affine(op.slot), self.affine(op.index)
        self.builder.emit("page", result=register, table=op.symbol, slot=slot, index=index)
        self.values[op.result] = Affine.register(register)
        return [register]

    def scalar(self, op: Operation) -> int:
        name = _SCALARS.get(type(op))
        if name is None:
            raise PassFailedException(
                f"@{self.function.sym_name.data}: {op.name} has no instruction: run lower-to-machine first"
            )
        register = self.builder.register()
        a, b = (self.affine(operand) for operand in op.operands)
        self.builder.emit("scalar", result=register, op=name, a=a, b=b)
        self.values[op.results[0]] = Affine.register(register)
        return register

    def advance(self, op: AdvanceOp) -> None:
        """A ring position keeps its register for the whole program."""
        register = self.rings[op.buffer]
        position = Affine.register(register)
        self.builder.emit("scalar", result=register, op="rem", a=position + 1, b=op.slots.value.data)
        self.values[op.slot] = position

    def loop(self, op: scf.ForOp) -> None:
        bounds = {"start": self.affine(op.lb), "step": self.affine(op.step)}
        with self.builder.loop(self.affine(op.ub), **bounds) as counter:
            self.values[op.body.block.args[0]] = Affine.register(counter)
            self.block(op.body.block)

    def instruction(self, op: InstructionOp) -> None:
        queue, source = op.attributes.get("queue"), op.attributes.get("source")
        self.builder.emit(
            op.OPCODE.name,
            queue=queue.data if isinstance(queue, StringAttr) else None,
            wait=[(self.semaphores[value], count) for value, count in op.semaphores("waits")],
            post=[(self.semaphores[value], count) for value, count in op.semaphores("posts")],
            tag=source.data if isinstance(source, StringAttr) else None,
            **{name: self.sum(value) for name, value in op.values().items()},
        )

    def sum(self, value: AffineSum) -> Affine:
        total = Affine(value.constant)
        for operand, coefficient in value.terms.items():
            total += self.affine(operand) * coefficient
        return total

    def affine(self, value: SSAValue) -> Affine:
        """What a value is in terms of registers."""
        if value not in self.values:
            owner = value.owner
            name = owner.name if isinstance(owner, Operation) else "block argument"
            raise PassFailedException(
                f"@{self.function.sym_name.data}: the result of {name} is not a number: run lower-to-machine first"
            )
        return self.values[value]

    def constant(self, value: SSAValue) -> int | None:
        affine = self.values.get(value)
        return None if affine is None or affine.coefficients else affine.constant


def _argument_names(function: func.FuncOp) -> list[str]:
    """Names of the arguments, made unique."""
    names: list[str] = []
    for index, argument in enumerate(function.body.block.args):
        name = argument.name_hint or f"arg{index}"
        names.append(name if name not in names else f"{name}_{index}")
    return names
