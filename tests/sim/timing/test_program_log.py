"""Logs of timed runs: the independent checker finds every command legal, and the log has all of them."""

import numpy as np
import pytest

from pimlir.sim.check.checker import check_log
from pimlir.sim.command_log import BANK, COLUMN, COMMAND, CYCLE, ROW
from pimlir.sim.timing.program_log import ProgramLog

PROGRAMS = """
.program @gemv pim (n)
  {fill}
  loop %r5 = 0 to %n {{
    activate row=600+%r5, channel=0, channels={channels}
    mac column=0, columns=8, buffer_column=0, channel=0, channels={channels}
    read_acc dst=0, channel_stride=128, banks=4, channel=0, channels={channels}
    precharge channel=0, channels={channels}
    write src=0, channel=1, bank=3, row=4, offset=64, bytes=96
    scatter src=0, channel=0, row=5, offset=2, banks=4
  }}
  halt
.program @stream npu (n)
  loop %r5 = 0 to %n {{
    load dram=40960*%r5, dram_stride=40960, rows=1, row_bytes=40960, local=0, local_stride=40960
    store dram=40960*%r5+4096, dram_stride=8192, rows=16, row_bytes=320, local=0, local_stride=320
  }}
  halt
"""
WRITE = "write_buffer src=0, columns=8, buffer_column=0, channel=0, channels=2"
COPY = "copy_row bank=1, row=9, column=0, columns=8, buffer_column=0, channel=0, channels=2"
MACHINES = [("tiny", WRITE), ("tiny-dual", COPY), ("neupims", COPY), ("aim", WRITE), ("attacc", WRITE)]


@pytest.fixture
def timing(model):
    def build(machine, fill):
        return model(machine, PROGRAMS.format(fill=fill, channels=2), log=400_000)

    return build


def written_out(timing):
    log = ProgramLog(timing.machine)
    log.add(timing.log(), timing.programs[0])
    return log.finish()


def legal(timing):
    """Whether the checker accepts all commands so far, of which there are as many as were counted."""
    log = written_out(timing)
    check = check_log(log, timing.machine)
    counts = np.bincount(log.table[:, COMMAND], minlength=len(timing.commands))
    assert dict(zip(timing.commands, counts, strict=True)) == timing.statistics()["commands"]
    return check.counts == {}, [str(violation) for violation in check.first(5)]


@pytest.mark.parametrize(("machine", "fill"), MACHINES)
def test_launches_that_follow_each_other_are_legal(timing, machine, fill):
    model = timing(machine, fill)
    end = 0
    for program, turns, pause_ps in ((0, 30, 0), (1, 40, 0), (0, 5, 7_000_000), (1, 3, 100_000_000), (0, 30, 1000)):
        end = model.launch(program, np.array([turns]), end + pause_ps)
    assert legal(model) == (True, [])


@pytest.mark.parametrize("machine", ["tiny-dual", "neupims"])
def test_launches_beside_each_other_are_legal(timing, machine):
    model = timing(machine, COPY)
    model.begin(0, np.array([300]), 0)
    model.begin(1, np.array([60]), 0)
    model.advance()
    model.advance()
    assert legal(model) == (True, [])


def test_a_run_is_written_out_with_its_rows_and_columns(model):
    text = """
    .program @p npu ()
      load dram=64, dram_stride=256, rows=1, row_bytes=96, local=0, local_stride=96
      halt
    """
    timing = model("tiny", text, log=100)
    timing.launch(0, [], 0)
    log = written_out(timing)
    rows = log.table[:, [CYCLE, COMMAND, BANK, ROW, COLUMN]].tolist()
    act, rd = timing.commands.index("act"), timing.commands.index("rd")
    assert rows == [[0, act, 0, 0, -1], *([10 + 2 * index, rd, 0, 0, 2 + index] for index in range(3))]
