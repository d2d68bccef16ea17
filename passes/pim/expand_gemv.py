"""Bank commands of a matrix-vector product."""

from itertools import groupby

from ...dialects.affine_fields import AffineSum
from ...dialects.pim import instructions as isa
from ...dialects.pim import structured as pim
from ...dialects.pim.types import MatrixAttr
from ...dialects.structured import buffer_type, symbol_of
from ..tile_builder import Scalar
from .command_context import CommandContext


def gemv(op: pim.GemvOp, context: CommandContext) -> None:
    """For each token and chunk of inputs: the chunk to all global buffers, then every row of weights against it.

    A unit computes one output neuron a pass; sums over chunks are added in the buffer that receives them.
    """
    build, memory = context.build, context.memory
    layout = context.layout(symbol_of(op.weight), MatrixAttr)
    x, y = buffer_type(op.x), buffer_type(op.y)
    context.columns_of(x.shape[1], f"input width of @{symbol_of(op.weight)}")
    used = min(memory.channels, -(-y.shape[1] // memory.banks))
    base = build.address_of(symbol_of(op.weight))
    if op.layer is not None:
        base += AffineSum.of(op.layer) * layout.integer("rows_per_layer")
    keys = ("columns_of_chunk", "passes_per_row", "rows_of_chunk")
    kinds = [(kind, len(list(same))) for kind, same in groupby(zip(*map(layout.integers, keys), strict=True))]
    with build.loop(op.rows, "token") as token:
        first_chunk, first_row = 0, 0
        for (width, per_row, rows), count in kinds:
            with build.loop(count, "chunk") as chunk:
                number = AffineSum.of(chunk) + first_chunk
                offset = AffineSum.of(token) * x.row_bytes + number * (layout.integer("chunk") * 2)
                context.write_buffer(op.x, offset, width, 0, used)
                with build.loop(rows, "row") as row:
                    weights_row = base + AffineSum.of(chunk) * rows + first_row + row
                    build.emit(isa.ActivateOp, row=weights_row, channel=0, channels=used)
                    passes = -(-y.shape[1] // memory.units)
                    here: Scalar = min(passes, per_row)
                    if passes > per_row and passes % per_row:
                        here = build.minimum(per_row, AffineSum.of(row) * -per_row + passes, "passes")
                    with build.loop(here, "pass") as index:
                        number_of_pass = AffineSum.of(row) * per_row + index
                        _one_pass(op, context, token, number_of_pass, number, AffineSum.of(index) * width, width)
                    build.emit(isa.PrechargeOp, channel=0, channels=used)
            first_chunk += count
            first_row += count * rows


def _one_pass(
    op: pim.GemvOp,
    context: CommandContext,
    token: Scalar,
    number: AffineSum,
    chunk: AffineSum,
    column: AffineSum,
    width: int,
) -> None:
    """One output neuron in each unit: multiply-accumulate, then read the accumulators of the channels that have one."""
    build, memory = context.build, context.memory
    y = buffer_type(op.y)
    outputs = y.shape[1]
    passes = -(-outputs // memory.units)
    channels = full = min(memory.channels, -(-outputs // memory.banks))
    tail = outputs % memory.banks
    if passes > 1 and outputs % memory.units:
        left = number * -memory.units + outputs
        channels = build.minimum(memory.channels, build.ceildiv(left, memory.banks), "channels")
    if tail:
        left = number * -memory.units + outputs
        full = build.minimum(memory.channels, build.floordiv(left, memory.banks), "full")
    else:
        full = channels
    context.mac(column, width, 0, 0, channels)
    offset = AffineSum.of(token) * y.row_bytes + number * (memory.units * 4)
    context.read_acc(op.y, offset, memory.banks, chunk, 0, full)
    if tail:
        last = build.floordiv(number + 1, passes, "last")
        with build.loop(last, "tail"):
            context.read_acc(op.y, offset + AffineSum.of(full) * (memory.banks * 4), tail, chunk, full, 1)
