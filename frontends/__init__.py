"""Frontends: from model files and configuration presets to `llm` IR."""

if __name__ != "pimlir.frontends":
    raise ImportError(
        f"import this package as pimlir.frontends, not as {__name__}: a second copy would break isinstance checks"
    )

from .builder import build_module
from .config import ModelConfig
from .errors import ModelFileError
from .model import Model, load_gguf, load_model, random_model
from .presets import PRESETS, preset
from .weights import WeightStore, random_store

__all__ = [
    "PRESETS",
    "Model",
    "ModelConfig",
    "ModelFileError",
    "WeightStore",
    "build_module",
    "load_gguf",
    "load_model",
    "preset",
    "random_model",
    "random_store",
]
