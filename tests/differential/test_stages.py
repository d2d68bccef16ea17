"""Neighbouring stages agree, and the image agrees with stage `machine` bit for bit, on every machine and placement."""

from dataclasses import replace

import pytest

from pimlir.dialects.llm import ActivationKind, RopeStyle
from pimlir.frontends import ModelConfig, preset

MACHINES = ("tiny", "tiny-dual", "neupims", "attacc", "aim")
POLICIES = ("npu-only", "attention-on-pim", "all-on-pim")


def model(base: str, **changes) -> ModelConfig:
    return replace(preset(base), name="small", context_length=6000, **changes)


LLAMA = model("llama2-7b", layers=2, hidden=96, heads=6, kv_heads=3, head_dim=32, ffn=80, vocabulary=257)
OPT = model("opt-66b", layers=2, hidden=64, heads=5, kv_heads=5, head_dim=16, ffn=176, vocabulary=97)

MIXED = {"batch": 3, "new_tokens": 8, "context": 64}
STEPS = [[(2, 5)], [(2, 1), (1, 2), (0, 3)]]
"""Prefill, then prefill and decode in one batch, out of slot order."""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("machine", MACHINES)
def test_ragged_batches_agree(stages, machine, policy):
    run = stages(LLAMA, machine=machine, policy=policy, **MIXED)
    for step in STEPS:
        run.step(*step)
    run.same_caches()


@pytest.mark.parametrize(("machine", "policy"), list(zip(MACHINES, POLICIES[1:] + POLICIES, strict=True)))
def test_ragged_batches_of_biased_models_agree(stages, machine, policy):
    run = stages(OPT, machine=machine, policy=policy, **MIXED)
    for step in STEPS:
        run.step(*step)
    run.same_caches()


@pytest.mark.parametrize(
    ("machine", "policy"), [("tiny-dual", "attention-on-pim"), ("tiny", "npu-only"), ("aim", "all-on-pim")]
)
def test_sub_batches_agree(stages, machine, policy):
    """Two chains of launches, in halves that differ in sequences and in rows."""
    run = stages(LLAMA, machine=machine, policy=policy, sub_batches=True, **MIXED)
    for step in STEPS:
        run.step(*step)
    run.same_caches()


@pytest.mark.parametrize("heads", [(6, 6), (6, 3)])
@pytest.mark.parametrize(("machine", "channels"), [("tiny", 1), ("tiny-dual", 2), ("neupims", 1), ("aim", 4)])
def test_caches_in_some_channels_agree(stages, machine, channels, heads):
    """More sequences than groups of channels, so that some share them."""
    config = replace(LLAMA, heads=heads[0], kv_heads=heads[1], layers=1)
    run = stages(
        config, machine=machine, policy="attention-on-pim", cache_channels=channels, batch=6, new_tokens=8, context=200
    )
    run.fill_caches({0: 130, 1: 3, 4: 150, 5: 7})
    run.step((4, 1), (0, 2), (5, 1), (1, 1), (2, 3))
    run.same_caches()


@pytest.mark.parametrize(
    ("channels", "value_tokens", "head_dim", "kv_heads", "page_tokens"),
    [(1, 128, 64, 3, 0), (1, 64, 48, 2, 1), (1, 128, 128, 6, 1), (2, 256, 48, 2, 0), (32, 128, 64, 3, 0)],
)
def test_value_groups_that_share_rows_agree(stages, channels, value_tokens, head_dim, kv_heads, page_tokens):
    """Rows with parts of a head, with several heads, and with some groups missing; sequences of several chunks."""
    config = replace(LLAMA, heads=6, kv_heads=kv_heads, head_dim=head_dim, layers=1)
    options = {"cache_channels": channels, "value_tokens": value_tokens, "page_tokens": page_tokens}
    sizes = {"batch": 2, "new_tokens": 150, "context": 300}
    run = stages(config, ("kernels", "machine"), machine="neupims", policy="attention-on-pim", **options, **sizes)
    run.step((0, 146), (1, 4))
    run.step((0, 3), (1, 140))
    run.step((1, 1), (0, 1))
    if not page_tokens:
        run.same_caches()


VARIANTS = {
    "gelu": replace(OPT, activation=ActivationKind.GELU, layers=1),
    "gelu_tanh_tied": replace(OPT, activation=ActivationKind.GELU_TANH, tied_head=True, layers=1),
    "interleaved_tied": replace(LLAMA, rope_style=RopeStyle.INTERLEAVED, tied_head=True, layers=1),
    "one_kv_head": replace(LLAMA, heads=4, kv_heads=1, layers=1),
}


