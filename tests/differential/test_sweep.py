"""Random models, machines, placements and batches, by seed. Long: `pytest -m long tests/differential`."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from xdsl.utils.exceptions import PassFailedException

from pimlir.dialects.llm import ActivationKind, RopeStyle
from pimlir.frontends import ModelConfig, preset

SMALL = {
    "hidden": [64, 96, 144, 192, 320],
    "ffn": [48, 176, 272, 400],
    "vocabulary": [97, 257, 509, 512, 1023],
    "context": [40, 129, 257, 300],
    "machine": ["tiny", "tiny-dual", "neupims", "attacc", "aim"],
}
LARGE = {
    "hidden": [528, 576, 960, 1040],
    "ffn": [176, 592, 1040, 2064],
    "vocabulary": [1025, 1531, 2049, 5137],
    "context": [600, 1100, 2100, 5200],
    "machine": ["neupims", "attacc", "aim"],
}


def random_model(rng: np.random.Generator, sizes: dict[str, list]) -> ModelConfig:
    """A llama-like model with grouped queries, or an OPT-like one."""
    llama = rng.random() < 0.6
    kv_heads = int(rng.choice([1, 2, 3, 5]))
    common: dict[str, Any] = {
        "name": "random",
        "layers": int(rng.choice([1, 2])),
        "heads": kv_heads * (int(rng.choice([1, 2, 3, 4])) if llama else 1),
        "kv_heads": kv_heads,
        "head_dim": int(rng.choice([16, 32, 48, 64, 96, 128])),
        "context_length": 6000,
        "tied_head": bool(rng.random() < 0.5),
        **{key: int(rng.choice(sizes[key])) for key in ("hidden", "ffn", "vocabulary")},
    }
    if llama:
        return replace(preset("llama2-7b"), rope_style=RopeStyle(rng.choice(["half", "interleaved"])), **common)
    kind = ActivationKind(rng.choice(["relu", "gelu", "gelu_tanh"]))
    return replace(preset("opt-66b"), activation=kind, **common)


def random_step(rng: np.random.Generator, batch: int, new_tokens: int, phase: str) -> list[tuple[int, int]]:
    """Slots in any order and how many tokens each brings."""
    slots = rng.permutation(batch).tolist()
    if phase == "decode":
        return [(slot, new_tokens // batch) for slot in slots]
    count = int(rng.integers(1, batch + 1))
    step: list[tuple[int, int]] = []
    for index in range(count):
        left = new_tokens - sum(new for _, new in step) - (count - 1 - index)
        step.append((slots[index], int(rng.integers(1, left + 1))))
    return step


@pytest.mark.long
@pytest.mark.parametrize("sizes", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("seed", range(60))
def test_stages_agree(stages, sizes, seed):
    rng = np.random.default_rng((seed, len(sizes["machine"])))
    config = random_model(rng, sizes)
    batch = int(rng.choice([1, 2, 3]))
    new_tokens = batch * int(rng.choice([1, 1, 2, 3]))
    context = int(rng.choice(sizes["context"]))
    options = {
        "machine": str(rng.choice(sizes["machine"])),
        "policy": str(rng.choice(["npu-only", "attention-on-pim", "all-on-pim"])),
        "phase": str(rng.choice(["mixed", "prefill", "decode"])),
        "depth": int(rng.choice([1, 2, 3])),
        "batch": batch,
        "new_tokens": new_tokens,
        "context": context,
    }
    try:
        run = stages(config, seed=seed, **options)
    except PassFailedException as error:
        if "global buffer" in str(error) or "on-chip buffers" in str(error):
            pytest.skip(str(error))
        raise
    run.fill_caches({slot: int(rng.integers(0, context - 2 * new_tokens)) for slot in range(batch)}, seed)
    for number in range(2):
        run.step(*random_step(rng, batch, new_tokens, options["phase"]), seed=number)
    run.same_caches()
