"""Analytic models of systems: GPU-like devices, links and overlap as formulas. Results of this folder are `analytic`.

Only the attention of PIM stacks is simulated: its command stream runs on the exact memory controller of `sim/timing`.
"""

if __name__ != "pimlir.sim.analytic":
    raise ImportError(
        f"import this package as pimlir.sim.analytic, not as {__name__}: a second copy would break isinstance checks"
    )
