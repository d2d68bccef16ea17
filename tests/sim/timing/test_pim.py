"""PIM programs: spacings and row changes equal the closed forms measured on the machines' own simulators."""

import numpy as np
import pytest

from pimlir.sim.timing.model import LOG_FIELDS, TimingError

ROWS = """
.program @rows pim (n)
  loop %r5 = 0 to %n {{
    activate row=600+%r5, channel=0, channels={channels}
    mac column=0, columns={columns}, buffer_column=0, channel=0, channels={channels}
    precharge channel=0, channels={channels}
  }}
  halt
"""


def period(run, machine, text):
    """Cycles that one more turn of the loop takes; without refresh, which it would wait for."""
    without = {"refresh_interval_cycles": 0}
    return run(machine, text, 3, memory=without) - run(machine, text, 2, memory=without)


@pytest.mark.parametrize("columns", [1, 2, 16, 32, 64])
def test_a_row_of_macs_on_aim(run, columns):
    # R(n) = max(56 + 2(n - 1) + 12, 54) + 32, exact on 83 GEMV traces of the AiM simulator
    expected = max(56 + 2 * (columns - 1) + 12, 54) + 32
    assert period(run, "aim", ROWS.format(columns=columns, channels=1)) == max(expected, 89)  # and nRC


def test_a_row_of_macs_on_attacc(run):
    # 31 MACs 6 cycles apart, then a row change of nRTPL 8 + nRP 19 + nRCD 19
    assert period(run, "attacc", ROWS.format(columns=32, channels=1)) == 31 * 6 + 46


@pytest.mark.parametrize(("results", "columns"), [(4, 8), (1, 32), (8, 4), (2, 16)])
def test_a_row_tile_on_neupims_with_mac_time(run, results, columns):
    # (H - 1) g + 2 max(C, 6) + 143 with g = 2 (max(C, 6) + 1): composite commands hold six columns at least
    text = f"""
    .program @tile pim (n)
      loop %r5 = 0 to %n {{
        activate row=600+%r5, channel=0, channels=1
        loop %r6 = 0 to {results} {{
          mac column=0, columns={columns}, buffer_column=0, channel=0, channels=1
          read_acc dst=0, channel_stride=128, banks=32, channel=0, channels=1
        }}
        precharge channel=0, channels=1
      }}
      halt
    """
    assert period(run, "neupims", text) == results * 2 * (max(columns, 6) + 1) + 141


def test_group_activates_of_the_two_ranks_interleave(model):
    timing = model("neupims", ROWS.format(columns=1, channels=1), log=100)
    timing.launch(0, np.array([1]), 0)
    cycles = [row[0] for row in timing.log() if timing.commands[row[1]] == "act_pim"]
    assert cycles == [1, 2, 31, 32, 61, 62, 91, 92]  # after the header slot; 30 apart in a rank


def test_channels_do_not_wait_for_each_other(run):
    one, all_of_them = (run("aim", ROWS.format(columns=64, channels=channels), 5) for channels in (1, 32))
    assert one == all_of_them


def test_register_mode_is_switched_before_and_after(model):
    text = """
    .program @gemv pim ()
      write_buffer src=0, columns=4, buffer_column=0, channel=0, channels=1
      activate row=7, channel=0, channels=1
      mac column=0, columns=4, buffer_column=0, channel=0, channels=1
      read_acc dst=0, channel_stride=64, banks=16, channel=0, channels=1
      halt
    """
    timing = model("aim", text, log=100)
    timing.launch(0, [], 0)
    names = [timing.commands[row[1]] for row in timing.log()]
    assert names == ["mode", "write_gb", "mode", "act_pim", "mac", "mode", "read_result", "clear_result"]
    first, last = timing.log()[0], timing.log()[3]
    assert last[0] - first[0] == 32 + 4 * 2 - 1 + 32  # nMODCH twice around four columns, the switch in the next slot


def test_softmax_is_a_barrier_for_all_channels(model):
    text = """
    .program @soft pim ()
      activate row=7, channel=0, channels=1
      mac column=0, columns=8, buffer_column=0, channel=0, channels=1
      softmax src=0, src_stride=64, dst=0, dst_stride=64, rows=2, cols=16, limit=16
      activate row=7, channel=3, channels=1
      halt
    """
    timing = model("tiny", text, log=100)
    timing.launch(0, [], 0)
    macs_done = 10 + 7 * 4 + 1
    assert timing.log()[-1][0] == macs_done + 8 + 2 * 16 // 16
    assert timing.statistics()["busy_cycles"]["softmax"] == 8 + 2


