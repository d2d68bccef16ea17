"""Reference interpreters: the slow, readable definition of every op (numpy)."""

if __name__ != "pimlir.interpreters":
    raise ImportError(
        f"import this package as pimlir.interpreters, not as {__name__}: a second copy would break isinstance checks"
    )
