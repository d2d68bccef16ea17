"""Bank commands of attention by heads: a head in a channel, its tokens over the parts of the channel, as AttAcc maps it.

Fences part the program into windows: a window of scores computes RESULTS tokens of every part, one of the context a chunk of
dimensions. What a window computes is moved in the next one, while that computes into the other half of the results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...backends.isa.pim_heads import RESULTS
from ...dialects.affine_fields import AffineSum, float_bits
from ...dialects.instruction import InstructionOp
from ...dialects.pim import head_instructions as heads_isa
from ...dialects.pim import instructions as isa
from ...dialects.pim import structured as pim
from ...dialects.pim.types import HeadKeysAttr, HeadValuesAttr
from ...dialects.structured import buffer_type, symbol_of
from ..tile_builder import Scalar, address
from .command_context import CommandContext, space_of
from .head_cache import HeadCache


@dataclass
class _Head:
    """One head in each of `channels` channels from `channel` on: which rows of the caches, and where its vectors are in
    their buffers.
    """

    turn: Scalar  # heads that came before in each channel
    channels: Scalar
    query: AffineSum  # head of the query in the first channel
    half: int  # of the buffers
    channel: Scalar = 0


_Mac = Callable[[AffineSum, AffineSum, AffineSum], None]
"""Emits products of the open row, given the first column, how many, and how many columns came before."""


def attend(op: pim.AttendOp, context: CommandContext) -> None:
    """For each token: the heads of all channels, in pairs that overlap and one that is left over; with several slots, whose
    heads are in channels of their own, one after the other.
    """
    build = context.build
    work = _Attention(op, context)
    if work.keys.slots > 1:
        with build.loop(op.rows, "token") as token:
            work.start(token)
            heads = pim.heads_of_group(op, work.keys.heads)
            with build.loop(len(heads), "head") as head, build.several(work.group, "query") as query:
                work.alone(work.head_of_slot(build.value(AffineSum.of(head) + heads.start), query))
        return
    if op.groups is not None:
        raise PassFailedException("pim.attend of a group of heads: the heads of one sequence attend at the same time")
    turns, pairs = work.turns, work.turns // 2 if op.in_flight.value.data == 2 else 0
    with build.loop(op.rows, "token") as token:
        work.start(token)
        if pairs:
            with build.loop(pairs, "pair") as pair:
                work.pair(work.head(AffineSum.of(pair) * 2, 0), work.head(AffineSum.of(pair) * 2 + 1, 1))
        if turns > 2 * pairs:
            with build.loop(turns - 2 * pairs, "turn") as turn:
                work.alone(work.head(AffineSum.of(turn) + 2 * pairs, 0))


class _Attention:
    """What the commands of one `pim.attend` have in common."""

    def __init__(self, op: pim.AttendOp, context: CommandContext):
        self.op, self.context, self.build, self.memory = op, context, context.build, context.memory
        self.keys = HeadCache(symbol_of(op.keys), HeadKeysAttr, op.layer, op.slot, context)
        self.values = HeadCache(symbol_of(op.values), HeadValuesAttr, op.layer, op.slot, context)
        layout = context.layout(symbol_of(op.keys), HeadKeysAttr)
        self.parts, self.depth = layout.integer("parts"), layout.integer("columns")
        self.q, self.s, self.p, self.o = (buffer_type(value) for value in (op.q, op.s, op.p, op.o))
        self.group = self.s.shape[1] // self.keys.heads
        self.turns = -(-self.keys.heads // self.memory.channels) * self.group
        self.fenced: tuple[Scalar, Scalar] = (0, self.memory.channels)
        self.chunk = self.memory.banks // self.parts * self.memory.column_elements  # dimensions of a chunk

    def start(self, token: SSAValue) -> None:
        """Lengths of a token's work."""
        build = self.build
        self.token = token
        self.length = build.value(AffineSum.of(self.op.past) + token + 1)
        self.per_part = build.ceildiv(self.length, self.parts, "per_part")
        self.windows = build.ceildiv(self.per_part, RESULTS, "windows")

    def head(self, number: AffineSum, half: int) -> _Head:
        """The head that each channel works on in its turn `number`; queries of one key head follow each other."""
        build, channels = self.build, self.memory.channels
        turn: Scalar = number
        query: Scalar = 0
        if self.group > 1:
            turn = build.floordiv(number, self.group, "turn")
            query = build.remainder(number, self.group, "query")
        used: Scalar = channels
        if self.keys.heads % channels:
            used = build.minimum(channels, AffineSum.of(turn) * -channels + self.keys.heads, "channels")
        return _Head(turn, used, AffineSum.of(turn) * (channels * self.group) + query, half)

    def head_of_slot(self, head: Scalar, query: AffineSum) -> _Head:
        """A query head of the sequence, in the one channel that its keys are in."""
        place = self.build.value(self.keys.place(head, self.op.slot))
        channel = self.build.remainder(place, self.memory.channels, "channel")
        turn = self.keys.turn(head, place)
        return _Head(turn, 1, AffineSum.of(head) * self.group + query, 0, channel)

    def alone(self, head: _Head) -> None:
        """One head without another to overlap with."""
        if self.keys.slots > 1:
            self.fenced = (head.channel, 1)
        last = AffineSum.of(self.windows) + -1
        self.write_vector(head)
        self.fence()
        self.score(head, 0)
        self.fence()
        with self.build.loop(last, "window") as window:
            self.score(head, AffineSum.of(window) + 1)
            self.move_scores(head, window)
            self.fence()
        self.move_scores(head, last)
        self.fence()
        self.softmax(head)
        self.fence()
        self.move_vector(head, 0, self.windows)
        self.fence()
        for chunk in range(self.depth):
            self.mix(head, chunk, chunk % 2)
            if chunk:
                self.move_sums(head, chunk - 1, (chunk - 1) % 2)
            self.fence()
        self.move_sums(head, self.depth - 1, (self.depth - 1) % 2)

    def pair(self, first: _Head, second: _Head) -> None:
        """Two heads: the softmax of each is hidden behind the products of the other."""
        last = AffineSum.of(self.windows) + -1
        self.write_vector(first)
        self.fence()
        self.score(first, 0)
        self.write_vector(second)
        self.fence()
        with self.build.loop(last, "window") as window:
            self.score(first, AffineSum.of(window) + 1)
            self.move_scores(first, window)
            self.fence()
        self.move_scores(first, last)
        self.fence()
        self.softmax(first)
        self.score(second, 0)
        self.fence()
        with self.build.loop(last, "window") as window:
            self.score(second, AffineSum.of(window) + 1)
            self.move_scores(second, window)
            self.move_vector(first, window, 1)
            self.fence()
        self.move_scores(second, last)
        self.move_vector(first, last, 1)
        self.fence()
        self.softmax(second)
        for chunk in range(self.depth):
            self.mix(first, chunk, chunk % 2)
            if chunk:
                self.move_sums(first, chunk - 1, (chunk - 1) % 2)
            if chunk == 1:
                self.move_vector(second, 0, self.windows)
            self.fence()
        if self.depth == 1:
            self.move_vector(second, 0, self.windows)
            self.fence()
        for chunk in range(self.depth):
            self.mix(second, chunk, (chunk + self.depth) % 2)
            if chunk:
                self.move_sums(second, chunk - 1, (chunk - 1 + self.depth) % 2)
            else:
                self.move_sums(first, self.depth - 1, (self.depth - 1) % 2)
            self.fence()
        self.move_sums(second, self.depth - 1, (2 * self.depth - 1) % 2)

    def fence(self) -> None:
        channel, channels = self.fenced
        self.build.emit(heads_isa.FenceOp, channel=channel, channels=channels)

    def write_vector(self, head: _Head) -> None:
        """The query of a head to the buffers."""
        size = self.keys.head_dim
        self.emit(
            heads_isa.WriteVectorOp,
            head,
            space=space_of(self.op.q),
            src=address(self.op.q) + AffineSum.of(self.token) * self.q.row_bytes + head.query * (size * 2),
            channel_stride=self.group * size * 2,
            columns=self.depth,
            elements=size,
            half=head.half,
            parts=self.parts,
        )

    def score(self, head: _Head, window: Scalar) -> None:
        """Products of a window of keys with the query."""
        width = RESULTS * self.depth
        start = AffineSum.of(window) * width
        stop = self.build.minimum(start + width, AffineSum.of(self.per_part) * self.depth, "stop")

        def mac(column: AffineSum, columns: AffineSum, first: AffineSum) -> None:
            self.emit(
                heads_isa.MacTreeOp,
                head,
                column=column,
                columns=columns,
                first=first,
                depth=self.depth,
                half=head.half,
                result_half=0 if window == 0 else self.build.remainder(window, 2),
            )

        self.rows(head, self.keys, 0, start, stop, mac)

    def mix(self, head: _Head, chunk: int, result_half: int) -> None:
        """Products of a chunk of the values with the probabilities."""
        start = self.values.column(chunk, 0)

        def mac(column: AffineSum, columns: AffineSum, first: AffineSum) -> None:
            self.emit(
                heads_isa.MacLanesOp,
                head,
                column=column,
                columns=columns,
                first=first,
                half=head.half,
                result_half=result_half,
            )

        self.rows(head, self.values, chunk, start, self.build.value(start + self.per_part), mac)

    def rows(self, head: _Head, cache: HeadCache, chunk: int, start: AffineSum, stop: SSAValue, mac: _Mac) -> None:
        """Columns [start, stop) of a head, or in pages of a chunk of its dimensions, row by row."""
        build, width = self.build, self.memory.row_columns
        first = build.floordiv(start, width, "first_row") if start.terms else start.constant // width
        count = build.value(AffineSum.of(build.ceildiv(stop, width, "end_row")) + AffineSum.of(first) * -1)
        with build.loop(count, "row") as index:
            row = AffineSum.of(first) + index
            low = build.maximum(start, row * width, "low")
            high = build.minimum(stop, row * width + width, "high")
            self.emit(isa.ActivateOp, head, row=cache.row(head.turn, chunk, row))
            span = AffineSum.of(high) + AffineSum.of(low) * -1
            mac(AffineSum.of(low) + row * -width, span, AffineSum.of(low) + start * -1)
            self.emit(isa.PrechargeOp, head)

    def move_scores(self, head: _Head, window: Scalar) -> None:
        before = AffineSum.of(window) * (self.parts * RESULTS)
        row = address(self.op.s) + AffineSum.of(self.token) * self.s.row_bytes + head.query * (self.s.shape[2] * 4)
        self.emit(
            heads_isa.MoveScoresOp,
            head,
            dst=row + before * 4,
            channel_stride=self.group * self.s.shape[2] * 4,
            tokens=RESULTS,
            limit=AffineSum.of(self.length) + before * -1,
            result_half=self.build.remainder(window, 2),
            parts=self.parts,
        )

    def softmax(self, head: _Head) -> None:
        padded = self.s.shape[2]
        self.emit(
            heads_isa.SoftmaxHeadOp,
            head,
            src=address(self.op.s) + AffineSum.of(self.token) * self.s.row_bytes + head.query * (padded * 4),
            src_stride=self.group * padded * 4,
            dst=address(self.op.p) + AffineSum.of(self.token) * self.p.row_bytes + head.query * (padded * 2),
            dst_stride=self.group * padded * 2,
            cols=self.length,
            scale=float_bits(self.op.scale.value.data),
        )

    def move_vector(self, head: _Head, first: Scalar, columns: Scalar) -> None:
        """Columns of the probabilities to the buffers."""
        padded = self.p.shape[2]
        self.emit(
            heads_isa.MoveVectorOp,
            head,
            src=address(self.op.p) + AffineSum.of(self.token) * self.p.row_bytes + head.query * (padded * 2),
            channel_stride=self.group * padded * 2,
            first=first,
            columns=columns,
            limit=self.length,
            half=head.half,
            parts=self.parts,
        )

    def move_sums(self, head: _Head, chunk: int, result_half: int) -> None:
        size = self.values.head_dim
        row = address(self.op.o) + AffineSum.of(self.token) * self.o.row_bytes + head.query * (size * 4)
        self.emit(
            heads_isa.MoveSumsOp,
            head,
            space=space_of(self.op.o),
            dst=row + chunk * self.chunk * 4,
            channel_stride=self.group * size * 4,
            elements=min(self.chunk, size - chunk * self.chunk),
            result_half=result_half,
            parts=self.parts,
        )

    def emit(self, kind: type[InstructionOp], head: _Head, **fields: Scalar) -> None:
        self.build.emit(kind, **fields, channel=head.channel, channels=head.channels)
