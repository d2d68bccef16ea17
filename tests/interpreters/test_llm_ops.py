"""Each `llm` op means what its documentation says, checked on small numbers and by other formulas."""

import math

import numpy as np
import pytest
from xdsl.dialects import test
from xdsl.dialects.builtin import DYNAMIC_INDEX, Float16Type, IndexType, TensorType, f16, f32, i32
from xdsl.ir import Attribute

from pimlir.dialects import llm
from pimlir.interpreters.llm import KVCache, LlmState, Numerics, SeqEntry, eval_llm_op

ROWS = DYNAMIC_INDEX


def values(*types):
    """SSA values of the given types."""
    return test.TestOp(result_types=types).results


def rows(features, element: Attribute = f32):
    return TensorType(element, [ROWS, features])


class NoWeights:
    def array(self, symbol: str):
        raise KeyError(symbol)


def run(op, *operands, numerics: Numerics = "fp16"):
    op.verify()
    return eval_llm_op(op, list(operands), LlmState(NoWeights(), numerics))


def seqs(*pasts_and_news):
    """Sequences of (past, new), in slots of their own."""
    table, row = [], 0
    for slot, (past, new) in enumerate(pasts_and_news):
        table.append(SeqEntry(row, new, past, slot))
        row += new
    return table


def test_linear_is_x_times_the_transposed_weight_plus_bias():
    x, w, b = values(rows(2), TensorType(f32, [3, 2]), TensorType(f32, [3]))
    weight = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    (y,) = run(llm.LinearOp(x, w, rows(3), b), np.array([[2, 3]], np.float32), weight, np.array([0, 0, 10], np.float32))
    assert y.tolist() == [[2, 3, 15]]


def test_a_result_is_rounded_once_to_its_element_type_and_in_fp32_numerics_not_at_all():
    x, w = values(rows(2), TensorType(f32, [1, 2]))
    # 2049 does not fit into the 11 bits of fp16; each product does, so only the sum is rounded.
    operands = np.array([[2048, 1]], np.float32), np.array([[1, 1]], np.float32)
    op = llm.LinearOp(x, w, rows(1, f16))
    (half,), (single,) = run(op, *operands), run(op, *operands, numerics="fp32")
    assert (half.dtype, half.item()) == (np.float16, 2048)
    assert (single.dtype, single.item()) == (np.float32, 2049)


def test_rms_norm_gives_unit_mean_square_times_gain():
    x, g = values(rows(4), TensorType(f32, [4]))
    (y,) = run(llm.RMSNormOp(x, g, 0.0), np.array([[1, -1, 3, -3]], np.float32), np.array([1, 1, 1, 2], np.float32))
    assert np.allclose(y, np.array([[1, -1, 3, -6]]) / math.sqrt(5))


def test_layer_norm_removes_mean_and_variance():
    x, g, b = values(rows(4), TensorType(f32, [4]), TensorType(f32, [4]))
    one = np.ones(4, np.float32)
    (y,) = run(llm.LayerNormOp(x, g, b, 0.0), np.array([[2, 4, 2, 4]], np.float32), one, 10 * one)
    assert np.allclose(y, [[9, 11, 9, 11]])


@pytest.mark.parametrize(
    ("kind", "at_one"),
    [
        (llm.ActivationKind.SILU, 1 / (1 + math.exp(-1))),
        (llm.ActivationKind.GELU, 0.5 * (1 + math.erf(math.sqrt(0.5)))),
        (llm.ActivationKind.GELU_TANH, 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * 1.044715))),
        (llm.ActivationKind.RELU, 1),
    ],
)
def test_activations_at_known_points(kind, at_one):
    (x,) = values(rows(4))
    (y,) = run(llm.ActivationOp(kind, x), np.array([[0, 1, -200, 50]], np.float32))
    assert np.allclose(y, [[0, at_one, 0, 50]], rtol=1e-6)


