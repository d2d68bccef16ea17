"""The link: what an exchange takes follows from the machine's numbers, and time passes beside programs."""

import numpy as np
import pytest

from pimlir.machines import load_machine
from pimlir.sim.functional.errors import SimulationError
from pimlir.sim.plan import Exchange
from pimlir.sim.timing.link import LinkTime

LATENCY_NS, BYTES_PER_NS = 250, 60
"""Of machines/part-link-cxl.toml."""


def exchange(kind: str, devices: int = 4, rows: int = 8, columns: int = 3000) -> Exchange:
    return Exchange(kind, devices, 0, "f16", rows, columns, 0, 0)


@pytest.fixture
def link() -> LinkTime:
    return LinkTime(load_machine("neupims").to_dict())


@pytest.mark.parametrize("devices", [2, 4, 8])
def test_an_all_reduce_is_two_rounds_of_a_ring(link, devices):
    size = 8 * 3000 * 2
    steps = 2 * (devices - 1)
    time_ps = link.run(exchange("all_reduce", devices))
    assert time_ps == pytest.approx(1000 * steps * (LATENCY_NS + size / devices / BYTES_PER_NS), abs=1)
    assert link.sent_bytes == steps * size // devices


def test_the_best_logits_go_round_once_with_eight_bytes_a_row(link):
    assert link.run(exchange("all_argmax")) == pytest.approx(1000 * 3 * (LATENCY_NS + 64 / BYTES_PER_NS), abs=1)
    assert link.sent_bytes == 3 * 64


def test_a_transfer_between_stages_is_timed_where_it_is_received_and_counted_where_it_is_sent(link):
    size = 8 * 3000 * 2
    assert link.run(exchange("send")) == 0
    assert link.sent_bytes == size
    assert link.run(exchange("receive")) == pytest.approx(1000 * (LATENCY_NS + size / BYTES_PER_NS), abs=1)
    assert link.sent_bytes == size


def test_attacc_has_the_all_reduce_that_its_simulator_fitted():
    link = LinkTime(load_machine("attacc").to_dict())
    assert link.run(exchange("all_reduce", 8, 1, 12288)) == pytest.approx(1000 * 7 * (6060 + 9e-3 * 3072), abs=1)


def test_nothing_takes_no_time(link):
    assert link.run(exchange("all_reduce", rows=0)) == 0
    assert not link.counts


def test_a_machine_without_a_link_is_refused():
    with pytest.raises(SimulationError, match=r"machine tiny has no \[link\], which all_reduce over 4 devices needs"):
        LinkTime(load_machine("tiny").to_dict()).run(exchange("all_reduce"))


STREAM = """
.program @stream npu (n)
  loop %r5 = 0 to %n {
    load dram=4096*%r5, dram_stride=4096, rows=1, row_bytes=4096, local=0, local_stride=4096
  }
  halt
"""


@pytest.mark.parametrize("machine", ["neupims", "attacc"])
def test_an_exchange_ends_while_a_program_runs_and_does_not_change_its_time(model, machine):
    alone = model(machine, STREAM).launch(0, np.array([400]), 0)
    timing = model(machine, STREAM)
    program = timing.begin(0, np.array([400]), 0)
    transfer = timing.begin_exchange(exchange("receive", columns=4), 0)
    first, second = timing.advance(), timing.advance()
    assert first[0] == transfer and 0 < first[1] < alone
    assert second == (program, alone)


ROWS = """
.program @rows pim (n)
  loop %r5 = 0 to %n {
    activate row=600+%r5, channel=0, channels=4
    mac column=0, columns=8, buffer_column=0, channel=0, channels=4
    read_acc dst=0, channel_stride=16, banks=4, channel=0, channels=4
    precharge channel=0, channels=4
  }
  halt
"""


@pytest.mark.parametrize("columns", range(4, 12))
def test_a_pim_program_goes_on_beside_an_exchange_that_ends_between_two_cycles(model, columns):
    alone = model("neupims", ROWS).launch(0, np.array([20]), 0)
    timing = model("neupims", ROWS)
    program = timing.begin(0, np.array([20]), 0)
    transfer = timing.begin_exchange(exchange("receive", rows=1, columns=columns), 0)
    assert timing.advance()[0] == transfer
    assert timing.advance() == (program, alone)


def test_statistics_have_bytes_and_energy_of_the_link(model):
    timing = model("neupims", STREAM)
    timing.begin_exchange(exchange("all_reduce"), 0)
    _, finish = timing.advance()
    statistics = timing.statistics()
    sent = 2 * 3 * 8 * 3000 * 2 // 4
    assert statistics["exchanges"] == {"all_reduce": {"number": 1, "sent_bytes": sent, "time_ps": finish}}
    assert statistics["bytes"]["link_sent"] == sent
    assert statistics["energy_fj"]["event.link_bit"] == 8 * sent * 4400
    assert statistics["time_ps"] == finish
