"""Where the rows of a cache slot begin: in a place that the slot has for itself, or in pages that its page table names."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from ...dialects.affine_fields import AffineSum
from ...dialects.record import RecordAttr
from ..tile_builder import Scalar
from .command_context import CommandContext


@dataclass
class CacheRows:
    """Rows of one layer of a slot. `rows` are those of the slot, or of a page, in a layer.

    `place` is the place of the slot among the `places` that share its channels.
    """

    symbol: str
    layout: RecordAttr
    layer: SSAValue
    slot: SSAValue
    rows: int
    place: Scalar
    places: int
    context: CommandContext

    def __post_init__(self) -> None:
        type_ = self.context.memories[self.symbol].type
        assert isinstance(type_, TensorType)
        self.layers = type_.get_shape()[0]
        self.paged = self.layout.integer("page_tokens") > 0
        self.base = self.context.build.address_of(self.symbol)
        if self.paged:
            self.base += AffineSum.of(self.layer) * self.rows
        else:
            self.base += AffineSum.of(self.layer) * (self.places * self.rows) + AffineSum.of(self.place) * self.rows

    def of(self, index: Scalar, per_page: int) -> tuple[AffineSum, Scalar]:
        """First row of the page that part `index` of the slot is in, and the part's number there; a page has `per_page`."""
        if not self.paged:
            return self.base, index
        build = self.context.build
        page = build.page(self.symbol, self.slot, build.floordiv(index, per_page, "page_index"))
        return self.base + AffineSum.of(page) * (self.layers * self.rows), build.remainder(index, per_page, "in_page")
