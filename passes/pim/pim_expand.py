"""Expand structured PIM ops into loops of bank commands."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects.hardware import pim_memory
from ...dialects.pim import structured as pim
from ...dialects.pim.types import HeadKeysAttr
from ...dialects.structured import StructuredOp, symbol_of
from ..kernels.buffers import kernels
from ..tile_builder import TileBuilder, erase_unused_views, memory_table
from . import expand_attention, expand_gemv, expand_heads, head_cache
from .command_context import CommandContext


@dataclass(frozen=True)
class PimExpandPass(ModulePass):
    """Expand each structured op of PIM kernels into loops of bank commands, as the layouts of its matrices ask.

    Only commands that the machine has are used: a vector reaches the global buffers by `pim.write_buffer`, or, where a
    machine fills them by row copy, through a staging row.

    Before:

        pim.gemv %x, @attn_k_banks[%layer] -> %y rows %rows : !host.buffer<32x576xf16> -> !host.buffer<32x192xf32>

    After (12 channels of 16 banks compute the 192 outputs in one pass; the global buffer holds all 36 columns of x):

        scf.for %token = %c0 to %rows step %c1 {
          scf.for %chunk = %c0 to %c1 step %c1 {
            pim.write_buffer(space = local, src = %x + 1152 * %token + 2048 * %chunk, …, columns = 36, …, channels = 12)
            scf.for %row = %c0 to %c1 step %c1 {
              pim.activate(row = %w + %layer + %chunk + %row, channel = 0, channels = 12)
              scf.for %pass = %c0 to %c1 step %c1 {
                pim.mac(column = 36 * %pass, columns = 36, buffer_column = 0, channel = 0, channels = 12)
                pim.read_acc(space = local, dst = %y + 768 * %token + …, banks = 16, accumulate = %chunk, channel = 0, channels = 12)
              }
              pim.precharge(channel = 0, channels = 12)
            }
          }
        }
    """

    name = "pim-expand"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        memories = memory_table(op.ops)
        for function in kernels(op, "pim"):
            context = CommandContext(TileBuilder(function), pim_memory(op), memories)
            for inner in list(function.walk()):
                if isinstance(inner, StructuredOp) and inner.name.startswith("pim."):
                    with context.build.instead_of(inner):
                        expand(inner, context)
            erase_unused_views(function)


def expand(op: StructuredOp, context: CommandContext) -> None:
    """Build the commands of one structured op."""
    match op:
        case pim.GemvOp():
            expand_gemv.gemv(op, context)
        case pim.KVAppendOp() if isinstance(context.memories[symbol_of(op.keys)].layout, HeadKeysAttr):
            head_cache.kv_append(op, context)
        case pim.KVAppendOp():
            expand_attention.kv_append(op, context)
        case pim.ScoresOp():
            expand_attention.scores(op, context)
        case pim.SoftmaxRowsOp():
            expand_attention.softmax_rows(op, context)
        case pim.ContextOp():
            expand_attention.context(op, context)
        case pim.AttendOp():
            expand_heads.attend(op, context)
        case _:
            raise NotImplementedError(op.name)
