"""Greedy decoding of a LLaMA-style model in plain float32 numpy: the speed that a simulator is compared with.

python benchmarks/numpy_decode.py [model] [number of tokens]
"""

import sys
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pimlir.dialects.llm import RopeStyle
from pimlir.frontends import Model, load_model

Floats = NDArray[np.float32]


class NumpyLlama:
    """Weights in float32, one growing KV cache, one sequence. Shares no code with the reference interpreter."""

    def __init__(self, model: Model):
        config = model.config
        if (config.norm, config.position, config.gated, config.biases) != ("rms", "rope", True, False):
            raise ValueError(f"model '{config.name}' is not LLaMA-style")
        self.config = config
        self.weights = {name: np.asarray(model.store.array(name), np.float32) for name in model.store.names}
        self.layer_weights = [spec.symbol for spec in model.store.specs.values() if spec.per_layer]
        self.head = self.weights["token_embd" if config.tied_head else "output"]
        self.caches: list[tuple[Floats, Floats]] = []
        self.reset()

    def reset(self) -> None:
        empty = np.zeros((self.config.kv_heads, 0, self.config.head_dim), np.float32)
        self.caches = [(empty, empty) for _ in range(self.config.layers)]

    def logits(self, ids: Sequence[int]) -> Floats:
        """Logits after the last of some new tokens, which join the cache."""
        x = self.weights["token_embd"][list(ids)]
        for layer in range(self.config.layers):
            w = {name: self.weights[name][layer] for name in self.layer_weights}
            x = x + self.attention(self.norm(x, w["attn_norm"]), w, layer)
            normed = self.norm(x, w["ffn_norm"])
            gate = normed @ w["ffn_gate"].T
            x = x + (gate / (1 + np.exp(-gate)) * (normed @ w["ffn_up"].T)) @ w["ffn_down"].T
        return self.norm(x[-1:], self.weights["output_norm"])[0] @ self.head.T

    def attention(self, x: Floats, w: dict[str, Floats], layer: int) -> Floats:
        config = self.config
        new, past = len(x), self.caches[layer][0].shape[1]

        def heads(values: Floats, count: int) -> Floats:
            return values.reshape(new, count, config.head_dim).transpose(1, 0, 2)

        q = self.rotate(heads(x @ w["attn_q"].T, config.heads), past)
        k = self.rotate(heads(x @ w["attn_k"].T, config.kv_heads), past)
        v = heads(x @ w["attn_v"].T, config.kv_heads)
        keys, values = (np.concatenate(pair, axis=1) for pair in zip(self.caches[layer], (k, v), strict=True))
        self.caches[layer] = keys, values

        grouped = q.reshape(config.kv_heads, -1, config.head_dim)
        scores = (grouped @ keys.transpose(0, 2, 1)).reshape(config.heads, new, -1) / np.sqrt(
            np.float32(config.head_dim)
        )
        scores += np.triu(np.full((new, past + new), -np.inf, np.float32), past + 1)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        mixed = (p.reshape(config.kv_heads, -1, past + new) @ values).reshape(config.heads, new, config.head_dim)
        return mixed.transpose(1, 0, 2).reshape(new, -1) @ w["attn_output"].T

    def rotate(self, x: Floats, past: int) -> Floats:
        """Each pair of elements as a complex number, times a unit number of its position."""
        half = self.config.head_dim // 2
        angles = np.arange(past, past + x.shape[1])[:, None] * self.config.rope_theta ** (-np.arange(half) / half)
        turn = np.exp(1j * angles).astype(np.complex64)
        if self.config.rope_style == RopeStyle.INTERLEAVED:
            return (np.ascontiguousarray(x).view(np.complex64) * turn).view(np.float32)
        turned = (x[..., :half] + 1j * x[..., half:]) * turn
        return np.concatenate((turned.real, turned.imag), axis=-1).astype(np.float32)

    def norm(self, x: Floats, gain: Floats) -> Floats:
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + np.float32(self.config.norm_eps)) * gain


def decode(model: Model, prompt_ids: Sequence[int], n: int) -> tuple[list[int], float]:
    """The next n greedy tokens, and the seconds per token without the prompt (prefill gives the first token)."""
    llama = NumpyLlama(model)
    ids = [int(np.argmax(llama.logits(prompt_ids)))]
    start = time.perf_counter()
    while len(ids) < n:
        ids.append(int(np.argmax(llama.logits(ids[-1:]))))
    return ids, (time.perf_counter() - start) / max(1, n - 1)


def main() -> None:
    spec = sys.argv[1] if len(sys.argv) > 1 else "smollm2"
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    model = load_model(spec)
    ids, seconds = decode(model, [504, 3575, 282, 4649, 314], n)  # "The capital of France is"
    print(f"{spec}: {1 / seconds:.1f} tokens/s, {1000 * seconds:.1f} ms a token; ids {ids}")


if __name__ == "__main__":
    main()
