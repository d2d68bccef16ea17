"""Tile programs of attention on the NPU: keys and values are the stationary operand, one tile of tokens at a time.

Caches are row-major in linear memory: layers x slots x KV heads x context x head dimension.
"""

from __future__ import annotations

from xdsl.dialects.builtin import TensorType, f16, f32
from xdsl.ir import SSAValue

from ...dialects.affine_fields import AffineSum
from ...dialects.npu import instructions as isa
from ...dialects.npu import structured as npu
from ...dialects.structured import buffer_type, symbol_of
from ..placed.ragged import token_tile
from ..tile_builder import address
from .tile_context import TileContext, type_name


class _Cache:
    """Addresses in a row-major cache."""

    def __init__(self, symbol: str, layer: SSAValue, slot: SSAValue, context: TileContext):
        type_ = context.memory(symbol).type
        assert isinstance(type_, TensorType)
        _, slots, self.heads, tokens, self.head_dim = type_.get_shape()
        self.row_bytes = self.head_dim * 2
        self.head_bytes = tokens * self.row_bytes
        slot_bytes = self.heads * self.head_bytes
        self.base = context.build.address_of(symbol)
        self.base += AffineSum.of(layer) * (slots * slot_bytes) + AffineSum.of(slot) * slot_bytes

    def row(self, head: SSAValue, token: AffineSum) -> AffineSum:
        return self.base + AffineSum.of(head) * self.head_bytes + token * self.row_bytes


def kv_append(op: npu.KVAppendOp, context: TileContext) -> None:
    """Store the new rows of each head."""
    for value, symbol in ((op.k, op.keys), (op.v, op.values)):
        cache = _Cache(symbol_of(symbol), op.layer, op.slot, context)
        with context.build.loop(cache.heads, "head") as head:
            context.build.emit(
                isa.StoreOp,
                dram=cache.row(head, AffineSum.of(op.past)),
                dram_stride=cache.row_bytes,
                rows=op.rows,
                row_bytes=cache.row_bytes,
                local=address(value) + AffineSum.of(head) * cache.row_bytes,
                local_stride=buffer_type(value).row_bytes,
            )


