"""Passes on `llm` ops: from the `model` stage to the `llm` stage."""
