"""Dialects: the operations, types and attributes of `llm`, `npu`, `pim` and `host`."""

if __name__ != "pimlir.dialects":
    raise ImportError(
        f"import this package as pimlir.dialects, not as {__name__}: a second copy would break isinstance checks"
    )
