"""The PIM instructions of one step with the values of their operands: where every exporter to a trace format begins."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, ClassVar, NamedTuple

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException
from xdsl.utils.target import Target

from ...dialects import llm
from ...dialects.hardware import PimMemory, pim_memory
from ..emit.module import emit_kernels, emit_plan
from ..isa.check import ProgramError
from ..isa.host import HOST
from ..isa.pim import PIM
from ..isa.walk import Walk

_LAUNCH = HOST["launch"]
_OPCODES = {opcode.number: opcode for opcode in PIM.opcodes}

Sequences = list[tuple[int, int, int, int]]
"""First row, new tokens, past tokens and slot of each sequence."""


class Instruction(NamedTuple):
    """One executed instruction: its program, its index there, its name and the values of its fields."""

    program: str
    index: int
    name: str
    fields: dict[str, int]

    def __getitem__(self, field: str) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.fields[field]

    @property
    def idle(self) -> bool:
        """Whether it selects nothing: no channel, no column or no byte."""
        return any(self.fields.get(extent) == 0 for extent in ("channels", "columns", "banks", "bytes", "rows"))

    def refusal(self, format: str, why: str) -> PassFailedException:
        """The error of a format that cannot express the instruction."""
        return PassFailedException(f"{format}: @{self.program}, instruction {self.index} ({self.name}): {why}")


@dataclass(frozen=True)
class StepTarget(Target):
    """Base of the exporters: writes the PIM launches of one step of the host plan.

    `sequences` sequences bring `new` tokens each after `past` others. Defaults: in phase prefill one sequence from its
    beginning, as many tokens as a step takes; otherwise the whole batch, a token each, the longest that the module allows.

    Subclasses set `machine`, the machine that a model is compiled for if none is named, `mac_operands`, the columns that the
    format lets a MAC name, and `attention`, the layout of caches.
    """

    machine: ClassVar[str]
    mac_operands: ClassVar[str]
    attention: ClassVar[str] = "tokens"

    past: int | None = None
    new: int | None = None
    sequences: int | None = None

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        memory = pim_memory(module)
        for line in self.lines(memory, self.launches(module)):
            output.write(line + "\n")

    @abstractmethod
    def lines(self, memory: PimMemory, launches: Iterator[Iterator[Instruction]]) -> Iterator[str]:
        """The lines of the trace."""

    def launches(self, module: ModuleOp) -> Iterator[Iterator[Instruction]]:
        """The instructions of each PIM launch, in program order."""
        tokens, table = self._table(module)
        programs = emit_kernels(module)
        walks = [Walk(program) for program in programs]
        if all(program.device != "pim" for program in programs):
            raise PassFailedException(f"{self.name}: no kernel of the module runs on the PIM")
        plan = emit_plan(module)
        half = -(-len(table) // 2)  # of two sub-batches, if the plan has them
        arguments = [tokens, len(table), half * table[0][1], half][: len(plan.arguments)]
        walk = Walk(plan)
        for _, opcode, fields in walk.run(walk.registers(arguments), [], table):
            if opcode != _LAUNCH.number:  # what devices exchange is no command of a memory
                continue
            values = dict(zip(_LAUNCH.fields, fields, strict=False))
            kernel = values["kernel"]
            if programs[kernel].device == "pim":
                passed = [values[f"arg{index}"] for index in range(values["arguments"])]
                yield _instructions(walks[kernel], passed, table)

    def _table(self, module: ModuleOp) -> tuple[int, Sequences]:
        """Token rows and sequences of the step, within the bounds of the module."""
        bounds = module.attributes.get(llm.BOUNDS)
        if not isinstance(bounds, llm.BoundsAttr):
            raise PassFailedException("the module has no llm.bounds: run llm-specialize first")
        context, most = bounds.context.data, bounds.sequences.data
        prefill = bounds.phase.data is llm.Phase.PREFILL
        sequences = self.sequences or (1 if prefill else most)
        new = self.new or (min(bounds.new_tokens.data, context) if prefill else bounds.new_tokens.data // most)
        if self.new is None and bounds.phase.data is llm.Phase.MIXED:
            new = 1
        past = self.past if self.past is not None else 0 if prefill else context - new
        self._limit("sequences", sequences, most)
        self._limit("new x sequences", new * sequences, bounds.new_tokens.data)
        self._limit("past + new", past + new, context)
        return new * sequences, [(slot * new, new, past, slot) for slot in range(sequences)]

    def _limit(self, what: str, found: int, most: int) -> None:
        if not 0 < found <= most:
            raise PassFailedException(f"{self.name}: {what} is {found}, expected 1..{most}: the bounds of the module")


def _instructions(walk: Walk, arguments: list[int], table: Sequences) -> Iterator[Instruction]:
    try:
        for index, number, fields in walk.run(walk.registers(arguments), [], table):
            opcode = _OPCODES[number]
            yield Instruction(walk.name, index, opcode.name, dict(zip(opcode.fields, fields, strict=False)))
    except ProgramError as error:
        raise PassFailedException(str(error)) from None
