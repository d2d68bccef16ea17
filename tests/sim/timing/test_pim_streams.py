"""Streams of channels: headers and refresh, composite commands, the front end, and what goes on beside an NPU program."""

import numpy as np
import pytest

from pimlir.sim.timing.model import LOG_FIELDS

ROWS = """
.program @rows pim (n)
  loop %r5 = 0 to %n {
    activate row=600+%r5, channel=0, channels=1
    loop %r6 = 0 to 4 {
      mac column=0, columns=8, buffer_column=0, channel=0, channels=1
      read_acc dst=0, channel_stride=128, banks=32, channel=0, channels=1
    }
    precharge channel=0, channels=1
  }
  halt
"""


def cycles_of(timing, command):
    return [int(row[0]) for row in timing.log() if timing.commands[row[1]] == command]


def test_a_row_that_would_meet_a_refresh_waits_for_it(model):
    """A row of four results of eight columns is expected to take 334 cycles with the rows that it closes."""
    timing = model("neupims", ROWS, log=10_000)
    timing.launch(0, np.array([20]), 0)
    headers = np.array(cycles_of(timing, "header"))
    refreshes = np.array([row[0] for row in timing.log() if timing.commands[row[1]] == "ref" and row[2] == 0])
    starts = headers - 37  # five cycles, then 32 rows are closed
    assert all(((1950 - starts[1:] % 1950) > 334) | (starts[1:] % 1950 < 100))
    assert (refreshes % 1950 < 100).all()


def test_without_headers_the_refresh_waits_for_the_row(model):
    machine = {"pim": {"header_command": ""}}
    with_headers, without = (
        model("neupims", ROWS, **sections).launch(0, np.array([100]), 0) for sections in ({}, machine)
    )
    assert without < 0.9 * with_headers  # 244 against 278 cycles a row


def test_macs_and_their_results_are_one_command_or_two(model):
    joined = model("neupims", ROWS, log=1000)
    joined.launch(0, np.array([2]), 0)
    columns = [int(row[LOG_FIELDS.index("columns")]) for row in joined.log() if joined.commands[row[1]] == "mac_read"]
    assert columns == [8] * 8
    apart = model("npu-pim", ROWS, log=1000)
    apart.launch(0, np.array([2]), 0)
    names = [apart.commands[row[1]] for row in apart.log()]
    assert (names.count("mac"), names.count("read_result"), names.count("mac_read")) == (8, 8, 0)


def test_energy_of_composite_commands_is_that_of_their_parts(model):
    timings = [model(machine, ROWS) for machine in ("neupims", "npu-pim")]
    for timing in timings:
        timing.launch(0, np.array([3]), 0)
    joined, apart = (timing.statistics()["energy_fj"] for timing in timings)
    for command in ("mac", "read_result"):
        assert joined[f"command.{command}"] == apart[f"command.{command}"]


def test_the_front_end_hands_over_one_instruction_a_cycle(model):
    text = """
    .program @p pim ()
      loop %r5 = 0 to 32 {
        activate row=600, channel=%r5, channels=1
        mac column=0, columns=32, buffer_column=0, channel=%r5, channels=1
        read_acc dst=0, channel_stride=128, banks=32, channel=%r5, channels=1
        precharge channel=%r5, channels=1
      }
      halt
    """
    wide, narrow = (model(name, text).launch(0, [], 0) // 1000 for name in ("npu-pim", "npu-pim-as-published"))
    assert narrow >= 31 * (1 + 32 + 1 + 1) + wide - 40
    assert wide < 250


def test_channels_go_on_by_themselves_beside_an_npu_program(model):
    """Sequence after sequence, each in a channel of its own, as the plan of a batch has them."""
    text = """
    .program @sequences pim ()
      loop %r5 = 0 to 32 {
        loop %r6 = 0 to 20 {
          activate row=600+%r6, channel=%r5, channels=1
          mac column=0, columns=32, buffer_column=0, channel=%r5, channels=1
          read_acc dst=0, channel_stride=128, banks=32, channel=%r5, channels=1
          precharge channel=%r5, channels=1
        }
      }
      halt
    .program @stream npu ()
      loop %r5 = 0 to 100 {
        load dram=65536*%r5, dram_stride=65536, rows=1, row_bytes=65536, local=0, local_stride=65536
      }
      halt
    """
    alone = model("neupims", text).launch(0, [], 0)
    timing = model("neupims", text, log=100_000)
    timing.begin(0, np.zeros(0, np.int64), 0)
    timing.begin(1, np.zeros(0, np.int64), 0)
    ends = dict(timing.advance() for _ in range(2))
    assert ends[0] < 1.05 * alone


@pytest.mark.parametrize("machine", ["neupims", "neupims-as-published", "neupims-one-row-buffer", "npu-pim"])
def test_long_queues_and_short_ones_take_the_same_time(model, machine, monkeypatch):
    ends = []
    for capacity in (1024, 16):
        monkeypatch.setattr("pimlir.sim.timing.model.QUEUE", capacity)
        ends.append(model(machine, ROWS).launch(0, np.array([50]), 0))
    assert ends[0] == ends[1]


def test_logged_commands_belong_to_their_program(model):
    """Commands of the PIM are issued while the program beside it goes on, which has fewer operations."""
    text = """
    .program @pim pim ()
    .tag 1 "scores"
    .tag 2 "context"
      loop %r5 = 0 to 40 {
        activate row=600+%r5, channel=0, channels=1 !tag(2)
        mac column=0, columns=32, buffer_column=0, channel=0, channels=1 !tag(2)
        precharge channel=0, channels=1 !tag(2)
      }
      halt
    .program @stream npu ()
    .tag 1 "linear"
      loop %r5 = 0 to 40 {
        load dram=65536*%r5, dram_stride=65536, rows=1, row_bytes=65536, local=0, local_stride=65536 !tag(1)
      }
      halt
    """
    timing = model("neupims", text, log=10_000)
    owners = set()

    def note(rows, program):
        names = [timing.commands[row[1]] for row in rows]
        owners.update((name, program.name) for name in names if name in ("mac", "rd"))
        assert rows[:, LOG_FIELDS.index("tag")].max() < len(program.tags)

    timing._on_log = note
    timing.begin(0, np.zeros(0, np.int64), 0)
    timing.begin(1, np.zeros(0, np.int64), 0)
    timing.advance()
    timing.advance()
    assert owners == {("mac", "pim"), ("rd", "stream")}


def test_a_row_copy_in_the_middle_of_a_row_does_not_wait_for_a_refresh_that_waits_for_the_row(model):
    """Heads that share a row copy a query each; once this went on for ever."""
    text = """
    .program @shared pim ()
      activate row=600, channel=0, channels=1
      loop %r5 = 0 to 200 {
        copy_row bank=0, row=5, column=0, columns=16, buffer_column=0, channel=0, channels=1
        mac column=0, columns=8, buffer_column=0, channel=0, channels=1
      }
      precharge channel=0, channels=1
      halt
    """
    timing = model("neupims", text, log=10_000)
    interval = timing.machine["memory"]["refresh_interval_cycles"]
    assert timing.launch(0, np.array([], np.int64), 0) // timing.clocks_ps["pim"] > 2 * interval
    assert len(cycles_of(timing, "pre_pim")) >= 1
