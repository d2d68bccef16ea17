"""Plain DRAM standards: latencies and bandwidths that the controller measures are those of the closed forms.

The forms use the timing numbers of the machine file alone; none of its rules. A request arrives in cycle 1, a trace has no
time of its own. Only the load/store trace and the command log are used.
"""

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from pimlir.machines import load_machine
from pimlir.tools.commands.sim import sim_trace

STANDARDS = ("ddr4", "ddr5", "lpddr5", "gddr6", "hbm2", "hbm3")
ARRIVAL = 1


@dataclass(frozen=True)
class Run:
    """What a trace took, and the cycles of its commands in channel 0."""

    cycles: int
    log: list[dict[str, str]]

    def at(self, label: str, **where: int) -> list[int]:
        """Cycles of the commands of this label, of those banks alone that `where` says."""
        return [
            int(row["cycle"])
            for row in self.log
            if row["command"] == label and all(row[key] == str(index) for key, index in where.items())
        ]


class Bench:
    """Runs accesses `(operation, place)` on a standard; a place is a dictionary of indices, 0 where nothing is said."""

    def __init__(self, name: str, folder: Path, **settings: str):
        self.name, self.folder = name, folder
        self.settings = {f"memory.{key}": value for key, value in settings.items()}
        self.machine = load_machine(name, self.settings)
        self.t = SimpleNamespace(**self.machine.timing)
        memory = self.machine.memory
        self.groups, self.banks = memory.bank_groups, memory.bank_groups * memory.banks_per_group
        self.pseudo_channels, self.columns = memory.pseudo_channels, memory.row_bytes // memory.access_bytes
        self._extents = {
            "channel": memory.channels,
            "pseudo_channel": memory.pseudo_channels,
            "rank": memory.ranks,
            "bank_group": memory.bank_groups,
            "bank": memory.banks_per_group,
            "row": memory.rows,
            "column": self.columns,
        }

    def address(self, **place: int) -> int:
        found = 0
        for field in self.machine.controller.address:
            found = found * self._extents[field] + place.get(field, 0)
        return found * self.machine.memory.access_bytes

    def run(self, accesses: list[tuple[str, dict[str, int]]], refresh: str = "off", **controller: str) -> Run:
        trace, log = self.folder / "a.trace", self.folder / "a.csv"
        trace.write_text("".join(f"{operation} {self.address(**place)}\n" for operation, place in accesses))
        settings = (
            self.settings | {"refresh": refresh} | {f"controller.{key}": value for key, value in controller.items()}
        )
        found = sim_trace(trace, self.name, "loadstore", settings, log)
        rows = list(csv.DictReader(log.read_text().splitlines()))
        return Run(found["cycles"], [row for row in rows if row["channel"] == "0"])


@pytest.fixture(params=STANDARDS)
def bench(request, tmp_path):
    return Bench(request.param, tmp_path)


def gaps(cycles: list[int]) -> set[int]:
    return {after - before for before, after in pairwise(cycles)}


def test_a_cold_read_takes_activate_read_and_burst(bench):
    t = bench.t
    assert bench.run([("LD", {})]).cycles == ARRIVAL + t.nRCDRD + t.nCL + t.nBL


def test_a_row_hit_takes_no_activate(bench):
    t = bench.t
    run = bench.run([("LD", {}), ("LD", {"column": 1})])
    assert run.cycles == ARRIVAL + t.nRCDRD + max(t.nBL, t.nCCDL) + t.nCL + t.nBL


def test_a_row_conflict_takes_a_precharge_more_than_a_cold_read(bench):
    t = bench.t
    run = bench.run([("LD", {}), ("LD", {"row": 1})])
    (precharge,) = run.at("PRE")
    assert precharge == ARRIVAL + max(t.nRAS, t.nRCDRD + t.nRTP)
    assert run.at("ACT")[1] == max(precharge + t.nRP, ARRIVAL + t.nRC)
    assert run.cycles - run.at("ACT")[1] == t.nRCDRD + t.nCL + t.nBL


def test_a_write_is_recovered_before_its_row_is_closed(bench):
    t = bench.t
    run = bench.run([("ST", {}), ("ST", {"row": 1})])
    assert run.at("PRE") == [ARRIVAL + max(t.nRAS, t.nRCDWR + t.nCWL + t.nBL + t.nWR)]


def test_write_to_read_of_the_same_bank_group(bench):
    t = bench.t
    run = bench.run([("ST", {}), ("LD", {"column": 1})], instructions_per_cycle="1")
    assert run.at("RD")[0] - run.at("WR")[0] == t.nCWL + t.nBL + t.nWTRL


