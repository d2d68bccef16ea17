"""Expand structured NPU ops into loops of tile instructions on buffers."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects.hardware import NpuCore, npu_core
from ...dialects.npu import instructions as isa
from ...dialects.npu import structured as npu
from ...dialects.structured import StructuredOp, buffer_type, symbol_of
from ..kernels.array_cycles import weight_stationary
from ..kernels.buffers import kernels
from ..tile_builder import TileBuilder, address, erase_unused_views, memory_table
from . import tile_attention, tile_gemm, tile_linear, tile_vector
from .tile_context import TileContext


@dataclass(frozen=True)
class NpuTilePass(ModulePass):
    """Cut each structured op of NPU kernels into tiles: loads, preloads, matrix and vector instructions in loops.

    A linear layer becomes rounds over groups of panels, one panel per systolic array; within a round the depth is the
    outer loop, so that all arrays load weights at once. Buffers have one slot, nothing is synchronised yet.

    Before:

        npu.linear %x, @attn_k_tiles[%layer] -> %k rows %rows : !host.buffer<32x576xf16> -> !host.buffer<32x192xf16>

    After (192 outputs are two panels of 96, 576 inputs a depth of six tiles):

        scf.for %round = %c0 to %c1 step %c1 {
          scf.for %depth = %c0 to %c6 step %c1 {
            scf.for %panel = %c0 to %c2 step %c1 {
              npu.load(dram = %w + 221184 * %layer + 221184 * %round + 36864 * %depth + 18432 * %panel, …, local = %tile, …)
              npu.preload(array = %panel, weights = %tile, weights_stride = 192, k = 96, n = 96, transpose = 0)
              npu.matmul(array = %panel, a = %x + 192 * %depth, …, acc = %sums + 12288 * %panel, …, accumulate = %depth)
            }
          }
          scf.for %panel = %c0 to %c2 step %c1 {
            npu.unary(function = copy, dst = %k + 384 * %round + 192 * %panel, …, a = %sums + 12288 * %panel, …)
          }
        }
    """

    name = "npu-tile"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        memories, core = memory_table(op.ops), npu_core(op)
        _check_arrays(core)
        for function in kernels(op, "npu"):
            context = TileContext(TileBuilder(function), core, memories)
            for inner in list(function.walk()):
                if isinstance(inner, StructuredOp) and inner.name.startswith("npu."):
                    with context.build.instead_of(inner):
                        expand(inner, context)
            erase_unused_views(function)


def _check_arrays(core: NpuCore) -> None:
    """Refuse arrays that only the cost model knows: no instruction or simulator would keep to it."""
    if core.arrays and not weight_stationary(core):
        raise PassFailedException(
            f"machine {core.name} has dataflow {core.dataflow}, expected weight_stationary: preload and matmul keep weights "
            "in the array"
        )
    if core.arrays and not core.array_overlap:
        raise PassFailedException(
            f"machine {core.name} has array_overlap = false, expected true: the timing simulator overlaps the folds of an array"
        )


def expand(op: StructuredOp, context: TileContext) -> None:
    """Build the tile program of one structured op."""
    match op:
        case npu.EmbedOp():
            _embed(op, context)
        case npu.LinearOp():
            tile_linear.linear(op, context)
        case npu.GemmOp():
            tile_gemm.gemm(op, context)
        case npu.KVAppendOp():
            tile_attention.kv_append(op, context)
        case npu.ScoresOp():
            tile_attention.scores(op, context)
        case npu.SoftmaxOp():
            tile_attention.softmax(op, context)
        case npu.ContextOp():
            tile_attention.context(op, context)
        case _:
            tile_vector.expand(op, context)


def _embed(op: npu.EmbedOp, context: TileContext) -> None:
    width = buffer_type(op.y).row_bytes
    context.build.emit(
        isa.GatherOp,
        dram=context.build.address_of(symbol_of(op.table)),
        dram_stride=width,
        rows=op.rows,
        row_bytes=width,
        local=address(op.y),
        local_stride=width,
        index=address(op.tokens),
    )
