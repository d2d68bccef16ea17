"""CPU time of a layer of NeuPIMs' experiments here and in the paper's simulator.

    OPENBLAS_NUM_THREADS=1 python benchmarks/neupims_speed.py [--repeat 3]

For every repeated run of the published simulator that has one: its CPU seconds and its simulated cycles in each of them, and ours,
compilation included, for the layers that a point of `pimlir reproduce neupims runs` simulates. The last lines are points of
figure 12. The published simulator was not run for those: its rate is that of its run of the model with batch 32, and it would be
lower with more sequences.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

from pimlir.reproductions.deviations import published_table
from pimlir.reproductions.neupims.device import LAYERS
from pimlir.reproductions.neupims.points import step_point
from pimlir.reproductions.neupims.runs import one_layer

RATE_OF_7B = "7B b32 s512, drb"
STEPS = (("neupims, as published", "gpt3-7b", "sharegpt", 256), ("neupims, no sub-batches", "gpt3-7b", "sharegpt", 256))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    rates: dict[str, float] = {}
    print(f"{'run':<30}{'cycles':>10}{'theirs':>12}{'ours':>12}{'ratio':>8}   (simulated cycles in a CPU second)")
    for run in published_table("neupims-runs.csv"):
        rates[run["id"]] = float(run["simulated_cycles"]) / float(run["cpu_s"])
        shape = {name: int(run[name]) for name in ("hidden", "heads", "tensor_parallel", "batch", "tokens")}
        row, seconds = _timed(lambda shape=shape, run=run: one_layer(**shape, system=run["system"]), repeat)
        _show(run["id"], float(row["layer_cycles"] or 0), rates[run["id"]], seconds)
    for system, model, data_set, batch in STEPS:
        point = step_point(system, model, data_set, batch, 0)
        row, seconds = _timed(lambda point=point: point.run(**point.arguments), repeat)
        _show(f"{model}, {batch}, {system}", float(row["layer_cycles"] or 0), rates[RATE_OF_7B], seconds)


def _timed(run: Callable[[], Mapping], repeat: int) -> tuple[Mapping, float]:
    """A result and the median of the CPU seconds; kernels are loaded before."""
    row = run()
    seconds = []
    for _ in range(repeat):
        begin = time.process_time()
        run()
        seconds.append(time.process_time() - begin)
    return row, statistics.median(seconds)


def _show(name: str, cycles: float, theirs: float, seconds: float) -> None:
    ours = LAYERS * cycles / seconds
    print(f"{name:<30}{cycles:>10,.0f}{theirs:>12,.0f}{ours:>12,.0f}{ours / theirs:>7.0f}x")


if __name__ == "__main__":
    main()
