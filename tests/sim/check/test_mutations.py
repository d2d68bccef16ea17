"""Legal sequences with one mistake: at least 10,000 of every machine, each illegal by construction, none is accepted.

Why each mutant is illegal is argued from the machine file in the docstring of its mutation; the checker has no part in it.
"""

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest

from pimlir.machines import known_machines
from pimlir.sim.check import check_log

LEVELS = ("channel", "pseudo_channel", "rank", "bank_group", "bank")
MUTANTS, WALKS, LENGTH = 10_000, 150, 20
OPENS, CLOSES, READS = ("activate",), ("precharge", "column_precharge"), ("column", "column_precharge")


class Mutant(NamedTuple):
    kind: str
    steps: list[Any]


class Mutator:
    """Mutations of one legal sequence. Each yields sequences that end with the command that is now illegal."""

    def __init__(self, facts: Any, table: Any, steps: list[Any], random_: random.Random):
        self.facts, self.table, self.steps, self.random = facts, table, steps, random_

    def all(self) -> Iterator[Mutant]:
        mutations = (
            *(self.too_early, self.window, self.bus_slot, self.data_bus, self.swapped, self.no_activate),
            *(self.no_precharge, self.wrong_row, self.no_mode_switch),
        )
        for mutation in mutations:
            for steps in mutation():
                yield Mutant(mutation.__name__, steps)

    def moved(self, index: int, cycle: int) -> list[Any]:
        """The sequence up to `cycle`, then command `index`, which is not among those before."""
        before = [step for step in self.steps[:index] if step.cycle <= cycle]
        return [*before, self.steps[index]._replace(cycle=cycle)]

    def buffers(self, step: Any) -> frozenset[Any]:
        return self.facts.buffers(step.command, step.address)

    def too_early(self) -> Iterator[list[Any]]:
        """A rule asks for w cycles after an earlier command, which now has w - 1: the pair alone breaks it."""
        for index, step in enumerate(self.steps):
            for earlier in self.steps[:index]:
                wait = self.table.wait(earlier.command, earlier.address, step.command, step.address)
                if wait:
                    yield self.moved(index, earlier.cycle + wait - 1)

    def window(self) -> Iterator[list[Any]]:
        """The w-th last of the commands that a rule counts, all of which stay before, is a cycle too near."""
        for index, step in enumerate(self.steps):
            for rule in (rule for rule in self.table.rules if rule["window"] > 1 and step.command in rule["following"]):
                level = LEVELS.index(rule["level"])
                counted = [
                    other.cycle
                    for other in self.steps[:index]
                    if other.command in rule["preceding"]
                    and len(other.address) >= level
                    and other.address[:level] == step.address[:level]
                ]
                if len(counted) >= rule["window"] and level <= self.table.scope(step.command):
                    cycle = counted[-rule["window"]] + rule["cycles"] - 1
                    if cycle >= counted[-1]:
                        yield self.moved(index, cycle)

    def bus_slot(self) -> Iterator[list[Any]]:
        """A cycle has one command, or with two slots one of each bus: the command joins one that it may not join."""
        for index in range(1, len(self.steps)):
            before, step = self.steps[index - 1], self.steps[index]
            if before.cycle < step.cycle and not self.facts.share_a_cycle(before.command, step.command):
                yield [*self.steps[:index], step._replace(cycle=before.cycle)]

    def data_bus(self) -> Iterator[list[Any]]:
        """The burst begins in the last cycle of an earlier one on the same bus."""
        for index, step in enumerate(self.steps):
            burst = self.facts.burst(step)
            for earlier in self.steps[:index] if burst else ():
                there = self.facts.burst(earlier)
                if there and self.facts.same_bus(earlier.address, step.address):
                    cycle = step.cycle - burst[0] + there[1] - 1
                    if earlier.cycle <= cycle < step.cycle:
                        yield self.moved(index, cycle)

    def swapped(self) -> Iterator[list[Any]]:
        """Neighbours change places: the column command finds its bank closed, the activate its bank open."""
        opened: dict[Any, int] = {}
        for index, (first, then) in enumerate(pairwise(self.steps)):
            shared = self.buffers(first) & self.buffers(then)
            actions = (self.facts.action(first.command), self.facts.action(then.command))
            uses = actions[0] in OPENS and actions[1] in READS
            reopens = actions[0] in CLOSES and actions[1] in OPENS and self.strict(then, opened, shared)
            if shared and (uses or reopens):
                yield [*self.steps[:index], then._replace(cycle=first.cycle), first._replace(cycle=then.cycle)]
            self.apply(first, opened)

    def strict(self, activate: Any, opened: dict[Any, int], buffers: frozenset[Any]) -> bool:
        """Whether an activate must not find any of these buffers as they are: open, in spite of what a peer allows."""
        rows = {opened[buffer] for buffer in buffers if buffer in opened}
        allowed = self.facts.controller["activates_open_rows"] if self.facts.several(activate.command) else "never"
        return bool(rows) and (allowed == "never" or (allowed == "same_row" and rows != {activate.row}))

    def apply(self, step: Any, opened: dict[Any, int]) -> None:
        """Open or close the rows of a command."""
        action = self.facts.action(step.command)
        for buffer in self.buffers(step):
            if action in OPENS:
                opened[buffer] = step.row
            elif action in CLOSES:
                opened.pop(buffer, None)

    def no_activate(self) -> Iterator[list[Any]]:
        """Without the activate a bank that was closed stays closed until the column command."""
        for index, step in enumerate(self.steps):
            if self.facts.action(step.command) in OPENS:
                left = self.buffers(step)
                for last, later in enumerate(self.steps[index + 1 :], index + 1):
                    action = self.facts.action(later.command)
                    if action in READS and left & self.buffers(later):
                        yield [*self.steps[:index], *self.steps[index + 1 : last + 1]]
                        break
                    if action in (*OPENS, *CLOSES):
                        left -= self.buffers(later)

    def no_precharge(self) -> Iterator[list[Any]]:
        """Without the precharge a bank that was open is open when it is activated or refreshed."""
        opened: dict[Any, int] = {}
        for index, step in enumerate(self.steps):
            action = self.facts.action(step.command)
            if action in CLOSES:
                left = frozenset(opened) & self.buffers(step)
                for last, later in enumerate(self.steps[index + 1 :], index + 1):
                    doing, there = self.facts.action(later.command), left & self.buffers(later)
                    if (doing in OPENS and self.strict(later, opened, there)) or (doing == "refresh" and there):
                        yield [*self.steps[:index], *self.steps[index + 1 : last + 1]]
                        break
                    if doing in (*OPENS, *CLOSES):
                        left -= there
            self.apply(step, opened)

    def wrong_row(self) -> Iterator[list[Any]]:
        """The column command names another row than the one that is open."""
        for index, step in enumerate(self.steps):
            if self.facts.action(step.command) in READS:
                yield [*self.steps[:index], step._replace(row=step.row + 1)]

    def no_mode_switch(self) -> Iterator[list[Any]]:
        """The command after the switch needs the mode that it switched to."""
        for index, step in enumerate(self.steps[:-1]):
            if step.command == self.facts.mode_command:
                yield [*self.steps[:index], self.steps[index + 1]]


