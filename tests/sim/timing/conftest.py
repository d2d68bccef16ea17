"""Programs from assembly text on a timing model, and the command engine by command names."""

import numpy as np
import pytest

from pimlir.backends.isa.assembly import assemble
from pimlir.backends.isa.image import Image
from pimlir.machines import load_machine
from pimlir.sim.check import check_log
from pimlir.sim.functional.jit import bare_entry
from pimlir.sim.timing import dram
from pimlir.sim.timing.constraints import LEVELS
from pimlir.sim.timing.engine import ready_at
from pimlir.sim.timing.model import TimingModel
from pimlir.sim.timing.program_log import ProgramLog
from pimlir.sim.timing.tables import AT_BANK, AT_LOG_SIZE, CHANNEL_WORDS, LOG_FIELDS, SPACING, build_dram, command_names


@bare_entry
def _earliest(tables, state, base, command, target, at):
    return max(at, ready_at(tables, state, base, command, target))


@bare_entry
def _issue(tables, state, base, command, target, at, count):
    first = dram.issue(tables, state, base, command, target, at, count, at, at, at)
    return first + (count - 1) * dram.command_field(tables, command, SPACING)


@bare_entry
def _access(tables, state, base, bank, row, command, count, at):
    return dram.access(tables, state, base, bank, row, at, command, count, at, at)


class Engine:
    """The command engine of one machine; nodes are numbered within the level of the command's scope, banks by bank_order."""

    def __init__(self, name: str, log: int = 0):
        self.machine = load_machine(name).to_dict()
        self.names = command_names(self.machine)
        self.dram = build_dram(self.machine, log)

    def target(self, command: str, node: int) -> int:
        scope = self.machine["command"][command]["scope"]
        return self.bank(node) if scope == "bank" else self.dram.geometry.first[LEVELS.index(scope)] + node

    def bank(self, number: int) -> int:
        return int(self.dram.tables[self.dram.tables[AT_BANK] + number])

    def earliest(self, command: str, node: int = 0, at: int = 0, channel: int = 0) -> int:
        tables, state = self.dram.tables, self.dram.state
        base = channel * int(tables[CHANNEL_WORDS])
        return int(_earliest(tables, state, base, self.names.index(command), self.target(command, node), at))

    def issue(self, command: str, node: int = 0, at: int = 0, count: int = 1) -> int:
        target = self.target(command, node)
        return int(_issue(self.dram.tables, self.dram.state, 0, self.names.index(command), target, at, count))

    def access(self, command: str, bank: int, row: int, count: int = 1, at: int = 0) -> int:
        tables, state = self.dram.tables, self.dram.state
        return int(_access(tables, state, 0, self.bank(bank), row, self.names.index(command), count, at))

    def log(self) -> list[tuple[str, int, int, int]]:
        """(command, cycle, count, spacing) of what was issued."""
        rows = self.dram.log[: self.dram.state[self.dram.tables[AT_LOG_SIZE]]]
        fields = [LOG_FIELDS.index(name) for name in ("command", "cycle", "count", "spacing")]
        return [(self.names[command], *rest) for command, *rest in rows[:, fields].tolist()]

    def count(self, command: str) -> int:
        return int(self.dram.counts[:, self.names.index(command)].sum())


@pytest.fixture
def engine():
    return Engine


@pytest.fixture
def model():
    """A timing model for the programs of an assembly text; what it logs is checked when the test is over."""
    logged: list[TimingModel] = []

    def build(machine: str, text: str, log: int = 0, **sections) -> TimingModel:
        description = load_machine(machine).to_dict()
        for section, changes in sections.items():
            description[section] |= changes
        programs = assemble(text)
        image = Image(
            machine=description,
            programs=programs,
            plan=programs[0],
            regions=[],
            buffers={},
            bounds={},
            local_bytes=1 << 20,
            softmax_bytes=0,
            linear_bytes=1 << 30,
            first_pim_row=0,
            rows_used=0,
        )
        timing = TimingModel(image, log)
        logged.extend([timing] if log else [])
        return timing

    yield build
    for timing in logged:
        log = ProgramLog(timing.machine)
        log.add(timing.log(), timing.programs[0])
        check = check_log(log.finish(), timing.machine)
        assert check.counts == {}, check.first(5)


@pytest.fixture
def run(model):
    """Cycles of the device's clock that one program takes alone."""

    def cycles(machine: str, text: str, *arguments: int, **sections) -> int:
        timing = model(machine, text, **sections)
        clock = timing.clocks_ps[timing.programs[0].device]
        return timing.launch(0, np.array(arguments, np.int64), 0) // clock

    return cycles
