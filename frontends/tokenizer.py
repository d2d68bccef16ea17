"""The tokenizer that a GGUF file describes, built without any network. Models work on token ids without it."""

from typing import TYPE_CHECKING

from .errors import ModelFileError
from .gguf import GGUFFile

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_CONTROL, _USER_DEFINED = 3, 4
"""Token types that are matched as a whole, before any merging."""


def gguf_tokenizer(file: GGUFFile) -> "Tokenizer":
    """A byte-level BPE tokenizer from the vocabulary and merges in the file.

    Pre-tokenisation is that of the `smollm` kind: single digits, then the words of the GPT-2 pattern; no prefix space
    and no begin-of-text token. `encode` finds special tokens such as `<|im_start|>` in the text.
    """
    try:
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    except ImportError as error:
        raise ModelFileError(
            "text needs the package 'tokenizers' (pip install tokenizers); token ids work without it"
        ) from error

    kind = file.get("tokenizer.ggml.model", str)
    if kind != "gpt2":
        raise ModelFileError(f"{file.path}: tokenizer.ggml.model is '{kind}', supported is gpt2 (byte-level BPE)")
    tokens = file.get("tokenizer.ggml.tokens", list)
    merges = file.get("tokenizer.ggml.merges", list)
    types = file.get("tokenizer.ggml.token_type", list, [])
    pairs: list[tuple[str, str]] = []
    for index, merge in enumerate(merges):
        left, space, right = merge.partition(" ")
        if not (left and space and right):
            raise ModelFileError(f"{file.path}: tokenizer.ggml.merges[{index}] is {merge!r}, expected two parts")
        pairs.append((left, right))

    vocabulary = {token: index for index, token in enumerate(tokens)}
    try:
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    except Exception as error:
        raise ModelFileError(f"{file.path}: the tokenizer in the file is inconsistent: {error}") from error
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, type_ in zip(tokens, types, strict=False) if type_ in (_CONTROL, _USER_DEFINED)]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return tokenizer
