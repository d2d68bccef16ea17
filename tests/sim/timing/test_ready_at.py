"""Every rule of every machine holds to the cycle: a command is ready when the table says, not before and not later.

What the table says is enumerated from the machine file alone, for all pairs of commands and all relations of the nodes that
they name.
"""

import numpy as np
import pytest

from pimlir.machines import known_machines, load_machine

LEVELS = ("channel", "pseudo_channel", "rank", "bank_group", "bank")
T0 = 1000  # longer than any rule, so that nothing before the first command could matter


@pytest.fixture(scope="module", params=known_machines())
def machine(request):
    return load_machine(request.param).to_dict()


def test_a_command_is_ready_exactly_when_the_rules_allow_it(machine, channel, rule_table):
    engine, table = channel(machine), rule_table(machine)
    wrong, bound = [], set()
    for first in machine["command"]:
        for at in table.addresses(first):
            engine.reset()
            engine.issue(first, at, T0)
            for then in machine["command"]:
                for to in table.relatives(then, at):
                    cycles = table.wait(first, at, then, to)
                    expected = T0 + cycles if cycles else 0  # 0: never held up
                    found = engine.ready(then, to)
                    bound |= {(first, then)} if cycles else set()
                    if found != expected:
                        wrong.append((first, at, then, to, found, expected))
    assert wrong == []
    assert len(bound) > len(machine["command"])


def test_a_counting_rule_waits_for_the_oldest_of_its_window(machine, channel, rule_table):
    engine, table = channel(machine), rule_table(machine)
    for rule in (rule for rule in table.rules if rule["window"] > 1):
        level, size = LEVELS.index(rule["level"]), rule["window"]
        inside, outside = _banks(table.extents, level)
        for first in (name for name in rule["preceding"] if table.scope(name) >= level):
            for then in (name for name in rule["following"] if table.scope(name) >= level):
                to = inside[0][: table.scope(then)]
                for count in (size - 1, size, size + 1):
                    banks = [*(inside[index % len(inside)] for index in range(count)), *outside]
                    sent = [(bank[: table.scope(first)], T0 + index) for index, bank in enumerate(banks)]
                    engine.reset()
                    for at, cycle in sent:
                        engine.issue(first, at, cycle)
                    single = (cycle + wait for at, cycle in sent if (wait := table.wait(first, at, then, to)))
                    expected = max([*single, table.window_end(first, sent, then, to)])
                    assert (count < size) or expected >= T0 + count - size + rule["cycles"]
                    assert engine.ready(then, to) == expected, (rule, first, then, count)


def _banks(extents: tuple[int, ...], level: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Banks under the first node of a level, spread over its groups; one bank of another node, if there is one."""
    every = [tuple(map(int, index)) for index in np.ndindex(extents)]
    inside = [bank for bank in every if bank[:level] == (0,) * level]
    outside = [bank for bank in every if bank[:level] != (0,) * level]
    return sorted(inside, key=lambda bank: bank[::-1]), outside[-1:]


def test_the_machines_have_every_kind_of_rule():
    machines = [load_machine(name) for name in known_machines()]
    rules = [rule for found in machines for rule in found.constraint]
    assert any(rule.siblings for rule in rules)
    assert any(rule.window > 1 for rule in rules)
    assert any(found.controller.echo for found in machines)
    assert any(found.controller.waits_for_all for found in machines)
