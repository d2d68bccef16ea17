"""`pimlir check`: logs of simulations are accepted, wrong ones make exit code 1 with a report, bad input one line."""

import json

import pytest

TRACE = "AiM WR_GB 4 0 0x80000000\nAiM MAC_ABK 4 0x80000000 7\nAiM RD_MAC 0 0x80000000\nAiM EOC\n"


@pytest.fixture(params=["log.csv", "log.npz"])
def log(request, pimlir, tmp_path):
    """A log of a trace on aim-head."""
    trace, path = tmp_path / "a.trace", tmp_path / request.param
    trace.write_text(TRACE)
    assert pimlir("sim", "--trace", trace, "--machine", "aim-head", "--log", path).code == 0
    return path


@pytest.fixture
def bad_log(pimlir, tmp_path):
    """The same with its activate a cycle late, so that the first MAC is a cycle early."""
    trace, path = tmp_path / "a.trace", tmp_path / "bad.csv"
    trace.write_text(TRACE)
    pimlir("sim", "--trace", trace, "--machine", "aim-head", "--log", path)
    lines = path.read_text().splitlines()
    at = next(index for index, line in enumerate(lines) if ",ACT16," in line)
    cycle, rest = lines[at].split(",", 1)
    lines[at] = f"{int(cycle) + 1},{rest}"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_a_log_of_a_simulation_is_accepted(pimlir, log):
    outcome = pimlir("check", log, "--machine", "aim-head")
    assert (outcome.code, outcome.err) == (0, "")
    assert ["violations", "0"] in [line.split() for line in outcome.out.splitlines()]


def test_a_violation_is_reported_with_both_rows(pimlir, bad_log):
    outcome = pimlir("check", bad_log, "--machine", "aim-head")
    assert outcome.code == 1
    assert "act_pim of row 7 in cycle 73" in outcome.out
    assert "channel: act|act_pim -> mac: 56 cycles" in outcome.out


def test_json_has_the_same(pimlir, bad_log):
    outcome = pimlir("check", bad_log, "--machine", "aim-head", "--json", "--first", "1")
    report = json.loads(outcome.out)
    assert outcome.code == 1
    assert (report["machine"], report["commands"], report["violations"]) == ("aim-head", 13, 1)
    assert report["rules"] == {"channel: act|act_pim -> mac: 56 cycles": 1}
    (first,) = report["first"]
    assert (first["log_row"], first["earlier_row"], first["found"], first["needed"]) == (8, 7, 55, 56)
    assert (first["source"], first["place"]) == ("line 2", "channel 0")


def test_settings_change_the_rules(pimlir, log):
    assert pimlir("check", log, "--machine", "aim-head", "--set", "timing.nMODCH=40").code == 1
    assert pimlir("check", log, "--machine", "aim-head", "--set", "timing.nMODCH=32").code == 0


def test_a_binary_log_knows_its_machine(pimlir, log):
    outcome = pimlir("check", log)
    if log.suffix == ".npz":
        assert outcome.code == 0 and "aim-head" in outcome.out
    else:
        assert (outcome.code, outcome.error) == (
            *(1, f"pimlir: error: {log}: does not say which machine it is of: use --machine NAME"),
        )


def test_bad_input_is_one_line(pimlir, tmp_path, bad_log):
    cut = tmp_path / "cut.csv"
    cut.write_text(bad_log.read_text()[:-1])
    for arguments, message in (
        ((cut, "--machine", "aim"), f"{cut}:15: found no last line `# N commands`: is the file cut off?"),
        ((tmp_path / "none.csv", "--machine", "aim"), f"{tmp_path / 'none.csv'}: No such file or directory"),
        ((bad_log, "--machine", "none"), "unknown machine 'none'"),
        ((bad_log, "--machine", "neupims"), f"{bad_log}:2: command: found 'TMOD', expected one of neupims: "),
    ):
        outcome = pimlir("check", *arguments)
        assert (outcome.code, outcome.out) == (1, "")
        assert message in outcome.error


def test_a_log_that_cannot_be_written_leaves_nothing(pimlir, tmp_path):
    trace = tmp_path / "a.trace"
    trace.write_text("AiM FLY\n")
    log = tmp_path / "log.npz"
    assert pimlir("sim", "--trace", trace, "--machine", "aim", "--log", log).code == 1
    assert not log.exists()
