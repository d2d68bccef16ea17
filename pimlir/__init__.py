"""pimlir: a multi-level compiler and simulator for LLM inference on NPU + PIM machines."""

__version__ = "0.1.0"
