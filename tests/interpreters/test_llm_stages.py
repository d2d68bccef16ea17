"""Model stage, decomposed and specialised modules compute the same, on random models of awkward shapes."""

from dataclasses import replace

import numpy as np
import pytest
from xdsl.context import Context

from pimlir.dialects.llm import ActivationKind, RopeStyle
from pimlir.frontends import ModelConfig, preset, random_model
from pimlir.interpreters.llm import LlmInterpreter
from pimlir.passes.llm.llm_decompose_attention import LlmDecomposeAttentionPass
from pimlir.passes.llm.llm_specialize import LlmSpecializePass
from pimlir.passes.llm.verify_llm import VerifyLlmPass

SLOTS, CONTEXT = 4, 24


def small(base: str, **changes) -> ModelConfig:
    return replace(preset(base), name="small", context_length=CONTEXT, **changes)


LLAMA = small(
    "llama2-7b", layers=2, hidden=96, heads=6, kv_heads=3, head_dim=16, ffn=136, vocabulary=131, norm_eps=1e-6
)
CONFIGS = {
    "kv3": LLAMA,
    "kv5_dim64": replace(LLAMA, hidden=960, heads=15, kv_heads=5, head_dim=64, layers=1, ffn=200, vocabulary=257),
    "dim96_tied": replace(LLAMA, hidden=576, heads=3, kv_heads=3, head_dim=96, layers=1, tied_head=True),
    "smollm2_like": replace(LLAMA, hidden=576, heads=9, kv_heads=3, head_dim=64, rope_style=RopeStyle.INTERLEAVED),
    "wide_heads": replace(LLAMA, hidden=32, heads=5, kv_heads=1, head_dim=64, activation=ActivationKind.GELU),
    "gpt": small("gpt3-7b", layers=2, hidden=60, heads=5, kv_heads=5, head_dim=12, ffn=240, vocabulary=97),
    "opt": small("opt-66b", layers=2, hidden=64, heads=4, kv_heads=4, head_dim=16, ffn=256, vocabulary=97),
}

# Steps of (slot, new tokens): prefill, a mix of prefill and decode, chunked prefill, decode.
STEPS = [[(2, 5)], [(0, 3), (2, 1)], [(2, 1), (0, 4), (3, 7)], [(0, 1), (3, 1), (2, 1)], [(3, 2), (1, 1)]]


def specialized(module, *passes):
    for step in passes:
        step.apply(Context(), module)
        module.verify()
    return module


def run_steps(config: ModelConfig, interpreters: list[LlmInterpreter], steps, seed: int = 0):
    """Feeds the same random tokens to several interpreters; yields the logits of each step from all of them."""
    rng = np.random.default_rng(seed)
    past = [0] * SLOTS
    for step in steps:
        table, row = [], 0
        for slot, new in step:
            table.append((row, new, past[slot], slot))
            past[slot] += new
            row += new
        tokens = rng.integers(0, config.vocabulary, row, np.int32)
        outputs = [interpreter.step(tokens, table) for interpreter in interpreters]
        yield table, tokens, outputs, [interpreter.logits for interpreter in interpreters]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("numerics", ["fp16", "fp32"])
def test_decomposed_and_bounded_modules_equal_the_model_bit_for_bit(name, numerics):
    model = random_model(CONFIGS[name])
    modules = [
        model.build_module(),
        specialized(model.build_module(), LlmDecomposeAttentionPass()),
        specialized(
            model.build_module(),
            LlmSpecializePass("mixed", batch=3),
            LlmDecomposeAttentionPass(),
            VerifyLlmPass(),
        ),
    ]
    interpreters = [LlmInterpreter(module, model.store, SLOTS, CONTEXT, numerics) for module in modules]
    for _, _, outputs, logits in run_steps(model.config, interpreters, STEPS):
        assert np.isfinite(logits[0]).all()
        assert all(np.array_equal(logits[0], other) for other in logits[1:])
        assert all(np.array_equal(outputs[0], other) for other in outputs[1:])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_decode_module_continues_what_the_model_started_bit_for_bit(name):
    model = random_model(CONFIGS[name])
    reference = LlmInterpreter(model.build_module(), model.store, SLOTS, CONTEXT)
    decode = specialized(
        model.build_module(), LlmDecomposeAttentionPass(), LlmSpecializePass("decode", batch=2), VerifyLlmPass()
    )
    static = LlmInterpreter(decode, model.store, SLOTS, CONTEXT)
    for _ in run_steps(model.config, [reference], [[(1, 6), (0, 2)]]):
        static.kv.keys[...], static.kv.values[...] = reference.kv.keys, reference.kv.values
    table = [(0, 1, 6, 1), (1, 1, 2, 0)]
    assert np.array_equal(reference.step([3, 4], table), static.step([3, 4], table))
    assert np.array_equal(reference.logits, static.logits)


