"""Tile program of a matrix product in main memory: tiles of results, each with the depth inside."""

from __future__ import annotations

from xdsl.dialects.builtin import TensorType, f16, f32
from xdsl.utils.exceptions import PassFailedException

from ...dialects.affine_fields import AffineSum
from ...dialects.npu import instructions as isa
from ...dialects.npu import structured as npu
from ...dialects.npu.types import TilesAttr
from ...dialects.structured import symbol_of
from ..tile_builder import Scalar
from .tile_context import TileContext


def gemm(op: npu.GemmOp, context: TileContext) -> None:
    """Rows and columns of the result in the order of the plan, a tile of sums in the accumulators."""
    build = context.build
    layout = context.memory(symbol_of(op.w)).layout
    if not isinstance(layout, TilesAttr) or op.tile_m is None or op.depths is None:
        raise PassFailedException(f"npu.gemm @{symbol_of(op.a)}: has no tiles, run npu-plan-tiles first")
    m, k = _shape(symbol_of(op.a), context)
    _, n = _shape(symbol_of(op.c), context)
    tile = _Tile(op, layout, (m, k, n), context)
    counts = {"row": -(-m // tile.rows), "column": layout.panels // layout.integer("group")}
    outer, inner = ("column", "row") if op.order is not None and op.order.data == "nm" else ("row", "column")
    # An operand of the whole depth stays while the inner loop runs.
    stays = outer if tile.blocks == 1 else ""
    with build.several(counts[outer], outer) as first:
        if stays:
            tile.load(outer, first, AffineSum(0))
        with build.several(counts[inner], inner) as second:
            at = {outer: first, inner: second}
            with build.several(tile.blocks, "block") as block:
                for operand in ("row", "column"):
                    if operand != stays:
                        tile.load(operand, at[operand], block)
                tile.multiply(at["row"], block)
            tile.drain(at["row"], at["column"])
            if tile.keep == "tile":
                tile.store(at["row"], at["column"], tile.rows, tile.wide)
        if tile.keep == "rows":
            tile.store(first, AffineSum(0), tile.rows, n)
    if tile.keep == "all":
        tile.store(AffineSum(0), AffineSum(0), m, n)


class _Tile:
    """The buffers of a tile and what happens to them."""

    def __init__(self, op: npu.GemmOp, layout: TilesAttr, shape: tuple[int, int, int], context: TileContext):
        assert op.tile_m is not None and op.depths is not None
        self.context, self.layout, self.shape = context, layout, shape
        self.rows, self.depths = op.tile_m.value.data, op.depths.value.data
        self.tile_k, self.tile_n, self.group = (layout.integer(key) for key in ("tile_k", "tile_n", "group"))
        self.deep, self.wide = self.depths * self.tile_k, self.group * self.tile_n
        self.blocks = layout.depth // self.depths
        slots = 2 if op.load_slots is None else op.load_slots.value.data
        build = context.build
        self.base = {name: build.address_of(symbol_of(getattr(op, name))) for name in "awc"}
        self.a = build.buffer((self.rows, self.deep), f16, "a_tile", slots)
        self.w = build.buffer((self.depths * self.group, self.tile_k, self.tile_n), f16, "w_tile", slots)
        self.sums = build.buffer(
            (self.rows, self.wide), f32, "sums", None if op.sum_slots is None else op.sum_slots.value.data
        )
        self.keep = "tile" if op.keep is None else op.keep.data
        self.c_width = self.wide if self.keep == "tile" else layout.integer("padded_n")
        height = -(-shape[0] // self.rows) * self.rows if self.keep == "all" else self.rows
        self.c = build.buffer((height, self.c_width), f16, "c_tile", 2)

    def clipped(self, first: AffineSum, size: int, limit: int) -> Scalar:
        """The part of `size` from `first` on that lies below `limit`."""
        return size if limit % size == 0 else self.context.clipped(first, size, limit)

    def load(self, operand: str, index: AffineSum, block: AffineSum) -> None:
        """The activations of some rows or the weights of some columns."""
        if operand == "row":
            self.load_a(index, block)
        else:
            self.load_w(index, block)

    def load_a(self, row: AffineSum, block: AffineSum) -> None:
        """Rows of activations, as deep as the block."""
        m, k, _ = self.shape
        width = self.clipped(block * self.deep, self.deep, k)
        self.context.build.emit(
            isa.LoadOp,
            dram=self.base["a"] + row * (self.rows * k * 2) + block * (self.deep * 2),
            dram_stride=k * 2,
            rows=self.clipped(row * self.rows, self.rows, m),
            row_bytes=width * 2 if isinstance(width, int) else AffineSum.of(width) * 2,
            local=AffineSum.of(self.a),
            local_stride=self.deep * 2,
        )
        self.context.on_queue("ld1")

    def load_w(self, column: AffineSum, block: AffineSum) -> None:
        """A group of panels, as deep as the block, which lie together."""
        size = self.deep * self.wide * 2
        place = self.base["w"] + (column * self.blocks + block) * size
        self.context.load(place, 1, size, AffineSum.of(self.w), queue="ld0")

    def multiply(self, row: AffineSum, block: AffineSum) -> None:
        """All folds of the block, panel by panel, so that the arrays take turns."""
        build = self.context.build
        m, k, _ = self.shape
        rows = self.clipped(row * self.rows, self.rows, m)
        with build.several(self.depths, "step") as step, build.several(self.group, "panel") as panel:
            depth = block * self.depths + step
            tile_bytes = self.tile_k * self.tile_n * 2
            self.context.multiply(
                array=build.remainder(panel, max(self.context.core.arrays, 1), "array"),
                weights=AffineSum.of(self.w) + (step * self.group + panel) * tile_bytes,
                weights_stride=self.tile_n * 2,
                transpose=0,
                a=AffineSum.of(self.a) + step * (self.tile_k * 2),
                a_stride=self.deep * 2,
                m=rows,
                k=self.clipped(depth * self.tile_k, self.tile_k, k),
                n=self.tile_n,
                acc=AffineSum.of(self.sums) + panel * (self.tile_n * 4),
                acc_stride=self.wide * 4,
                accumulate=depth,
            )

    def drain(self, row: AffineSum, column: AffineSum) -> None:
        """The sums, rounded, to their place in local memory."""
        m, _, n = self.shape
        place = AffineSum.of(self.c)
        if self.keep != "tile":
            place += column * (self.wide * 2)
        if self.keep == "all":
            place += row * (self.rows * self.c_width * 2)
        target, sums = (place, self.c_width * 2, "f16"), (AffineSum.of(self.sums), self.wide * 4, "f32")
        rows, width = self.clipped(row * self.rows, self.rows, m), self.clipped(column * self.wide, self.wide, n)
        self.context.unary("copy", *target, *sums, rows, width)

    def store(self, row: AffineSum, column: AffineSum, rows: int, columns: int) -> None:
        """Results to main memory: tile (row, column) of `rows` x `columns`."""
        m, _, n = self.shape
        width = self.clipped(column * columns, columns, n)
        self.context.build.emit(
            isa.StoreOp,
            dram=self.base["c"] + row * (rows * n * 2) + column * (columns * 2),
            dram_stride=n * 2,
            rows=self.clipped(row * rows, rows, m),
            row_bytes=width * 2 if isinstance(width, int) else AffineSum.of(width) * 2,
            local=AffineSum.of(self.c),
            local_stride=self.c_width * 2,
        )


def _shape(symbol: str, context: TileContext) -> tuple[int, int]:
    type_ = context.memory(symbol).type
    assert isinstance(type_, TensorType)
    rows, columns = type_.get_shape()
    return rows, columns
