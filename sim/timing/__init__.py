"""Timing: when each command and instruction of a program starts and ends, from the tables of the machine file."""

if __name__ != "pimlir.sim.timing":
    raise ImportError(
        f"import this package as pimlir.sim.timing, not as {__name__}: a second copy would break isinstance checks"
    )