def test_write_to_read_of_another_bank_group(bench):
    t = bench.t
    run = bench.run([("ST", {}), ("LD", {"bank_group": 1})], instructions_per_cycle="1")
    (write,), (read,), activate = run.at("WR"), run.at("RD"), run.at("ACT", bank_group=1)[0]
    assert activate == ARRIVAL + max(t.nRRDS, 1)
    assert read == max(write + t.nCWL + t.nBL + t.nWTRS, activate + t.nRCDRD)


def test_read_to_write(bench):
    t = bench.t
    run = bench.run([("LD", {}), ("LD", {"column": 1}), ("ST", {"column": 2})])
    assert run.at("WR")[0] - run.at("RD")[-1] == t.nCL + t.nBL + t.nRTT - t.nCWL


@pytest.mark.parametrize("name", STANDARDS)
def test_another_rank_waits_for_the_bus_to_change_hands(name, tmp_path):
    bench = Bench(name, tmp_path, ranks="2")
    t = bench.t
    run = bench.run([("LD", {"rank": rank, "column": column}) for column in range(4) for rank in range(2)])
    reads = sorted((cycle, rank) for rank in range(2) for cycle in run.at("RD", rank=rank))
    switches = [after - before for (before, a), (after, b) in pairwise(reads) if a != b]
    assert switches and min(switches) == t.nBL + t.nCS


def test_hits_of_one_bank_group_are_limited_by_its_columns(bench):
    t, count = bench.t, 200
    reads = bench.run([("LD", {"column": i % bench.columns}) for i in range(count)])
    assert gaps(reads.at("RD")) == {max(t.nBL, t.nCCDL)}
    assert reads.cycles == ARRIVAL + t.nRCDRD + (count - 1) * max(t.nBL, t.nCCDL) + t.nCL + t.nBL
    writes = bench.run([("ST", {"column": i % bench.columns}) for i in range(count)])
    assert gaps(writes.at("WR")) == {max(t.nBL, t.nCCDLWR)}


def test_misses_of_one_bank_are_limited_by_the_row_cycle(bench):
    t = bench.t
    run = bench.run([("LD", {"row": row}) for row in range(50)])
    assert gaps(run.at("ACT")) == {max(t.nRC, t.nRAS + t.nRP, t.nRCDRD + t.nRTP + t.nRP)}


