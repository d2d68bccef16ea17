"""The `pimlir` command: thin, every command function callable from Python."""

if __name__ != "pimlir.tools":
    raise ImportError(
        f"import this package as pimlir.tools, not as {__name__}: a second copy would break isinstance checks"
    )