def test_one_row_buffer_is_precharged_for_ordinary_traffic(model):
    text = """
    .program @p pim ()
      write src=0, channel=0, bank=1, row=3, offset=0, bytes=32
      activate row=7, channel=0, channels=1
      halt
    """
    names = {}
    for machine in ("tiny", "tiny-dual"):
        timing = model(machine, text, log=100)
        timing.launch(0, [], 0)
        names[machine] = [timing.commands[row[1]] for row in timing.log()]
    assert names["tiny"] == ["act", "wr", "pre_pim", "act_pim"]
    assert names["tiny-dual"] == ["act", "wr", "act_pim"]


def test_the_log_knows_rows_and_columns(model):
    text = """
    .program @p pim ()
      activate row=7, channel=0, channels=1
      mac column=2, columns=4, buffer_column=0, channel=0, channels=1
      read_acc dst=0, channel_stride=16, banks=4, channel=0, channels=1
      precharge channel=0, channels=1
      write src=0, channel=0, bank=1, row=3, offset=96, bytes=64
      halt
    """
    timing = model("tiny", text, log=100)
    timing.launch(0, [], 0)
    fields = [LOG_FIELDS.index(name) for name in ("row", "column", "count")]
    logged = [(timing.commands[row[1]], *row[fields].tolist()) for row in timing.log()]
    assert logged == [
        ("act_pim", 7, -1, 1),
        ("mac", 7, 2, 4),
        ("move_result", -1, -1, 1),
        ("pre_pim", -1, -1, 1),
        ("act", 3, -1, 1),
        ("wr", 3, 3, 2),
    ]


def test_a_refresh_waits_for_pim_rows_that_have_a_buffer_of_their_own(model):
    text = """
    .program @p pim ()
      activate row=7, channel=0, channels=1
      loop %r5 = 0 to 400 {
        mac column=0, columns=4, buffer_column=0, channel=0, channels=1
      }
      write src=0, channel=0, bank=1, row=3, offset=0, bytes=32
      precharge channel=0, channels=1
      activate row=8, channel=0, channels=1
      halt
    """
    timing = model("tiny-dual", text, log=1000)
    timing.launch(0, [], 0)
    first = [row for row in timing.log() if row[LOG_FIELDS.index("channel")] == 0]
    names = [timing.commands[row[1]] for row in first if timing.commands[row[1]] != "mac"]
    assert names == ["act_pim", "act", "wr", "pre_pim", "pre", "ref", "act_pim"]


def test_writes_to_other_banks_do_not_wait_for_each_other_and_pim_commands_wait_for_all(model):
    text = """
    .program @p pim ()
      scatter src=0, channel=0, row=3, offset=0, banks=32
      scatter src=0, channel=0, row=4, offset=0, banks=32
      activate row=7, channel=0, channels=1
      halt
    """
    timing = model("neupims", text, log=300)
    timing.launch(0, [], 0)
    cycle = {name: [int(row[0]) for row in timing.log() if timing.commands[row[1]] == name] for name in timing.commands}
    window, row_cycle = 30, 48  # nFAW of four activates in each of the two ranks, nRC of a bank
    assert (32 // 2 // 4 - 1) * window < cycle["wr"][31] < (32 // 2 // 4) * window + row_cycle
    assert cycle["wr"][63] < 2 * (32 // 2 // 4) * window + row_cycle
    assert min(cycle["act_pim"]) > max(cycle["wr"])


def test_an_unaligned_write_touches_every_access_unit(model):
    text = """
    .program @p pim ()
      write src=0, channel=0, bank=1, row=3, offset=30, bytes=36
      scatter src=0, channel=0, row=3, offset=2, banks=3
      halt
    """
    timing = model("tiny", text)
    timing.launch(0, [], 0)
    assert timing.statistics()["commands"]["wr"] == 3 + 3
    assert timing.statistics()["bytes"]["pim_written"] == 36 + 6


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("precharge channel=3, channels=2", r"\(precharge\): channels is 2, expected 0..1"),
        ("write src=0, channel=0, bank=4, row=3, offset=0, bytes=32", r"\(write\): bank is 4, expected 0..3"),
        ("scatter src=0, channel=4, row=3, offset=0, banks=4", r"\(scatter\): channel is 4, expected 0..3"),
    ],
)
def test_what_the_machine_lacks_is_reported(run, instruction, message):
    with pytest.raises(TimingError, match=message):
        run("tiny", f".program @p pim ()\n {instruction}\n halt\n")
