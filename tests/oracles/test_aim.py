"""Every trace of the AiM simulator takes the same cycles and commands here, in both of its revisions, and CENT's blocks too."""

from collections import defaultdict

import pytest

FAMILIES = ("single", "pairs", "fuzz", "gemv")


@pytest.fixture(scope="module")
def cases(oracle):
    found = defaultdict(list)
    for case in oracle.rows("aim/cases.csv.gz"):
        found[case["family"]].append(case)
    return found


def program(case):
    return case["trace"].replace(";", "\n")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("machine", "column"), [("aim-head", "cycles"), ("aim-pinned", "cycles_pinned")])
def test_cycles_are_those_of_the_simulator(simulator, cases, machine, column, family):
    aim = simulator(machine)
    found = {case["name"]: aim.run(program(case), "aim").cycles for case in cases[family]}
    assert found == {case["name"]: int(case[column]) for case in cases[family]}


@pytest.mark.parametrize("family", FAMILIES)
def test_commands_are_those_of_the_simulator(simulator, cases, family):
    aim = simulator("aim-head")
    for case in cases[family]:
        counts = dict(pair.split(":") for pair in case["commands"].split())
        found = aim.run(program(case), "aim").commands
        assert found == {name: int(count) for name, count in counts.items()}, case["name"]


def test_command_logs_are_those_of_the_simulator(simulator, oracle, cases):
    aim = simulator("aim-head")
    expected = defaultdict(list)
    for row in oracle.rows("aim/fuzz_cmdlog.csv.gz"):
        numbers = [int(row[key]) for key in ("bankgroup", "bank", "row", "col", "isr_line")]
        expected[row["trace"]].append((int(row["clk"]), int(row["ch"]), row["cmd"], *numbers))
    for case in cases["fuzz"]:
        rows = aim.log(aim.run(program(case), "aim", log=True)).table.tolist()
        found = [
            (cycle, channel, aim.tables.labels[command], group, bank, row, column, line - 1)
            for cycle, command, channel, _, _, group, bank, row, column, line in rows
        ]
        assert sorted(found) == sorted(expected[case["name"]]), case["name"]


@pytest.mark.parametrize(
    ("machine", "trace", "cycles"),
    [
        ("aim-pinned", "pp8", 425_585),
        ("aim-pinned", "tp8", 37_957),
        ("aim-head", "pp8", 425_471),
        ("aim-head", "tp8", 37_654),
    ],
)
def test_blocks_of_cent(simulator, oracle, machine, trace, cycles):
    assert simulator(machine).run(oracle.text(f"cent/l7b_{trace}_128.trace.gz"), "aim").cycles == cycles


@pytest.mark.parametrize("columns", [1, 3, 64])
def test_a_row_of_macs_follows_its_closed_form(simulator, columns):
    """max(56 + 2(n - 1) + 12, 54) + 32, and nRC where the revision has it."""
    rows = [f"AiM MAC_ABK {columns} 0x80000000 {row}\n" for row in range(9)]
    one, nine = (simulator("aim-pinned").run("".join(rows[:n]) + "AiM EOC", "aim").cycles for n in (1, 9))
    assert nine - one == 8 * (max(56 + 2 * (columns - 1) + 12, 54) + 32)


def test_channels_simulated_together_are_those_simulated_apart(simulator):
    """A mask of channels is one simulation; with another program on one channel before, it is two."""
    aim = simulator("aim-head")
    body = "".join(f"AiM MAC_ABK 40 {{mask}} {row}\nAiM RD_MAC 0 {{mask}}\n" for row in range(3)) + "AiM EOC"
    alone, together = (aim.run(body.format(mask=mask), "aim", log=True) for mask in ("0x80000000", "0xffffffff"))
    assert alone.cycles == together.cycles
    assert together.commands == {name: 32 * count for name, count in alone.commands.items()}


class TestDefects:
    """What is wrong with the simulator stays in its two machines; `aim` is right."""

    def run(self, simulator, text, machine):
        return simulator(machine, {"refresh": "off"}).run(text, "aim")

    def test_the_last_write_is_lost(self, simulator):
        text = "W MEM 0 3 7\nAiM EOC"
        assert self.run(simulator, text, "aim-head").commands == {"ACT": 1}
        assert self.run(simulator, text, "aim").commands == {"ACT": 1, "WR": 1}

    def test_reads_are_answered_by_writes_to_other_rows(self, simulator):
        text = "W MEM 0 3 7\nW MEM 0 3 8\nR MEM 0 5 1\nAiM SYNC\nAiM SYNC\nAiM EOC"
        assert "RD" not in self.run(simulator, text, "aim-head").commands
        assert self.run(simulator, text, "aim").commands["RD"] == 1

    def test_no_refresh(self, simulator):
        text = "".join(f"AiM MAC_ABK 64 0x80000000 {row}\n" for row in range(64)) + "AiM EOC"
        assert "REFab" not in simulator("aim-head").run(text, "aim").commands
        assert simulator("aim").run(text, "aim").commands["REFab"] == 32 * 4
