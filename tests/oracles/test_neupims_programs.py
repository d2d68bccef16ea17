"""Programs of matrix-vector products take the same cycles as in NeuPIMs' memory simulator, alone and beside reads."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from pimlir.backends.isa.assembly import assemble
from pimlir.backends.isa.image import Image
from pimlir.machines import load_machine
from pimlir.sim.check import check_log
from pimlir.sim.timing.model import TimingModel
from pimlir.sim.timing.program_log import ProgramLog

AS_PUBLISHED = {"neupims": "neupims-as-published", "newton": "npu-pim-as-published"}
UNLIMITED = {"pim.instructions_per_cycle": "0"}  # the measurements offer a request a cycle to one channel

PRODUCTS = """
.program @products pim ()
  loop %r6 = 0 to {copies} {{
    copy_row bank=0, row=0, column=0, columns=32, buffer_column=0, channel=0, channels=1
    loop %r5 = 0 to {tiles} {{
      activate row=600+{tiles}*%r6+%r5, channel=0, channels=1
      loop %r7 = 0 to {results} {{
        mac column=0, columns={columns}, buffer_column=0, channel=0, channels=1
        read_acc dst=0, channel_stride=128, banks=32, channel=0, channels=1
      }}
      precharge channel=0, channels=1
    }}
  }}
  halt
.program @reads npu ()
  loop %r5 = 0 to 125 {{
    load dram=65536*%r5+1048576, dram_stride=32768, rows=2, row_bytes=1024, local=0, local_stride=1024
  }}
  halt
"""


@cache
def described(machine: str) -> dict[str, Any]:
    """The tables of a machine."""
    return load_machine(machine, UNLIMITED).to_dict()


def model(machine: str, results: int, columns: int, tiles: int, copies: int, log: int = 0) -> TimingModel:
    """Products in channel 0; results of so many columns in a row tile, so many tiles for a row copy."""
    programs = assemble(PRODUCTS.format(results=results, columns=columns, tiles=tiles, copies=copies))
    place: dict[str, Any] = dict(regions=[], buffers={}, bounds={}, local_bytes=1 << 20, softmax_bytes=0)
    image = Image(
        described(machine), programs, programs[0], linear_bytes=1 << 30, first_pim_row=0, rows_used=0, **place
    )
    return TimingModel(image, log)


def cycles(machine: str, results: int, columns: int, tiles: int, copies: int, start: int) -> int:
    """From the cycle in which the first request is accepted, which is issued in the next one, to the last result."""
    timing = model(machine, results, columns, tiles, copies)
    return timing.launch(0, np.zeros(0, np.int64), (start + 1) * 1000) // 1000 - start


@pytest.mark.parametrize("file", ["cycles.csv", "pieces.csv"])
def test_products_alone_to_the_cycle(oracle, file):
    keys = ("heads_per_row", "comps_per_readres", "row_tiles", "gwrites", "repeats", "start_clk")
    for case in oracle.rows(f"neupims/{file}"):
        if case.get("bg_reqs", "0") == "0" and case["heads_per_row"] != "0":
            results, columns, tiles, copies, repeats, start = (int(case[key]) for key in keys)
            machine = AS_PUBLISHED[case["mode"]]
            assert cycles(machine, results, columns, tiles, copies * repeats, start) == int(case["gemv_cycles"]), case


@pytest.mark.parametrize(("results", "columns", "tiles"), [(4, 8, 1), (4, 8, 4), (1, 32, 1), (1, 32, 4), (2, 16, 2)])
def test_with_the_time_of_their_macs(results, columns, tiles):
    """The closed form of the same simulator with that time charged; no refresh falls into it."""
    steps = 2 * max(columns, 6)
    between = (results - 1) * (steps + 2)
    expected = 233 + between + (tiles - 1) * (between + 143) + steps * tiles
    assert cycles("neupims", results, columns, tiles, 1, 100) == expected


def test_products_beside_reads():
    """Commands of the PIM go first (8,557 cycles alone, 8,577 beside 4,000 reads); the reads fill what they leave (9,910).

    The reads come 7.6 % later than there: a launch's transfers keep their order in a channel, whereas queues for every bank
    also serve those whose row is open.
    """
    timing = model("neupims-as-published", 4, 8, 16, 2, log=100_000)
    timing.begin(0, np.zeros(0, np.int64), 101_000)
    timing.begin(1, np.zeros(0, np.int64), 101_000)
    ends = dict(timing.advance() for _ in range(2))
    products, reads = (ends[number] // 1000 - 100 for number in (0, 1))
    assert products == pytest.approx(8577, rel=0.005)
    assert reads == pytest.approx(9910, rel=0.1)
    assert timing.statistics()["commands"]["rd"] == 4000
    log = ProgramLog(timing.machine)
    log.add(timing.log(), timing.programs[0])
    assert check_log(log.finish(), timing.machine).counts == {}
