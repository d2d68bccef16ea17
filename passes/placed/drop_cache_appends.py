"""Leave out the writes of new keys and values, for comparison with simulators that do not model them."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, OpResult
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm


@dataclass(frozen=True)
class DropCacheAppendsPass(ModulePass):
    """Erase every `llm.kv_append` of the kernels and the reads of buffers that only it needed.

    The step then computes wrong tokens: it is for timing only. Keys and values are still computed, as in NeuPIMs'
    simulator, which never writes them to memory. Part of no pipeline unless asked for.

    Before:

        %k_1 = host.read %k rows %new : !host.buffer<4x64xf16> -> tensor<4x64xf16>
        %v_1 = host.read %v rows %new : !host.buffer<4x64xf16> -> tensor<4x64xf16>
        llm.kv_append %kv[%layer], %k_1, %v_1, %seqs : !llm.kv_cache<2x2x32xf16>, tensor<4x64xf16>
        %s = llm.scores %q, %kv[%layer], %seqs {heads = 2 : i64, scale = 1.0 : f32} : …

    After:

        %s = llm.scores %q, %kv[%layer], %seqs {heads = 2 : i64, scale = 1.0 : f32} : …
    """

    name = "drop-cache-appends"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        appends = [each for each in op.walk() if isinstance(each, llm.KVAppendOp)]
        if not appends:
            raise PassFailedException("found no llm.kv_append: run it at stage placed, once")
        for append in appends:
            needed = [append.k, append.v]
            append.detach()
            append.erase()
            for value in needed:
                if isinstance(value, OpResult):
                    _erase_unused(value.op)


def _erase_unused(op: Operation) -> None:
    """Erase a read of a buffer, and the view that it reads, if nothing else uses them."""
    if not isinstance(op, host.ReadOp | host.ViewOp) or any(any(result.uses) for result in op.results):
        return
    source = op.operands[0]
    op.detach()
    op.erase()
    if isinstance(source, OpResult):
        _erase_unused(source.op)
