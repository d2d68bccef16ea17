"""Shapes of decoder-only models as the analytic systems need them, and those of AttAcc's experiments."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol


class ModelLike(Protocol):
    """What a model description must have to be used here; the presets of `frontends` do."""

    @property
    def name(self) -> str: ...
    @property
    def layers(self) -> int: ...
    @property
    def hidden(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def kv_heads(self) -> int: ...
    @property
    def head_dim(self) -> int: ...
    @property
    def ffn(self) -> int: ...
    @property
    def gated(self) -> bool: ...
    @property
    def activation(self) -> Any: ...


@dataclass(frozen=True)
class DecoderShape:
    """One decoder and how often it repeats. `ffn` may be no whole number, as in AttAcc's LLaMA (8/3 of `hidden`).

    `activation` glu means a gated feed-forward of three matrices, the others one of two.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: float
    activation: Literal["gelu", "relu", "glu"]

    @staticmethod
    def of(model: ModelLike) -> "DecoderShape":
        """The shape of a model description."""
        activation = "glu" if model.gated else "relu" if str(model.activation) == "relu" else "gelu"
        size = (model.layers, model.hidden, model.heads, model.kv_heads, model.head_dim, model.ffn)
        return DecoderShape(model.name, *size, activation)

    @property
    def layer_weights(self) -> float:
        """Weights of the matrices of one decoder."""
        attention = self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        return attention + self.hidden * self.ffn * (3 if self.activation == "glu" else 2)


def _published(name: str, layers: int, hidden: int, heads: int, head_dim: int) -> DecoderShape:
    ffn = hidden * (8 / 3 if name.startswith("LLAMA") else 4)
    activation = "glu" if name.startswith("LLAMA") else "relu" if name.startswith("OPT") else "gelu"
    return DecoderShape(name, layers, hidden, heads, heads, head_dim, ffn, activation)


ATTACC_MODELS: dict[str, DecoderShape] = {
    shape.name: shape
    for shape in (
        _published("GPT-13B", 40, 5120, 40, 128),
        _published("GPT-89B", 48, 12288, 96, 128),
        _published("GPT-175B", 96, 12288, 96, 128),
        _published("LLAMA-7B", 32, 4096, 32, 128),
        _published("LLAMA-65B", 80, 8192, 64, 128),
        _published("OPT-66B", 64, 9216, 72, 128),
        _published("MT-76B", 60, 10240, 80, 128),
        _published("MT-146B", 80, 12288, 96, 128),
        _published("MT-310B", 96, 16384, 128, 128),
        _published("MT-530B", 105, 20480, 128, 160),
        _published("MT-1008B", 128, 25600, 160, 160),
    )
}
"""Models of AttAcc's simulator (c600051, config.py). MT-76B and MT-146B have the heads of their paper (Narayanan et al.
2021, table 1): the 40 and 80 heads there do not fit the dimension of 128 beside them."""
