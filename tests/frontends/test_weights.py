"""Weight stores: decoded once, stacked, cached by content, and harmless when the cache is not."""

import hashlib
from math import prod

import numpy as np
import pytest

from pimlir.frontends import ModelFileError, load_model, preset, random_store
from pimlir.frontends import weights as weights_module
from pimlir.frontends.config import weight_specs


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_layers_are_stacked_in_fp16(tiny_gguf):
    model = load_model(tiny_gguf())
    array = model.store.array("attn_k")
    assert (array.shape, array.dtype) == ((2, 16, 32), np.float16)
    assert model.store.shapes["ffn_down"] == (2, 32, 96)
    assert model.store.has_data


def test_the_second_load_maps_the_cache_without_hashing_or_decoding(tiny_gguf, own_cache, monkeypatch):
    path = tiny_gguf()
    first = np.array(load_model(path).store.array("attn_q"))
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"weights-1/{sha}/attn_q.npy" in files(own_cache)
    assert not [name for name in files(own_cache) if ".new" in name]

    monkeypatch.setattr(weights_module.hashlib, "sha256", _only_keys(hashlib.sha256))
    monkeypatch.setattr(weights_module._Cache, "decode", None)
    second = load_model(path).store.array("attn_q")
    assert isinstance(second, np.memmap)
    assert np.array_equal(first, second)


def _only_keys(sha256):
    def hash_(data):
        assert isinstance(data, bytes) and len(data) < 4096, "the model file was hashed again"
        return sha256(data)

    return hash_


def test_another_file_content_gets_another_cache_entry(tiny_gguf):
    first = load_model(tiny_gguf())
    norm = ((32,), 0, np.full(32, 2, np.float32).tobytes())
    second = load_model(tiny_gguf(tensors={"output_norm.weight": norm}))
    assert first.store.origin and second.store.origin
    assert first.store.origin.sha256 != second.store.origin.sha256
    assert second.store.array("output_norm").tolist() == [2.0] * 32


def test_a_damaged_cache_entry_is_written_anew(tiny_gguf, own_cache):
    path = tiny_gguf()
    expected = np.array(load_model(path).store.array("ffn_up"))
    (entry,) = own_cache.rglob("ffn_up.npy")
    entry.write_bytes(b"\x93NUMPY rubbish")
    assert np.array_equal(load_model(path).store.array("ffn_up"), expected)
    assert np.array_equal(np.load(entry), expected)


def test_without_a_place_for_the_cache_values_stay_in_memory(tiny_gguf, tmp_path, monkeypatch):
    (tmp_path / "blocked").write_text("a file, not a folder")
    monkeypatch.setenv("PIMLIR_CACHE", str(tmp_path / "blocked"))
    array = load_model(tiny_gguf()).store.array("attn_q")
    assert not isinstance(array, np.memmap)
    assert array.shape == (2, 32, 32)


def test_values_that_fp16_cannot_hold_are_refused(tiny_gguf):
    huge = ((32,), 0, np.full(32, 1e6, np.float32).tobytes())
    store = load_model(tiny_gguf(tensors={"output_norm.weight": huge})).store
    with pytest.raises(ModelFileError, match=r"tensor 'output_norm\.weight' holds values that fp16 cannot"):
        store.array("output_norm")


def test_a_preset_has_shapes_and_no_values():
    store = load_model("gpt3-175b").store
    assert not store.has_data
    assert sum(prod(shape) for shape in store.shapes.values()) > 174e9
    with pytest.raises(ModelFileError, match="weight @attn_q has no values: the model is a preset of shapes only"):
        store.array("attn_q")


def test_an_unknown_weight_is_named():
    with pytest.raises(ModelFileError, match="no weight @attn_z, expected one of: token_embd, attn_norm"):
        load_model("llama2-7b").store.array("attn_z")


def test_random_weights_repeat_with_their_seed():
    config = preset("llama2-7b", layers=2, hidden=32, heads=4, kv_heads=2, head_dim=8, ffn=40, vocabulary=11)
    one, same, other = random_store(config, 1), random_store(config, 1), random_store(config, 2)
    for symbol in weight_specs(config):
        assert np.array_equal(one.array(symbol), same.array(symbol))
    assert not np.array_equal(one.array("attn_q"), other.array("attn_q"))
    assert np.array_equal(one.widened().array("attn_q"), one.array("attn_q"))
    assert one.widened().array("attn_q").dtype == np.float32
