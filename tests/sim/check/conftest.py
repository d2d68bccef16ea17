"""Random legal command sequences of any machine, made with the command engine, and logs that hold many of them."""

import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

from pimlir.machines import load_machine
from pimlir.sim.command_log import CommandLog

Address = tuple[int, ...]
LEVELS = ("channel", "pseudo_channel", "rank", "bank_group", "bank")
SMALL = {"pseudo_channels": 2, "ranks": 2, "bank_groups": 4, "banks_per_group": 2}


class Step(NamedTuple):
    """A command of a sequence."""

    cycle: int
    command: str
    address: Address
    row: int


def small_machine(name: str) -> dict[str, Any]:
    """A machine with few banks: the rules do not depend on their number, sequences that open all of them do."""
    machine = load_machine(name).to_dict()
    for key, limit in SMALL.items():
        machine["memory"][key] = min(machine["memory"][key], limit)
    return machine


class Facts:
    """What the checks and the sequences need to know of a machine's commands, read from its file."""

    def __init__(self, machine: dict[str, Any]):
        self.machine = machine
        self.commands = machine["command"]
        self.controller = machine["controller"]
        pim = machine.get("pim") or {}
        self.dual = pim.get("dual_row_buffer", False)
        self.mode_command = pim.get("mode_command", "")
        self.extents = [machine["memory"][key] for key in SMALL]
        self.banks = list(product(*map(range, self.extents)))
        self.buffers = cache(self._buffers)

    def action(self, command: str) -> str:
        return self.commands[command]["action"]

    def _buffers(self, command: str, address: Address) -> frozenset[tuple[Address, int]]:
        """Row buffers that a command works on: bank and side."""
        entry = self.commands[command]
        if entry["action"] == "none":
            return frozenset()
        spread = [LEVELS.index(level) - 1 for level in entry["spread"]]
        sides = (0, 1) if self.dual and entry["action"] == "refresh" else (int(self.dual and entry["side"] == "pim"),)
        return frozenset(
            (bank, side)
            for bank in self.banks
            for side in sides
            if entry["scope"] == "channel"
            or all(level in spread or bank[level] == index for level, index in enumerate(address))
        )

    def several(self, command: str) -> bool:
        """Whether it works on several banks by its nature."""
        return self.commands[command]["scope"] != "bank" or bool(self.commands[command]["spread"])

    def burst(self, step: Step) -> tuple[int, int] | None:
        """First cycle and end of its data on the bus."""
        entry = self.commands[step.command]
        if step.command in self.controller["unchecked_data"]:
            return None
        length = entry["data_cycles"] or self.machine["memory"]["burst_cycles"] * (step.command in ("rd", "wr"))
        end = step.cycle + (entry["data_end_cycles"] or entry["latency_cycles"])
        end += entry["column_cycles"] * entry["min_columns"]
        return (end - length, end) if length else None

    def same_bus(self, one: Address, other: Address) -> bool:
        """Whether bursts of two nodes share a pseudo-channel."""
        return not one or not other or one[0] == other[0]

    def share_a_cycle(self, first: str, second: str) -> bool:
        row, column = self.controller["row_bus"], self.controller["column_bus"]
        pairs = ((first, second), (second, first))
        return self.controller["slots"] == 2 and any(a in row and b in column for a, b in pairs)