def hits(bench: Bench, operation: str, count: int, pseudo_channels: int) -> list[tuple[str, dict[str, int]]]:
    """`count` accesses a pseudo-channel to one open row of every bank group, which take turns."""
    return [
        (operation, {"pseudo_channel": half, "bank_group": index % bench.groups, "column": column})
        for index in range(count)
        for half in range(pseudo_channels)
        for column in [index // bench.groups % bench.columns]
    ]


def opening(bench: Bench, pseudo_channels: int = 1) -> int:
    """Cycles after which all rows of a stream are open, if the first is: meanwhile columns of open rows go on, some late.

    Activates of a pseudo-channel are nRRDS apart and four in nFAW, those of several share a bus of two cycles each.
    """
    t = bench.t
    return (bench.groups * pseudo_channels - 1) * max(2, t.nRRDS, -(-t.nFAW // 4))


@pytest.mark.parametrize(("operation", "label"), [("LD", "RD"), ("ST", "WR")])
def test_hits_of_all_bank_groups_reach_the_rate_of_the_data_bus(bench, operation, label):
    t, count = bench.t, 2000
    run = bench.run(hits(bench, operation, count, bench.pseudo_channels))
    least = (count - 1) * max(t.nBL, t.nCCDS)
    for half in range(bench.pseudo_channels):
        cycles = run.at(label, pseudo_channel=half)
        assert least <= cycles[-1] - cycles[0] <= least + opening(bench, bench.pseudo_channels)
    if operation == "LD":
        cold = ARRIVAL + t.nRCDRD + t.nCL + t.nBL
        assert cold + least <= run.cycles <= cold + least + opening(bench, bench.pseudo_channels)
    assert max(t.nBL, t.nCCDS) == t.nBL  # so that this is the published peak
    assert opening(bench, bench.pseudo_channels) < 0.04 * least


def test_refresh_takes_its_share_of_the_rate(bench):
    t = bench.t
    spacing = max(t.nBL, t.nCCDS)
    count = 6 * t.nREFI // spacing
    run = bench.run(hits(bench, "LD", count, 1), refresh="on")
    reads, activates = run.at("RD"), run.at("ACT")
    refreshes = [cycle for cycle in run.at("REFab", pseudo_channel=0, rank=0) if cycle < reads[-1]]
    for refresh in refreshes:
        assert min(cycle for cycle in activates if cycle > refresh) == refresh + t.nRFC
        last, first = max(at for at in reads if at < refresh), min(at for at in reads if at > refresh)
        assert first - last == t.nRTP + t.nRPAB + t.nRFC + t.nRCDRD
    lost = t.nRTP + t.nRPAB + t.nRFC + t.nRCDRD - spacing
    least = (count - 1) * spacing + len(refreshes) * lost
    assert least <= reads[-1] - reads[0] <= least + (1 + len(refreshes)) * opening(bench)
    assert len(refreshes) == reads[-1] // t.nREFI
    share = (count - 1) * spacing / (reads[-1] - reads[0])
    # a refresh more or less than the time divided by the interval, and the rows that open again after each
    assert share == pytest.approx(1 - lost / t.nREFI, abs=(lost + 8 * opening(bench)) / (6 * t.nREFI))


def test_activates_of_many_banks_are_limited_to_four_in_a_window(bench):
    t = bench.t
    places = [
        {"row": row, "bank": bank, "bank_group": group}
        for row in range(20)
        for bank in range(bench.banks // bench.groups)
        for group in range(bench.groups)
    ]
    activates = bench.run([("LD", place) for place in places]).at("ACT")
    windows = {after - before for before, after in zip(activates, activates[4:], strict=False)}
    one_more_command = 2 if ("act", "pre") in two_cycle_commands(bench) else 1
    assert t.nFAW >= 4 * t.nRRDS
    assert min(windows) == t.nFAW or bench.machine.controller.slots == 1
    assert t.nFAW <= min(windows) and max(windows) <= t.nFAW + one_more_command


def two_cycle_commands(bench: Bench) -> set[tuple[str, str]]:
    """Pairs of commands of which the first takes two cycles of the command bus."""
    return {
        (before, after)
        for rule in bench.machine.constraint
        if rule.level == "channel" and rule.cycles == 2
        for before in rule.preceding
        for after in rule.following
    }


def test_every_command_of_the_log_is_on_the_bus_alone_or_with_one_of_the_other_bus(bench):
    run = bench.run([("LD", {"row": row, "bank_group": row % bench.groups}) for row in range(60)], refresh="on")
    columns = {"RD", "WR"}
    for cycle in {row["cycle"] for row in run.log}:
        together = [row["command"] for row in run.log if row["cycle"] == cycle]
        assert len(together) <= bench.machine.controller.slots
        assert len(together) == 1 or len(columns & set(together)) == 1


@pytest.mark.parametrize(
    ("name", "preset"), [(name, preset) for name in STANDARDS for preset in load_machine(name).timing_preset]
)
def test_presets_change_what_follows_from_them(tmp_path, name, preset):
    timing = SimpleNamespace(**load_machine(name, {"preset": preset}).timing)
    trace = tmp_path / "a.trace"
    trace.write_text("LD 0\n")
    found = sim_trace(trace, name, "loadstore", {"preset": preset})
    assert found["cycles"] == ARRIVAL + timing.nRCDRD + timing.nCL + timing.nBL
    assert timing.nRC == timing.nRAS + timing.nRP


@pytest.mark.parametrize(
    ("name", "gigabytes_per_s", "gibibytes"),
    [
        ("ddr4", 25.6, 16),  # 3200 MT/s x 64 bits; two ranks of eight 8 Gb devices
        ("ddr5", 38.4, 16),  # 4800 MT/s x 2 x 32 bits; two times four 16 Gb devices
        ("lpddr5", 51.2, 4),  # 6400 MT/s x 4 x 16 bits; four 8 Gb channels
        ("gddr6", 56.0, 1),  # 14 GT/s x 2 x 16 bits; one 8 Gb device
        ("hbm2", 256.0, 8),  # 2 GT/s x 1024 bits; eight 8 Gb channels
        ("hbm3", 819.2, 8),  # 6.4 GT/s x 1024 bits; sixteen 4 Gb channels
    ],
)
def test_peak_rate_and_capacity_are_the_published_ones(name, gigabytes_per_s, gibibytes):
    memory = load_machine(name).memory
    buses = memory.channels * memory.pseudo_channels
    rate = buses * memory.access_bytes / (memory.burst_cycles * memory.clock_ps) * 1000
    assert rate == pytest.approx(gigabytes_per_s, rel=0.003)  # clocks are whole picoseconds
    assert memory.channels * memory.banks * memory.rows * memory.row_bytes == gibibytes * 2**30
