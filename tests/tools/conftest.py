"""What the tests of the command share: a small model file, a cache of their own, and a way to call the command."""

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from pimlir.tools.main import main

WRITER = Path(__file__).parent.parent / "frontends" / "conftest.py"


def _load_writer() -> Any:
    spec = importlib.util.spec_from_file_location("gguf_writer", WRITER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


writer = _load_writer()

HEAD_DIM, HIDDEN, FFN, VOCABULARY, LAYERS = 16, 64, 96, 41, 2
SHAPES = {
    "attn_norm": (HIDDEN,),
    "attn_q": (4 * HEAD_DIM, HIDDEN),
    "attn_k": (2 * HEAD_DIM, HIDDEN),
    "attn_v": (2 * HEAD_DIM, HIDDEN),
    "attn_output": (HIDDEN, 4 * HEAD_DIM),
    "ffn_norm": (HIDDEN,),
    "ffn_gate": (FFN, HIDDEN),
    "ffn_up": (FFN, HIDDEN),
    "ffn_down": (HIDDEN, FFN),
}
METADATA = {**writer.TINY_METADATA, "llama.embedding_length": HIDDEN, "llama.feed_forward_length": FFN}


def _tensors() -> dict[str, tuple[tuple[int, ...], int, bytes]]:
    """Random weights that keep activations near 1."""
    rng = np.random.default_rng(1)
    shapes = {f"blk.{layer}.{name}.weight": shape for layer in range(LAYERS) for name, shape in SHAPES.items()}
    shapes |= {"token_embd.weight": (VOCABULARY, HIDDEN), "output_norm.weight": (HIDDEN,)}
    return {
        name: (shape, writer.F32, (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32).tobytes())
        for name, shape in shapes.items()
    }


@pytest.fixture
def tiny_gguf(tmp_path: Path) -> Callable[..., Path]:
    """Writes a two-layer model whose heads fit the machine tiny; changes as in the tests of the frontends."""

    def write(metadata: Mapping[str, Any] | None = None, tensors: Mapping[str, Any] | None = None) -> Path:
        keep = {**METADATA, **(metadata or {})}
        data = {name: value for name, value in {**_tensors(), **(tensors or {})}.items() if value is not None}
        path = tmp_path / f"{keep['general.name']}.gguf"
        path.write_bytes(writer.encode_gguf(keep, data))
        return path

    return write


class Outcome(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of an error."""
        (line,) = self.err.splitlines()
        return line


@pytest.fixture
def pimlir(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `pimlir` in this process."""

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights go into a cache of the test, files into its folder; compiled kernels stay where they are."""
    import pimlir.sim.kernel_cache  # noqa: F401  # decides on its folder when it is imported

    monkeypatch.setenv("PIMLIR_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(tiny_gguf: Callable[..., Path]) -> Path:
    """A two-layer model file without tokenizer, context length 64."""
    return tiny_gguf()
