"""Tile programs of the vector unit: norms, rotary embedding, element-wise ops, greedy sampling."""

from xdsl.dialects.builtin import f16, f32

from ...backends.isa.npu import ROPE_STYLES
from ...dialects.affine_fields import AffineSum
from ...dialects.npu import instructions as isa
from ...dialects.npu import structured as npu
from ...dialects.structured import StructuredOp, buffer_type, symbol_of
from ..tile_builder import address
from .tile_context import Tensor, TileContext, type_name


def expand(op: StructuredOp, context: TileContext) -> None:
    """Build the instructions of one op that has no loop of its own."""
    match op:
        case npu.RMSNormOp():
            _rms_norm(op, context)
        case npu.LayerNormOp():
            _layer_norm(op, context)
        case npu.RotaryOp():
            _rotary(op, context)
        case npu.PositionEmbedOp():
            _position_embed(op, context)
        case npu.ElementwiseOp():
            _elementwise(op, context)
        case npu.BiasOp():
            bias = context.load_row(symbol_of(op.bias), buffer_type(op.y).shape[1], op.layer)
            width = buffer_type(op.y).shape[1]
            context.binary("add", _tensor(op.y), _tensor(op.x), (bias, 0, "f16"), "row", op.rows, width)
        case npu.GreedyOp():
            x = buffer_type(op.x)
            context.build.emit(
                isa.ArgmaxOp,
                dst=address(op.y),
                a=address(op.x),
                a_stride=x.row_bytes,
                rows=op.rows,
                cols=op.columns.value.data,
            )
        case _:
            raise NotImplementedError(op.name)


def _tensor(value) -> Tensor:
    buffer = buffer_type(value)
    return address(value), buffer.row_bytes, type_name(buffer)


def _rms_norm(op: npu.RMSNormOp, context: TileContext) -> None:
    x = buffer_type(op.x)
    width = x.shape[1]
    gain = context.load_row(symbol_of(op.gain), width, op.layer)
    factor = AffineSum.of(context.build.buffer((x.shape[0],), f32, "factor"))
    scaled = AffineSum.of(context.build.buffer(x.shape, f32, "scaled"))
    context.reduce("sum_of_squares", factor, _tensor(op.x), op.rows, width)
    eps = op.eps.value.data
    context.unary("rsqrt", factor, 4, "f32", factor, 4, "f32", op.rows, 1, scale=1 / width, bias=eps)
    dense = (scaled, width * 4, "f32")
    context.binary("mul", dense, _tensor(op.x), (factor, 4, "f32"), "column", op.rows, width)
    context.binary("mul", _tensor(op.y), dense, (gain, 0, "f16"), "row", op.rows, width)


def _layer_norm(op: npu.LayerNormOp, context: TileContext) -> None:
    x = buffer_type(op.x)
    width = x.shape[1]
    gain = context.load_row(symbol_of(op.gain), width, op.layer)
    bias = context.load_row(symbol_of(op.bias), width, op.layer)
    moment = AffineSum.of(context.build.buffer((x.shape[0],), f32, "moment"))
    centred = AffineSum.of(context.build.buffer(x.shape, f32, "centred"))
    dense = (centred, width * 4, "f32")
    column = (moment, 4, "f32")
    context.reduce("sum", moment, _tensor(op.x), op.rows, width)
    context.unary("copy", moment, 4, "f32", moment, 4, "f32", op.rows, 1, scale=1 / width)
    context.binary("sub", dense, _tensor(op.x), column, "column", op.rows, width)
    context.reduce("sum_of_squares", moment, dense, op.rows, width)
    eps = op.eps.value.data
    context.unary("rsqrt", moment, 4, "f32", moment, 4, "f32", op.rows, 1, scale=1 / width, bias=eps)
    context.binary("mul", dense, dense, column, "column", op.rows, width)
    context.binary("mul", dense, dense, (gain, 0, "f16"), "row", op.rows, width)
    context.binary("add", _tensor(op.y), dense, (bias, 0, "f16"), "row", op.rows, width)


def _rotary(op: npu.RotaryOp, context: TileContext) -> None:
    x, y = buffer_type(op.x), buffer_type(op.y)
    head_dim = op.head_dim.value.data
    width = head_dim * 4
    table = AffineSum.of(context.build.buffer((x.shape[0], head_dim), f32, "angles"))
    dram = context.build.address_of(symbol_of(op.table)) + AffineSum.of(op.past) * width
    context.load(dram, op.rows, width, table, queue="ld1")
    context.build.emit(
        isa.RopeOp,
        dst=address(op.y),
        dst_stride=y.row_bytes,
        a=address(op.x),
        a_stride=x.row_bytes,
        table=table,
        table_stride=width,
        rows=op.rows,
        heads=op.heads.value.data,
        head_dim=head_dim,
        style=ROPE_STYLES.index(op.style.data.value),
    )


def _position_embed(op: npu.PositionEmbedOp, context: TileContext) -> None:
    x = buffer_type(op.x)
    positions = AffineSum.of(context.build.buffer(x.shape, f16, "positions"))
    dram = context.build.address_of(symbol_of(op.table))
    dram += (AffineSum.of(op.past) + op.offset.value.data) * x.row_bytes
    context.load(dram, op.rows, x.row_bytes, positions, queue="ld1")
    other = (positions, x.row_bytes, "f16")
    context.binary("add", _tensor(op.y), _tensor(op.x), other, "tile", op.rows, x.shape[1])


def _elementwise(op: npu.ElementwiseOp, context: TileContext) -> None:
    width = buffer_type(op.y).shape[1]
    y, a = _tensor(op.y), _tensor(op.a)
    if op.b is not None:
        context.binary(op.kind.data.value, y, a, _tensor(op.b), "tile", op.rows, width)
    else:
        context.unary(op.kind.data.value, *y, *a, op.rows, width)
