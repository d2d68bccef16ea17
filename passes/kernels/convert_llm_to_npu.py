"""Turn the `llm` ops of NPU kernels into structured `npu` ops on buffers."""

from dataclasses import dataclass
from typing import Any

from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm
from ...dialects.npu import structured as npu
from .assign_layouts import rope_table
from .buffers import KernelBuffers, kernels, memory_symbol, weight_of


@dataclass(frozen=True)
class ConvertLlmToNpuPass(ModulePass):
    """Convert the kernels with `device = "npu"` from `llm` ops on values to `npu` ops on buffers.

    Before:

        %h = host.read %x rows %rows : !host.buffer<32x576xf16> -> tensor<?x576xf16>
        %w = llm.get_weight @attn_q[%layer] : tensor<576x576xf16>
        %q = llm.linear %h, %w : tensor<?x576xf16>, tensor<576x576xf16> -> tensor<?x576xf16>
        host.write %q, %y rows %rows : tensor<?x576xf16> -> !host.buffer<32x576xf16>

    After:

        npu.linear %x, @attn_q_tiles[%layer] -> %y rows %rows : !host.buffer<32x576xf16> -> !host.buffer<32x576xf16>
    """

    name = "convert-llm-to-npu"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in kernels(op, "npu"):
            conversion = _Conversion(op, KernelBuffers(function, op))
            conversion.buffers.replace(conversion.convert)


@dataclass
class _Conversion:
    module: ModuleOp
    buffers: KernelBuffers

    def memory(self, weight: SSAValue, suffix: str) -> str:
        return memory_symbol(self.module, f"{weight_of(weight)[0]}_{suffix}")

    def convert(self, op: Operation) -> list[Operation]:
        """The structured ops that stand for one `llm` op."""
        at = self.buffers.buffer
        match op:
            case llm.EmbedOp():
                table = self.memory(op.table, "rows")
                return [npu.EmbedOp(tokens=at(op.tokens), table=table, y=at(op.y), rows=self.rows)]
            case llm.PositionEmbedOp():
                return [
                    npu.PositionEmbedOp(
                        x=at(op.x),
                        past=self.buffers.table().past,
                        y=at(op.y),
                        rows=self.rows,
                        table=self.memory(op.table, "rows"),
                        offset=op.offset.value.data,
                    )
                ]
            case llm.LinearOp():
                bias = None if op.bias is None else self.memory(op.bias, "rows")
                weight = self.memory(op.weight, "tiles")
                layer = weight_of(op.weight)[1]
                return [npu.LinearOp(x=at(op.x), layer=layer, y=at(op.y), rows=self.rows, weight=weight, bias=bias)]
            case llm.RMSNormOp():
                layer = weight_of(op.gain)[1]
                gain = self.memory(op.gain, "rows")
                return [npu.RMSNormOp(x=at(op.x), layer=layer, y=at(op.y), rows=self.rows, gain=gain, eps=op.eps)]
            case llm.LayerNormOp():
                return [
                    npu.LayerNormOp(
                        x=at(op.x),
                        layer=weight_of(op.gain)[1],
                        y=at(op.y),
                        rows=self.rows,
                        gain=self.memory(op.gain, "rows"),
                        bias=self.memory(op.bias, "rows"),
                        eps=op.eps,
                    )
                ]
            case llm.RopeOp():
                return [
                    npu.RotaryOp(
                        style=op.style,
                        x=at(op.x),
                        past=self.buffers.table().past,
                        y=at(op.y),
                        rows=self.rows,
                        table=memory_symbol(self.module, rope_table(op)),
                        heads=op.heads.value.data,
                        head_dim=op.head_dim.value.data,
                    )
                ]
            case llm.ActivationOp():
                kind = npu.ElementwiseAttr(npu.Elementwise(op.kind.data.value))
                return [npu.ElementwiseOp(kind=kind, a=at(op.x), y=at(op.y), rows=self.rows)]
            case llm.CastOp():
                return [self.copy(at(op.x), at(op.y), self.rows)]
            case llm.AddOp() | llm.MulOp():
                kind = npu.ElementwiseAttr(npu.Elementwise(op.name.split(".")[1]))
                return [npu.ElementwiseOp(kind=kind, a=at(op.lhs), b=at(op.rhs), y=at(op.y), rows=self.rows)]
            case llm.BiasAddOp():
                layer = weight_of(op.bias)[1]
                bias = self.memory(op.bias, "rows")
                return [npu.BiasOp(x=at(op.x), layer=layer, y=at(op.y), rows=self.rows, bias=bias)]
            case llm.ArgmaxOp():
                columns = op.logits.type.get_shape()[-1]  # pyright: ignore[reportAttributeAccessIssue]
                return [npu.GreedyOp(x=at(op.logits), y=at(op.y), rows=self.rows, columns=columns)]
            case llm.LastTokenOp():
                return self.last_token(op)
            case _:
                return self.attention(op)

    def attention(self, op: Operation) -> list[Operation]:
        if not isinstance(op, llm.KVAppendOp | llm.ScoresOp | llm.SoftmaxOp | llm.ContextOp):
            raise PassFailedException(f"{op.name} has no form on the NPU")
        at, table = self.buffers.buffer, self.buffers.table()
        place: dict[str, Any] = {"past": table.past, "slot": table.slot, "rows": self.rows}
        match op:
            case llm.KVAppendOp():
                return [
                    npu.KVAppendOp(
                        k=at(op.k),
                        v=at(op.v),
                        layer=op.layer,
                        keys=self.cache("keys"),
                        values=self.cache("values"),
                        **place,
                    )
                ]
            case llm.ScoresOp():
                if op.scale.value.data != 1.0:
                    raise PassFailedException("llm.scores has a scale: run llm-place, which moves it to the softmax")
                return [npu.ScoresOp(q=at(op.q), layer=op.layer, s=at(op.y), keys=self.cache("keys"), **place)]
            case llm.SoftmaxOp():
                return [npu.SoftmaxOp(s=at(op.x), past=table.past, p=at(op.y), rows=self.rows, scale=op.scale)]
            case llm.ContextOp():
                return [npu.ContextOp(p=at(op.p), layer=op.layer, o=at(op.y), values=self.cache("values"), **place)]

    def last_token(self, op: llm.LastTokenOp) -> list[Operation]:
        """Copy row new - 1 of the sequence to its row of the result."""
        one = arith.ConstantOp.from_int_and_width(1, self.rows.type)  # pyright: ignore[reportArgumentType]
        last = arith.SubiOp(self.rows, one)
        row = host.ViewOp(self.buffers.buffer(op.x), last.result)
        return [one, last, row, self.copy(row.result, self.buffers.buffer(op.y), one.result)]

    def copy(self, source: SSAValue, target: SSAValue, rows: SSAValue) -> Operation:
        return npu.ElementwiseOp(kind=npu.ElementwiseAttr(npu.Elementwise.COPY), a=source, y=target, rows=rows)

    def cache(self, symbol: str) -> str:
        return memory_symbol(self.module, symbol)

    @property
    def rows(self) -> SSAValue:
        return self.buffers.row_count
