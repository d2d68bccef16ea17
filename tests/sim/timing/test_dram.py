"""The command engine: every rule holds to the cycle, windows count, rows and refresh cost what they must."""

from itertools import product

import pytest

from pimlir.machines import known_machines, load_machine
from pimlir.sim.timing.constraints import LEVELS
from pimlir.sim.timing.tables import (
    AT_COMMAND,
    COMMAND_FIELDS,
    MEMBERS,
    NODE_COUNT,
    NODE_FIELDS,
    NODES,
    build_dram,
    command_names,
)


def chosen_rules():
    """One rule in three of every machine, for all pairs of commands that it names."""
    for name in known_machines():
        machine = load_machine(name)
        for index, rule in enumerate(machine.constraint):
            if index % 3 == 0 and rule.window == 1 and rule.cycles and not rule.siblings:
                for pair in product(rule.preceding, rule.following):
                    yield pytest.param(name, rule.level, *pair, rule.cycles, id=f"{name}-{rule.level}-{'-'.join(pair)}")


@pytest.mark.parametrize(("name", "level", "preceding", "following", "cycles"), list(chosen_rules()))
def test_ready_when_the_rule_allows_and_not_a_cycle_earlier(engine, name, level, preceding, following, cycles):
    memory = engine(name)
    commands = memory.machine["command"]
    reach = min(LEVELS.index(commands[each]["scope"]) for each in (preceding, following))
    if LEVELS.index(level) > reach:
        pytest.skip("a command of the rule names no node of its level")
    memory.issue(preceding, at=1000)
    strictest = max(
        rule["cycles"] + rule["column_cycles"] * commands[preceding]["min_columns"]
        for rule in memory.machine["constraint"]
        if preceding in rule["preceding"]
        and following in rule["following"]
        and rule["window"] == 1
        and not rule["siblings"]
        and LEVELS.index(rule["level"]) <= reach
    )
    assert memory.earliest(following) >= 1000 + cycles
    assert memory.earliest(following) == 1000 + strictest
    assert memory.earliest(following, at=1000 + strictest - 1) == 1000 + strictest
    assert memory.earliest(following, at=1000 + strictest + 7) == 1000 + strictest + 7


def test_a_rule_of_a_bank_leaves_other_banks_alone(engine):
    memory = engine("neupims")
    memory.issue("act", node=0, at=1000)
    assert memory.earliest("rd", node=0) == 1014  # nRCDRD
    assert memory.earliest("rd", node=1) == 0
    assert memory.earliest("act", node=0) == 1048  # nRC
    assert memory.earliest("act", node=1) == 1006  # nRRDL, the same bank group
    assert memory.earliest("act", node=4) == 1004  # nRRDS, another one
    assert memory.earliest("act", node=16) == 0  # the other rank


def test_channels_are_independent(engine):
    memory = engine("neupims")
    memory.issue("act", at=1000)
    assert memory.earliest("act", channel=1) == 0


def test_a_fifth_activate_waits_for_the_window(engine):
    memory = engine("neupims")
    at = 1000
    for bank in (0, 4, 8, 12):
        at = memory.earliest("act", node=bank, at=at)
        memory.issue("act", node=bank, at=at)
    assert at == 1000 + 3 * 4  # nRRDS apart
    assert memory.earliest("act", node=1, at=at) == 1030  # nFAW after the first
    assert memory.earliest("act", node=16, at=at) == at  # the other rank has its own window


def test_the_window_slides(engine):
    memory = engine("neupims")
    times = []
    at = 0
    for bank in (0, 4, 8, 12, 1, 5, 9, 13, 2, 6):
        at = memory.earliest("act", node=bank, at=at)
        memory.issue("act", node=bank, at=at)
        times.append(at)
    assert all(later - earlier >= 30 for earlier, later in zip(times, times[4:], strict=False))


def test_a_run_is_as_long_as_its_commands_one_by_one(engine):
    one_by_one, bulk = engine("neupims"), engine("neupims")
    for memory in (one_by_one, bulk):
        memory.issue("act", at=0)
    at = 0
    for _ in range(16):
        at = one_by_one.earliest("rd", at=at)
        one_by_one.issue("rd", at=at)
    assert bulk.issue("rd", at=bulk.earliest("rd"), count=16) == at
    assert (bulk.dram.ready == one_by_one.dram.ready).all()
    assert bulk.count("rd") == 16


