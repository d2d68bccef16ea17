"""Every kernel trace of AttAcc's Ramulator takes the same cycles and commands here, for all variants, presets and refresh."""

import pytest

VARIANTS = ("bank", "bg", "buffer")
FIELDS = ("channel", "pseudochannel", "rank", "bankgroup", "bank", "row", "column")
COUNTED = {"wrgb": ("WRGB",), "mac": ("MACAB", "MACSB", "MACPB"), "mvsb": ("MVSB",), "mvgb": ("MVGB",), "sfm": ("SFM",)}


def variant(simulator, name, preset="HBM3_5.2Gbps", refresh="on"):
    rate, uncapped = preset.removesuffix("_NPC").removeprefix("HBM3_"), "-uncapped" * preset.endswith("_NPC")
    settings = {"refresh": refresh} if rate == "5.2Gbps" else {"refresh": refresh, "preset": rate}
    return simulator(f"attacc-{name}{uncapped}", settings)


@pytest.mark.parametrize("name", VARIANTS)
def test_cycles_and_commands_are_those_of_the_simulator(simulator, oracle, name):
    for row in (row for row in oracle.rows("attacc/cycles.csv") if row["variant"] == name):
        attacc = variant(simulator, name, row["timing_preset"], row["refresh"])
        found = attacc.run(oracle.text(f"attacc/{row['trace']}.gz"), "attacc")
        assert found.cycles == int(row["cycles"]), row
        for column, names in COUNTED.items():
            assert sum(found.commands.get(name, 0) for name in names) == int(row[column]), row


@pytest.mark.parametrize("name", VARIANTS)
def test_command_logs_are_those_of_the_simulator(simulator, oracle, name):
    attacc = variant(simulator, name)
    for log in oracle.names(f"attacc/{name}_*.cmdlog.csv.gz"):
        expected = [(int(row["cycle"]), row["command"], *(int(row[key]) for key in FIELDS)) for row in oracle.rows(log)]
        logged = {row[2] for row in expected}
        result = attacc.run(oracle.text(log.replace("cmdlog.csv", "trace")), "attacc", log=True)
        rows = attacc.log(result).table.tolist()
        found = [
            (cycle, attacc.tables.labels[command], *rest[:-1]) for cycle, command, *rest in rows if rest[0] in logged
        ]
        assert sorted(found) == sorted(expected), log


def test_a_power_limit_is_a_longer_distance_of_macs(simulator, oracle):
    text = oracle.text("attacc/bank_h1_L512_d128_b2.trace.gz")
    capped, uncapped = (simulator(f"attacc-bank{suffix}", {"refresh": "off"}) for suffix in ("", "-uncapped"))
    assert capped.run(text, "attacc").cycles - uncapped.run(text, "attacc").cycles == 2 * 124  # 128 MACs in 4 runs


@pytest.mark.parametrize(
    ("name", "length", "cycles"),
    [("bank", 512, 1.875 * 512 - 30), ("bank", 2048, 1.875 * 2048 - 30), ("bg", 512, 6.0625 * 512 + 38)],
)
def test_single_heads_follow_their_closed_forms_without_refresh(simulator, oracle, name, length, cycles):
    text = oracle.text(f"attacc/{name}_h1_L{length}_d128_b2.trace.gz")
    assert variant(simulator, name, refresh="off").run(text, "attacc").cycles == cycles


def test_ordinary_requests_may_share_a_trace(simulator):
    result = simulator("attacc-bank").run("LD 0x0\nST 0x400\nPIM_MAC_AB 0x0\nLD 0x20\n", "attacc")
    assert {name: result.commands[name] for name in ("RD", "WR", "MACAB")} == {"RD": 2, "WR": 1, "MACAB": 1}
