"""Turn the `llm` ops of PIM kernels into structured `pim` ops on buffers."""

from dataclasses import dataclass
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import llm
from ...dialects.pim import structured as pim
from .buffers import KernelBuffers, kernels, memory_symbol, weight_of


@dataclass(frozen=True)
class ConvertLlmToPimPass(ModulePass):
    """Convert the kernels with `device = "pim"` from `llm` ops on values to `pim` ops on buffers.

    Before:

        %s = llm.scores %q, %kv[%layer], %seqs {heads = 9 : i64, scale = 1.000000e+00 : f32} : tensor<?x576xf16>, !llm.kv_cache<30x3x64xf16> -> !llm.ragged<9x?xf32>

    After:

        pim.scores %q, @keys[%layer] at %past slot %slot -> %s rows %new : !host.buffer<32x576xf16> -> !host.buffer<32x9x512xf32>
    """

    name = "convert-llm-to-pim"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in kernels(op, "pim"):
            conversion = _Conversion(op, KernelBuffers(function, op))
            conversion.buffers.replace(conversion.convert)


@dataclass
class _Conversion:
    module: ModuleOp
    buffers: KernelBuffers

    def convert(self, op: Operation) -> list[Operation]:
        """The structured ops that stand for one `llm` op."""
        at, rows = self.buffers.buffer, self.buffers.row_count
        if isinstance(op, llm.LinearOp):
            symbol, layer = weight_of(op.weight)
            weight = memory_symbol(self.module, f"{symbol}_banks")
            return [pim.GemvOp(x=at(op.x), layer=layer, y=at(op.y), rows=rows, weight=weight)]
        if not isinstance(op, llm.KVAppendOp | llm.ScoresOp | llm.SoftmaxOp | llm.ContextOp):
            raise PassFailedException(f"{op.name} has no form on the PIM")
        table = self.buffers.table()
        place: dict[str, Any] = {"past": table.past, "slot": table.slot, "rows": rows}
        keys, values = memory_symbol(self.module, "keys"), memory_symbol(self.module, "values")
        match op:
            case llm.KVAppendOp():
                return [pim.KVAppendOp(k=at(op.k), v=at(op.v), layer=op.layer, keys=keys, values=values, **place)]
            case llm.ScoresOp():
                if op.scale.value.data != 1.0:
                    raise PassFailedException("llm.scores has a scale: run llm-place, which moves it to the softmax")
                return [pim.ScoresOp(q=at(op.q), layer=op.layer, s=at(op.y), keys=keys, **place)]
            case llm.SoftmaxOp():
                return [pim.SoftmaxRowsOp(s=at(op.x), past=table.past, p=at(op.y), rows=rows, scale=op.scale)]
            case llm.ContextOp():
                return [pim.ContextOp(p=at(op.p), layer=op.layer, o=at(op.y), values=values, **place)]
