"""What the tests against other simulators share: their data, and machines with their tables built once."""

import csv
import gzip
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pimlir.machines import load_machine
from pimlir.sim.check import check_log
from pimlir.sim.command_log import CommandLog
from pimlir.sim.timing.controller_tables import ControllerTables, build_controller
from pimlir.sim.traces import TraceResult, run_trace
from pimlir.sim.traces.formats import parse_trace
from pimlir.sim.traces.log import trace_log

DATA = Path(__file__).parent.parent / "data" / "oracles"


class Oracle:
    """The data files of tests/data/oracles."""

    def text(self, name: str) -> str:
        """A file, unpacked."""
        path = DATA / name
        return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()

    def rows(self, name: str) -> list[dict[str, str]]:
        """A CSV file."""
        csv.field_size_limit(1 << 24)
        return list(csv.DictReader(self.text(name).splitlines()))

    def names(self, pattern: str) -> list[str]:
        """The names of the files that match a pattern."""
        return sorted(path.relative_to(DATA).as_posix() for path in DATA.glob(pattern))


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    """The data files."""
    return Oracle()


class Simulator(NamedTuple):
    """A machine that runs traces."""

    machine: dict[str, Any]
    tables: ControllerTables

    def run(self, text: str, format: str, log: bool = False, check: bool = True) -> TraceResult:
        """A trace; its log, if wanted, is checked unless the test does it."""
        trace = parse_trace(text, format, self.machine, self.tables)
        result = run_trace(self.tables, trace, log)
        if log and check:
            accept(self.log(result), self.machine)
        return result

    def log(self, result: TraceResult) -> CommandLog:
        """The log of a run."""
        return trace_log(result.log, self.tables, self.machine["name"])


def accept(log: CommandLog, machine: dict[str, Any]) -> None:
    """Every log that a test makes goes through the independent checker."""
    check = check_log(log, machine)
    assert check.findings == [], check.first(5)


@cache
def _simulator(name: str, settings: tuple[tuple[str, str], ...]) -> Simulator:
    machine = load_machine(name, dict(settings)).to_dict()
    return Simulator(machine, build_controller(machine))


@pytest.fixture(scope="session")
def simulator() -> Callable[..., Simulator]:
    """A machine by name, with settings."""

    def build(name: str, settings: Mapping[str, str] | None = None) -> Simulator:
        return _simulator(name, tuple(sorted((settings or {}).items())))

    return build