@pytest.mark.parametrize("policy", ["npu-only", "all-on-pim"])
@pytest.mark.parametrize("name", VARIANTS)
def test_variants_agree(stages, name, policy):
    """With one layer, whose loop canonicalisation removes."""
    run = stages(VARIANTS[name], machine="tiny", policy=policy, **MIXED)
    run.step((0, 4), (1, 2))
    run.same_caches()


SHAPES = {
    "kv5_dim64": model("llama2-7b", layers=1, hidden=960, heads=15, kv_heads=5, head_dim=64, ffn=272, vocabulary=509),
    "kv3_dim96": model("llama2-7b", layers=1, hidden=576, heads=6, kv_heads=3, head_dim=96, ffn=176, vocabulary=257),
    "kv5_small": model("llama2-7b", layers=1, hidden=144, heads=10, kv_heads=5, head_dim=64, ffn=80, vocabulary=257),
    "opt_dim64": model("opt-66b", layers=1, hidden=576, heads=9, kv_heads=9, head_dim=64, ffn=1040, vocabulary=1531),
}
SHAPE_MACHINES = [
    ("kv5_small", "tiny"),
    ("kv5_small", "tiny-dual"),
    ("kv5_dim64", "neupims"),
    ("kv3_dim96", "attacc"),
    ("kv3_dim96", "aim"),
    ("opt_dim64", "aim"),
]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("name", "machine"), SHAPE_MACHINES)
def test_decode_of_awkward_shapes_agrees(stages, name, machine, policy):
    """Heads wider than arrays, inputs wider than global buffers, outputs that leave channels half empty."""
    run = stages(SHAPES[name], machine=machine, policy=policy, phase="decode", batch=2, context=40)
    run.fill_caches({0: 30, 1: 0})
    run.step((1, 1), (0, 1))
    run.same_caches()


BOUNDARIES = [("tiny", 128), ("tiny", 256), ("tiny-dual", 128), ("neupims", 512), ("attacc", 512), ("aim", 1024)]
"""Tokens at which a value cache goes on in the next row."""


@pytest.mark.parametrize(("machine", "tokens"), BOUNDARIES)
def test_sequences_cross_rows_units_and_channels(stages, machine, tokens):
    config = replace(LLAMA, layers=1)
    run = stages(
        config, machine=machine, policy="attention-on-pim", phase="decode", batch=2, new_tokens=6, context=tokens + 5
    )
    run.fill_caches({0: tokens - 2, 1: tokens - 1})
    run.step((0, 3), (1, 3))
    run.same_caches()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("length", [1, 2, 31, 257])
def test_chunked_prefill_agrees(stages, length, policy):
    config = replace(LLAMA, layers=1, heads=3, head_dim=16, hidden=48, ffn=48)
    run = stages(config, ("kernels",), machine="tiny-dual", policy=policy, batch=2, new_tokens=32, context=270)
    run.step((1, 1))
    for first in range(0, length, 31):
        run.step((0, min(31, length - first)), (1, 1))


def test_tokens_of_a_full_cache_agree(stages):
    run = stages(LLAMA, machine="tiny", policy="attention-on-pim", **MIXED)
    run.fill_caches({0: 62, 1: 60, 2: 63})
    run.step((0, 2), (1, 4), (2, 1))
    run.same_caches()


def test_a_used_slot_starts_again(stages):
    """What an earlier sequence left behind the new one is not seen."""
    run = stages(LLAMA, machine="tiny", policy="attention-on-pim", **MIXED)
    run.fill_caches({0: 60, 1: 0})
    run.past[0] = 0
    run.step((0, 3), (1, 2))
    run.step((0, 1), (1, 1))


def test_shared_addresses_agree(stages, tmp_path):
    """A scratchpad in which the buffers of a kernel do not fit side by side."""
    machine = tmp_path / "narrow.toml"
    machine.write_text(
        'name = "narrow"\nextends = ["tiny"]\nsource = "invented"\ndescription = "tiny with little local memory"\n'
        "[npu]\nscratchpad_bytes = 21504\naccumulator_bytes = 32\n"
    )
    run = stages(LLAMA, machine=str(machine), policy="npu-only", batch=2, new_tokens=4, context=64)
    run.step((0, 3), (1, 1))
    run.step((0, 1))
