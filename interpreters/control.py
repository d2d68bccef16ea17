"""What all interpreters below stage `llm` share: loops, index arithmetic, and the host plan that launches kernels."""

from collections.abc import Callable, Sequence
from math import gcd
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from xdsl.dialects import arith, func, scf
from xdsl.dialects.builtin import Float16Type, Float32Type, IntegerAttr, ModuleOp, TensorType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from ..dialects import host, llm
from ..dialects.hardware import pim_memory
from ..dialects.pim.types import HeadKeysAttr, HeadValuesAttr, KeysAttr, ValuesAttr
from ..dialects.record import RecordAttr
from .llm import Array, SeqEntry, Weights, check_step, expect_peers, find_step
from .peers import Peers

Values: TypeAlias = dict[SSAValue, Any]

_SCALARS: dict[type[Operation], Callable[[int, int], int]] = {
    arith.AddiOp: lambda a, b: a + b,
    arith.SubiOp: lambda a, b: a - b,
    arith.MuliOp: lambda a, b: a * b,
    arith.DivUIOp: lambda a, b: a // b,
    arith.CeilDivUIOp: lambda a, b: -(-a // b),
    arith.RemUIOp: lambda a, b: a % b,
    arith.MinUIOp: min,
    arith.MaxUIOp: max,
}


class BlockInterpreter:
    """Runs blocks op by op: `arith` and `scf` here, everything else in `execute`."""

    def run(self, block: Block, arguments: Sequence[Any], values: Values) -> list[Any]:
        """Run the ops of a block; returns the operands of its terminator."""
        values.update(zip(block.args, arguments, strict=True))
        for op in block.ops:
            operands = [values[operand] for operand in op.operands]
            match op:
                case func.ReturnOp() | scf.YieldOp():
                    return operands
                case arith.ConstantOp(value=IntegerAttr(value=value)):
                    results = [value.data]
                case scf.ForOp():
                    start, stop, step, *results = operands
                    for index in range(start, stop, step):
                        results = self.run(op.body.block, [index, *results], values)
                case _ if type(op) in _SCALARS:
                    results = [_SCALARS[type(op)](*operands)]
                case _:
                    results = self.execute(op, operands)
            values.update(zip(op.results, results, strict=True))
        raise ValueError("the block has no terminator")

    def execute(self, op: Operation, operands: list[Any]) -> list[Any]:
        """The results of any other op."""
        raise NotImplementedError(f"no evaluation of {op.name}")


class PlanInterpreter(BlockInterpreter):
    """Runs the host plan `@step` of a module; how buffers are held and kernels are run is up to the stage.

    Buffers of the plan live from step to step. `logits` are those of the last step, one row per sequence.
    """

    def __init__(self, module: ModuleOp, store: Weights):
        self.store = store
        self.peers: Peers | None = None
        self.plan = find_step(module)
        self.kernels = {op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)}
        bounds = module.attributes.get(llm.BOUNDS)
        if not isinstance(bounds, llm.BoundsAttr):
            raise ValueError("the module has no llm.bounds: run llm-specialize first")
        self.bounds = bounds
        self.memories = {op.sym_name.data: op for op in module.ops if isinstance(op, host.MemoryOp)}
        self.plan_buffers = {op: self.allocate(op) for op in self.plan.walk() if isinstance(op, host.BufferOp)}
        self.roles = {op.role.data: place for op, place in self.plan_buffers.items() if op.role is not None}
        self.module = module
        self.pages: dict[tuple[str, int], dict[tuple[int, int], int]] = {}
        self.sequences: list[SeqEntry] = []
        self.logits: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def step(self, tokens: ArrayLike, seqs: Sequence[tuple[int, int, int, int]]) -> NDArray[np.int32]:
        """One step of a ragged batch: the next token of each sequence."""
        ids = np.asarray(tokens, np.int32)
        self.sequences = [SeqEntry(*entry) for entry in seqs]
        check_step(len(ids), self.sequences, self.slots(), self.bounds.context.data)
        if len(ids) > self.bounds.new_tokens.data:
            raise ValueError(f"the step has {len(ids)} new tokens, expected at most {self.bounds.new_tokens.data}")
        self.contents("tokens")[: len(ids)] = ids
        arguments = [len(ids), len(seqs)]
        if len(self.plan.body.block.args) > len(arguments):  # two sub-batches
            half = -(-len(seqs) // 2)
            arguments += [sum(entry.new for entry in self.sequences[:half]), half]
        self.run(self.plan.body.block, arguments, {})
        self.logits = self.contents("logits")[: len(seqs)].copy()
        return self.contents("next")[: len(seqs)].copy()

    def execute(self, op: Operation, operands: list[Any]) -> list[Any]:
        match op:
            case host.BufferOp():
                return [self.plan_buffers[op]]
            case host.StartOp():
                return [None]
            case host.SequenceOp():
                return list(self.sequences[operands[0]])
            case host.PageOp():
                return [self.page(op.symbol, *operands)]
            case host.LaunchOp():
                arguments = operands[: len(op.arguments)]
                self.launch(self.kernels[op.symbol], arguments)
                return [None]
            case host.TransferOp():
                return [None]
            case host.CollectiveOp():
                self.exchange(op, operands)
                return [None]
            case _:
                return super().execute(op, operands)

    def slots(self) -> int:
        """Slots of the KV cache."""
        keys = self.memories.get("keys")
        if keys is None:
            return self.bounds.sequences.data
        assert isinstance(keys.type, TensorType)
        return keys.type.get_shape()[1]

    def page(self, cache: str, slot: int, index: int) -> int:
        """Page of a slot, given out when it is first asked for, the lowest one of its channels first."""
        layout = self.memories[cache].layout
        assert isinstance(layout, RecordAttr)
        beside = self.homes(layout)
        given = self.pages.setdefault((cache, slot % beside), {})
        if (slot, index) not in given:
            if len(given) == layout.integer("pages"):
                raise ValueError(f"slot {slot} needs page {index} of @{cache}, all {len(given)} pages are in use")
            given[slot, index] = len(given)
        return given[slot, index]

    def homes(self, layout: RecordAttr) -> int:
        """Groups of channels that have pages of their own."""
        channels = pim_memory(self.module).channels
        if isinstance(layout, HeadKeysAttr | HeadValuesAttr):
            return gcd(channels, layout.integer("slots"))
        return channels // layout.integer("channels") if isinstance(layout, KeysAttr | ValuesAttr) else 1

    def exchange(self, op: host.CollectiveOp, operands: list[Any]) -> None:
        """Replace the rows of a buffer by what comes of them and those of the other devices."""
        at, peers = dict(zip(op.operands, operands, strict=True)), expect_peers(self.peers)
        mine = self.rows_of(op.buffer, at[op.buffer], at[op.rows])
        match op:
            case host.AllReduceOp():
                mine[...] = peers.all_reduce(mine.copy(), mine.dtype)
            case host.AllArgmaxOp():
                logits = self.rows_of(op.logits, at[op.logits], at[op.rows])
                mine[...] = peers.all_argmax(mine.copy(), logits.copy(), op.vocabulary.value.data)
            case host.ReceiveOp():
                mine[...] = peers.receive(mine.copy())
            case _:
                peers.send(mine)

    def allocate(self, op: host.BufferOp) -> Any:
        """What stands for a buffer of the plan in the arguments of kernels."""
        raise NotImplementedError

    def contents(self, role: str) -> Array:
        """The array in the buffer of the plan that has a role."""
        raise NotImplementedError

    def rows_of(self, buffer: SSAValue, place: Any, rows: int) -> Array:
        """The first rows of a buffer, by what stands for it; writing to them changes it."""
        raise NotImplementedError

    def launch(self, kernel: func.FuncOp, arguments: list[Any]) -> None:
        """Run a kernel to its end."""
        raise NotImplementedError


class ArrayPlanInterpreter(PlanInterpreter):
    """Buffers are numpy arrays, filled with NaN (-1 for integers) so that nobody relies on what was never written."""

    def allocate(self, op: host.BufferOp) -> Array:
        return undefined(op.result.type)

    def contents(self, role: str) -> Array:
        return self.roles[role]

    def rows_of(self, buffer: SSAValue, place: Any, rows: int) -> Array:
        return place[:rows]

    def launch(self, kernel: func.FuncOp, arguments: list[Any]) -> None:
        self.run(kernel.body.block, arguments, {})


def undefined(type_: Attribute) -> Array:
    """An array for a buffer, without meaningful contents."""
    assert isinstance(type_, host.BufferType)
    dtype = dtype_of(type_.element)
    return np.full(type_.shape, -1 if dtype is np.int32 else np.nan, dtype)


def dtype_of(element: Attribute) -> type[np.generic]:
    """The numpy type of an element type."""
    if isinstance(element, Float16Type):
        return np.float16
    return np.float32 if isinstance(element, Float32Type) else np.int32
