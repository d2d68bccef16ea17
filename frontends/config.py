"""What the builder has to know about a model: one frozen description for the LLaMA and the GPT/OPT families."""

from dataclasses import dataclass
from typing import Literal

from ..dialects.llm import ActivationKind, RopeStyle
from .errors import ModelFileError


@dataclass(frozen=True)
class ModelConfig:
    """A pre-norm decoder. Shapes are those of one layer; `source` says where they come from."""

    name: str
    architecture: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocabulary: int
    context_length: int
    norm: Literal["rms", "layer"] = "rms"
    norm_eps: float = 1e-5
    position: Literal["rope", "learned"] = "rope"
    rope_theta: float = 10000.0
    rope_style: RopeStyle = RopeStyle.HALF
    position_offset: int = 0
    activation: ActivationKind = ActivationKind.SILU
    gated: bool = True
    biases: bool = False
    tied_head: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        for field in ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocabulary", "context_length"):
            value = getattr(self, field)
            if value < 1:
                raise ModelFileError(f"model '{self.name}': {field} is {value}, expected at least 1")
        if self.heads % self.kv_heads:
            raise ModelFileError(
                f"model '{self.name}': heads is {self.heads}, expected a multiple of kv_heads {self.kv_heads}"
            )
        if self.position == "rope" and self.head_dim % 2:
            raise ModelFileError(f"model '{self.name}': head_dim is {self.head_dim}, rotary embedding needs it even")

    @property
    def q_width(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim


@dataclass(frozen=True)
class WeightSpec:
    """One weight symbol: its full shape (layers first if it exists in each layer) and its key in a GGUF file."""

    symbol: str
    shape: tuple[int, ...]
    per_layer: bool
    source: str


def weight_specs(config: ModelConfig) -> dict[str, WeightSpec]:
    """All weights of a model by symbol, in the order in which a step uses them."""
    hidden, ffn, q_width, kv_width = config.hidden, config.ffn, config.q_width, config.kv_width
    specs: dict[str, WeightSpec] = {}

    def once(symbol: str, *shape: int) -> None:
        kind = "bias" if symbol.endswith("_bias") else "weight"
        specs[symbol] = WeightSpec(symbol, shape, False, f"{symbol.removesuffix('_bias')}.{kind}")

    def each_layer(symbol: str, *shape: int) -> None:
        kind = "bias" if symbol.endswith("_bias") else "weight"
        key = f"blk.{{layer}}.{symbol.removesuffix('_bias')}.{kind}"
        specs[symbol] = WeightSpec(symbol, (config.layers, *shape), True, key)

    def linear(symbol: str, outputs: int, inputs: int) -> None:
        each_layer(symbol, outputs, inputs)
        if config.biases:
            each_layer(f"{symbol}_bias", outputs)

    def norm(symbol: str) -> None:
        declare = once if symbol == "output_norm" else each_layer
        declare(symbol, hidden)
        if config.norm == "layer":
            declare(f"{symbol}_bias", hidden)

    once("token_embd", config.vocabulary, hidden)
    if config.position == "learned":
        once("position_embd", config.context_length + config.position_offset, hidden)
    norm("attn_norm")
    linear("attn_q", q_width, hidden)
    linear("attn_k", kv_width, hidden)
    linear("attn_v", kv_width, hidden)
    linear("attn_output", hidden, q_width)
    norm("ffn_norm")
    if config.gated:
        linear("ffn_gate", ffn, hidden)
    linear("ffn_up", ffn, hidden)
    linear("ffn_down", hidden, ffn)
    norm("output_norm")
    if not config.tied_head:
        once("output", config.vocabulary, hidden)
    return specs
