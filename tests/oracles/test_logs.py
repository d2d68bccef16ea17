"""The command logs of all shared traces of other simulators keep the rules of the machines that reproduce them."""

import numpy as np
import pytest

from pimlir.sim.check import check_log
from pimlir.sim.command_log import CHANNEL, CYCLE, CommandLog

AIM_CHANNELS = 32


def joined(logs):
    """Logs of one machine as one, each with channels of its own, and the last cycle of every channel."""
    tables = [log.table.copy() for log in logs]
    for index, table in enumerate(tables):
        table[:, CHANNEL] += index * AIM_CHANNELS
    ends = np.repeat([table[-1, CYCLE] if len(table) else 0 for table in tables], AIM_CHANNELS)
    table = np.concatenate(tables)
    return CommandLog(table[np.argsort(table[:, CYCLE], kind="stable")], logs[0].commands), ends


@pytest.mark.parametrize("machine", ["aim", "aim-head", "aim-pinned"])
def test_traces_of_aim(oracle, simulator, machine):
    aim = simulator(machine)
    traces = [case["trace"].replace(";", "\n") for case in oracle.rows("aim/cases.csv.gz")]
    log, ends = joined([aim.log(aim.run(text, "aim", log=True, check=False)) for text in traces])
    description = {**aim.machine, "memory": {**aim.machine["memory"], "channels": len(ends)}}
    check = check_log(log, description, end_cycle=ends)
    assert check.findings == [], check.first(5)
    assert len(log) > 100_000


@pytest.mark.parametrize("trace", ["tp8", pytest.param("pp8", marks=pytest.mark.long)])
@pytest.mark.parametrize("machine", ["aim", "aim-head", "aim-pinned"])
def test_blocks_of_cent(oracle, simulator, machine, trace):
    simulator(machine).run(oracle.text(f"cent/l7b_{trace}_128.trace.gz"), "aim", log=True)


@pytest.mark.parametrize("variant", ["bank", "bg", "buffer"])
def test_traces_of_attacc(oracle, simulator, variant):
    for name in oracle.names(f"attacc/{variant}_*.trace.gz"):
        for settings in ({}, {"refresh": "off"}, {"preset": "6.4Gbps"}):
            for suffix in ("", "-uncapped"):
                simulator(f"attacc-{variant}{suffix}", settings).run(oracle.text(name), "attacc", log=True)
