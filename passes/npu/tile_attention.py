"""Tile programs of attention on the NPU: tiles of keys and values stay in an array, or pass through the vector unit.

Caches are row-major in linear memory: layers x slots x KV heads x context x head dimension, or in pages as `#npu.row_major`
says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xdsl.dialects import arith
from xdsl.dialects.builtin import TensorType, f16, f32
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects.affine_fields import AffineSum
from ...dialects.npu import instructions as isa
from ...dialects.npu import structured as npu
from ...dialects.record import page_tokens
from ...dialects.structured import buffer_type, symbol_of
from ..kernels.attention_cost import heads_together
from ..placed.ragged import token_tile
from ..tile_builder import Scalar, address
from .tile_context import TileContext, type_name


class _Cache:
    """Addresses in a row-major cache."""

    def __init__(self, symbol: str, layer: SSAValue, slot: SSAValue, context: TileContext):
        memory = context.memory(symbol)
        assert isinstance(memory.type, TensorType)
        self.layers, slots, self.heads, tokens, self.head_dim = memory.type.get_shape()
        self.symbol, self.slot, self.build = symbol, slot, context.build
        self.row_bytes = self.head_dim * 2
        self.page_tokens = page_tokens(memory.layout)
        self.head_bytes = (self.page_tokens or tokens) * self.row_bytes
        self.part_bytes = self.heads * self.head_bytes  # of a page or slot in a layer
        self.base = self.build.address_of(symbol)
        if self.page_tokens:
            self.base += AffineSum.of(layer) * self.part_bytes
        else:
            self.base += AffineSum.of(layer) * (slots * self.part_bytes) + AffineSum.of(slot) * self.part_bytes

    def rows(self, token: AffineSum) -> AffineSum:
        """Address of a token of head 0; what follows is in order up to the end of the page, if there are pages."""
        if not self.page_tokens:
            return self.base + token * self.row_bytes
        page = self.build.page(self.symbol, self.slot, self.build.floordiv(token, self.page_tokens, "page_index"))
        inside = AffineSum.of(self.build.remainder(token, self.page_tokens, "in_page"))
        return self.base + AffineSum.of(page) * (self.layers * self.part_bytes) + inside * self.row_bytes

    @contextmanager
    def pieces(self, first: SSAValue, count: SSAValue) -> Iterator[tuple[AffineSum, Scalar]]:
        """Tokens from `first` on, those of each page by themselves: how many came before, and how many there are."""
        build, size = self.build, self.page_tokens
        if not size:
            yield AffineSum(0), count
            return
        end = AffineSum.of(first) + count
        first_page = AffineSum.of(build.floordiv(first, size, "first_page"))
        pages = build.value(AffineSum.of(build.ceildiv(end, size, "end_page")) + first_page * -1)
        with build.loop(pages, "piece") as piece:
            start = (first_page + piece) * size
            low, high = build.maximum(start, first, "low"), build.minimum(start + size, end, "high")
            yield AffineSum.of(low) + AffineSum.of(first) * -1, build.value(AffineSum.of(high) + AffineSum.of(low) * -1)


def kv_append(op: npu.KVAppendOp, context: TileContext) -> None:
    """Store the new rows of each head."""
    for value, symbol in ((op.k, op.keys), (op.v, op.values)):
        cache = _Cache(symbol_of(symbol), op.layer, op.slot, context)
        width = buffer_type(value).row_bytes
        with cache.pieces(op.past, op.rows) as (before, count):
            place = cache.rows(AffineSum.of(op.past) + before)
            with context.build.loop(cache.heads, "head") as head:
                context.build.emit(
                    isa.StoreOp,
                    dram=place + AffineSum.of(head) * cache.head_bytes,
                    dram_stride=cache.row_bytes,
                    rows=count,
                    row_bytes=cache.row_bytes,
                    local=address(value) + before * width + AffineSum.of(head) * cache.row_bytes,
                    local_stride=width,
                )


def scores(op: npu.ScoresOp, context: TileContext) -> None:
    """For each KV head and load of keys: its tiles, transposed, times the queries of its group."""
    build = context.build
    _, heads, keys = buffer_type(op.s).shape
    cache = _Cache(symbol_of(op.keys), op.layer, op.slot, context)
    group = heads // cache.heads
    on_array = _on_array(op, context)
    tile = context.core.array_cols if on_array else token_tile(context.core)
    part = _part(cache.head_dim, context.core.array_rows if on_array else 0)
    loads = _Loads(op, tile, "key_tile", cache, context)
    with build.loop(cache.heads, "head") as head, loads.each() as (first, tokens):
        loads.load(head, first, tokens)
        with loads.tiles(tokens) as (index, width), build.loop(cache.head_dim // part, "part") as depth:
            weights = AffineSum.of(loads.buffer) + index * (tile * cache.row_bytes)
            weights += AffineSum.of(depth) * (part * 2)
            turn = AffineSum.of(head) + loads.number + index
            array = build.remainder(turn, max(context.core.arrays, 1), "array") if on_array else 0
            if on_array:
                context.preload(array, weights, cache.row_bytes, 1, part, tile)
            with build.loop(group, "query") as query:
                query_head = AffineSum.of(head) * group + query
                context.matmul(
                    on_array=on_array,
                    array=array,
                    weights=weights,
                    weights_stride=cache.row_bytes,
                    transpose=1,
                    a=address(op.q) + query_head * cache.row_bytes + AffineSum.of(depth) * (part * 2),
                    a_stride=buffer_type(op.q).row_bytes,
                    m=op.rows,
                    k=part,
                    n=width,
                    acc=address(op.s) + query_head * (keys * 4) + first * 4 + index * (tile * 4),
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
    """For each load of values and KV head: the probabilities of its group times its tiles, summed up over the loads."""
    build = context.build
    bound, heads, keys = buffer_type(op.p).shape
    o = buffer_type(op.o)
    cache = _Cache(symbol_of(op.values), op.layer, op.slot, context)
    group = heads // cache.heads
    on_array = _on_array(op, context)
    tile = context.core.array_rows if on_array else token_tile(context.core)
    part = _part(cache.head_dim, context.core.array_cols if on_array else 0)
    loads = _Loads(op, tile, "value_tile", cache, context)
    together = heads_together(bound, cache.heads, group * cache.head_dim * 4, context.core)
    width = together * group * cache.head_dim
    sums = build.buffer((bound, width), f32, "sums")
    with build.several(cache.heads // together, "heads") as several:
        # Heads inside: what follows each other goes to different arrays and different sums.
        with loads.each() as (first, tokens), build.loop(together, "head") as one:
            head = several * together + one
            loads.load(head, first, tokens)
            with loads.tiles(tokens) as (index, depth), build.loop(cache.head_dim // part, "part") as column:
                weights = AffineSum.of(loads.buffer) + index * (tile * cache.row_bytes)
                weights += AffineSum.of(column) * (part * 2)
                turn = head * (cache.head_dim // part) + column
                array = build.remainder(turn, max(context.core.arrays, 1), "array") if on_array else 0
                if on_array:
                    context.preload(array, weights, cache.row_bytes, 0, tile, part)
                with build.loop(group, "query") as query:
                    query_head = head * group + query
                    sum_head = AffineSum.of(one) * group + query
                    context.matmul(
                        on_array=on_array,
                        array=array,
                        weights=weights,
                        weights_stride=cache.row_bytes,
                        transpose=0,
                        a=address(op.p) + query_head * (keys * 2) + first * 2 + index * (tile * 2),
                        a_stride=buffer_type(op.p).row_bytes,
                        m=op.rows,
                        k=depth,
                        n=part,
                        acc=AffineSum.of(sums) + sum_head * (cache.head_dim * 4) + AffineSum.of(column) * (part * 4),
                        acc_stride=width * 4,
                        accumulate=loads.number + index,
                    )
        target = address(op.o) + several * (width * o.element_bytes)
        source = (AffineSum.of(sums), width * 4, "f32")
        context.unary("copy", target, o.row_bytes, type_name(o), *source, op.rows, width)


class _Loads:
    """Loads of some tokens of a head, each a whole number of tiles; the last one brings the tiles that are left."""

    def __init__(self, op: npu.ScoresOp | npu.ContextOp, tile: int, name: str, cache: _Cache, context: TileContext):
        tokens = tile if op.load_tokens is None else op.load_tokens.value.data
        if tokens % tile:
            raise PassFailedException(
                f"{op.name} loads {tokens} tokens at once, expected a multiple of the tile of {tile}"
            )
        self.op, self.tile, self.tokens, self.cache, self.context = op, tile, tokens, cache, context
        slots = None if op.load_slots is None else op.load_slots.value.data
        self.buffer = context.build.buffer((tokens, cache.head_dim), f16, name, slots)
        self.on_array = _on_array(op, context)
        self.number = AffineSum(0)

    @contextmanager
    def each(self) -> Iterator[tuple[AffineSum, Scalar]]:
        """A loop over the loads of a head: the first token and the number of tokens of each."""
        build = self.context.build
        seen = AffineSum.of(self.op.past) + self.op.rows
        with build.loop(build.ceildiv(seen, self.tokens, "loads"), "load") as index:
            self.number, first = AffineSum.of(index), AffineSum.of(index) * self.tokens
            if self.tokens == self.tile:
                yield first, self.tokens
                return
            end = AffineSum.of(build.ceildiv(seen, self.tile, "tiles")) * self.tile
            rest = build.binary(arith.SubiOp, build.value(end), build.value(first))
            yield first, build.minimum(rest, self.tokens, "tokens")

    def load(self, head: SSAValue | AffineSum, first: AffineSum, tokens: Scalar) -> None:
        """The load itself."""
        row_bytes = self.cache.row_bytes
        rows, size = (1, self.tile * row_bytes) if tokens == self.tile else (tokens, row_bytes)
        place = self.cache.rows(first) + AffineSum.of(head) * self.cache.head_bytes
        self.context.load(place, rows, size, AffineSum.of(self.buffer), queue="ld0")

    @contextmanager
    def tiles(self, tokens: Scalar) -> Iterator[tuple[AffineSum, Scalar]]:
        """The tiles of a load one by one for an array, all at once for the vector unit: their index and their tokens."""
        if self.tokens == self.tile or not self.on_array:
            yield AffineSum(0), tokens
            return
        build = self.context.build
        with build.loop(build.floordiv(tokens, self.tile, "tiles"), "tile") as index:
            yield AffineSum.of(index), self.tile


def _on_array(op: npu.ScoresOp | npu.ContextOp, context: TileContext) -> bool:
    unit = npu.Unit.ARRAY if op.unit is None else op.unit.data
    return unit == npu.Unit.ARRAY and context.core.arrays > 0


def _part(head_dim: int, limit: int) -> int:
    """The largest divisor of the head dimension that an array side takes."""
    return max(n for n in range(1, (limit or head_dim) + 1) if head_dim % n == 0)
