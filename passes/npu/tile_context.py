"""What expansions of structured NPU ops share: the builder, the machine, and shorthands for instructions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import Float16Type, StringAttr, f16, f32
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...backends.isa.npu import BINARY_OPS, BROADCASTS, REDUCE_OPS, UNARY_FUNCTIONS
from ...backends.isa.spec import DTYPE_NAMES
from ...dialects import host
from ...dialects.affine_fields import AffineSum, float_bits
from ...dialects.hardware import NpuCore
from ...dialects.npu import instructions as isa
from ..tile_builder import Scalar, TileBuilder

Tensor = tuple[AffineSum, int, str]
"""Address, row stride in bytes, element type."""


@dataclass
class TileContext:
    build: TileBuilder
    core: NpuCore
    memories: Mapping[str, host.MemoryOp]

    def memory(self, symbol: str) -> host.MemoryOp:
        """The `host.memory` of this name."""
        if symbol not in self.memories:
            raise PassFailedException(f"no host.memory @{symbol}: run assign-layouts first")
        return self.memories[symbol]

    def layer(self, layer: SSAValue | None, layer_bytes: int) -> AffineSum:
        """Offset of a layer in a stacked tensor."""
        return AffineSum(0) if layer is None else AffineSum.of(layer) * layer_bytes

    def load(
        self, dram: AffineSum, rows: Scalar, row_bytes: int, local: AffineSum, queue: str, dram_stride: int = 0
    ) -> None:
        """DMA into a dense buffer."""
        self.build.emit(
            isa.LoadOp,
            dram=dram,
            dram_stride=dram_stride or row_bytes,
            rows=rows,
            row_bytes=row_bytes,
            local=local,
            local_stride=row_bytes,
        )
        self.on_queue(queue)

    def on_queue(self, queue: str) -> None:
        """Let the last instruction run on another queue than its own."""
        self.build.blocks[-1][-1].attributes["queue"] = StringAttr(queue)

    def load_row(self, symbol: str, width: int, layer: SSAValue | None) -> AffineSum:
        """A buffer with one f16 row of a (stacked) vector."""
        row = AffineSum.of(self.build.buffer((1, width), f16, symbol))
        self.load(self.build.address_of(symbol) + self.layer(layer, width * 2), 1, width * 2, row, queue="ld1")
        return row

    def multiply(
        self,
        *,
        array: Scalar,
        weights: AffineSum,
        weights_stride: int,
        transpose: int,
        a: AffineSum,
        a_stride: int,
        m: Scalar,
        k: Scalar,
        n: int,
        acc: AffineSum,
        acc_stride: int,
        accumulate: Scalar,
    ) -> None:
        """`preload` and one `matmul`, or a `gemv` on machines without an array."""
        self.preload(array, weights, weights_stride, transpose, k, n)
        self.matmul(
            array=array,
            weights=weights,
            weights_stride=weights_stride,
            transpose=transpose,
            a=a,
            a_stride=a_stride,
            m=m,
            k=k,
            n=n,
            acc=acc,
            acc_stride=acc_stride,
            accumulate=accumulate,
        )

    def preload(self, array: Scalar, weights: AffineSum, stride: int, transpose: int, k: Scalar, n: int) -> None:
        if self.core.arrays:
            self.build.emit(
                isa.PreloadOp, array=array, weights=weights, weights_stride=stride, k=k, n=n, transpose=transpose
            )

    def matmul(
        self,
        *,
        on_array: bool = True,
        array: Scalar,
        weights: AffineSum,
        weights_stride: int,
        transpose: int,
        **operands: Scalar,
    ) -> None:
        """Use what `preload` loaded; on the vector unit, a `gemv` that reads the weights itself."""
        if self.core.arrays and on_array:
            self.build.emit(isa.MatmulOp, array=array, **operands)
        else:
            self.build.emit(isa.GemvOp, weights=weights, weights_stride=weights_stride, transpose=transpose, **operands)

    def unary(
        self,
        function: str,
        dst: AffineSum,
        dst_stride: int,
        dst_type: str,
        a: AffineSum,
        a_stride: int,
        a_type: str,
        rows: Scalar,
        cols: Scalar,
        scale: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        self.build.emit(
            isa.UnaryOp,
            function=UNARY_FUNCTIONS.index(function),
            dst=dst,
            dst_stride=dst_stride,
            dst_type=DTYPE_NAMES.index(dst_type),
            a=a,
            a_stride=a_stride,
            a_type=DTYPE_NAMES.index(a_type),
            rows=rows,
            cols=cols,
            scale=float_bits(scale),
            bias=float_bits(bias),
        )

    def binary(self, op: str, dst: Tensor, a: Tensor, b: Tensor, broadcast: str, rows: Scalar, cols: Scalar) -> None:
        self.build.emit(
            isa.BinaryOp,
            op=BINARY_OPS.index(op),
            dst=dst[0],
            dst_stride=dst[1],
            dst_type=DTYPE_NAMES.index(dst[2]),
            a=a[0],
            a_stride=a[1],
            a_type=DTYPE_NAMES.index(a[2]),
            b=b[0],
            b_stride=b[1],
            b_type=DTYPE_NAMES.index(b[2]),
            broadcast=BROADCASTS.index(broadcast),
            rows=rows,
            cols=cols,
        )

    def reduce(self, op: str, dst: AffineSum, a: Tensor, rows: Scalar, cols: Scalar) -> None:
        """One f32 per row, densely."""
        self.build.emit(
            isa.ReduceOp,
            op=REDUCE_OPS.index(op),
            dst=dst,
            dst_stride=4,
            a=a[0],
            a_stride=a[1],
            a_type=DTYPE_NAMES.index(a[2]),
            rows=rows,
            cols=cols,
        )

    def clipped(self, first: AffineSum, width: int, limit: int) -> SSAValue:
        """min(width, limit - first), for the last panel of a padded matrix (0 if it starts beyond the limit)."""
        end = self.build.minimum(first + width, limit)
        start = self.build.minimum(first, limit)
        return self.build.binary(arith.SubiOp, end, start, "width")


def type_name(buffer: host.BufferType) -> str:
    """Element type of a buffer as instructions name it."""
    if isinstance(buffer.element, Float16Type):
        return "f16"
    return "f32" if buffer.element == f32 else "i32"
