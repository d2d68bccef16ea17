"""Frontends: from model files and configuration presets to `llm` IR."""

if __name__ != "pimlir.frontends":
    raise ImportError(
        f"import this package as pimlir.frontends, not as {__name__}: a second copy would break isinstance checks"
    )
