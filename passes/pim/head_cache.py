"""Caches with a head in a channel: where their rows are, and the commands that append a token."""

from __future__ import annotations

from math import gcd

from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from ...dialects.affine_fields import AffineSum
from ...dialects.pim import instructions as isa
from ...dialects.pim import structured as pim
from ...dialects.pim.types import HeadKeysAttr, HeadValuesAttr
from ...dialects.structured import buffer_type, symbol_of
from ..tile_builder import Scalar, address
from .cache_rows import CacheRows
from .command_context import CommandContext


class HeadCache:
    """Rows of the heads of a key or value cache."""

    def __init__(
        self,
        symbol: str,
        kind: type[HeadKeysAttr] | type[HeadValuesAttr],
        layer: SSAValue,
        slot: SSAValue,
        context: CommandContext,
    ):
        layout = context.layout(symbol, kind)
        type_ = context.memories[symbol].type
        assert isinstance(type_, TensorType)
        self.heads = type_.get_shape()[2]
        self.head_dim = layout.integer("head_dim")
        self.tokens = layout.integer("tokens") if isinstance(layout, HeadValuesAttr) else 0
        self.rows_per_head = layout.integer("rows_per_head")
        self.slots, self.channels = layout.integer("slots"), context.memory.channels
        self.width = context.memory.row_columns
        rows = layout.integer("heads_per_channel") * self.rows_per_head
        self.rows = CacheRows(symbol, layout, layer, slot, rows, 0, 1, context)

    def place(self, head: Scalar, slot: SSAValue) -> AffineSum:
        """The place of a head of a slot, which are dealt to the channels in turn."""
        return AffineSum.of(head) if self.slots == 1 else AffineSum.of(head) * self.slots + slot

    def turn(self, head: Scalar, place: Scalar) -> Scalar:
        """Heads that come before in the channel: of all slots, or in pages of the same slot."""
        build = self.rows.context.build
        if self.rows.paged:
            return build.floordiv(head, self.channels // gcd(self.slots, self.channels), "turn")
        return build.floordiv(place, self.channels, "turn")

    def column(self, chunk: Scalar, number: Scalar) -> AffineSum:
        """Column of token `number` of a part in a chunk of dimensions; of a key cache, in pages, or in a chunk by itself."""
        return AffineSum.of(number) if self.rows.paged else AffineSum.of(chunk) * self.tokens + number

    def row(self, turn: Scalar, chunk: Scalar, row: Scalar) -> AffineSum:
        """Row number `row` of the columns of a head; in pages, of those of one chunk of its dimensions."""
        per_page = self.tokens // self.width if self.tokens else self.rows_per_head
        base, row = self.rows.of(row, per_page)
        if self.rows.paged:
            base += AffineSum.of(chunk) * per_page
        return base + AffineSum.of(turn) * self.rows_per_head + row


def kv_append(op: pim.KVAppendOp, context: CommandContext) -> None:
    """A new token's key and value to the banks of its part: dimensions in pieces of whole columns, in order."""
    build, memory = context.build, context.memory
    keys = HeadCache(symbol_of(op.keys), HeadKeysAttr, op.layer, op.slot, context)
    values = HeadCache(symbol_of(op.values), HeadValuesAttr, op.layer, op.slot, context)
    layout = context.layout(symbol_of(op.keys), HeadKeysAttr)
    parts, depth, width = layout.integer("parts"), layout.integer("columns"), memory.column_bytes
    size = context.columns_of(keys.head_dim, "head dimension")
    with build.loop(op.rows, "token") as token:
        position = build.value(AffineSum.of(op.past) + token)
        part = build.remainder(position, parts, "part")
        number = AffineSum.of(build.floordiv(position, parts, "number"))
        heads = pim.heads_of_group(op, keys.heads)
        with build.loop(len(heads), "number_of_head") as index:
            head = build.value(AffineSum.of(index) + heads.start)
            place_of_head = keys.place(head, op.slot)
            channel = build.remainder(place_of_head, memory.channels, "channel")
            turn = keys.turn(head, place_of_head)

            def write(
                cache: HeadCache, buffer: SSAValue, piece: Scalar, bank: Scalar, chunk: Scalar, column: AffineSum
            ) -> None:
                """One column of a bank of the part."""
                row = build.floordiv(column, memory.row_columns, "row")
                offset = AffineSum.of(build.remainder(column, memory.row_columns, "column")) * width
                source = address(buffer) + AffineSum.of(token) * buffer_type(buffer).row_bytes
                build.emit(
                    isa.WriteOp,
                    src=source + AffineSum.of(head) * (cache.head_dim * 2) + AffineSum.of(piece) * width,
                    channel=channel,
                    bank=AffineSum.of(bank) * parts + part,
                    row=cache.row(turn, chunk, row),
                    offset=offset,
                    bytes=width,
                )

            with build.loop(size, "piece") as piece:
                bank, place = build.floordiv(piece, depth, "bank"), build.remainder(piece, depth, "place")
                write(keys, op.k, piece, bank, 0, number * depth + place)
                banks = memory.banks // parts
                bank, chunk = build.remainder(piece, banks, "bank"), build.floordiv(piece, banks, "chunk")
                write(values, op.v, piece, bank, chunk, values.column(chunk, number))
