"""Bank commands of attention: appending keys and values, scores, softmax, context."""

from __future__ import annotations

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
from .command_context import CommandContext


class _Keys:
    """Rows of a key cache."""

    def __init__(self, symbol: str, layer: SSAValue, slot: SSAValue, context: CommandContext):
        self.layout = layout = context.layout(symbol, KeysAttr)
        self.per_token = layout.integer("rows_per_token")
        self.per_row = layout.integer("heads_per_row")
        self.head_dim = layout.integer("head_dim")
        slot_rows = layout.integer("groups") * self.per_token
        self.base = context.build.address_of(symbol)
        self.base += AffineSum.of(layer) * (layout.integer("slots") * slot_rows) + AffineSum.of(slot) * slot_rows

    def row(self, group: Scalar, part: Scalar) -> AffineSum:
        return self.base + AffineSum.of(group) * self.per_token + part


class _Values:
    """Channels and rows of a value cache."""

    def __init__(self, symbol: str, layer: SSAValue, slot: SSAValue, context: CommandContext):
        self.layout = layout = context.layout(symbol, ValuesAttr)
        self.context = context
        self.groups = layout.integer("groups")
        self.per_head = layout.integer("groups_per_head")
        self.heads = self.groups // self.per_head
        self.head_dim = layout.integer("head_dim")
        self.row_elements = layout.integer("row_elements")
        rows = layout.integer("rows_per_sequence")
        self.base = context.build.address_of(symbol)
        self.base += AffineSum.of(layer) * (layout.integer("slots") * rows) + AffineSum.of(slot) * rows

    def place(self, chunk: Scalar, head: Scalar, part: Scalar) -> tuple[Scalar, AffineSum]:
        """Channel and row of one token chunk of one group of dimensions."""
        build, channels = self.context.build, self.context.memory.channels
        group = build.value(AffineSum.of(head) * self.per_head + part)
        row = self.base + AffineSum.of(chunk) * -(-self.groups // channels)
        if self.groups <= channels:
            return group, row
        return build.remainder(group, channels, "channel"), row + build.floordiv(group, channels, "row")

    def banks(self, part: SSAValue) -> Scalar:
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
        unit = build.remainder(position, memory.units, "unit")
        channel = build.floordiv(unit, memory.banks, "channel")
        bank = build.remainder(unit, memory.banks, "bank")
        group = build.floordiv(position, memory.units, "group")
        head_bytes = keys.head_dim * 2
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
                row=keys.row(group, part),
                offset=0,
                bytes=size,
            )
        chunk = build.floordiv(position, values.row_elements, "chunk")
        element = build.remainder(position, values.row_elements, "element")
        with build.loop(values.heads, "head") as head, build.loop(values.per_head, "part") as part:
            target, row = values.place(chunk, head, part)
            build.emit(
                isa.ScatterOp,
                src=address(op.v)
                + AffineSum.of(token) * v.row_bytes
                + AffineSum.of(head) * head_bytes
                + AffineSum.of(part) * (memory.banks * 2),
                channel=target,
                row=row,
                offset=AffineSum.of(element) * 2,
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
    together = _divisor(gcd(kv_heads, keys.per_row), max(fits // group, 1))
    queries = group if fits >= group else _divisor(group, fits)
    with build.loop(op.rows, "token") as token:
        length = build.value(AffineSum.of(op.past) + token + 1)
        reach = build.minimum(memory.channels, build.ceildiv(length, memory.banks), "reach")
        with build.loop(kv_heads // together, "heads") as index, build.loop(group // queries, "queries") as part:
            first = AffineSum.of(index) * together
            first_query = first * group + AffineSum.of(part) * queries
            row_part: Scalar = 0
            column: Scalar = first * depth
            if keys.per_token > 1:
                row_part = build.floordiv(first, keys.per_row, "row_part")
                column = AffineSum.of(build.remainder(first, keys.per_row, "in_row")) * depth
            offset = AffineSum.of(token) * q.row_bytes + first_query * (keys.head_dim * 2)
            context.write_buffer(op.q, offset, together * queries * depth, 0, reach)
            with build.loop(build.ceildiv(length, memory.units, "groups"), "group") as tokens:
                left = AffineSum.of(tokens) * -memory.units + length
                channels = build.minimum(memory.channels, build.ceildiv(left, memory.banks), "channels")
                build.emit(isa.ActivateOp, row=keys.row(tokens, row_part), channel=0, channels=channels)
                with build.loop(together, "head") as head, build.loop(queries, "query") as query:
                    context.mac(
                        AffineSum.of(column) + AffineSum.of(head) * depth,
                        depth,
                        AffineSum.of(head) * (queries * depth) + AffineSum.of(query) * depth,
                        0,
                        channels,
                    )
                    target = AffineSum.of(token) * s.row_bytes + AffineSum.of(tokens) * (memory.units * 4)
                    target += (first_query + AffineSum.of(head) * group + query) * (padded * 4)
                    context.read_acc(op.s, target, memory.banks, 0, 0, channels)
                build.emit(isa.PrechargeOp, channel=0, channels=channels)


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
    """For each group of dimensions and chunk of tokens: open its row once, then every query of the KV head."""
    build, memory = context.build, context.memory
    p, o = buffer_type(op.p), buffer_type(op.o)
    _, heads, padded = p.shape
    values = _Values(symbol_of(op.values), op.layer, op.slot, context)
    group = heads // values.heads
    elements = values.row_elements
    with build.loop(op.rows, "token") as token:
        length = build.value(AffineSum.of(op.past) + token + 1)
        chunks = build.ceildiv(length, elements, "chunks")
        with (
            build.loop(values.heads, "head") as head,
            build.loop(values.per_head, "part") as part,
            build.loop(chunks, "chunk") as chunk,
        ):
            channel, row = values.place(chunk, head, part)
            left = build.minimum(elements, AffineSum.of(chunk) * -elements + length, "tokens")
            columns = build.ceildiv(left, memory.column_elements, "columns")
            build.emit(isa.ActivateOp, row=row, channel=channel, channels=1)
            with build.loop(group, "query") as query:
                query_head = AffineSum.of(head) * group + query
                source = AffineSum.of(token) * p.row_bytes + query_head * (padded * 2)
                source += AffineSum.of(chunk) * (elements * 2)
                _multiply_row(op, context, source, columns, channel)
                target = AffineSum.of(token) * o.row_bytes + query_head * (values.head_dim * 4)
                target += AffineSum.of(part) * (memory.banks * 4)
                context.read_acc(op.o, target, values.banks(part), chunk, channel, 1)
            build.emit(isa.PrechargeOp, channel=channel, channels=1)


def _multiply_row(
    op: pim.ContextOp, context: CommandContext, source: AffineSum, columns: SSAValue, channel: Scalar
) -> None:
    """One row of values times its probabilities, in as many parts as the global buffer asks."""
    build, memory = context.build, context.memory
    limit = memory.buffer_columns
    if limit >= memory.row_columns:
        context.write_buffer(op.p, source, columns, channel, 1)
        context.mac(0, columns, 0, channel, 1)
        return
    with build.loop(build.ceildiv(columns, limit, "parts"), "buffer_part") as index:
        width = build.minimum(limit, AffineSum.of(index) * -limit + columns, "width")
        context.write_buffer(op.p, source + AffineSum.of(index) * (limit * memory.column_bytes), width, channel, 1)
        context.mac(AffineSum.of(index) * limit, width, 0, channel, 1)


def _kv_heads(op: pim.ScoresOp, context: CommandContext) -> int:
    type_ = context.memories[symbol_of(op.keys)].type
    assert isinstance(type_, TensorType)
    return type_.get_shape()[2]


def _divisor(number: int, limit: int) -> int:
    """The largest divisor of `number` up to `limit`."""
    return max(n for n in range(1, limit + 1) if number % n == 0)
