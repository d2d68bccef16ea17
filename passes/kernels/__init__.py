"""Passes of stage `kernels`: layouts of main-memory tensors, and `llm` ops to structured `npu` and `pim` ops."""
