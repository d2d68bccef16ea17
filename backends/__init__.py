"""Backends: from machine-stage IR to program images, assembly text and other simulators' formats."""

if __name__ != "pimlir.backends":
    raise ImportError(
        f"import this package as pimlir.backends, not as {__name__}: a second copy would break isinstance checks"
    )
