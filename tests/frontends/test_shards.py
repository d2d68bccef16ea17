"""Weights of one device: the parts that the IR says, of the whole weights."""

from dataclasses import replace

import numpy as np
import pytest
from xdsl.context import Context

from pimlir.frontends import ModelFileError, preset, random_model
from pimlir.frontends.shards import shard_stores
from pimlir.passes.llm.llm_shard import LlmShardPass

CONFIG = replace(
    preset("opt-66b"), layers=4, hidden=48, heads=6, kv_heads=6, head_dim=8, ffn=96, vocabulary=31, context_length=20
)


def stores(tensor: int, stages: int, config=CONFIG):
    model = random_model(config)
    module = model.build_module()
    LlmShardPass(tensor, stages).apply(Context(), module)
    return model.store, shard_stores(module, model.store)


def test_parts_make_up_the_whole():
    whole, parts = stores(3, 2)
    first, second = parts[:3], parts[3:]
    for symbol, axis in (("attn_q", 1), ("attn_q_bias", 1), ("attn_output", 2), ("ffn_up", 1), ("ffn_down", 2)):
        layers = [np.concatenate([part.array(symbol) for part in stage], axis=axis) for stage in (first, second)]
        assert np.array_equal(np.concatenate(layers), whole.array(symbol))
    for part in parts:
        assert np.array_equal(part.array("token_embd"), whole.array("token_embd"))
        assert part.array("attn_output_bias").shape == (2, 48)


def test_the_last_part_of_a_vocabulary_ends_where_it_does():
    whole, parts = stores(3, 1)
    head = whole.array("token_embd")
    found = [part.array("token_embd_part") for part in parts]
    assert all(
        np.array_equal(part, rows) for part, rows in zip(found, (head[:11], head[11:22], head[20:]), strict=True)
    )


def test_stages_of_different_lengths_have_no_data():
    with pytest.raises(ModelFileError, match="@attn_norm has 5 layers, data needs a multiple of the 2 pipeline stages"):
        stores(1, 2, replace(CONFIG, layers=5))
