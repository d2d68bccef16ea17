"""`pimlir sim`: cycles and commands of a trace, its log, settings of the machine, and every kind of bad trace."""

import csv
import json

import numpy as np
import pytest

from pimlir.sim.command_log import read_log
from pimlir.tools.commands.sim import sim_trace

AIM = "# two rows\nAiM WR_GB 4 0 0x80000000\n\nAiM MAC_ABK 4 0x80000000 7\nAiM ISR_RD_MAC 0 0x80000000\nAiM EOC\n"


@pytest.fixture
def trace(tmp_path):
    def write(text: str):
        path = tmp_path / "a.trace"
        path.write_text(text)
        return path

    return write


def test_json_holds_cycles_and_commands_by_name(pimlir, trace):
    outcome = pimlir("sim", "--trace", trace(AIM), "--format", "aim", "--machine", "aim-head", "--json")
    report = json.loads(outcome.out)
    assert outcome.code == 0
    assert report["commands"] == {"TMOD": 3, "WRGB": 4, "ACT16": 1, "MAC16": 4, "RDMAC16": 1}
    # TMOD, 4 columns, TMOD, ACT16, 4 columns, TMOD after nCCDL, RDMAC16, its answer, EOC
    assert report["cycles"] == 1 + 32 + 3 * 2 + 1 + 32 + 56 + 3 * 2 + 2 + 32 + 2 + 2


def test_the_log_has_every_command(pimlir, trace, tmp_path):
    log = tmp_path / "log.csv"
    outcome = pimlir("sim", "--trace", trace(AIM), "--machine", "aim-head", "--log", log)
    assert outcome.code == 0 and "cycles" in outcome.out
    rows = list(csv.DictReader(log.read_text().splitlines()[:-1]))
    assert [row["command"] for row in rows] == [
        *["TMOD", *["WRGB"] * 4],
        "TMOD",
        "ACT16",
        *["MAC16"] * 4,
        "TMOD",
        "RDMAC16",
    ]
    assert rows[1] == {
        **dict.fromkeys(("pseudo_channel", "rank", "bank_group", "bank", "row"), "-1"),
        **{"cycle": "33", "command": "WRGB", "channel": "0", "column": "0", "source": "2"},
    }
    assert rows[-3] == {**rows[-3], "row": "7", "column": "3", "source": "4"}


def test_settings_change_the_machine(trace):
    path = trace("LD 0x0\nLD 0x400\n")
    cycles = [
        sim_trace(path, "attacc-bank", "loadstore", settings)["cycles"]
        for settings in ({}, {"timing.nRP": "25"}, {"preset": "4.8Gbps"}, {"refresh": "off"})
    ]
    assert cycles[1] == cycles[0] + 6
    assert cycles[2] < cycles[0] == cycles[3]


@pytest.mark.parametrize("machine", ["aim", "neupims", "tiny", "attacc-bg"])
def test_loads_and_stores_run_on_any_machine(trace, machine):
    found = sim_trace(trace("LD 0x0\nST 64\nLD 4096\nLD 0x80\n"), machine, "loadstore")["commands"]
    assert (found["RD"], found["WR"]) == (3, 1)


