"""Passes: one file per transformation, grouped in a folder per stage."""

if __name__ != "pimlir.passes":
    raise ImportError(
        f"import this package as pimlir.passes, not as {__name__}: a second copy would break isinstance checks"
    )
