"""The controller with a queue for every rank: barriers, early precharges, refresh and all-bank modes, on small traces."""

import numpy as np
import pytest

from pimlir.machines import load_machine
from pimlir.sim.functional.errors import SimulationError
from pimlir.sim.timing.controller_tables import build_controller
from pimlir.sim.traces import hbmpim
from pimlir.sim.traces.formats import run_file


@pytest.fixture(scope="module")
def machine():
    description = load_machine("hbm-pim", {"memory.channels": "1"}).to_dict()
    return description, build_controller(description)


@pytest.fixture
def commands(machine, tmp_path):
    """The commands of a trace: (cycle, label, target, row)."""

    def run(text, format="hbmpim"):
        path = tmp_path / "a.trace"
        path.write_text(text)
        result, _ = run_file(path, format, *machine, log=True)
        labels = machine[1].labels
        return [(int(row[0]), labels[row[1]], int(row[3]), int(row[4])) for row in result.log]

    return run


def test_an_access_takes_its_row_and_closes_it_when_nobody_wants_it(commands):
    assert commands("RD 0 5 0 2\nRD 4 5 0\n") == [
        (2, "ACTIVATE", 0, 5),
        (6, "ACTIVATE", 4, 5),  # nRRDS
        (16, "READ", 0, 5),  # nRCDRD
        (20, "READ", 0, 5),  # nCCDL
        (22, "READ", 4, 5),  # nCCDS
        (35, "PRECHARGE", 0, -1),  # nRAS
        (39, "PRECHARGE", 4, -1),
    ]


def test_first_ready_goes_before_first_come_but_not_past_a_barrier(commands):
    reads = [place for _, name, *place in commands("RD 0 5 0\nRD 0 6 0\nRD 4 5 0\n") if name == "READ"]
    assert reads == [[0, 5], [4, 5], [0, 6]]
    after = commands("RD 0 5 0\nRD 0 6 0 BAR\nRD 4 5 0\n")
    assert [place for _, name, *place in after if name == "READ"] == [[0, 5], [0, 6], [4, 5]]


def test_behind_the_oldest_request_that_is_a_barrier_only_activates_pass(commands):
    found = commands("RD 0 5 0 BAR\nRD 4 5 0\n")
    assert [(cycle, name, target) for cycle, name, target, _ in found[:4]] == [
        (2, "ACTIVATE", 0),
        (6, "ACTIVATE", 4),
        (16, "READ", 0),
        (20, "READ", 4),
    ]


def test_a_barrier_waits_for_all_before_it(commands):
    found = commands("RD 0 5 0\nRD 4 5 0 BAR\n")
    assert found[1:3] == [(16, "READ", 0, 5), (17, "ACTIVATE", 4, 5)]


def test_a_refresh_closes_rows_that_are_wanted(commands):
    found = commands("RD 0 5 0 1000\n")
    refresh = next(index for index, (_, name, *_) in enumerate(found) if name == "REF")
    (closed, *_), (at, *_), (opened, *_) = found[refresh - 1 : refresh + 2]
    assert found[refresh - 1][1] == "PRECHARGE" and found[refresh + 1][1] == "ACTIVATE"
    assert 1951 <= closed < 1951 + 47 and at - closed == 14 and opened - at == 350  # nRP, nRFC
    assert found[refresh][2] == 34  # rank 0, after 32 banks, the channel and its pseudo-channel


def test_in_all_bank_modes_a_refresh_does_not_wait_for_the_precharge(commands):
    found = commands("PARK\nMODE all_bank\nRD 0 5 0 1000 BAR\nMODE single\nPARK\n")
    refresh = next(index for index, (_, name, *_) in enumerate(found) if name == "REF")
    assert found[refresh][0] - found[refresh - 1][0] == 1


def test_ranks_have_queues_of_their_own(commands):
    half = 1 << 28  # bytes of a rank
    found = commands(f"LD 0\nLD {half}\n", "loadstore")
    assert found[:2] == [(2, "ACTIVATE", 0, 0), (3, "ACTIVATE", 16, 0)]


def test_requests_that_nothing_can_serve_are_an_error(machine):
    description, tables = machine
    rows = [(bank, 0x17FF, 31, 1, 0, 1) for bank in (0, 8, 1, 9)] + [(4, 5, 0, 0, 0, 2)]
    trace = np.array([(*row, -1) for row in rows], np.int64)
    for interval in (0, 3900):
        changed = {**description, "memory": {**description["memory"], "refresh_interval_cycles": interval}}
        with pytest.raises(SimulationError, match=r"trace:2: .*nothing can serve it"):
            hbmpim.run(changed, tables, trace)
