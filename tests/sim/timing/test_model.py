"""The model of a device: statistics and energy follow from counts, launches add up, runs repeat exactly."""

import numpy as np
import pytest

from pimlir.sim.energy import energy_fj
from pimlir.sim.timing.model import LOG_FIELDS, TimingError

BOTH = """
.program @gemv pim (n)
.tag 1 "linear q"
  loop %r5 = 0 to %n {
    activate row=600+%r5, channel=0, channels=4 !tag(1)
    mac column=0, columns=8, buffer_column=0, channel=0, channels=4 !tag(1)
    read_acc dst=0, channel_stride=16, banks=4, channel=0, channels=4 !tag(1)
    precharge channel=0, channels=4 !tag(1)
  }
  halt
.program @stream npu (n)
.tag 1 "linear k"
  loop %r5 = 0 to %n {
    load dram=4096*%r5, dram_stride=4096, rows=1, row_bytes=4096, local=0, local_stride=4096 !tag(1)
    preload array=1, weights=0, weights_stride=32, k=16, n=16 !tag(1)
    matmul array=1, a=0, a_stride=32, m=2, k=16, n=16, acc=1048576, acc_stride=64, accumulate=0 !tag(1)
  }
  halt
"""


def ran(model, machine="tiny", log=0):
    timing = model(machine, BOTH, log=log)
    end = timing.launch(0, np.array([10]), 0)
    timing.launch(1, np.array([20]), end)
    timing.launch(1, np.array([20]), end * 3)
    return timing


def test_counts_follow_from_the_programs(model):
    statistics = ran(model).statistics()
    assert statistics["commands"]["mac"] == 10 * 8 * 4
    assert statistics["events"]["pim_mac"] == 10 * 8 * 4 * 4 * 16  # columns, channels, banks, lanes
    assert statistics["events"]["array_mac"] == 2 * 20 * 2 * 16 * 16
    assert statistics["bytes"]["npu_loaded"] == statistics["bytes"]["dram_read"] == 2 * 20 * 4096
    assert statistics["bytes"]["pim_results"] == 10 * 4 * 4 * 4
    assert statistics["busy_cycles"]["arrays"] == [0, 2 * 20 * 4]
    assert statistics["busy_cycles"]["pim_mac"] == 10 * 4 * 8 * 4


def test_programs_add_up_to_the_whole(model):
    statistics = ran(model).statistics()
    first, second = statistics["programs"][0], statistics["programs"][1]
    assert (first["name"], first["launches"], second["name"], second["launches"]) == ("gemv", 1, "stream", 2)
    for table in ("commands", "bytes", "events"):
        for key, value in statistics[table].items():
            assert first[table][key] + second[table][key] == value
    assert second["tags"]["linear k"]["instructions"] == 2 * 20 * 3
    # Each instruction counts for how far it moved the end of its kernel (tiny: 1 ns cycles, launches cost nothing).
    for program in (first, second):
        assert sum(tag["time_ps"] for tag in program["tags"].values()) == program["time_ps"]


def test_energy_is_counts_times_the_table(model):
    statistics = ran(model).statistics()
    energy, counts = statistics["energy_fj"], statistics["commands"]
    for command, picojoule in (("act", 100), ("rd", 50), ("act_pim", 400), ("mac", 80), ("ref", 1000)):
        assert energy[f"command.{command}"] == counts[command] * picojoule * 1000
    assert energy["event.pim_mac"] == statistics["events"]["pim_mac"] * 500
    assert energy["static.memory"] == statistics["time_ps"] * 10  # 10 mW is 10 fJ a ps
    assert "command.pre_pim" in statistics["energy_missing"]
    assert "command.mac" not in statistics["energy_missing"]


def test_energy_bounds_surround_the_nominal_value():
    item = {"pj": 2.0, "high_pj": 3.0}
    machine = {"energy": {"command": {"rd": item}, "event": {}, "static": {}}}
    low, nominal, high = (
        energy_fj(machine, {"rd": 5}, {}, 0, bound)["command.rd"] for bound in ("low_pj", "pj", "high_pj")
    )
    assert (low, nominal, high) == (10_000, 10_000, 15_000)


@pytest.mark.parametrize("machine", ["tiny", "tiny-dual"])
def test_runs_repeat_exactly(model, machine):
    assert ran(model, machine).statistics() == ran(model, machine).statistics()


def test_a_launch_may_start_at_any_time(model):
    timing = model("tiny", BOTH)
    first = timing.launch(0, np.array([3]), 0)
    later = 17 * 4_000_000 + 1_500_000  # between two refreshes
    assert timing.launch(0, np.array([3]), later) - later == pytest.approx(first, abs=15_000)  # rows are closed first


def alone_and_together(model, machine):
    alone = [model(machine, BOTH).launch(index, np.array([count]), 0) for index, count in ((0, 300), (1, 300))]
    timing = model(machine, BOTH)
    timing.begin(0, np.array([300]), 0)
    timing.begin(1, np.array([300]), 0)
    ends = dict(timing.advance() for _ in range(2))
    return alone, [ends[0], ends[1]]


def test_with_dual_row_buffers_programs_overlap(model):
    alone, together = alone_and_together(model, "tiny-dual")
    assert all(with_other >= by_itself for by_itself, with_other in zip(alone, together, strict=True))
    assert max(together) < 0.9 * sum(alone)


def test_with_one_row_buffer_programs_take_turns(model):
    alone, together = alone_and_together(model, "tiny")
    assert together[0] == alone[0]
    assert together[1] >= sum(alone) - 200_000


def test_a_device_runs_one_launch_at_a_time(model):
    timing = model("tiny", BOTH)
    timing.begin(0, np.array([3]), 0)
    with pytest.raises(TimingError, match="unit pim of the machine is still running another launch"):
        timing.begin(0, np.array([3]), 0)


@pytest.mark.parametrize("machine", ["tiny", "tiny-dual"])
def test_the_log_has_every_command_and_every_refresh_in_time(model, machine):
    timing = ran(model, machine, log=100_000)
    log = {name: timing.log()[:, index] for index, name in enumerate(LOG_FIELDS)}
    ref, interval = timing.commands.index("ref"), 4000
    for command, name in enumerate(timing.commands):
        assert log["count"][log["command"] == command].sum() == timing.statistics()["commands"][name]
    elapsed = timing.statistics()["time_ps"] // 1000
    for channel in range(4):
        runs = timing.log()[(log["command"] == ref) & (log["channel"] == channel)]
        cycles = [
            row[LOG_FIELDS.index("cycle")] + index * row[LOG_FIELDS.index("spacing")]
            for row in runs
            for index in range(row[LOG_FIELDS.index("count")])
        ]
        assert len(cycles) == elapsed // interval
        for number, cycle in enumerate(cycles, 1):
            assert number * interval <= cycle < (number + 1) * interval


def test_the_log_is_off_unless_asked_for(model):
    assert len(ran(model).log()) == 0
