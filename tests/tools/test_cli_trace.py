"""`pimlir trace`: the kernels that it writes, and what it refuses."""

import pytest

from pimlir.tools.commands.sim import sim_trace


def test_a_kernel_is_a_trace_that_sim_runs(pimlir, tmp_path):
    path = tmp_path / "gemv.trace"
    outcome = pimlir("trace", "gemv", "--outputs", 64, "--inputs", 256, "--set", "memory.channels=1", "-o", path)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert path.read_text().splitlines() == [
        "PARK",
        "MODE all_bank",
        "CRF 1 BAR",
        "MODE pim",
        "GRF_A 8 BAR",
        "RD 0 0 0 64 BAR",  # two rows of the even banks
        "GRF_A 8 BAR",
        "RD 1 0 0 64 BAR",
        "WR 1 2 0 8 BAR",
        "MODE all_bank",
        "MODE single",
        "PARK",
    ]
    report = sim_trace(path, "hbm-pim", settings={"memory.channels": "1"})
    assert (report["format"], report["cycles"]) == ("hbmpim", 1138)


def test_the_host_streams_the_same_operands(pimlir):
    outcome = pimlir("trace", "add", "--elements", 1024, "--host")
    assert outcome.out == "LD 0 128\nST 4096 64\n"


def test_the_log_names_all_64_channels(pimlir, tmp_path):
    trace, log = tmp_path / "a.trace", tmp_path / "log.csv"
    trace.write_text("LD 0 65\n")  # channel 0 gets two
    assert pimlir("sim", "--trace", trace, "--machine", "hbm-pim", "--log", log).code == 0
    reads = [line.split(",") for line in log.read_text().splitlines() if ",READ," in line]
    assert sorted(int(fields[2]) for fields in reads) == [0, *range(64)]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("gemv", "--outputs", 4), 2, "gemv needs --inputs"),
        (("relu",), 2, "relu needs --elements"),
        (("add", "--elements", 4, "--batch", 2), 2, "add takes no --batch"),
        (("gemv", "--outputs", 0, "--inputs", 4), 2, "argument --outputs: found '0', expected a number of at least 1"),
        (("add", "--elements", 4, "--machine", "aim"), 1, "aim: the machine has no [pim.all_bank]"),
        (
            ("gemv", "--outputs", 4_000_000, "--inputs", 512),
            1,
            "gemv of 4000000 x 512: found 4153 rows of a bank, expected at most 4096",
        ),
        (
            ("gemv-tree", "--outputs", 409_600, "--inputs", 2048, "--batch", 1),
            1,
            "gemv-tree of 409600 x 2048: found 1600 rows, expected less than 1000",
        ),
        (("add", "--elements", 1 << 34), 1, "17179869184 elements: found"),
    ],
)
def test_bad_arguments(pimlir, arguments, code, message):
    outcome = pimlir("trace", *arguments)
    assert (outcome.code, outcome.out, len(outcome.error.splitlines())) == (code, "", 1)
    assert message in outcome.error