def scores(op: npu.ScoresOp, context: TileContext) -> None:
    """For each KV head and tile of keys: the tile transposed in an array, the queries of its group streamed."""
    build = context.build
    _, heads, keys = buffer_type(op.s).shape
    cache = _Cache(symbol_of(op.keys), op.layer, op.slot, context)
    group = heads // cache.heads
    tile = context.core.array_cols or token_tile(context.core)
    part = _part(cache.head_dim, context.core.array_rows)
    key_tile = build.buffer((tile, cache.head_dim), f16, "key_tile")
    with build.loop(cache.heads, "head") as head, build.loop(_tiles(op, tile, context), "tile") as index:
        token = AffineSum.of(index) * tile
        context.load(cache.row(head, token), 1, tile * cache.row_bytes, AffineSum.of(key_tile), queue="ld0")
        array = build.remainder(index, max(context.core.arrays, 1), "array")
        with build.loop(cache.head_dim // part, "part") as depth:
            weights = AffineSum.of(key_tile) + AffineSum.of(depth) * (part * 2)
            context.preload(array, weights, cache.row_bytes, 1, part, tile)
            with build.loop(group, "query") as query:
                query_head = AffineSum.of(head) * group + query
                context.matmul(
                    array=array,
                    weights=weights,
                    weights_stride=cache.row_bytes,
                    transpose=1,
                    a=address(op.q) + query_head * cache.row_bytes + AffineSum.of(depth) * (part * 2),
                    a_stride=buffer_type(op.q).row_bytes,
                    m=op.rows,
                    k=part,
                    n=tile,
                    acc=address(op.s) + query_head * (keys * 4) + token * 4,
                    acc_stride=buffer_type(op.s).row_bytes,
                    accumulate=depth,
                )


def softmax(op: npu.SoftmaxOp, context: TileContext) -> None:
    """All rows and heads at once; columns up to the last whole tile, so that what follows reads zeros."""
    build = context.build
    bound, heads, keys = buffer_type(op.s).shape
    tile = token_tile(context.core)
    cols = AffineSum.of(build.ceildiv(AffineSum.of(op.past) + op.rows, tile)) * tile
    rows = AffineSum.of(op.rows) * heads
    statistic = AffineSum.of(build.buffer((bound, heads), f32, "statistic"))
    s = (address(op.s), keys * 4, "f32")
    column = (statistic, 4, "f32")
    build.emit(
        isa.MaskOp,
        dst=s[0],
        dst_stride=s[1],
        rows=rows,
        cols=cols,
        limit=AffineSum.of(op.past) + 1,
        rows_per_step=heads,
    )
    context.reduce("max", statistic, s, rows, cols)
    context.binary("sub", s, s, column, "column", rows, cols)
    context.unary("exp", *s, *s, rows, cols, scale=op.scale.value.data)
    context.reduce("sum", statistic, s, rows, cols)
    context.unary("reciprocal", *column, *column, rows, 1)
    context.binary("mul", (address(op.p), keys * 2, "f16"), s, column, "column", rows, cols)


def context(op: npu.ContextOp, context: TileContext) -> None:
    """For each KV head: tiles of values in an array, the probabilities of its group streamed and accumulated."""
    build = context.build
    bound, heads, keys = buffer_type(op.p).shape
    o = buffer_type(op.o)
    cache = _Cache(symbol_of(op.values), op.layer, op.slot, context)
    group = heads // cache.heads
    tile = context.core.array_rows or token_tile(context.core)
    part = _part(cache.head_dim, context.core.array_cols)
    value_tile = build.buffer((tile, cache.head_dim), f16, "value_tile")
    sums = build.buffer((group, bound, cache.head_dim), f32, "sums")
    with build.loop(cache.heads, "head") as head:
        with build.loop(_tiles(op, tile, context), "tile") as index:
            token = AffineSum.of(index) * tile
            context.load(cache.row(head, token), 1, tile * cache.row_bytes, AffineSum.of(value_tile), queue="ld0")
            with build.loop(cache.head_dim // part, "part") as column:
                array = build.remainder(column, max(context.core.arrays, 1), "array")
                weights = AffineSum.of(value_tile) + AffineSum.of(column) * (part * 2)
                context.preload(array, weights, cache.row_bytes, 0, tile, part)
                with build.loop(group, "query") as query:
                    query_head = AffineSum.of(head) * group + query
                    context.matmul(
                        array=array,
                        weights=weights,
                        weights_stride=cache.row_bytes,
                        transpose=0,
                        a=address(op.p) + query_head * (keys * 2) + token * 2,
                        a_stride=buffer_type(op.p).row_bytes,
                        m=op.rows,
                        k=tile,
                        n=part,
                        acc=AffineSum.of(sums)
                        + AffineSum.of(query) * (bound * cache.head_dim * 4)
                        + AffineSum.of(column) * (part * 4),
                        acc_stride=cache.head_dim * 4,
                        accumulate=index,
                    )
        with build.loop(group, "query") as query:
            query_head = AffineSum.of(head) * group + query
            context.unary(
                "copy",
                address(op.o) + query_head * (cache.head_dim * o.element_bytes),
                o.row_bytes,
                type_name(o),
                AffineSum.of(sums) + AffineSum.of(query) * (bound * cache.head_dim * 4),
                cache.head_dim * 4,
                "f32",
                op.rows,
                cache.head_dim,
            )


def _tiles(op: npu.ScoresOp | npu.ContextOp, tile: int, context: TileContext) -> SSAValue:
    """Number of token tiles that the sequence fills."""
    return context.build.ceildiv(AffineSum.of(op.past) + op.rows, tile, "tiles")


def _part(head_dim: int, limit: int) -> int:
    """The largest divisor of the head dimension that an array side takes."""
    return max(n for n in range(1, (limit or head_dim) + 1) if head_dim % n == 0)
