"""`pimlir run --log`: every command of the run, with the operation that it came from; times do not depend on the log."""

from collections import Counter

import pytest

from pimlir.machines import load_machine
from pimlir.sim.check import check_log
from pimlir.sim.command_log import COMMAND, SOURCE, read_log

RUN = ("--machine", "tiny", "--prompt-ids", "1,2,3", "--tokens", "2")


@pytest.fixture(params=["log.csv", "log.npz"])
def log(request, tmp_path):
    return tmp_path / request.param


def test_the_log_has_what_the_report_counts(pimlir, model, log):
    report = pimlir("run", model, *RUN, "--log", log, "--json").json
    found = read_log(log)
    counts = Counter(found.commands[number].lower() for number in found.table[:, COMMAND])
    assert counts == {name: count for name, count in report["commands"].items() if count}
    sources = {found.sources[number] for number in found.table[:, SOURCE] if number >= 0}
    assert {"attn_q", "ffn_gate", "scores"} <= sources


def test_a_log_changes_no_time(pimlir, model, log):
    with_log = pimlir("run", model, *RUN, "--log", log, "--json").json
    without = pimlir("run", model, *RUN, "--json").json
    for report in (with_log, without):
        for entry in (report, *report["phases"]):
            for key in ("host", "host_seconds"):  # times of this computer
                entry.pop(key, None)
    assert with_log == without


@pytest.mark.parametrize("machine", ["tiny", "tiny-dual"])
def test_the_log_keeps_the_rules_of_the_machine(pimlir, model, tmp_path, machine):
    log = tmp_path / "log.npz"
    assert pimlir("run", model, *RUN[2:], "--machine", machine, "--log", log, "--json").code == 0
    check = check_log(read_log(log), load_machine(machine).to_dict())
    assert check.counts == {}, check.first(5)


@pytest.mark.parametrize("option", [("--no-timing",), ("--at", "llm")])
def test_a_run_without_commands_has_no_log(pimlir, model, tmp_path, option):
    outcome = pimlir("run", model, *RUN, *option, "--log", tmp_path / "log.csv")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.error == f"pimlir: error: --log with {option[0]}, which issues no commands"


def test_a_folder_that_is_missing_is_told_before_the_run(pimlir, model, tmp_path):
    path = tmp_path / "none" / "log.csv"
    outcome = pimlir("run", model, *RUN, "--log", path)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.error == f"pimlir: error: {path}: its folder does not exist"
