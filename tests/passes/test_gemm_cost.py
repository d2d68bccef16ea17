"""The tiler of matrix products in main memory: near the roofline on every shape and machine, within their capacities."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from pimlir.dialects.hardware import NpuCore
from pimlir.passes.kernels.gemm_cost import choose_gemm

DATA = Path(__file__).parent.parent / "data" / "oracles" / "npu" / "tiler_prototype.csv"
POINTS = list(csv.DictReader(DATA.open()))

SERVER = NpuCore("server", 1, 128, 128, 128, 32 << 20, 4 << 20, 64, dram_bytes_per_kilocycle=614_000)
EDGE = NpuCore("edge", 1, 32, 32, 32, 512 << 10, 128 << 10, 64, dram_bytes_per_kilocycle=64_000)
MACHINES = {  # and bytes of an element
    "tpuv4like_128": (SERVER, 2),
    "tpuv4like_128_quarterBW": (replace(SERVER, dram_bytes_per_kilocycle=153_000), 2),
    "edge_32": (EDGE, 1),
    "edge_32_lowBW": (replace(EDGE, dram_bytes_per_kilocycle=12_800), 1),
}


def sizes(point: dict[str, str]) -> tuple[int, int, int]:
    m, k, n = (int(point[key]) for key in "MKN")
    return m, k, n


def test_all_pairs_are_there():
    assert len(POINTS) == 88 and {point["hw"] for point in POINTS} == set(MACHINES)


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{p['hw']}-{p['M']}-{p['K']}-{p['N']}")
def test_tiles_are_near_the_roofline(point):
    core, element_bytes = MACHINES[point["hw"]]
    tiles = choose_gemm(*sizes(point), core, element_bytes)
    assert tiles.cycles <= 1.27 * float(point["roofline_cycles"])
    assert tiles.cycles <= 1.05 * float(point["best_cycles"])  # of a tiler without order, sums and stores to choose


@pytest.mark.parametrize("point", POINTS, ids=lambda p: f"{p['hw']}-{p['M']}-{p['K']}-{p['N']}")
def test_tiles_fit_the_machine(point):
    core, element_bytes = MACHINES[point["hw"]]
    m, k, n = sizes(point)
    tiles = choose_gemm(m, k, n, core, element_bytes)
    deep, wide = tiles.depths * tiles.tile_k, tiles.group * tiles.tile_n
    assert tiles.sum_slots * tiles.tile_m * wide * 4 <= core.accumulator_bytes
    assert tiles.load_slots * (tiles.tile_m + wide) * deep * element_bytes <= core.scratchpad_bytes
    assert tiles.padded_k >= k and tiles.padded_n >= n


def test_an_output_stationary_array_streams_the_depth():
    core = replace(SERVER, dataflow="output_stationary", dram_bytes_per_kilocycle=0)
    for m, heights in ((1, 1), (256, 2)):
        assert choose_gemm(m, 4096, 576, core).cycles == pytest.approx(heights * 5 * 4096, rel=0.05)


def test_without_overlap_every_fold_pays_for_load_and_drain():
    serial = replace(SERVER, array_overlap=False)
    assert choose_gemm(1, 4096, 4096, serial).cycles > 2.9 * choose_gemm(1, 4096, 4096, SERVER).cycles