def rope(style, x, *table):
    x_value, seqs_value = values(rows(x.shape[1]), llm.SeqsType())
    op = llm.RopeOp(style, x_value, seqs_value, x.shape[1] // 6, 6, 100.0)
    return run(op, x, seqs(*table))[0]


def test_rope_turns_pairs_by_position_times_frequency():
    y = rope(llm.RopeStyle.INTERLEAVED, np.array([[1, 0, 1, 0, 0, 1]], np.float32), (5, 1))
    angles = [5 * 100 ** (-2 * i / 6) for i in range(3)]
    expected = [f(a) for a in angles[:2] for f in (math.cos, math.sin)] + [-math.sin(angles[2]), math.cos(angles[2])]
    assert np.allclose(y, [expected], atol=1e-6)


def test_rope_styles_agree_up_to_a_permutation_of_each_head():
    x = np.random.default_rng(0).standard_normal((3, 12)).astype(np.float32)
    order = [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]
    half = rope(llm.RopeStyle.HALF, x[:, order], (2, 1), (7, 2))
    assert np.array_equal(half, rope(llm.RopeStyle.INTERLEAVED, x, (2, 1), (7, 2))[:, order])


def test_rope_products_depend_on_distance_only():
    rng = np.random.default_rng(0)
    q, k = rng.standard_normal((2, 1, 6)).astype(np.float32)
    products = [
        float((rope(llm.RopeStyle.HALF, q, (p + 4, 1)) * rope(llm.RopeStyle.HALF, k, (p, 1))).sum()) for p in (0, 9)
    ]
    assert products[0] == pytest.approx(products[1], rel=1e-5)


def test_position_embedding_adds_the_row_of_position_plus_offset():
    x, table, s = values(rows(1), TensorType(f32, [12, 1]), llm.SeqsType())
    op = llm.PositionEmbedOp(x, table, s, offset=2)
    (y,) = run(op, np.zeros((3, 1), np.float32), np.arange(12, dtype=np.float32)[:, None], seqs((0, 2), (7, 1)))
    assert y.tolist() == [[2], [3], [9]]


def test_embedding_takes_rows_and_refuses_ids_outside_the_vocabulary():
    tokens, table = values(TensorType(i32, [ROWS]), TensorType(f32, [3, 1]))
    op, data = llm.EmbedOp(tokens, table, rows(1)), np.array([[5], [6], [7]], np.float32)
    assert run(op, np.array([2, 0]), data)[0].tolist() == [[7], [5]]
    with pytest.raises(ValueError, match="token id 3 is outside the vocabulary of 3"):
        run(op, np.array([0, 3]), data)


def test_argmax_takes_the_lowest_index_of_a_tie():
    (logits,) = values(rows(4))
    assert run(llm.ArgmaxOp(logits), np.array([[0, 9, 9, 1], [3, 3, 3, 3]], np.float32))[0].tolist() == [1, 0]


def test_last_token_picks_the_last_row_of_each_sequence():
    x, s = values(rows(1), llm.SeqsType())
    op = llm.LastTokenOp(x, s, rows(1))
    assert run(op, np.arange(6.0)[:, None], seqs((0, 3), (8, 1), (0, 2)))[0].tolist() == [[2], [3], [5]]


def test_cast_rounds_to_nearest_even():
    (x,) = values(rows(2))
    assert run(llm.CastOp(x, rows(2, f16)), np.array([[2049, 2051]], np.float32))[0].tolist() == [[2048, 2052]]


def test_add_and_mul_are_element_wise():
    a, b = values(rows(2), rows(2))
    x, y = np.array([[1, 2]], np.float32), np.array([[3, 4]], np.float32)
    assert run(llm.AddOp(a, b), x, y)[0].tolist() == [[4, 6]]
    assert run(llm.MulOp(a, b), x, y)[0].tolist() == [[3, 8]]


def dense_attention(q, keys, values, heads, scale):
    """One row of causal attention by plain loops, in double precision; keys and values: tokens x KV heads x dim."""
    kv_heads, head_dim = keys.shape[1:]
    out = np.zeros(heads * head_dim)
    for h in range(heads):
        group = h * kv_heads // heads
        scores = np.array([scale * np.dot(q[h * head_dim : (h + 1) * head_dim], key) for key in keys[:, group]])
        p = np.exp(scores - scores.max())
        out[h * head_dim : (h + 1) * head_dim] = (p / p.sum()) @ values[:, group]
    return out


@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(4, 4, 8), (9, 3, 6), (5, 1, 4), (10, 5, 2)])
def test_attention_over_a_ragged_batch_equals_plain_loops(heads, kv_heads, head_dim):
    rng = np.random.default_rng(3)
    kv_type = llm.KVCacheType(2, kv_heads, head_dim, f32)
    kv_value, layer, s, q_value, k_value, v_value = values(
        kv_type, IndexType(), llm.SeqsType(), rows(heads * head_dim), *[rows(kv_heads * head_dim)] * 2
    )
    kv = KVCache(kv_type, slots=3, context=9, numerics="fp32")
    append = llm.KVAppendOp(kv_value, layer, k_value, v_value, s)
    attend = llm.AttentionOp(q_value, kv_value, layer, s, heads, 0.3)

    history = [(np.zeros((0, kv_heads, head_dim)), np.zeros((0, kv_heads, head_dim))) for _ in range(3)]
    for news in ((4, 1, 2), (1, 3, 1), (2, 1, 4)):
        table = seqs(*((len(history[slot][0]), new) for slot, new in enumerate(news)))
        total = sum(news)
        k, v = rng.standard_normal((2, total, kv_heads * head_dim)).astype(np.float32)
        q = rng.standard_normal((total, heads * head_dim)).astype(np.float32)
        run(append, kv, 1, k, v, table)
        (y,) = run(attend, q, kv, 1, table)
        for entry in table:
            part = slice(entry.row, entry.row + entry.new)
            keys, vals = (
                np.concatenate((old, new[part].reshape(-1, kv_heads, head_dim)))
                for old, new in zip(history[entry.slot], (k, v), strict=True)
            )
            history[entry.slot] = keys, vals
            for token in range(entry.new):
                seen = entry.past + token + 1
                row = entry.row + token
                assert np.allclose(y[row], dense_attention(q[row], keys[:seen], vals[:seen], heads, 0.3), atol=1e-5)
    assert not kv.keys[0].any(), "only the named layer is written"


def test_every_op_of_the_dialect_has_a_meaning():
    from pimlir.interpreters.llm import _EVALUATE

    assert set(llm.LLM.operations) - set(_EVALUATE) == {llm.WeightOp}


def test_storage_follows_the_element_type_in_fp16_numerics():
    kv = KVCache(llm.KVCacheType(1, 2, 4, Float16Type()), slots=1, context=2, numerics="fp16")
    assert (kv.keys.shape, kv.keys.dtype) == ((1, 1, 2, 2, 4), np.float16)
