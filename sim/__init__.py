"""Simulator: executes program images, functionally and in time. Knows no IR."""

if __name__ != "pimlir.sim":
    raise ImportError(
        f"import this package as pimlir.sim, not as {__name__}: a second copy would break isinstance checks"
    )
