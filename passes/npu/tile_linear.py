"""Tile program of a linear layer: weights stream through the arrays, activations and results stay in local memory."""

from __future__ import annotations

from xdsl.dialects.builtin import f16, f32
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects.affine_fields import AffineSum
from ...dialects.npu import structured as npu
from ...dialects.npu.types import TilesAttr
from ...dialects.structured import buffer_type, symbol_of
from ..tile_builder import Scalar, address
from .tile_context import TileContext, type_name


def linear(op: npu.LinearOp, context: TileContext) -> None:
    """Rounds over groups of panels, one panel per array; in a round the depth is the outer loop."""
    build = context.build
    x, y = buffer_type(op.x), buffer_type(op.y)
    layout = _layout(op, context)
    tile_k, tile_n, group = (layout.integer(key) for key in ("tile_k", "tile_n", "group"))
    tile_bytes = tile_k * tile_n * 2
    load_tiles = op.load_tiles.value.data if op.load_tiles is not None else 1
    slots = None if op.load_slots is None else op.load_slots.value.data
    panels, depths = min(load_tiles, group), max(load_tiles // group, 1)
    weights = build.address_of(symbol_of(op.weight)) + context.layer(op.layer, layout.layer_bytes)
    shape = (tile_k, tile_n) if load_tiles == 1 else (load_tiles, tile_k, tile_n)
    tiles = build.buffer(shape, f16, "tile", slots)
    sums = build.buffer((x.shape[0], group * tile_n), f32, "sums")
    bias = None if op.bias is None else context.load_row(symbol_of(op.bias), y.shape[1], op.layer)
    with build.several(layout.panels // group, "round") as rounds:
        with build.loop(layout.depth // depths, "depth") as block, build.loop(group // panels, "panel") as part:
            first = rounds * (group * layout.depth) + AffineSum.of(block) * (group * depths)
            first += AffineSum.of(part) * panels
            context.load(weights + first * tile_bytes, 1, load_tiles * tile_bytes, AffineSum.of(tiles), queue="ld0")
            with build.several(depths, "step") as step, build.several(panels, "column") as column:
                depth = AffineSum.of(block) * depths + step
                panel = AffineSum.of(part) * panels + column
                context.multiply(
                    array=panel,
                    weights=AffineSum.of(tiles) + (step * panels + column) * tile_bytes,
                    weights_stride=tile_n * 2,
                    transpose=0,
                    a=address(op.x) + depth * (tile_k * 2),
                    a_stride=x.row_bytes,
                    m=op.rows,
                    k=_clipped(context, depth * tile_k, tile_k, x.shape[1], layout.integer("padded_k")),
                    n=tile_n,
                    acc=AffineSum.of(sums) + panel * (tile_n * 4),
                    acc_stride=group * tile_n * 4,
                    accumulate=depth,
                )
        columns = rounds * (group * tile_n)
        width = _clipped(context, columns, group * tile_n, y.shape[1], layout.integer("padded_n"))
        target = (address(op.y) + columns * y.element_bytes, y.row_bytes, type_name(y))
        source = (AffineSum.of(sums), group * tile_n * 4, "f32")
        if bias is None:
            context.unary("copy", *target, *source, op.rows, width)
        else:
            context.binary("add", target, source, (bias + columns * 2, 0, "f16"), "row", op.rows, width)


def _layout(op: npu.LinearOp, context: TileContext) -> TilesAttr:
    symbol = symbol_of(op.weight)
    layout = context.memory(symbol).layout
    if not isinstance(layout, TilesAttr):
        raise PassFailedException(f"host.memory @{symbol} has layout {layout}, expected #{TilesAttr.name}<…>")
    load_tiles = op.load_tiles.value.data if op.load_tiles is not None else 1
    group = layout.integer("group")
    if group % load_tiles and (load_tiles % group or layout.depth % (load_tiles // group)):
        raise PassFailedException(
            f"npu.linear loads {load_tiles} tiles of @{symbol} at once, expected a divisor of its group of {group}, or "
            f"{group} times a divisor of its depth of {layout.depth}"
        )
    return layout


def _clipped(context: TileContext, first: AffineSum, width: int, limit: int, padded: int) -> Scalar | SSAValue:
    """The part of `width` from `first` on that lies below `limit`."""
    return width if padded == limit else context.clipped(first, width, limit)
