"""Random legal sequences of every machine are accepted."""

import pytest

from pimlir.machines import known_machines
from pimlir.sim.check import check_log


@pytest.mark.parametrize("name", known_machines())
def test_what_the_engine_allows_is_accepted(name, walks, join):
    facts, steps = walks(name, 300, 24)
    log, machine, ends = join(facts, steps)
    check = check_log(log, machine, end_cycle=ends)
    assert check.findings == [], check.first(3)
