"""One small log for each kind of rule: what is wrong is found, at its row, with the row that it contradicts."""

import numpy as np
import pytest

from pimlir.machines import load_machine
from pimlir.sim.check import check_log
from pimlir.sim.command_log import CommandLog

COMMANDS = ("act", "pre", "rd", "wr", "ref", "act_pim", "pre_pim", "mac", "mode", "read_result", "write_gb")


def log(*rows):
    """Rows of (cycle, command, address from pseudo-channel on, DRAM row), in channel 0."""
    table = np.full((len(rows), 10), -1)
    for line, (cycle, command, address, row) in enumerate(rows):
        table[line, :3] = cycle, COMMANDS.index(command), 0
        table[line, 3 : 3 + len(address)] = address
        table[line, 7] = row
    return CommandLog(table, COMMANDS)


def check(machine, *rows, **memory):
    description = load_machine(machine).to_dict()
    description["memory"] |= memory
    return check_log(log(*rows), description)


A, B, C, OTHER_RANK = (0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0), (0, 1, 0, 0)


@pytest.mark.parametrize(
    ("machine", "rows", "rule"),
    [
        ("neupims", [(0, "act", A, 5), (13, "rd", A, 5)], "bank: act -> rd: 14 cycles"),
        ("neupims", [(0, "act", A, 5), (5, "act", B, 5)], "bank_group: act -> act: 6 cycles"),
        ("neupims", [(0, "act", A, 5), (3, "act", C, 5)], "rank: act -> act: 4 cycles"),
        ("neupims", [(0, "rd", A, 5)], "banks: column commands need an open row"),
        ("neupims", [(0, "act", A, 5), (14, "rd", A, 6)], "banks: column commands need their row open"),
        ("neupims", [(0, "act", A, 5), (48, "act", A, 5)], "banks: activate a closed bank only"),
        ("neupims", [(0, "act", A, -1)], "banks: activates name a row"),
        ("neupims", [(0, "act", A, 5), (50, "ref", (0, 0), -1)], "banks: refresh closed banks only"),
        ("neupims", [(0, "act_pim", (0, 0, 0), 5), (90, "ref", (0, 0), -1)], "banks: refresh closed banks only"),
        ("neupims-dual", [(0, "act", A, 5), (0, "act", OTHER_RANK, 5)], "command bus: 1 command a cycle"),
        ("attacc-bank", [(0, "pre", A, -1), (0, "pre", B, -1)], "command bus: one row and one column command a cycle"),
        ("aim", [(0, "write_gb", (), -1)], "mode: mode switches between data (0) and register mode (1)"),
        ("aim", [(0, "mode", (), -1), (40, "act", A, 5)], "mode: mode switches between data (0) and register mode (1)"),
    ],
)
def test_the_last_command_breaks_one_rule(machine, rows, rule):
    found = check(machine, *rows)
    assert list(found.counts.items()) == [(rule, 1)]
    assert found.first(1)[0].log_row == len(rows)


@pytest.mark.parametrize(
    ("machine", "rows"),
    [
        ("neupims", [(0, "act", A, 5), (14, "rd", A, 5)]),
        ("neupims", [(0, "act", A, 5), (4, "act", C, 5)]),
        ("neupims", [(0, "act", A, 5), (1, "act", OTHER_RANK, 5)]),
        ("neupims", [(0, "pre", A, -1)]),  # a precharge of a closed bank does nothing
        ("neupims", [(0, "act", A, 5), (6, "act_pim", (0, 0, 0), 7)]),  # the other row buffer
        ("attacc-bank", [(0, "act", A, 5), (19, "rd", A, 5), (19, "pre", B, -1)]),  # one of each bus
        ("aim", [(0, "mode", (), -1), (32, "write_gb", (), -1), (40, "mode", (), -1), (72, "act", A, 5)]),
    ],
)
def test_legal_commands_are_accepted(machine, rows):
    assert check(machine, *rows).counts == {}


def test_a_violation_names_both_rows():
    (found,) = check("neupims", (0, "act", B, 1), (7, "act", A, 5), (20, "rd", A, 5)).first(5)
    assert (found.cycle, found.command, found.log_row, found.found, found.needed) == (20, "rd", 3, 13, 14)
    assert (found.earlier_row, found.earlier_command, found.earlier_cycle) == (2, "act", 7)
    assert found.place == "channel 0 rank 0 bank_group 0 bank 0"


def test_of_two_commands_in_a_cycle_the_first_in_the_log_precedes():
    rows = [(0, "act", A, 5), (50, "pre", A, -1), (50, "rd", A, 5)]
    assert "banks: column commands need an open row" in check("attacc-bank", *rows).counts
    rows[1:] = reversed(rows[1:])
    assert list(check("attacc-bank", *rows).counts) == ["bank: rd -> pre: 8 cycles"]


def test_a_fifth_activate_in_the_window():
    banks = [(0, 0, group, 0) for group in range(4)]
    rows = [(4 * index, "act", bank, 5) for index, bank in enumerate(banks)]
    assert check("neupims", *rows, (30, "act", B, 5)).counts == {}
    assert check("neupims", *rows, (29, "act", B, 5)).counts == {"rank: act -> act, 4 of them: 30 cycles": 1}


def test_bursts_of_two_pseudo_channels_do_not_meet():
    rows = [(0, "act", A, 5), (2, "act", (1, 0, 0, 0), 5), (30, "rd", A, 5), (31, "rd", (1, 0, 0, 0), 5)]
    assert check("attacc-bank", *rows).counts == {}


def test_bursts_that_overlap_although_no_rule_says_so():
    description = load_machine("neupims").to_dict()
    description["constraint"] = []
    rows = [(0, "act", A, 5), (1, "act", C, 5), (20, "rd", A, 5), (21, "rd", C, 5), (24, "rd", C, 5)]
    assert check_log(log(*rows), description).counts == {"data bus: a burst begins at the end of those before": 1}


class TestRefresh:
    RULE = "refresh: at most 2 of a rank owed, one due every 1000 cycles"

    def check(self, *rows):
        return check("neupims", *rows, refresh_interval_cycles=1000, refresh_postponed_max=2)

    def test_each_rank_may_owe_some(self):
        rows = [(3000, "ref", (0, 0), -1), (3001, "ref", (0, 1), -1)]
        assert self.check(*rows).counts == {self.RULE: 1}
        assert self.check((2999, "ref", (0, 1), -1), rows[0]).counts == {}

    def test_until_the_end_of_the_log(self):
        rows = [(2999, "ref", (0, 1), -1), (3000, "ref", (0, 0), -1)]
        found = self.check(*rows, (4001, "act", A, 5))
        assert found.counts == {f"{self.RULE}, until the end": 2}
        assert {one.earlier_row for one in found.first(2)} == {1, 2}

    def test_a_channel_without_commands_owes_nothing(self):
        assert self.check((2000, "pre", A, -1)).counts == {}


def test_rows_of_many_banks_count_once_each():
    """All-bank MACs that repeat are looked at once, and all of them are reported."""
    rows = [(0, "act_pim", (), 5), *((100 + 10 * index, "mac", (), 6) for index in range(20))]
    assert check("tiny", *rows).counts == {"banks: column commands need their row open": 20}


def test_an_empty_log_is_legal():
    assert check("neupims").counts == {}