def test_runs_in_two_bank_groups_share_the_bus_where_columns_of_one_are_far_apart(engine):
    memory = engine("attacc")  # nCCDL 4 in a bank group, nBL 2 on the bus
    memory.issue("rd", node=0, at=0, count=8)
    assert memory.earliest("rd", node=0) == 7 * 4 + 4
    assert memory.earliest("rd", node=2) == 7 * 2 + 2


def test_an_idle_bank_is_activated_and_a_row_hit_is_not(engine):
    memory = engine("tiny")
    assert memory.access("rd", bank=0, row=5) == 10  # nRCDRD
    assert memory.access("rd", bank=0, row=5, at=500) == 500
    assert memory.count("act") == 1


def test_a_row_miss_costs_precharge_and_activate(engine):
    memory = engine("tiny")
    memory.access("rd", bank=0, row=5)
    assert memory.access("rd", bank=0, row=6, at=500) == 500 + 10 + 10  # nRP + nRCDRD
    assert (memory.count("act"), memory.count("pre")) == (2, 1)


def test_a_busy_row_is_closed_when_that_is_legal(engine):
    memory = engine("tiny")
    last = memory.access("wr", bank=0, row=5)
    assert memory.access("rd", bank=0, row=6) == last + (4 + 2 + 10) + 10 + 10  # nCWL + nBL + nWR, nRP, nRCDRD


def test_a_refresh_closes_rows_and_blocks_the_rank(engine):
    memory = engine("tiny")
    memory.access("rd", bank=0, row=5)
    assert memory.access("rd", bank=0, row=5, at=4000) == 4000 + 10 + 200 + 10  # nRP, nRFC, nRCDRD
    assert memory.count("ref") == 1


def test_refreshes_of_idle_time_happened_in_time(engine):
    memory = engine("tiny")
    assert memory.access("rd", bank=0, row=5, at=10 * 4000 + 2000) == 10 * 4000 + 2000 + 10
    assert memory.count("ref") == 10


def test_refreshes_of_idle_time_are_in_the_log(engine):
    memory = engine("tiny", log=100)
    memory.access("rd", bank=0, row=5, at=10 * 4000 + 2000)
    assert memory.log() == [
        ("ref", 4000, 1, 1),
        ("ref", 8000, 9, 4000),
        ("act", 42_000, 1, 1),
        ("rd", 42_010, 1, 2),
    ]


def test_the_first_refresh_of_idle_time_closes_the_rows(engine):
    memory = engine("tiny", log=100)
    memory.access("rd", bank=0, row=5)
    memory.access("rd", bank=0, row=5, at=9000)
    assert memory.log()[2:] == [
        ("pre", 4000, 1, 1),
        ("ref", 4010, 1, 1),
        ("ref", 8000, 1, 4000),
        ("act", 9000, 1, 1),
        ("rd", 9010, 1, 2),
    ]


def test_refreshes_that_a_long_row_delayed_follow_as_soon_as_they_may(engine):
    memory = engine("tiny", log=100)
    last = memory.access("rd", bank=0, row=5, count=5000)
    memory.access("rd", bank=0, row=6, at=last)
    refreshes = [cycle for name, cycle, *_ in memory.log() if name == "ref"]
    closed = last + 4 + 10  # nRTP, nRP
    assert refreshes == [closed, closed + 200]  # nRFC
    assert memory.count("ref") == 2


def test_a_spread_command_goes_to_one_node_of_those_that_it_works_on():
    machine = load_machine("attacc-bank").to_dict()
    tables = build_dram(machine).tables
    for name, nodes in (("act_pim", 1), ("act_same", 4), ("act_each", 32), ("act", 64)):
        place = tables[AT_COMMAND] + command_names(machine).index(name) * COMMAND_FIELDS
        first = tables[place + NODES]
        assert tables[place + NODE_COUNT] == nodes
        assert tables[first + NODE_FIELDS + MEMBERS] - tables[first + MEMBERS] == 64 // nodes


def test_row_commands_never_share_a_cycle(model):
    text = """
    .program @s npu ()
      load dram=0, dram_stride=65536, rows=1, row_bytes=65536, local=0, local_stride=65536
      halt
    """
    timing = model("neupims", text, log=10_000)
    timing.launch(0, [], 0)
    rows = [
        (cycle, channel) for cycle, command, channel, *_ in timing.log() if timing.commands[command] in ("act", "pre")
    ]
    assert len(rows) == len(set(rows)) == 64
