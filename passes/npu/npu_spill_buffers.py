"""Keep what NPU kernels pass to each other in main memory: load it before, store it after every kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp, StringAttr, TensorType, f16
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from ...dialects import host
from ...dialects.affine_fields import AffineSum
from ...dialects.hardware import npu_core
from ...dialects.instruction import InstructionOp
from ...dialects.npu import instructions as isa
from ...dialects.npu.types import RowMajorAttr
from ...dialects.structured import buffer_type
from ..kernels.buffers import kernels
from .accesses import accesses

MIRROR = "mirror"
ROW_ELEMENTS = 512


@dataclass(frozen=True)
class NpuSpillBuffersPass(ModulePass):
    """Load the rows that a kernel reads from buffers of the plan, and store those that it writes there.

    On-chip buffers outlive kernels, so a model's activations need no main memory. Simulators that run a model operator by
    operator move them through it (NeuPIMs); this pass, in no pipeline unless asked for, does so as well. A buffer is
    mirrored at its own address behind `@mirror`. What comes from the PIM is on chip, and so are scores and probabilities.

    Before:

        func.func @layer_1_npu(%x: !host.buffer<8x32xf16>, %y: !host.buffer<8x32xf16>, %rows: index) attributes {device = "npu"} {
          npu.unary(function = relu, dst = %y, a = %x, rows = %rows, …)
          func.return
        }

    After:

        func.func @layer_1_npu(%x: !host.buffer<8x32xf16>, %y: !host.buffer<8x32xf16>, %rows: index) attributes {device = "npu"} {
          %mirror = host.address_of @mirror
          npu.load(dram = %mirror + %x, dram_stride = 64, rows = %rows, row_bytes = 64, local = %x, local_stride = 64) {queue = "ld1"}
          npu.unary(function = relu, dst = %y, a = %x, rows = %rows, …)
          npu.store(dram = %mirror + %y, dram_stride = 64, rows = %rows, row_bytes = 64, local = %y, local_stride = 64)
          func.return
        }
    """

    name = "npu-spill-buffers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        core = npu_core(op)
        rows = -(-(core.scratchpad_bytes + core.accumulator_bytes) // (2 * ROW_ELEMENTS))
        kind = TensorType(f16, [rows, ROW_ELEMENTS])
        first = op.body.block.first_op
        assert first is not None
        layout = RowMajorAttr.of(row_bytes=2 * ROW_ELEMENTS)
        Rewriter.insert_op([host.MemoryOp(MIRROR, kind, layout)], InsertPoint.before(first))
        uses = _Uses.of(op)
        for function in kernels(op, "npu"):
            reads, writes = uses.of_kernel[function]
            loads = [each for each in reads if uses.buffer_of.get(each) not in uses.elsewhere]
            _insert(function, loads, writes)


@dataclass
class _Uses:
    """The buffers that each kernel reads and writes, which of the plan's they are, and which of those another device uses."""

    of_kernel: dict[FuncOp, tuple[list[BlockArgument], list[BlockArgument]]] = field(default_factory=dict)
    buffer_of: dict[SSAValue, SSAValue] = field(default_factory=dict)
    elsewhere: set[SSAValue | None] = field(default_factory=set)

    @staticmethod
    def of(module: ModuleOp) -> _Uses:
        uses = _Uses()
        functions = {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}
        for launch in [op for op in module.walk() if isinstance(op, host.LaunchOp)]:
            function = functions[launch.symbol]
            for argument, value in zip(function.body.block.args, launch.arguments, strict=True):
                uses.buffer_of[argument] = _buffer(value)
                if function.attributes[host.DEVICE] != StringAttr("npu"):
                    uses.elsewhere.add(_buffer(value))
        for function in kernels(module, "npu"):
            uses.of_kernel[function] = _reads_and_writes(function)
        return uses


def _buffer(value: SSAValue) -> SSAValue:
    """The buffer of the plan behind a view."""
    while isinstance(value.owner, host.ViewOp):
        value = value.owner.buffer
    return value


def _reads_and_writes(function: FuncOp) -> tuple[list[BlockArgument], list[BlockArgument]]:
    """Arguments with rows of features that a kernel reads before it writes them, and those that it writes."""
    reads: list[BlockArgument] = []
    writes: list[BlockArgument] = []
    for op in function.walk():
        if not isinstance(op, InstructionOp):
            continue
        for access in sorted(accesses(op), key=lambda access: access.writes):
            place = access.place
            if not isinstance(place, BlockArgument) or len(buffer_type(place).shape) != 2:
                continue
            if access.writes and place not in writes:
                writes.append(place)
            elif not access.writes and place not in writes and place not in reads:
                reads.append(place)
    return reads, writes


def _insert(function: FuncOp, loads: list[BlockArgument], stores: list[BlockArgument]) -> None:
    """Loads before the first instruction or loop, stores before the end."""
    body = list(function.body.block.ops)
    start = next(op for op in body if not isinstance(op, arith.ConstantOp | host.BufferOp | host.AddressOfOp))
    end = body[-1]
    assert isinstance(end, ReturnOp)
    for place, arguments, kind in ((start, loads, isa.LoadOp), (end, stores, isa.StoreOp)):
        for argument in arguments:
            Rewriter.insert_op(list(_transfer(function, argument, kind)), InsertPoint.before(place))


def _transfer(
    function: FuncOp, buffer: BlockArgument, kind: type[isa.LoadOp] | type[isa.StoreOp]
) -> Iterator[Operation]:
    """A transfer of the rows in use; a kernel that loops over sequences has them from the first sequence to the last."""
    scalars = [argument for argument in function.body.block.args if isinstance(argument.type, IndexType)]
    mirror = host.AddressOfOp(MIRROR)
    mirror.result.name_hint = MIRROR
    yield mirror
    if not _over_sequences(function):
        yield _move(kind, mirror.result, buffer, scalars[0], AffineSum(0))
        return
    one = arith.ConstantOp(IntegerAttr(1, IndexType()))
    body = Block(arg_types=[IndexType()])
    sequence = host.SequenceOp(body.args[0])
    move = _move(kind, mirror.result, buffer, sequence.new_tokens, AffineSum.of(sequence.first_row))
    body.add_ops([sequence, move, scf.YieldOp()])
    yield one
    yield scf.ForOp(scalars[0], scalars[1], one.result, [], Region(body))


def _over_sequences(function: FuncOp) -> bool:
    return any(isinstance(op, host.SequenceOp) for op in function.walk())


def _move(
    kind: type[isa.LoadOp] | type[isa.StoreOp],
    mirror: SSAValue,
    buffer: BlockArgument,
    rows: SSAValue,
    first: AffineSum,
) -> InstructionOp:
    row_bytes = buffer_type(buffer).row_bytes
    local = AffineSum.of(buffer) + first * row_bytes
    fields = {
        "dram": AffineSum.of(mirror) + local,
        "dram_stride": row_bytes,
        "rows": rows,
        "row_bytes": row_bytes,
        "local": local,
        "local_stride": row_bytes,
    }
    op = kind(fields, source=StringAttr("spill"))
    if kind is isa.LoadOp:
        op.attributes["queue"] = StringAttr("ld1")
    return op
