"""From a `ModelConfig` to `llm` IR of stage `model`: one function `@step`, the layers as a loop."""

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import DYNAMIC_INDEX, IntegerAttr, ModuleOp, TensorType, f16, f32, i32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.dialects.scf import ForOp, YieldOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from ..dialects import llm
from .config import ModelConfig, weight_specs


@dataclass(frozen=True)
class WeightOrigin:
    """The file that holds the weights, and the stored format of each symbol."""

    file: str
    sha256: str
    source_types: Mapping[str, str]


def build_module(config: ModelConfig, origin: WeightOrigin | None = None) -> ModuleOp:
    """The `model` stage of a model: weight symbols and `@step`."""
    attr = llm.ModelAttr(config.name, config.architecture, config.context_length, config.vocabulary)
    return ModuleOp([*_weights(config, origin), _StepBuilder(config).build()], {llm.MODEL: attr})


def _weights(config: ModelConfig, origin: WeightOrigin | None) -> list[Operation]:
    return [
        llm.WeightOp(
            spec.symbol,
            TensorType(f16, spec.shape),
            source=spec.source if origin else None,
            file=origin.file if origin else None,
            sha256=origin.sha256 if origin else None,
            source_type=origin.source_types.get(spec.symbol) if origin else None,
        )
        for spec in weight_specs(config).values()
    ]


class _StepBuilder:
    """Builds `@step`; each method appends ops at the current place and returns the value they compute."""

    def __init__(self, config: ModelConfig):
        self.config = config
        self.specs = weight_specs(config)
        kv_type = llm.KVCacheType(config.layers, config.kv_heads, config.head_dim, f16)
        self.ids = TensorType(i32, [DYNAMIC_INDEX])
        self.block = Block(arg_types=[self.ids, llm.SeqsType(), kv_type])
        self.tokens, self.seqs, self.kv = self.block.args
        for argument, name in zip(self.block.args, ("tokens", "seqs", "kv"), strict=True):
            argument.name_hint = name
        self.builder = Builder(InsertPoint.at_end(self.block))

    def build(self) -> FuncOp:
        x = self.layers(self.embedding())
        last = self.add(llm.LastTokenOp(x, self.seqs, self.rows(self.config.hidden)), "last")
        normed = self.norm(last, "output_norm")
        head = self.weight("token_embd" if self.config.tied_head else "output")
        logits = self.add(llm.LinearOp(normed, head, self.rows(self.config.vocabulary, f32)), "logits")
        self.builder.insert(ReturnOp(self.add(llm.ArgmaxOp(logits), "next")))
        return FuncOp("step", (list(self.block.arg_types), [self.ids]), Region(self.block))

    def embedding(self) -> SSAValue:
        table = self.weight("token_embd")
        x = self.add(llm.EmbedOp(self.tokens, table, self.rows(self.config.hidden)), "x")
        if self.config.position == "learned":
            positions = self.weight("position_embd")
            x = self.add(llm.PositionEmbedOp(x, positions, self.seqs, self.config.position_offset), "x")
        return x

    def layers(self, x: SSAValue) -> SSAValue:
        zero, count, one = (
            self.add(ConstantOp(IntegerAttr.from_index_int_value(value)), f"c{value}")
            for value in (0, self.config.layers, 1)
        )
        body = Block(arg_types=[zero.type, x.type])
        layer, hidden = body.args
        layer.name_hint, hidden.name_hint = "layer", "h"
        loop = self.builder.insert(ForOp(zero, count, one, [x], Region(body)))
        loop.results[0].name_hint = "y"

        outside, self.builder = self.builder, Builder(InsertPoint.at_end(body))
        hidden = self.attention(hidden, layer)
        hidden = self.mlp(hidden, layer)
        self.builder.insert(YieldOp(hidden))
        self.builder = outside
        return loop.results[0]

    def attention(self, x: SSAValue, layer: SSAValue) -> SSAValue:
        config = self.config
        normed = self.norm(x, "attn_norm", layer)
        q = self.linear(normed, "attn_q", layer, "q")
        k = self.linear(normed, "attn_k", layer, "k")
        v = self.linear(normed, "attn_v", layer, "v")
        if config.position == "rope":
            q, k = self.rope(q, config.heads, "q"), self.rope(k, config.kv_heads, "k")
        self.builder.insert(llm.KVAppendOp(self.kv, layer, k, v, self.seqs))
        scale = config.head_dim**-0.5
        mixed = self.add(llm.AttentionOp(q, self.kv, layer, self.seqs, config.heads, scale), "mixed")
        return self.add(llm.AddOp(x, self.linear(mixed, "attn_output", layer, "o")), "h")

    def mlp(self, x: SSAValue, layer: SSAValue) -> SSAValue:
        normed = self.norm(x, "ffn_norm", layer)
        kind = self.config.activation
        if self.config.gated:
            gate = self.linear(normed, "ffn_gate", layer, "gate")
            active = self.add(llm.ActivationOp(kind, gate), "active")
            up = self.linear(normed, "ffn_up", layer, "up")
            inner = self.add(llm.MulOp(active, up), "inner")
        else:
            inner = self.add(llm.ActivationOp(kind, self.linear(normed, "ffn_up", layer, "up")), "inner")
        return self.add(llm.AddOp(x, self.linear(inner, "ffn_down", layer, "down")), "h")

    def rope(self, x: SSAValue, heads: int, hint: str) -> SSAValue:
        config = self.config
        return self.add(
            llm.RopeOp(config.rope_style, x, self.seqs, heads, config.head_dim, config.rope_theta), f"{hint}_rot"
        )

    def norm(self, x: SSAValue, symbol: str, layer: SSAValue | None = None) -> SSAValue:
        gain, eps = self.weight(symbol, layer), self.config.norm_eps
        if self.config.norm == "rms":
            return self.add(llm.RMSNormOp(x, gain, eps), "normed")
        return self.add(llm.LayerNormOp(x, gain, self.weight(f"{symbol}_bias", layer), eps), "normed")

    def linear(self, x: SSAValue, symbol: str, layer: SSAValue, hint: str) -> SSAValue:
        weight = self.weight(symbol, layer)
        bias = self.weight(f"{symbol}_bias", layer) if self.config.biases else None
        outputs = self.specs[symbol].shape[1]
        return self.add(llm.LinearOp(x, weight, self.rows(outputs), bias), hint)

    def weight(self, symbol: str, layer: SSAValue | None = None) -> SSAValue:
        shape = self.specs[symbol].shape
        type_ = TensorType(f16, shape if layer is None else shape[1:])
        return self.add(llm.GetWeightOp(symbol, type_, layer), symbol)

    def rows(self, features: int, element_type: Attribute = f16) -> TensorType:
        return TensorType(element_type, [DYNAMIC_INDEX, features])

    def add(self, op: Operation, hint: str) -> SSAValue:
        self.builder.insert(op)
        op.results[0].name_hint = hint
        return op.results[0]
