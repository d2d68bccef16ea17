"""Builds loop nests of instructions: what `npu-tile` and `pim-expand` write their programs with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from ..dialects import host
from ..dialects.affine_fields import AffineSum
from ..dialects.instruction import InstructionOp

Scalar = AffineSum | SSAValue | int


class TileBuilder:
    """Appends ops to the innermost open loop; index constants are shared by the whole kernel."""

    def __init__(self, function: FuncOp):
        self.function = function
        self.blocks: list[list[Operation]] = []
        self.constants: dict[int, SSAValue] = {}
        for op in function.body.block.ops:
            if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr):
                self.constants.setdefault(op.value.value.data, op.result)
        self.source: StringAttr | None = None

    @contextmanager
    def instead_of(self, op: Operation) -> Iterator[None]:
        """Collects what is built inside and puts it in the place of `op`."""
        source = op.attributes.get("source")
        self.source = source if isinstance(source, StringAttr) else None
        self.blocks.append([])
        yield
        Rewriter.insert_op(self.blocks.pop(), InsertPoint.before(op))
        Rewriter.erase_op(op)

    def add(self, op: Operation) -> Operation:
        self.blocks[-1].append(op)
        return op

    def emit(self, kind: type[InstructionOp], **fields: Scalar) -> None:
        """One instruction."""
        self.add(kind(fields, source=self.source))

    @contextmanager
    def loop(self, stop: Scalar, name: str) -> Iterator[SSAValue]:
        """A loop from 0 to `stop`; yields the counter."""
        upper = self.value(stop)
        zero, one = self.constant(0), self.constant(1)
        body = Block(arg_types=[IndexType()])
        body.args[0].name_hint = name
        self.blocks.append([])
        yield body.args[0]
        body.add_ops([*self.blocks.pop(), scf.YieldOp()])
        self.add(scf.ForOp(zero, upper, one, [], Region(body)))

    @contextmanager
    def several(self, count: int, name: str) -> Iterator[AffineSum]:
        """A loop from 0 to `count`, or none around what happens once; yields the counter."""
        if count == 1:
            yield AffineSum(0)
            return
        with self.loop(count, name) as index:
            yield AffineSum.of(index)

    def constant(self, value: int) -> SSAValue:
        """An index constant, at the top of the kernel."""
        if value not in self.constants:
            op = arith.ConstantOp(IntegerAttr(value, IndexType()))
            op.result.name_hint = f"c{value}"
            first = self.function.body.block.first_op
            assert first is not None
            Rewriter.insert_op([op], InsertPoint.before(first))
            self.constants[value] = op.result
        return self.constants[value]

    def value(self, scalar: Scalar) -> SSAValue:
        """An SSA value equal to `scalar`, with arith ops where it is a sum."""
        if isinstance(scalar, int):
            return self.constant(scalar)
        if isinstance(scalar, SSAValue):
            return scalar
        result: SSAValue | None = None
        for value, coefficient in scalar.terms.items():
            term = value
            if coefficient != 1:
                term = self.binary(arith.MuliOp, value, self.constant(coefficient))
            result = term if result is None else self.binary(arith.AddiOp, result, term)
        if result is None:
            return self.constant(scalar.constant)
        if scalar.constant:
            result = self.binary(arith.AddiOp, result, self.constant(scalar.constant))
        return result

    def binary(self, kind: type[Operation], a: SSAValue, b: SSAValue, name: str | None = None) -> SSAValue:
        op = self.add(kind(a, b))  # pyright: ignore[reportCallIssue]
        op.results[0].name_hint = name
        return op.results[0]

    def ceildiv(self, a: Scalar, b: int, name: str | None = None) -> SSAValue:
        """Quotient, rounded up."""
        return self.binary(arith.CeilDivUIOp, self.value(a), self.constant(b), name)

    def floordiv(self, a: Scalar, b: int, name: str | None = None) -> Scalar:
        """Quotient, rounded down."""
        return a if b == 1 else self.binary(arith.DivUIOp, self.value(a), self.constant(b), name)

    def remainder(self, a: Scalar, b: int, name: str | None = None) -> Scalar:
        return 0 if b == 1 else self.binary(arith.RemUIOp, self.value(a), self.constant(b), name)

    def minimum(self, a: Scalar, b: Scalar, name: str | None = None) -> SSAValue:
        return self.binary(arith.MinUIOp, self.value(a), self.value(b), name)

    def maximum(self, a: Scalar, b: Scalar, name: str | None = None) -> SSAValue:
        return self.binary(arith.MaxUIOp, self.value(a), self.value(b), name)

    def buffer(self, shape: tuple[int, ...], element: Attribute, name: str, slots: int | None = None) -> SSAValue:
        """A buffer of the kernel, for which double buffering shall take so many slots."""
        op = host.BufferOp(host.BufferType(shape, element))
        op.planned_slots = None if slots is None else host.integer(slots)
        op.result.name_hint = name
        first = self.function.body.block.first_op
        assert first is not None
        Rewriter.insert_op([op], InsertPoint.before(first))
        return op.result

    def page(self, cache: str, slot: SSAValue, index: Scalar) -> SSAValue:
        """A page of a slot of a cache."""
        op = host.PageOp(cache, slot, self.value(index))
        op.result.name_hint = "page"
        self.add(op)
        return op.result

    def address_of(self, symbol: str) -> AffineSum:
        """The place of a `host.memory`."""
        op = host.AddressOfOp(symbol)
        op.result.name_hint = symbol
        self.add(op)
        return AffineSum.of(op.result)


def address(buffer: SSAValue) -> AffineSum:
    """The address of a buffer or view, as a sum over the underlying buffer."""
    owner = buffer.owner
    if isinstance(owner, host.ViewOp):
        assert isinstance(buffer.type, host.BufferType)
        return address(owner.buffer) + AffineSum.of(owner.first) * buffer.type.row_bytes
    return AffineSum.of(buffer)


def erase_unused_views(function: FuncOp) -> None:
    """Drop views and address computations that nothing uses any more."""
    changed = True
    while changed:
        changed = False
        for op in list(function.walk(reverse=True)):
            unused = not any(result.uses for result in op.results)
            if unused and isinstance(op, host.ViewOp | host.AddressOfOp | host.BufferOp):
                Rewriter.erase_op(op)
                changed = True


def memory_table(functions: Iterable[Operation]) -> Mapping[str, host.MemoryOp]:
    """Symbol to `host.memory`."""
    return {op.sym_name.data: op for op in functions if isinstance(op, host.MemoryOp)}
