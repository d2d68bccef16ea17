"""Bank commands of attention: appending keys and values, scores, softmax, context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd

from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects.affine_fields import AffineSum, float_bits
from ...dialects.pim import instructions as isa
from ...dialects.pim import structured as pim
from ...dialects.pim.types import KeysAttr, ValuesAttr
from ...dialects.structured import buffer_type, symbol_of
from ..tile_builder import Scalar, address
from .cache_rows import CacheRows
from .command_context import CommandContext


class _Slot:
    """Where the cache of a sequence is: its first channel, and its place among the sequences that begin there."""

    def __init__(self, layout: KeysAttr | ValuesAttr, slot: SSAValue, context: CommandContext):
        build = context.build
        self.channels = layout.integer("channels")
        beside = context.memory.channels // self.channels
        self.places = -(-layout.integer("slots") // beside)
        self.place: Scalar = slot if beside == 1 else build.floordiv(slot, beside, "place")
        self.first: AffineSum = AffineSum(0)
        if beside > 1:
            self.first += AffineSum.of(build.remainder(slot, beside, "home")) * self.channels


class _Keys:
    """Rows of a key cache."""

    def __init__(self, symbol: str, layer: SSAValue, slot: SSAValue, context: CommandContext):
        self.layout = layout = context.layout(symbol, KeysAttr)
        self.home = home = _Slot(layout, slot, context)
        self.units = home.channels * context.memory.banks
        self.per_token = layout.integer("rows_per_token")
        self.per_row = layout.integer("heads_per_row")
        self.head_dim = layout.integer("head_dim")
        self.groups = layout.integer("groups")
        rows = self.groups * self.per_token
        self.rows = CacheRows(symbol, layout, layer, slot, rows, home.place, home.places, context)

    def row(self, group: Scalar) -> AffineSum:
        """First row of a group of tokens."""
        base, group = self.rows.of(group, self.groups)
        return base + AffineSum.of(group) * self.per_token


class _Values:
    """Channels and rows of a value cache."""

    def __init__(self, symbol: str, layer: SSAValue, slot: SSAValue, context: CommandContext):
        self.layout = layout = context.layout(symbol, ValuesAttr)
        self.context = context
        self.home = home = _Slot(layout, slot, context)
        self.groups = layout.integer("groups")
        self.per_head = layout.integer("groups_per_head")
        self.heads = self.groups // self.per_head
        self.head_dim = layout.integer("head_dim")
        self.row_elements = layout.integer("row_elements")
        rows = layout.integer("rows_per_sequence")
        self.shared = layout.groups_per_row
        of_channel = -(-self.groups // home.channels)
        self.rows_per_chunk = -(-of_channel // self.shared)
        self.together = gcd(self.shared, self.per_head)
        """Groups of a head that follow each other in a row."""
        self.chunks = rows // self.rows_per_chunk
        self.rows = CacheRows(symbol, layout, layer, slot, rows, home.place, home.places, context)

    def row(self, chunk: Scalar) -> AffineSum:
        """First row of a token chunk."""
        base, chunk = self.rows.of(chunk, self.chunks)
        return base + AffineSum.of(chunk) * self.rows_per_chunk

    def place(self, row: AffineSum, head: Scalar, part: Scalar | AffineSum) -> tuple[Scalar, AffineSum, AffineSum]:
        """Channel, row and first column of one group of dimensions of the token chunk that begins at `row`."""
        build, channels, first = self.context.build, self.home.channels, self.home.first
        group = build.value(AffineSum.of(head) * self.per_head + part)
        if self.groups <= channels:
            return first + group, row, AffineSum(0)
        channel, number = first + build.remainder(group, channels, "channel"), build.floordiv(group, channels, "row")
        if self.shared == 1:
            return channel, row + number, AffineSum(0)
        column = AffineSum.of(build.remainder(number, self.shared, "in_row")) * self.columns
        return channel, row + build.floordiv(number, self.shared, "shared_row"), column

    @property
    def columns(self) -> int:
        """Columns of the tokens of one group in a row."""
        return self.row_elements // self.context.memory.column_elements

    def banks(self, part: SSAValue | AffineSum) -> Scalar:
        """Banks that hold a dimension of this part of a head."""
        banks = self.context.memory.banks
        if self.head_dim % banks == 0:
            return banks
        if self.per_head == 1:
            return self.head_dim
        return self.context.build.minimum(banks, AffineSum.of(part) * -banks + self.head_dim, "banks")


def kv_append(op: pim.KVAppendOp, context: CommandContext) -> None:
    """A new token's keys go to one bank, its values one element to every bank."""
    build, memory = context.build, context.memory
    k, v = buffer_type(op.k), buffer_type(op.v)
    keys = _Keys(symbol_of(op.keys), op.layer, op.slot, context)
    values = _Values(symbol_of(op.values), op.layer, op.slot, context)
    with build.loop(op.rows, "token") as token:
        position = build.value(AffineSum.of(op.past) + token)
        unit = build.remainder(position, keys.units, "unit")
        channel = keys.home.first + build.floordiv(unit, memory.banks, "channel")
        bank = build.remainder(unit, memory.banks, "bank")
        group = build.floordiv(position, keys.units, "group")
        head_bytes = keys.head_dim * 2
        row = keys.row(group)
        with build.loop(keys.per_token, "part") as part:
            size: Scalar = keys.per_row * head_bytes
            if values.heads % keys.per_row:
                heads = build.minimum(keys.per_row, AffineSum.of(part) * -keys.per_row + values.heads, "heads")
                size = AffineSum.of(heads) * head_bytes
            build.emit(
                isa.WriteOp,
                src=address(op.k)
                + AffineSum.of(token) * k.row_bytes
                + AffineSum.of(part) * (keys.per_row * head_bytes),
                channel=channel,
                bank=bank,
                row=row + part,
                offset=0,
                bytes=size,
            )
        chunk = build.floordiv(position, values.row_elements, "chunk")
        element = build.remainder(position, values.row_elements, "element")
        first_row = values.row(chunk)
        with build.loop(values.heads, "head") as head, build.loop(values.per_head, "part") as part:
            target, row, column = values.place(first_row, head, part)
            build.emit(
                isa.ScatterOp,
                src=address(op.v)
                + AffineSum.of(token) * v.row_bytes
                + AffineSum.of(head) * head_bytes
                + AffineSum.of(part) * (memory.banks * 2),
                channel=target,
                row=row,
                offset=AffineSum.of(element) * 2 + column * memory.column_bytes,
                banks=values.banks(part),
            )


