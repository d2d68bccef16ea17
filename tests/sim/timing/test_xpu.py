"""Programs of the xPU take the time of its analytic model, and have no data."""

import numpy as np
import pytest

from pimlir.machines import load_machine
from pimlir.sim.analytic.operators import Kind, Operator
from pimlir.sim.analytic.xpu import AnalyticXpu

TEXT = """
.program @layer xpu (rows)
.tag 1 "norm"
.tag 2 "qkv"
  norm m=%rows, n=12288 !tag(1)
  product m=%rows, n=4608, k=12288 !tag(2)
  activation kind=gelu, m=%rows, n=6144
  halt
"""


@pytest.mark.parametrize("rows", [1, 54])
def test_the_time_of_a_program_is_that_of_its_operators(model, rows):
    timing = model("attacc-dgx", TEXT)
    xpu = AnalyticXpu(load_machine("attacc-dgx").to_dict()["xpu"])
    ops = [
        Operator("norm1", Kind.NORM, rows, 12288, 1, 1, 2),
        Operator("qkv", Kind.FC, rows, 4608, 12288, 1, 2),
        Operator("gelu", Kind.ACTIVATION, rows, 6144, 1, 1, 2),
    ]
    times = [round(1000 * xpu.cost(op).time_ns) for op in ops]
    assert timing.launch(0, np.array([rows]), 5000) == 5000 + sum(times)
    statistics = timing.statistics()
    assert statistics["programs"][0]["device"] == "xpu"
    assert [tag["time_ps"] for tag in statistics["programs"][0]["tags"].values()] == times[:2]
    assert statistics["events"]["xpu_mac"] == pytest.approx(sum(xpu.cost(op).flops for op in ops) / 2, abs=3)


def test_no_rows_take_no_time(model):
    assert model("attacc-dgx", TEXT).launch(0, np.array([0]), 7) == 7


def test_the_xpu_runs_one_program_at_a_time(model):
    timing = model("attacc-dgx", TEXT)
    assert timing.unit(0) == "xpu"
    timing.begin(0, np.array([1]), 0)
    with pytest.raises(Exception, match="unit xpu of the machine is still running another launch"):
        timing.begin(0, np.array([1]), 0)


def test_an_xpu_needs_its_section(model):
    with pytest.raises(Exception, match="no \\[xpu\\]"):
        model("tiny", TEXT)
