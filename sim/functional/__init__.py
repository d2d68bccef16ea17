"""Functional execution: Numba kernels that do to memory what each instruction says, in program order, without time."""

if __name__ != "pimlir.sim.functional":
    raise ImportError(
        f"import this package as pimlir.sim.functional, not as {__name__}: a second copy would break isinstance checks"
    )