CAUGHT_BY: dict[str, Callable[[str], bool]] = {
    "too_early": lambda rule: "->" in rule,
    "window": lambda rule: "->" in rule and "of them" in rule,
    "bus_slot": lambda rule: rule.startswith("command bus"),
    "data_bus": lambda rule: rule.startswith("data bus"),
    "swapped": lambda rule: rule.startswith("banks"),
    "no_activate": lambda rule: rule.startswith("banks"),
    "no_precharge": lambda rule: rule.startswith("banks"),
    "wrong_row": lambda rule: rule.startswith("banks"),
    "no_mode_switch": lambda rule: rule.startswith("mode"),
    "refresh": lambda rule: rule.startswith("refresh"),
}
"""The rules that must catch a mutation, so that none is caught by accident only."""


def mutants_of(facts: Any, table: Any, walks: list[list[Any]], seed: int) -> list[Mutant]:
    """MUTANTS of them, as evenly from all mutations as these occur."""
    random_ = random.Random(seed)
    found: dict[str, list[Mutant]] = {}
    for steps in walks:
        for mutant in Mutator(facts, table, steps, random_).all():
            found.setdefault(mutant.kind, []).append(mutant)
    chosen: list[Mutant] = []
    for left, kind in zip(range(len(found), 0, -1), sorted(found, key=lambda kind: len(found[kind])), strict=True):
        share = (MUTANTS - len(chosen)) // left
        chosen += random_.sample(found[kind], min(share, len(found[kind])))
    return chosen


@pytest.mark.parametrize("name", known_machines())
def test_every_mutant_is_caught(name, walks, join, rule_table):
    facts, steps = walks(name, WALKS, LENGTH, seed=2)
    mutants = mutants_of(facts, rule_table(facts.machine), steps, seed=3)
    assert len(mutants) >= MUTANTS
    log, machine, ends = join(facts, [mutant.steps for mutant in mutants])
    check = check_log(log, machine, end_cycle=ends)
    assert accepted(check, mutants) == []


def accepted(check: Any, mutants: list[Mutant]) -> list[Mutant]:
    """The mutants that no rule of their kind has caught."""
    caught = {kind: np.zeros(len(mutants), bool) for kind in CAUGHT_BY}
    for one in check.findings:
        for kind, fits in CAUGHT_BY.items():
            if fits(one.rule):
                caught[kind][check.commands.address[one.rows, 0]] = True
    return [mutant for index, mutant in enumerate(mutants) if not caught[mutant.kind][index]]


@pytest.mark.parametrize("name", known_machines())
def test_a_refresh_that_is_missing_or_too_late_is_found(name, walks, join, rule_table):
    facts, ((step, *_),) = walks(name, 1, 1)
    memory = facts.machine["memory"]
    interval, limit = memory["refresh_interval_cycles"], memory["refresh_postponed_max"] + 1
    if not interval:
        pytest.skip("the machine never refreshes")
    table, level = rule_table(facts.machine), LEVELS.index(memory["refresh_scope"])
    nodes = sorted({bank[:level] for bank in facts.banks})
    apart = 1 + max(table.wait("ref", a, "ref", b) for a in nodes for b in nodes)
    legal = [
        type(step)((round_ + limit) * interval - (len(nodes) - 1 - index) * apart, "ref", node, -1)
        for round_ in range(4)
        for index, node in enumerate(nodes)
    ]  # each as late as it may be, the nodes one after the other
    mutants = []
    for index, late in enumerate(legal[: 3 * len(nodes)]):
        rest = [*legal[:index], *legal[index + 1 :]]
        deadline = (index // len(nodes) + limit) * interval
        mutants.append(Mutant("refresh", rest))
        mutants.append(Mutant("refresh", sorted([*rest, late._replace(cycle=deadline + 1)])))
    log, machine, ends = join(facts, [legal, *(mutant.steps for mutant in mutants)])
    check = check_log(log, machine, end_cycle=ends)
    assert accepted(check, [Mutant("refresh", legal), *mutants]) == [Mutant("refresh", legal)]
    assert 0 not in check.channels