@pytest.mark.parametrize(
    ("text", "format", "message"),
    [
        ("AiM MAC_ABK 4 0x1 7\n", "aim", "1: the trace ends without AiM EOC"),
        ("", "aim", "1: the trace ends without AiM EOC"),
        ("AiM EOC\n# end\n\nAiM SYNC\n", "aim", "4: found 'AiM' after AiM EOC, expected the end of the trace"),
        (
            "AiM EOC\n" + "\n" * (1 << 21) + "x",
            "aim",
            "2097154: found 'x' after AiM EOC, expected the end of the trace",
        ),
        ("AiM EOC\nAiM EOC\n", "aim", "2: found 'AiM' after AiM EOC"),
        ("LD 1_000\n", "loadstore", "1: address: found '1_000', expected a number"),
        ("LD +64\n", "loadstore", "1: address: found '+64', expected a number"),
        ("LD 0x1_0\n", "hbmpim", "1: address: found '0x1_0', expected a number"),
        (
            "LD 0\nST 0x30000080\nPIM_MAC_AB 0xc00\nLD 0x1e0000a0\n",
            "attacc",
            "2: the controller cannot go on from this request: its queues wait for each other",
        ),
        ("AiM JUMP 4\n", "aim", "1: unknown opcode 'JUMP', expected one of WR_SBK"),
        ("AiM WR_AFLUT 4\n", "aim", "1: unknown opcode 'WR_AFLUT'"),
        ("X MEM 0 0 0\n", "aim", "1: unknown request 'X', expected AiM, W or R"),
        ("AiM EWADD 1 0 0\nAiM MAC_ABK 4 0x1\n", "aim", "2: MAC_ABK: found 2 operands, expected 3: size channels row"),
        ("AiM MAC_ABK 4 0x1 16384\n", "aim", "1: row: found 16384, expected 0 to 16,383"),
        ("AiM MAC_ABK 4 0x1 -1\n", "aim", "1: row: found -1"),
        ("AiM MAC_SBK 4 0x1 16 0\n", "aim", "1: bank: found 16, expected 0 to 15"),
        ("AiM MAC_ABK 4 0 3\n", "aim", "1: channels: found an empty mask"),
        ("AiM MAC_ABK 4 0x1ffffffff 3\n", "aim", "1: channels: found 0x1ffffffff"),
        ("AiM WR_ABK 0 0x3 3\n", "aim", "1: WR_ABK: found channel mask 0x3, expected one channel"),
        ("AiM MAC_ABK four 0x1 3\n", "aim", "1: size: found 'four', expected a number"),
        ("W MEM 32 0 0\n", "aim", "1: channel: found 32, expected 0 to 31"),
        ("W CFR 3 1\n", "aim", "1: register: found 3"),
        ("W DISK 3\n", "aim", "1: unknown region 'DISK', expected MEM, GPR or CFR"),
        ("R MEM 0 0\n", "aim", "1: R MEM: found 2 operands, expected 3"),
        ("LD 0x0\nPIM_FLY 0x0\n", "attacc", "2: unknown request 'PIM_FLY', expected one of LD, ST"),
        ("LD\n", "attacc", "1: LD: found 0 operands, expected 1: an address"),
        ("LD 0x400000000\n", "attacc", "1: address: found 0x400000000, expected 0 to 17,179,869,183"),
        ("LD 0xzz\n", "attacc", "1: address: found '0xzz', expected a number"),
        ("PIM_SFM 0x0\n", "loadstore", "1: unknown request 'PIM_SFM', expected one of LD, ST"),
        ("", "attacc", "1: the trace has no requests"),
        ("", "loadstore", "1: the trace has no requests"),
        ("# only\n# comments\n", "loadstore", "2: the trace has no requests"),
        ("", "neupims", "1: the trace has no requests"),
        ("LD 0x0 7\n", "loadstore", "1: LD: found 2 operands, expected 1: an address"),
        ("LD 0x0 LD\n0x40\n", "loadstore", "1: LD: found 2 operands, expected 1: an address"),
        ("LD 0x0\nST -4\n", "loadstore", "2: address: found -4, expected 0 to 17,179,869,183"),
        ("LD 0x0\nLD\x00 0x0\n", "loadstore", "2: unknown request 'LD\\x00', expected one of LD, ST"),
        (f"LD 0x0\n{'A' * 100} 0x0\n", "loadstore", f"2: unknown request '{'A' * 40}...', expected one of LD, ST"),
        ("AiM MAC_ABK 4 0x1 7\n" * 3, "aim", "3: the trace ends without AiM EOC"),
        ("AiM\nAiM EOC\n", "aim", "1: unknown opcode ''"),
        ("AiM SYNC\nW MEM 0 16 0\nAiM EOC\n", "aim", "2: bank: found 16, expected 0 to 15"),
        ("START 5\nCOMP 1 2\n", "neupims", "2: COMP: found 2 operands, expected 1: row"),
        ("GWRITE 0\n", "neupims", "1: GWRITE: found 1 operands, expected 2: bank row"),
        ("FLY 0\n", "neupims", "1: unknown request 'FLY', expected one of START"),
        ("LD 0x400\n", "neupims", "1: LD: found an address of channel 1, expected channel 0"),
        ("GWRITE 32 0\n", "neupims", "1: bank: found 32, expected 0 to 31"),
        ("PARK\nFLY 0\n", "hbmpim", "2: unknown request 'FLY', expected one of PARK, MODE, CRF"),
        ("RD 0 0\n", "hbmpim", "1: RD: found 2 operands, expected 3 to 4: bank row column [n]"),
        ("RD 16 0 0\n", "hbmpim", "1: bank in mode single: found 16, expected 0 to 15"),
        ("MODE all_bank\nRD 2 0 0\n", "hbmpim", "2: bank in mode all_bank: found 2, expected 0 to 1"),
        ("RD 0 0 32\n", "hbmpim", "1: column: found 32, expected 0 to 31"),
        ("RD 0 16383 0 64\n", "hbmpim", "1: n: found 64, expected 0 to 32"),
        ("RD 0 0 0 0\n", "hbmpim", "1: n: found 0, expected at least 1"),
        ("WR 0 0x17fe 0 64\n", "hbmpim", "1: row: found 6143, the machine's enter_row; expected MODE or CRF"),
        ("MODE pim\n", "hbmpim", "1: MODE: found pim in mode single, expected all_bank"),
        ("MODE fast\n", "hbmpim", "1: MODE: found fast in mode single, expected all_bank"),
        (
            "MODE all_bank\nMODE all_bank\n",
            "hbmpim",
            "2: MODE: found all_bank in mode all_bank, expected single or pim",
        ),
        ("CRF 1\n", "hbmpim", "1: CRF: found mode single, expected all_bank or pim"),
        ("MODE all_bank\nCRF 5\n", "hbmpim", "2: n: found 5, expected 0 to 4"),
        ("MODE all_bank\nGRF_A 17\n", "hbmpim", "2: n: found 17, expected 0 to 16"),
        ("MODE all_bank\nLD 0\n", "hbmpim", "2: LD: found mode all_bank, expected single"),
        ("MODE all_bank\nPARK\n", "hbmpim", "2: PARK: found mode all_bank, expected single"),
        ("ST 0x800000000\n", "hbmpim", "1: address: found 0x800000000, expected 0 to 34,359,738,367"),
        ("LD 0x7ffffffe0 2\n", "hbmpim", "1: n: found 2, expected 0 to 1"),
        ("# nothing\n", "hbmpim", "1: the trace has no requests"),
    ],
)
def test_a_bad_trace_is_one_line_with_its_place(pimlir, trace, text, format, message):
    path = trace(text)
    machine = {"aim": "aim-head", "hbmpim": "hbm-pim", "neupims": "neupims-dual"}.get(format, "attacc-bank")
    outcome = pimlir("sim", "--trace", path, "--format", format, "--machine", machine)
    assert (outcome.code, outcome.out, len(outcome.error.splitlines())) == (1, "", 1)
    assert outcome.error.startswith(f"pimlir: error: {path}:{message}")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--machine", "aim", "--set", "timing.nRQ=3"), 1, "setting timing.nRQ: the machine has no such key"),
        (("--machine", "aim", "--set", "timing.nRP=-3"), 1, "timing.nRP: found -3, expected at least 0"),
        (("--machine", "aim", "--set", "refresh=maybe"), 1, "setting refresh: found 'maybe', expected on or off"),
        (("--machine", "aim", "--set", "preset=9"), 1, "setting preset: found '9'"),
        (("--machine", "aim", "--set", "speed=9"), 1, "setting speed: not a key of the machine"),
        (("--machine", "aim", "--set", "speed"), 2, "argument --set: found 'speed', expected KEY=VALUE"),
        (("--machine", "attacc-bank", "--format", "aim"), 1, "the machine has not the 32 channels of 16 banks"),
        (("--machine", "neupims", "--format", "attacc"), 1, "a.trace:2: unknown request 'AiM'"),
        (("--machine", "aim", "--format", "neupims"), 1, "format neupims does not fit the controller of aim"),
        (("--machine", "neupims-dual", "--format", "loadstore"), 1, "format loadstore does not fit the controller"),
        (("--machine", "hbm-pim", "--format", "aim"), 1, "format aim does not fit the controller of hbm-pim"),
        (("--machine", "aim", "--format", "hbmpim"), 1, "format hbmpim does not fit the controller of aim"),
        (("--machine", "aim", "--log", "/nowhere/log.csv"), 1, "/nowhere/log.csv"),
    ],
)
def test_bad_arguments(pimlir, trace, arguments, code, message):
    outcome = pimlir("sim", "--trace", trace(AIM), *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.error and len(outcome.error.splitlines()) == 1


def test_requests_that_refreshes_leave_no_time_for_are_told_by_their_line(pimlir, trace):
    settings = ("--set", "memory.refresh_interval_cycles=20", "--set", "timing.nRFC=100")
    path = trace("# rows\nRD 0 1 0 64\n")
    outcome = pimlir("sim", "--trace", path, "--machine", "hbm-pim", *settings)
    assert (outcome.code, outcome.out) == (1, "")
    assert f"{path}:2: the controller cannot go on from this request: nothing can serve it" in outcome.error


@pytest.mark.parametrize("format", ["aim", "attacc", "loadstore", "neupims", "hbmpim"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"LD 0x0\nLD 0x40\n\xff\xfe\x00\x01", "found byte 0xff, expected text in UTF-8"),
        (b"\x7fELF\x02\x01" + bytes(3000), "unknown request"),
        (b"7" * 3_000_000, "found a line of more than 1,048,576 bytes, expected a request"),
    ],
)
def test_a_file_that_is_no_text_is_one_line_with_its_place(pimlir, tmp_path, format, content, message):
    path = tmp_path / "a.trace"
    path.write_bytes(content)
    machine = {"aim": "aim-head", "neupims": "neupims-dual", "hbmpim": "hbm-pim"}.get(format, "attacc-bank")
    outcome = pimlir("sim", "--trace", path, "--format", format, "--machine", machine)
    assert (outcome.code, outcome.out, len(outcome.error.splitlines())) == (1, "", 1)
    assert outcome.error.startswith(f"pimlir: error: {path}:") and len(outcome.error) < 500
    assert message in outcome.error or "unknown request 'LD'" in outcome.error


