"""Check a command log against a machine: every rule of its file, bank states, buses and refresh deadlines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..command_log import SOURCE, CommandLog
from .banks import check_banks, check_mode
from .buses import check_command_bus, check_data_bus
from .commands import Commands, read_commands
from .constraints import check_constraints
from .findings import Finding
from .refresh import check_refresh


@dataclass(frozen=True)
class Violation:
    """A command that breaks a rule. Rows are those of the log, counted from 1 without its header."""

    rule: str
    cycle: int
    command: str
    place: str
    log_row: int
    source: str
    found: int
    needed: int
    earlier_row: int | None
    earlier_command: str
    earlier_cycle: int | None


class Check:
    """What was found in a log."""

    def __init__(self, log: CommandLog, commands: Commands, findings: list[Finding]):
        self.log, self.commands, self.findings = log, commands, findings

    @property
    def counts(self) -> Mapping[str, int]:
        """How many commands break each rule."""
        return {one.rule: len(one) for one in self.findings}

    @property
    def channels(self) -> np.ndarray:
        """Channels in which a rule is broken, in order."""
        rows = np.concatenate([one.rows for one in self.findings]) if self.findings else np.zeros(0, np.int64)
        return np.unique(self.commands.address[rows, 0])

    def first(self, count: int) -> list[Violation]:
        """The first violations in time."""
        found: list[tuple[int, Finding, int]] = []
        for one in self.findings:
            found += [(int(one.rows[index]), one, int(index)) for index in np.argsort(one.rows, kind="stable")[:count]]
        found.sort(key=lambda entry: entry[0])
        return [self._violation(one, index) for _, one, index in found[:count]]

    def _violation(self, one: Finding, index: int) -> Violation:
        commands, row, earlier = self.commands, int(one.rows[index]), int(one.earlier[index])
        source = int(self.log.table[row, SOURCE])
        return Violation(
            rule=one.rule,
            cycle=int(commands.cycle[row]),
            command=commands.names[commands.kind[row]],
            place=commands.place(row),
            log_row=row + 1,
            source="" if source < 0 else self.log.sources[source] if self.log.sources else f"line {source}",
            found=int(one.found[index]),
            needed=int(one.needed[index]),
            earlier_row=earlier + 1 if earlier >= 0 else None,
            earlier_command=commands.names[commands.kind[earlier]] if earlier >= 0 else "",
            earlier_cycle=int(commands.cycle[earlier]) if earlier >= 0 else None,
        )


def check_log(
    log: CommandLog, machine: dict[str, Any], source: str = "log", end_cycle: np.ndarray | None = None
) -> Check:
    """All violations of a log. `end_cycle` is the last cycle of every channel, by default that of the log.

    A channel without commands is not part of the log: nothing is expected of it.
    LogError if a row does not fit the machine; `source` is then the name of the log.
    """
    commands = read_commands(log, machine, source)
    if end_cycle is None:
        end_cycle = np.full(commands.extents[0], commands.cycle[-1] if len(commands) else 0)
    findings = [
        *check_constraints(commands),
        *check_banks(commands),
        *check_mode(commands),
        *check_command_bus(commands),
        *check_data_bus(commands),
        *(check_refresh(commands, end_cycle) if len(commands) else ()),
    ]
    return Check(log, commands, findings)