def scores(op: pim.ScoresOp, context: CommandContext) -> None:
    """As many queries as the global buffer holds at a time; for each row of keys, one product per query and bank."""
    build, memory = context.build, context.memory
    q, s = buffer_type(op.q), buffer_type(op.s)
    _, heads, padded = s.shape
    keys = _Keys(symbol_of(op.keys), op.layer, op.slot, context)
    kv_heads = _kv_heads(op, context)
    group = heads // kv_heads
    depth = context.columns_of(keys.head_dim, "head dimension")
    fits = memory.buffer_columns // depth
    if fits < 1:
        raise PassFailedException(
            f"a query of {keys.head_dim} elements needs {depth} columns, "
            f"the global buffer of {memory.name} has {memory.buffer_columns}"
        )
    if memory.mac_operands != "both":
        fits = 1  # a query that a MAC reads starts the buffer
    together = _divisor(gcd(kv_heads, keys.per_row), max(fits // group, 1))
    queries = group if fits >= group else _divisor(group, fits)
    with build.loop(op.rows, "token") as token:
        length = build.value(AffineSum.of(op.past) + token + 1)
        first_channel = keys.home.first
        reach: Scalar = 1
        if keys.home.channels > 1:
            reach = build.minimum(keys.home.channels, build.ceildiv(length, memory.banks), "reach")
        with build.loop(kv_heads // together, "heads") as index, build.loop(group // queries, "queries") as part:
            first = AffineSum.of(index) * together
            first_query = first * group + AffineSum.of(part) * queries
            row_part: Scalar = 0
            column: Scalar = first * depth
            if keys.per_token > 1:
                row_part = build.floordiv(first, keys.per_row, "row_part")
                column = AffineSum.of(build.remainder(first, keys.per_row, "in_row")) * depth
            offset = AffineSum.of(token) * q.row_bytes + first_query * (keys.head_dim * 2)
            context.write_buffer(op.q, offset, together * queries * depth, first_channel, reach)
            with build.loop(build.ceildiv(length, keys.units, "groups"), "group") as tokens:
                channels: Scalar = 1
                if keys.home.channels > 1:
                    left = AffineSum.of(tokens) * -keys.units + length
                    channels = build.minimum(keys.home.channels, build.ceildiv(left, memory.banks), "channels")
                build.emit(isa.ActivateOp, row=keys.row(tokens) + row_part, channel=first_channel, channels=channels)
                with build.loop(together, "head") as head, build.loop(queries, "query") as query:
                    context.mac(
                        AffineSum.of(column) + AffineSum.of(head) * depth,
                        depth,
                        AffineSum.of(head) * (queries * depth) + AffineSum.of(query) * depth,
                        first_channel,
                        channels,
                    )
                    target = AffineSum.of(token) * s.row_bytes + AffineSum.of(tokens) * (keys.units * 4)
                    target += (first_query + AffineSum.of(head) * group + query) * (padded * 4)
                    context.read_acc(op.s, target, memory.banks, 0, first_channel, channels)
                build.emit(isa.PrechargeOp, channel=first_channel, channels=channels)


def softmax_rows(op: pim.SoftmaxRowsOp, context: CommandContext) -> None:
    """All heads of one token at a time, zero up to the next whole column."""
    build = context.build
    s, p = buffer_type(op.s), buffer_type(op.p)
    _, heads, padded = s.shape
    with build.loop(op.rows, "token") as token:
        length = build.value(AffineSum.of(op.past) + token + 1)
        elements = context.memory.column_elements
        build.emit(
            isa.SoftmaxOp,
            src=address(op.s) + AffineSum.of(token) * s.row_bytes,
            src_stride=padded * 4,
            dst=address(op.p) + AffineSum.of(token) * p.row_bytes,
            dst_stride=padded * 2,
            rows=heads,
            cols=AffineSum.of(build.ceildiv(length, elements, "columns")) * elements,
            limit=length,
            scale=float_bits(op.scale.value.data),
        )


def context(op: pim.ContextOp, context: CommandContext) -> None:
    """Rows of values times probabilities, chunk by chunk of the tokens.

    Where the dimensions of a head are in different channels, each row is opened once and used by every query of the KV
    head. Where they are in one, probabilities are sent to the global buffer once and used by all rows of the chunk.
    """
    build = context.build
    p = buffer_type(op.p)
    values = _Values(symbol_of(op.values), op.layer, op.slot, context)
    group = p.shape[1] // values.heads
    elements = values.row_elements
    together = values.home.channels == 1 and context.memory.buffer_columns >= context.memory.row_columns
    with build.loop(op.rows, "token") as token:
        length = build.value(AffineSum.of(op.past) + token + 1)
        chunks = build.ceildiv(length, elements, "chunks")
        row = _ContextRow(op, context, values, token, length, group)
        if together:
            with (
                build.loop(values.heads, "head") as head,
                build.loop(chunks, "chunk") as chunk,
                build.loop(group, "query") as query,
            ):
                columns, first_row = row.columns(chunk), values.row(chunk)
                context.write_buffer(op.p, row.source(head, query, chunk), columns, values.home.first, 1)
                with build.loop(values.per_head // values.together, "part") as index:
                    first = AffineSum.of(index) * values.together
                    with (
                        row.open(first_row, head, first) as (channel, column),
                        build.several(values.together, "in_row") as part,
                    ):
                        context.mac(column + part * values.columns, columns, 0, channel, 1)
                        row.read(head, query, first + part, chunk, channel)
            return
        with (
            build.loop(values.heads, "head") as head,
            build.loop(values.per_head, "part") as part,
            build.loop(chunks, "chunk") as chunk,
        ):
            columns = row.columns(chunk)
            with (
                row.open(values.row(chunk), head, AffineSum.of(part)) as (channel, column),
                build.loop(group, "query") as query,
            ):
                _multiply_row(op, context, row.source(head, query, chunk), columns, column, channel)
                row.read(head, query, AffineSum.of(part), chunk, channel)


@dataclass
class _ContextRow:
    """One row of values: a chunk of the tokens for a part of the dimensions of a head."""

    op: pim.ContextOp
    context: CommandContext
    values: _Values
    token: SSAValue
    length: SSAValue
    group: int

    def columns(self, chunk: SSAValue) -> SSAValue:
        """Columns with tokens of this chunk."""
        build, elements = self.context.build, self.values.row_elements
        left = build.minimum(elements, AffineSum.of(chunk) * -elements + self.length, "tokens")
        return build.ceildiv(left, self.context.memory.column_elements, "columns")

    def source(self, head: SSAValue, query: SSAValue, chunk: SSAValue) -> AffineSum:
        """Where in the probabilities those of the chunk begin."""
        p = buffer_type(self.op.p)
        offset = AffineSum.of(self.token) * p.row_bytes
        offset += (AffineSum.of(head) * self.group + query) * (p.shape[2] * 2)
        return offset + AffineSum.of(chunk) * (self.values.row_elements * 2)

    @contextmanager
    def open(self, first_row: AffineSum, head: SSAValue, part: AffineSum) -> Iterator[tuple[Scalar, AffineSum]]:
        """The row of a part of the chunk that begins at `first_row` is open inside; yields its channel and first column."""
        channel, row, column = self.values.place(first_row, head, part)
        self.context.build.emit(isa.ActivateOp, row=row, channel=channel, channels=1)
        yield channel, column
        self.context.build.emit(isa.PrechargeOp, channel=channel, channels=1)

    def read(self, head: SSAValue, query: SSAValue, part: AffineSum, chunk: SSAValue, channel: Scalar) -> None:
        """Add the sums to the output of the query."""
        values, o = self.values, buffer_type(self.op.o)
        target = AffineSum.of(self.token) * o.row_bytes
        target += (AffineSum.of(head) * self.group + query) * (values.head_dim * 4)
        target += part * (self.context.memory.banks * 4)
        self.context.read_acc(self.op.o, target, values.banks(part), chunk, channel, 1)


def _multiply_row(
    op: pim.ContextOp,
    context: CommandContext,
    source: AffineSum,
    columns: SSAValue,
    column: AffineSum,
    channel: Scalar,
) -> None:
    """One row of values times its probabilities, in as many parts as the global buffer asks."""
    build, memory = context.build, context.memory
    limit = memory.buffer_columns
    if limit >= memory.row_columns:
        context.write_buffer(op.p, source, columns, channel, 1)
        context.mac(column, columns, 0, channel, 1)
        return
    with build.loop(build.ceildiv(columns, limit, "parts"), "buffer_part") as index:
        width = build.minimum(limit, AffineSum.of(index) * -limit + columns, "width")
        context.write_buffer(op.p, source + AffineSum.of(index) * (limit * memory.column_bytes), width, channel, 1)
        context.mac(column + AffineSum.of(index) * limit, width, 0, channel, 1)


def _kv_heads(op: pim.ScoresOp, context: CommandContext) -> int:
    type_ = context.memories[symbol_of(op.keys)].type
    assert isinstance(type_, TensorType)
    return type_.get_shape()[2]


def _divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` up to `limit`."""
    return max(n for n in range(1, limit + 1) if number % n == 0)