def test_a_trace_that_turns_out_bad_leaves_no_log(pimlir, trace, tmp_path):
    outcome = pimlir("sim", "--trace", trace("LD 0x0\n" * 200_000), "--machine", "ddr4", "--log", tmp_path / "log.csv")
    assert outcome.code == 0
    bad = trace("LD 0x0\n" * 200_000 + "LD zero\n")  # found after a part has been run and logged
    outcome = pimlir("sim", "--trace", bad, "--machine", "ddr4", "--log", tmp_path / "bad.csv")
    assert (outcome.code, outcome.out) == (1, "")
    assert "a.trace:200001: address: found 'zero', expected a number" in outcome.error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.trace", "log.csv"]


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_a_log_that_comes_in_parts_is_whole(trace, tmp_path, suffix):
    """More commands than the kernel's log holds: the parts of both forms are the same log, in order."""
    log = tmp_path / f"log.{suffix}"
    path = trace("".join(f"LD {number * 4096:#x}\n" for number in range(20_000)))
    result = sim_trace(path, "ddr4", "loadstore", log=log)
    table = read_log(log).table
    assert len(table) == sum(result["commands"].values()) > 20_000
    assert (np.diff(table[:, 0]) >= 0).all()


def test_more_channels_than_fit_a_word(trace):
    found = sim_trace(trace("LD 0x0\nLD 0xa00\nST 0x1000\n"), "attacc", "loadstore")
    assert found["commands"] == {"ACT": 2, "RD": 2, "WR": 1}