class Walk:
    """A random legal sequence: each command goes to the first cycle that the engine and the buses allow, or a bit later."""

    def __init__(self, facts: Facts, channel: Any, random_: random.Random):
        self.facts, self.channel, self.random = facts, channel, random_
        self.steps: list[Step] = []
        self.rows: dict[tuple[Address, int], int] = {}  # open ones
        self.register_mode = False
        channel.reset()

    def go(self, length: int) -> list[Step]:
        """At least `length` commands."""
        names = [name for name in self.facts.commands if name != self.facts.mode_command]
        if self.random.random() < 0.3:
            self.burst_of_activates()
        while len(self.steps) < length:
            self.do(self.random.choice(names))
        return self.steps

    def burst_of_activates(self) -> None:
        """One bank after the other, as counting rules are about."""
        prefix = tuple(self.random.randrange(extent) for extent in self.facts.extents[:2])
        banks = [bank for bank in self.facts.banks if bank[:2] == prefix]
        for bank in self.random.sample(banks, len(banks))[:6]:
            self.issue("act", bank, 3)

    def do(self, command: str) -> None:
        """A command and what must come before it."""
        facts, scope = self.facts, LEVELS.index(self.facts.commands[command]["scope"])
        address = tuple(self.random.randrange(min(extent, 2)) for extent in facts.extents)[:scope]
        buffers, row = facts.buffers(command, address), self.random.choice((3, 4))
        match facts.action(command):
            case "activate" | "refresh":
                self.close({buffer for buffer in buffers if buffer in self.rows})
            case "column" | "column_precharge":
                self.close({buffer for buffer in buffers if self.rows.get(buffer, row) != row})
                self.open(buffers, row)
        self.issue(command, address, row)

    def close(self, wrong: set[tuple[Address, int]]) -> None:
        while left := sorted(wrong & self.rows.keys()):
            self.issue(*self.covering("precharge", left[0]), -1)

    def open(self, wanted: frozenset[tuple[Address, int]], row: int) -> None:
        while left := sorted(wanted - self.rows.keys()):
            command, address = self.covering("activate", left[0])
            buffers = self.facts.buffers(command, address)
            if self.random.random() < 0.8 and not buffers <= wanted:
                continue
            self.close(set(buffers - wanted) | {one for one in buffers if one in self.rows})
            self.issue(command, address, row)

    def covering(self, action: str, buffer: tuple[Address, int]) -> tuple[str, Address]:
        """A command of this action that works on a row buffer."""
        found = []
        for name, entry in self.facts.commands.items():
            address = buffer[0][: LEVELS.index(entry["scope"])]
            if entry["action"] == action and buffer in self.facts.buffers(name, address):
                found.append((name, address))
        return self.random.choice(found)

    def issue(self, command: str, address: Address, row: int) -> None:
        facts = self.facts
        if facts.mode_command and facts.commands[command]["register_mode"] != self.register_mode:
            self.register_mode = not self.register_mode
            self.place(facts.mode_command, (), -1)
        self.place(command, address, row)
        buffers = facts.buffers(command, address)
        match facts.action(command):
            case "activate":
                self.rows |= dict.fromkeys(buffers, row)
            case "precharge" | "column_precharge":
                self.rows = {buffer: open_row for buffer, open_row in self.rows.items() if buffer not in buffers}

    def place(self, command: str, address: Address, row: int) -> None:
        last = self.steps[-1].cycle if self.steps else 0
        cycle = max(last, self.channel.ready(command, address))
        if self.random.random() < 0.15:
            cycle += self.random.randrange(5)
        step = Step(cycle, command, address, row)
        while not self.free(step):
            step = step._replace(cycle=step.cycle + 1)
        self.channel.issue(command, address, step.cycle)
        self.steps.append(step)

    def free(self, step: Step) -> bool:
        """Whether the command bus and the data bus take it."""
        facts = self.facts
        together = [other for other in self.steps[-2:] if other.cycle == step.cycle]
        if len(together) >= facts.controller["slots"]:
            return False
        if together and not facts.share_a_cycle(together[0].command, step.command):
            return False
        if (burst := facts.burst(step)) is not None:
            for other in self.steps:
                there = facts.burst(other)
                if (
                    there
                    and facts.same_bus(other.address, step.address)
                    and there[0] < burst[1]
                    and burst[0] < there[1]
                ):
                    return False
        return True


def joined_log(facts: Facts, sequences: Sequence[Sequence[Step]]) -> tuple[CommandLog, dict[str, Any], np.ndarray]:
    """One log with each sequence in a channel of its own, a machine with so many channels, and the end of each."""
    number = {name: index for index, name in enumerate(facts.commands)}
    table = np.full((sum(map(len, sequences)), 10), -1, np.int64)
    at = 0
    for channel, steps in enumerate(sequences):
        for cycle, command, address, row in steps:
            table[at, :3] = cycle, number[command], channel
            table[at, 3 : 3 + len(address)] = address
            table[at, 7] = row
            at += 1
    ends = np.array([steps[-1].cycle for steps in sequences])
    order = np.argsort(table[:, 0], kind="stable")
    machine = {**facts.machine, "memory": {**facts.machine["memory"], "channels": len(sequences)}}
    return CommandLog(table[order], tuple(number), machine=machine["name"]), machine, ends


class Walks(NamedTuple):
    """Sequences of a machine."""

    facts: Facts
    steps: list[list[Step]]


@pytest.fixture(scope="session")
def walks(channel: Any) -> Callable[..., Walks]:
    """Random legal sequences of a machine."""

    def build(name: str, count: int, length: int, seed: int = 1) -> Walks:
        machine = small_machine(name)
        facts, engine, random_ = Facts(machine), channel(machine), random.Random(seed)
        return Walks(facts, [Walk(facts, engine, random_).go(length) for _ in range(count)])

    return build


@pytest.fixture(scope="session")
def join() -> Callable[..., tuple[CommandLog, dict[str, Any], np.ndarray]]:
    """Sequences as one log."""
    return joined_log