def test_speculated_tokens_are_verified_in_one_decode_step():
    model = random_model(LLAMA)
    module = specialized(model.build_module(), LlmSpecializePass("decode", batch=2, new_tokens=6))
    pair = [LlmInterpreter(m, model.store, SLOTS, CONTEXT) for m in (model.build_module(), module)]
    for _, _, _, (expected, found) in run_steps(LLAMA, pair, [[(0, 3), (1, 3)], [(1, 3), (0, 3)]]):
        assert np.array_equal(expected, found)


@pytest.mark.parametrize("name", ["kv3", "smollm2_like", "opt"])
def test_a_ragged_batch_equals_its_sequences_run_token_by_token(name):
    """Up to the summation order of the matrix product, which may depend on the number of rows."""
    model = random_model(CONFIGS[name])
    batch, alone = (LlmInterpreter(model.build_module(), model.store, SLOTS, CONTEXT, "fp32") for _ in range(2))
    for table, tokens, _, (logits,) in run_steps(model.config, [batch], STEPS):
        for index, (row, new, past, slot) in enumerate(table):
            for token in range(new):
                alone.step(tokens[row + token : row + token + 1], [(0, 1, past + token, slot)])
            assert np.allclose(alone.logits[0], logits[index], rtol=1e-3, atol=1e-4)


def test_rounded_probabilities_stay_close():
    model = random_model(LLAMA)
    rounded = specialized(model.build_module(), LlmDecomposeAttentionPass("f16"))
    pair = [LlmInterpreter(m, model.store, SLOTS, CONTEXT) for m in (model.build_module(), rounded)]
    for _, _, _, (exact, found) in run_steps(LLAMA, pair, STEPS):
        assert np.abs(exact - found).max() < 0.05


def test_fp16_and_fp32_numerics_stay_close():
    model = random_model(LLAMA)
    pair = [LlmInterpreter(model.build_module(), model.store, SLOTS, CONTEXT, n) for n in ("fp16", "fp32")]
    for _, _, _, (half, single) in run_steps(LLAMA, pair, STEPS):
        assert 0 < np.abs(half - single).max() < 0.05


WRONG_STEPS = [
    ([1, 2], [(0, 1, 0, 0)], "the sequences have 1 rows, expected 2: one per token"),
    ([1], [(1, 1, 0, 0)], "sequence 0 has 1 rows from 1, expected at least 1 from 0"),
    ([1], [(0, 0, 0, 0)], "sequence 0 has 0 rows from 0, expected at least 1 from 0"),
    ([1], [(0, 1, 24, 0)], r"sequence 0 needs 24 \+ 1 tokens in slot 0, the cache has 4 slots of 24 tokens"),
    ([1], [(0, 1, 0, 4)], "in slot 4, the cache has 4 slots of 24 tokens"),
    ([1, 2], [(0, 1, 0, 3), (1, 1, 0, 3)], "two sequences of the step have the same slot"),
    ([131], [(0, 1, 0, 0)], "token id 131 is outside the vocabulary of 131"),
]


@pytest.mark.parametrize(("tokens", "table", "message"), WRONG_STEPS)
def test_a_wrong_step_is_refused(tokens, table, message):
    model = random_model(LLAMA)
    with pytest.raises(ValueError, match=message):
        LlmInterpreter(model.build_module(), model.store, SLOTS, CONTEXT).step(tokens, table)


def test_a_specialised_module_refuses_other_steps():
    model = random_model(LLAMA)
    decode = specialized(model.build_module(), LlmSpecializePass("decode", batch=2, context=8))
    mixed = specialized(model.build_module(), LlmSpecializePass("mixed", batch=1, new_tokens=3, context=8))
    for module, tokens, table, message in (
        (decode, [1], [(0, 1, 0, 0)], "1 token rows, expected 2"),
        (decode, [1, 2], [(0, 2, 0, 0)], r"bring \[2\] tokens, expected 1 from each of 2"),
        (decode, [1, 2], [(0, 1, 8, 0), (1, 1, 0, 1)], "9 tokens in a sequence, expected at most 8"),
        (mixed, [1, 2], [(0, 1, 0, 0), (1, 1, 0, 1)], "2 sequences, expected at most 1"),
        (mixed, [1, 2, 3, 4], [(0, 4, 0, 0)], "4 new tokens, expected at most 3"),
    ):
        with pytest.raises(ValueError, match=message):
            LlmInterpreter(module, model.store, SLOTS, CONTEXT).step(tokens, table)


def test_observers_see_every_op_in_order():
    model = random_model(LLAMA)
    seen: list[str] = []
    interpreter = LlmInterpreter(
        model.build_module(), model.store, SLOTS, CONTEXT, observe=lambda op, _: seen.append(op.name)
    )
    interpreter.step([1], [(0, 1, 0, 0)])
    assert seen.count("llm.attention") == LLAMA.layers
    assert (seen[0], seen[-1]) == ("llm.get_weight", "llm.argmax")
