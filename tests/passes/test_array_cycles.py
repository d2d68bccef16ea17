"""Closed forms of array cycles against SCALE-Sim's runs, point by point."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from pimlir.dialects.hardware import NpuCore
from pimlir.passes.kernels.array_cycles import array_cycles

DATA = Path(__file__).parent.parent / "data" / "oracles" / "npu" / "scalesim_gemm.csv"
POINTS = list(csv.DictReader(DATA.open()))
NAMES = {"ws": "weight_stationary", "os": "output_stationary"}

CORE = NpuCore("t", 1, 128, 128, 128, 1 << 25, 1 << 22, 64)


@pytest.mark.parametrize(
    "point", POINTS, ids=lambda p: "-".join(p[key] for key in ("array", "dataflow", "M", "K", "N"))
)
def test_folds_that_follow_each_other_take_what_scalesim_says(point):
    rows, cols = map(int, point["array"].split("x"))
    core = replace(CORE, array_rows=rows, array_cols=cols, dataflow=NAMES[point["dataflow"]], array_overlap=False)
    m, k, n = (int(point[key]) for key in "MKN")
    assert array_cycles(m, k, n, core) - 1 == int(
        point["compute_cycles"]
    )  # SCALE-Sim gives the index of the last cycle


@pytest.mark.parametrize("dataflow", NAMES.values())
def test_overlapping_folds_are_never_slower(dataflow):
    core = replace(CORE, dataflow=dataflow)
    for m, k, n in ((1, 576, 576), (16, 576, 1536), (256, 4096, 4096), (2048, 577, 129)):
        assert array_cycles(m, k, n, core) <= array_cycles(m, k, n, replace(core, array_overlap=False))


def test_faster_weight_loads_help_until_the_stream_is_longer():
    times = [array_cycles(16, 4096, 4096, replace(CORE, weight_rows_per_cycle=rate)) for rate in (1, 2, 4, 8, 16, 32)]
    assert times[0] > 1.9 * times[1] > 1.9**2 * times[2]
    assert times[3] - times[5] < 20  # only the first load
