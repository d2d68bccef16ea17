"""What the tests of the analytic models share: measured rows of AttAcc's simulator, and the project's machines."""

import csv
import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pimlir.machines import load_machine
from pimlir.sim.analytic.studies import Studies

DATA = Path(__file__).parents[2] / "data" / "oracles" / "attacc"


@pytest.fixture(scope="session")
def measured() -> Callable[[str], list[dict[str, str]]]:
    """The rows of a data file."""

    @cache
    def read(name: str) -> list[dict[str, str]]:
        data = (DATA / name).read_bytes()
        text = gzip.decompress(data) if name.endswith(".gz") else data
        return list(csv.DictReader(text.decode().splitlines()))

    return read


@pytest.fixture(scope="session")
def machine() -> Callable[..., dict[str, Any]]:
    """A machine by name, with settings."""

    @cache
    def load(name: str, *settings: tuple[str, str]) -> dict[str, Any]:
        return load_machine(name, dict(settings)).to_dict()

    return load


@pytest.fixture(scope="session")
def studies() -> Studies:
    """Systems with the right sums, and their simulated attention."""
    return Studies()
