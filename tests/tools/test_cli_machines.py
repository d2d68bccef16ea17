"""`pimlir machines --timing`: rules as written and in cycles and ns; machines that are memory only; bad files."""

from pathlib import Path

import pytest

from pimlir.machines import load_machine


def test_timing_as_json_holds_expressions_values_and_places(pimlir):
    timing = pimlir("machines", "ddr4", "--timing", "--json").json
    rules = {
        (rule["level"], *rule["preceding"], "->", *rule["following"]): rule
        for rule in timing["constraints"]
        if not rule["siblings"]
    }
    recovery = rules["bank", "wr", "->", "pre"]
    assert (recovery["written"], recovery["cycles"], recovery["ns"]) == ("nCWL + nBL + nWR", 44, 27.5)
    assert recovery["place"].startswith("part-ddr-rules.toml:")
    windows = [rule for rule in timing["constraints"] if rule["window"] == 4]
    assert [(rule["written"], rule["cycles"]) for rule in windows] == [("nFAW", 34)]
    assert [rule["following"] for rule in timing["constraints"] if rule["siblings"]] == [
        ["rd", "rda", "wr", "wra"],
        ["rd", "rda"],
    ]
    numbers = {item["name"]: item for item in timing["timing"]}
    assert numbers["nRFC"] == {**numbers["nRFC"], "cycles": 560, "ns": 350.0, "written": "560"}
    assert numbers["nRFC"]["note"].startswith("tRFC1 of 8 Gb, 350 ns")
    assert numbers["nRC"]["written"] == "nRAS + nRP" and numbers["nRC"]["cycles"] == 74
    (read,) = (item for item in timing["commands"] if item["name"] == "rd")
    assert (read["scope"], read["action"], read["written"], read["cycles"]) == ("bank", "column", "nCL + nBL", 26)
    assert timing["refresh"] == {"scope": "rank", "interval": {"cycles": 12480, "ns": 7800.0}}


def test_every_number_of_the_timing_table_is_that_of_the_machine(pimlir):
    for name in ("ddr5", "attacc-bank", "neupims-dual"):
        machine, timing = load_machine(name), pimlir("machines", name, "--timing", "--json").json
        assert [rule["cycles"] for rule in timing["constraints"]] == [rule.cycles for rule in machine.constraint]
        assert {item["name"]: item["cycles"] for item in timing["timing"]} == machine.timing
        assert [item["cycles"] for item in timing["commands"]] == [
            command.latency_cycles for command in machine.command.values()
        ]


def test_timing_as_text(pimlir):
    text = pimlir("machines", "ddr5", "--timing").out
    assert "bank_group      act                act" in text
    assert "bank + all of bank_group" in text and "nCL + nBL + nRTT - nCWL" in text
    assert "source of the machine" in text and "part-ddr-rules.toml:" in text


def test_settings_change_the_timing_table(pimlir):
    timing = pimlir("machines", "ddr4", "--timing", "--set", "preset=3200W", "--set", "refresh=off", "--json").json
    numbers = {item["name"]: item for item in timing["timing"]}
    assert (numbers["nRP"]["cycles"], numbers["nRP"]["note"]) == (20, "preset 3200W")
    assert numbers["nRC"]["cycles"] == 72 and timing["refresh"]["interval"]["cycles"] == 0
    assert "set to 7" in pimlir("machines", "ddr4", "--timing", "--set", "timing.nRP=7").out
    assert pimlir("machines", "ddr4", "--set", "timing.nRP=7", "--json").json["timing"]["nRP"] == 7


def test_timing_and_set_need_a_name(pimlir):
    outcome = pimlir("machines", "--timing")
    assert outcome.code == 2 and "need the name of a machine" in outcome.error


def test_a_memory_is_described_without_the_sections_that_it_lacks(pimlir):
    text = pimlir("machines", "hbm3").out
    assert "peak bandwidth  819.2 GB/s" in text
    assert "NPU" not in text and "PIM" not in text


@pytest.mark.parametrize("command", [("compile",), ("run", "--prompt-ids", "1")])
def test_programs_are_not_for_memories(pimlir, model, command):
    outcome = pimlir(command[0], model, "--machine", "ddr4", *command[1:])
    assert outcome.code == 1
    assert outcome.error == (
        "pimlir: error: attach-machine: ddr4 has no [npu] and no [pim]: it is a memory for traces (pimlir sim) and timing "
        "tables (pimlir machines), not for programs"
    )
    assert list(Path().glob("*.pimg")) == []


@pytest.mark.parametrize("machine", ["attacc-bg", "attacc-buffer", "neupims-dual", "neupims-single"])
def test_trace_machines_refuse_programs_for_their_pim_by_name(pimlir, model, machine):
    outcome = pimlir("compile", model, "--machine", machine)
    assert outcome.code == 1 and f"is not a command of machine {machine}, which has write, read" in outcome.error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "m"\nextends = "mine.toml"\n', "2: extends: the file extends itself: mine.toml -> mine.toml"),
        ('name = "m"\nname = "m"\n', "2: not TOML: a key or table of this name is there already"),
        ('name = "m"\nextends = "ddr4"\n[timing]\nnRP = -1\n', "4: timing.nRP: found -1, expected at least 0"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_code_1(pimlir, text, message):
    Path("mine.toml").write_text(text)
    for arguments in (("machines", "mine.toml", "--timing"), ("sim", "--trace", "no.trace", "--machine", "mine.toml")):
        outcome = pimlir(*arguments)
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.error.endswith(f"mine.toml:{message}")
