"""Kernels of Samsung's HBM2-PIM take the cycles and commands that its simulator takes; streams of the host come near."""

import pytest

from pimlir.machines import load_machine
from pimlir.sim.check import check_log
from pimlir.sim.timing.controller_tables import build_controller
from pimlir.sim.traces.formats import run_file
from pimlir.sim.traces.log import trace_log
from pimlir.tools.commands.trace import write_kernel

HOST_TOLERANCE = (
    0.03  # the simulator drops refreshes in long streams of one bank after the other, see docs/explanation/hbm-pim.md
)
REGISTER_ROW, CRF, GRF_A = 0x3FFF, 4, 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a kernel on so many channels: the result and the labels of its commands."""
    folder = tmp_path_factory.mktemp("traces")
    machines = {}

    def simulate(kernel, channels, outputs, inputs, batch=1, host=False, log=False, settings=()):
        changed = {"memory.channels": str(channels), **dict(settings)}
        key = tuple(changed.items())
        if key not in machines:
            machine = load_machine("hbm-pim", changed).to_dict()
            machines[key] = machine, build_controller(machine)
        path = folder / "kernel.trace"
        path.write_text(write_kernel(kernel, outputs, inputs, batch, host, settings=changed))
        machine, tables = machines[key]
        result = run_file(path, "hbmpim", machine, tables, log)[0]
        if log:
            check = check_log(trace_log(result.log, tables), machine)
            assert check.findings == [], check.first(5)
        return result, tables

    return simulate


def case(row):
    sizes = (int(row[key]) for key in ("channels", "out_dim", "in_dim", "batch"))
    return row["kernel"], *sizes, row["mode"] == "host"


def rows(oracle, mode):
    return [row for row in oracle.rows("hbmpim/cycles.csv") if row["mode"] == mode]


def columns(row):
    return {"READ": int(row["col_reads_total"]), "WRITE": int(row["col_writes_total"])}


def test_kernels_take_the_cycles_of_the_simulator(oracle, run):
    for row in rows(oracle, "pim"):
        result, _ = run(*case(row))
        assert result.cycles == int(row["cycles"]), row
        assert {name: result.commands[name] for name in columns(row)} == columns(row), row


def test_streams_of_the_host_take_nearly_the_cycles_of_the_simulator(oracle, run):
    for row in rows(oracle, "host"):
        result, _ = run(*case(row))
        assert result.cycles == pytest.approx(int(row["cycles"]), rel=HOST_TOLERANCE), row
        assert {name: result.commands[name] for name in columns(row)} == columns(row), row


@pytest.mark.parametrize(
    ("sizes", "cycles"),
    [
        (("gemv", 1, 64, 128), 750),
        (("gemv", 1, 64, 4096), 13_166),
        (("gemv", 64, 8192, 1024), 7_037),
        (("gemv-tree", 1, 64, 1024), 4_680),
    ],
)
def test_other_published_cycles(run, sizes, cycles):
    assert run(*sizes)[0].cycles == cycles


@pytest.mark.parametrize(
    ("log", "kernel", "outputs", "inputs"),
    [
        ("gemv_64x256_1ch", "gemv", 64, 256),
        ("gemv_64x1024_1ch", "gemv", 64, 1024),
        ("gemvtree_64x256_1ch", "gemv-tree", 64, 256),
        ("add_4096x4096_1ch", "add", 4096, 1),
        ("mul_2048x2048_1ch", "mul", 2048, 1),
        ("relu_4096x4096_1ch", "relu", 4096, 1),
    ],
)
def test_command_logs_are_those_of_the_simulator(oracle, run, log, kernel, outputs, inputs):
    result, tables = run(kernel, 1, outputs, inputs, log=True)
    found = []
    for cycle, command, _, target, row, column, _ in result.log.tolist():
        label = tables.labels[command]
        row = -1 if label == "PRECHARGE" else row
        found.append((cycle, label, -1 if label == "REF" else target, row, -1 if label == "PRECHARGE" else column))
    assert found == list(published(oracle.rows(f"hbmpim/{log}.csv.gz")))


def published(rows):
    """Commands of a log. In all-bank modes the simulator logs columns in the rank, a cycle after they were issued, and
    writes of registers by their effect; a JUMP takes no command; precharges carry the row opened last, by whichever bank."""
    late = 0
    for row in rows:
        cycle, event = int(row["clk"]), row["event"]
        words = event.split()
        if row["pim_instruction"].startswith("JUMP") or event == "GRF_B_ZEROIZE":
            continue
        if event in ("HAB", "SB mode"):
            late = int(event == "HAB")
        elif event in ("HAB_PIM", "HAB mode"):
            yield cycle - 1, "WRITE", 0, REGISTER_ROW, 0
        elif words[0] == "BWRITE_CRF":
            yield cycle - 1, "WRITE", 1, REGISTER_ROW, CRF + int(words[1].removeprefix("idx"))
        elif words[0] == "BWRITE_GRF_A":
            yield cycle - 1, "WRITE", 1, REGISTER_ROW, GRF_A + int(words[1].removeprefix("reg"))
        elif event == "REF":
            yield cycle, "REF", -1, -1, -1
        elif event == "PRECHARGE":
            yield cycle, "PRECHARGE", int(row["bank"]), -1, -1
        else:
            column = event in ("READ", "WRITE")
            yield cycle - late * column, event, int(row["bank"]), int(row["row"]), int(row["col"])


def test_channels_are_symmetric_and_a_batch_costs_output_tiles(run):
    """As measured: 64 channels take the cycles of one with a 64th of the rows, a batch of 4 those of 4 output tiles."""
    one = run("gemv", 1, 64, 1024)[0].cycles
    assert run("gemv", 16, 1024, 1024)[0].cycles == one
    assert run("gemv", 1, 64, 1024, 4)[0].cycles == run("gemv", 1, 256, 1024)[0].cycles


def test_without_refresh_an_input_tile_costs_a_fixed_time(run):
    """256 cycles of MACs, 32 of register writes, and row switches: the same for every pair of tiles."""
    times = [run("gemv", 1, 64, 256 * n, settings={"memory.refresh_interval_cycles": "0"})[0].cycles for n in (2, 3, 4)]
    assert times[2] - times[1] == times[1] - times[0]
