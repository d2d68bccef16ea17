"""Published results of papers, computed again: their figures as points, runs, plots and tables of deviations."""

if __name__ != "pimlir.reproductions":
    raise ImportError(
        f"import this package as pimlir.reproductions, not as {__name__}: a second copy would break isinstance checks"
    )
