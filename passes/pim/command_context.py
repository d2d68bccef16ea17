"""What expansions of structured PIM ops share: the builder, the memory, and shorthands for commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...backends.isa.pim import SPACES
from ...dialects import host
from ...dialects.affine_fields import AffineSum
from ...dialects.hardware import PimMemory
from ...dialects.pim import instructions as isa
from ...dialects.structured import buffer_type
from ..kernels.assign_layouts import STAGING
from ..tile_builder import Scalar, TileBuilder, address

_Layout = TypeVar("_Layout", bound=Attribute)


@dataclass
class CommandContext:
    build: TileBuilder
    memory: PimMemory
    memories: Mapping[str, host.MemoryOp]

    def layout(self, symbol: str, kind: type[_Layout]) -> _Layout:
        """The layout of a matrix, checked to be of the kind that the op reads."""
        if symbol not in self.memories:
            raise PassFailedException(f"no host.memory @{symbol}: run assign-layouts first")
        found = self.memories[symbol].layout
        if not isinstance(found, kind):
            raise PassFailedException(f"host.memory @{symbol} has layout {found}, expected #{kind.name}<…>")
        return found

    def columns_of(self, elements: int, what: str) -> int:
        """`elements` in columns; they must fill them."""
        if elements % self.memory.column_elements:
            raise PassFailedException(
                f"{what} is {elements}, expected a multiple of {self.memory.column_elements}: "
                f"the f16 elements of a column of {self.memory.name}"
            )
        return elements // self.memory.column_elements

    def write_buffer(
        self, buffer: SSAValue, offset: Scalar, columns: Scalar, channel: Scalar = 0, channels: Scalar = 1
    ) -> None:
        """The same columns of a vector to the global buffers of some channels, from buffer column 0 on."""
        build = self.build
        source = address(buffer) + offset
        if self.memory.has("write_buffer"):
            build.emit(
                isa.WriteBufferOp,
                space=space_of(buffer),
                src=source,
                channel_stride=0,
                columns=columns,
                buffer_column=0,
                channel=channel,
                channels=channels,
            )
            return
        row = build.address_of(STAGING)
        size = (
            columns * self.memory.column_bytes
            if isinstance(columns, int | AffineSum)
            else (AffineSum.of(columns) * self.memory.column_bytes)
        )
        place = {"bank": 0, "row": row}
        if channels == 1:
            build.emit(isa.WriteOp, src=source, channel=channel, offset=0, bytes=size, **place)
        else:
            with build.loop(channels, "channel") as index:
                target = AffineSum.of(index) + channel
                build.emit(isa.WriteOp, src=source, channel=target, offset=0, bytes=size, **place)
        build.emit(
            isa.CopyRowOp, column=0, columns=columns, buffer_column=0, channel=channel, channels=channels, **place
        )

    def mac(self, column: Scalar, columns: Scalar, buffer_column: Scalar, channel: Scalar, channels: Scalar) -> None:
        self.build.emit(
            isa.MacOp,
            column=column,
            columns=columns,
            buffer_column=buffer_column,
            channel=channel,
            channels=channels,
        )

    def read_acc(
        self,
        buffer: SSAValue,
        offset: Scalar,
        banks: Scalar,
        accumulate: Scalar,
        channel: Scalar,
        channels: Scalar,
    ) -> None:
        """The accumulators of some channels to consecutive f32 elements of a buffer."""
        self.build.emit(
            isa.ReadAccOp,
            space=space_of(buffer),
            dst=address(buffer) + offset,
            channel_stride=self.memory.banks * 4,
            banks=banks,
            accumulate=accumulate,
            channel=channel,
            channels=channels,
        )


def space_of(buffer: SSAValue) -> int:
    """Number of the space that a buffer is in."""
    return SPACES.index(buffer_type(buffer).space.data)
