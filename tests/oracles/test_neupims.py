"""Matrix-vector products take the same cycles and commands as in NeuPIMs' memory simulator, alone and beside other traffic."""

from pathlib import Path

import pytest

from pimlir.machines import load_machine
from pimlir.sim.check import check_log
from pimlir.sim.timing.controller_tables import build_controller
from pimlir.sim.traces.formats import run_file
from pimlir.sim.traces.log import trace_log

MACHINES = {"neupims": "neupims-dual", "newton": "neupims-single"}
FIRST_ROW, CHANNELS, COLUMNS, BANKS = 600, 32, 16, 32


@pytest.fixture(scope="module")
def machines():
    found = {mode: load_machine(name).to_dict() for mode, name in MACHINES.items()}
    return {mode: (machine, build_controller(machine)) for mode, machine in found.items()}


def program(case):
    """The products of a case, row by row, and its other traffic: addresses in order, the first of each hundred written."""
    keys = ("heads_per_row", "comps_per_readres", "row_tiles", "gwrites", "repeats", "bg_reqs", "bg_write_pct")
    heads, macs, tiles, copies, repeats, requests, writes = (int(case[key]) for key in keys)
    lines = [f"START {case['start_clk']}"]
    for copy in range(copies * repeats):
        lines.append("GWRITE 0 0")
        for row in range(FIRST_ROW + copy * tiles, FIRST_ROW + (copy + 1) * tiles):
            lines.append(f"P_HEADER {row} {heads * macs} {heads}")
            for head in range(heads):
                last = " last" * (head == heads - 1)
                if case["mode"] == "neupims":
                    lines.append(f"COMPS_READRES {row} {macs}{last}")
                else:
                    lines += [f"COMP {row}"] * macs + [f"READRES {row}{last}"]
    for index in range(requests):
        row_and_bank = BANKS + index // COLUMNS  # from row 1 on
        address = (row_and_bank * CHANNELS * COLUMNS + index % COLUMNS) * 64
        lines.append(f"{'ST' if index % 100 < writes else 'LD'} {address}")
    return "\n".join(lines)


@pytest.fixture
def run(machines, tmp_path):
    def simulate(case, log=False):
        path = Path(tmp_path, "gemv.trace")
        path.write_text(program(case))
        machine, tables = machines[case["mode"]]
        result, done = run_file(path, "neupims", machine, tables, log)
        if log:
            check = check_log(trace_log(result.log, tables), machine)
            assert check.findings == [], check.first(5)
        return result, done, tables

    return simulate


@pytest.mark.parametrize("mode", MACHINES)
def test_cycles_are_those_of_the_simulator(oracle, run, mode):
    for case in (case for case in oracle.rows("neupims/cycles.csv") if case["mode"] == mode):
        _, done, _ = run(case, log=True)
        start = int(case["start_clk"])
        assert done["pim_done"] - start == int(case["gemv_cycles"]), case
        if case["bg_reqs"] != "0":
            assert done["ordinary_done"] - start == int(case["bg_last_done_minus_start"]), case


def test_command_logs_are_those_of_the_simulator(oracle, run):
    for case in oracle.rows("neupims/logs.csv"):
        result, _, tables = run(case, log=True)
        found = []
        for cycle, command, _, target, row, _, _ in result.log.tolist():
            index = tables.geometry.indices[target]
            place = (*index[2:], -1, -1, -1)[:3]
            found.append(_comparable(cycle, tables.labels[command], place, row))
        expected = [
            _comparable(
                int(row["clk"]), row["cmd"], tuple(int(row[key]) for key in ("rank", "bg", "bank")), int(row["row"])
            )
            for row in oracle.rows(f"neupims/{case['log']}.csv.gz")
        ]
        assert found == expected, case["log"]


def _comparable(cycle, command, place, row):
    """Without what a log says of banks that the command does not name; G_ACT names a group, REFRESH a rank and no row."""
    named = {"G_ACT": 2, "REFRESH": 1, "P_HEADER": 0, "COMP": 0, "READRES": 0, "COMPS_READRES": 0}.get(command, 3)
    return cycle, command, place[:named], None if command == "REFRESH" else row


def test_composite_commands_forget_the_time_of_their_macs(oracle, run):
    """A row of one result costs 143 cycles with two row buffers, however many MACs it takes; with one it costs 207."""
    case = {
        "mode": "neupims",
        "heads_per_row": 1,
        "gwrites": 1,
        "repeats": 1,
        "start_clk": 100,
        "bg_reqs": 0,
        "bg_write_pct": 0,
    }
    times = [
        run({**case, "mode": mode, "comps_per_readres": macs, "row_tiles": tiles})[1]["pim_done"]
        for mode in MACHINES
        for macs in (8, 32)
        for tiles in (1, 2)
    ]
    assert [times[1] - times[0], times[3] - times[2], times[7] - times[6]] == [143, 143, 207]
