"""A run of equal requests as one step, and a trace in parts: the same commands in the same cycles as one after the other."""

import numpy as np
import pytest

from pimlir.sim.functional.errors import SimulationError
from pimlir.sim.timing import controller_tables as c
from pimlir.sim.timing.front_end import DONE, EVENT_ROWS, simulate
from pimlir.sim.traces import run as run_module


def same(found, expected):
    assert (found.cycles, found.commands) == (expected.cycles, expected.commands)
    assert np.array_equal(found.log, expected.log)


def kernel_rows(controller, trace):
    """Rows that the kernel writes to its log: one a step."""
    state = c.initial_state(controller.tables)
    state[c.END], state[c.FINAL], state[c.LOG_CAPACITY] = len(trace), 1, 10_000
    log = np.zeros(10_000 * int(c.RUN_CHANNELS + controller.tables.words[c.MASK_WORDS]), np.int64)
    assert simulate(controller.tables.words, trace.reshape(-1), state, log) == DONE
    return state[c.LOG_SIZE]


def test_runs_change_no_cycle_and_no_command(case):
    for text in case.texts:
        trace = case.controller.parse(text)
        same(case.controller.run(trace), case.controller.step_by_step().run(trace))


@pytest.mark.parametrize(
    ("name", "format", "text"),
    [
        ("aim-head", "aim", "AiM MAC_ABK 1000 0x80000000 7\nAiM EOC"),
        ("attacc-bank", "attacc", "\n".join(f"PIM_MAC_AB {column % 32 * 32}" for column in range(1000))),
        ("attacc-bg", "attacc", "\n".join(f"PIM_MAC_SB {column // 32 % 4 << 24}" for column in range(1000))),
    ],
)
def test_a_run_takes_few_steps(controller, name, format, text):
    runs = controller(name, format)
    trace = runs.parse(text)
    assert kernel_rows(runs.step_by_step(), trace) > 1000
    assert kernel_rows(runs, trace) < 300


def test_a_refresh_ends_a_run(controller):
    """It closes the row in the cycle in which it falls due and the rules allow, not at the end of the run."""
    aim = controller("aim", "aim", refresh="on")
    result = aim.run(aim.parse("AiM MAC_ABK 4000 0x80000000 7\nAiM EOC"))
    refreshes = result.log[(result.log[:, 1] == aim.tables.commands.index("ref")) & (result.log[:, 2] == 0), 0]
    interval = aim.machine["memory"]["refresh_interval_cycles"]
    assert len(refreshes) == result.cycles // interval
    assert all(due < cycle < due + 100 for due, cycle in enumerate_due(refreshes, interval))


def enumerate_due(cycles, interval):
    return [((index + 1) * interval, cycle) for index, cycle in enumerate(cycles.tolist())]


@pytest.mark.parametrize("size", [1, 7])
def test_a_trace_may_come_in_parts(case, size):
    for text in case.texts[:3]:
        trace = case.controller.parse(text)
        parts = [trace[begin : begin + size] for begin in range(0, len(trace), size)]
        same(case.controller.run_parts(parts), case.controller.run(trace))


def test_a_log_may_come_in_parts(case, monkeypatch):
    for text in case.texts[:3]:
        trace = case.controller.parse(text)
        whole = case.controller.run(trace)
        monkeypatch.setattr(run_module, "LOG_ROWS", EVENT_ROWS)  # with what a cycle may add, it is emptied all the time
        parts = []
        run_module.run_parts(case.controller.tables, [trace], parts.append)
        monkeypatch.undo()
        assert len(parts) > 1
        assert np.array_equal(np.concatenate(parts), whole.log)
        assert (np.diff(whole.log[:, 0]) >= 0).all()


def test_channels_beyond_a_word_are_as_the_others(controller):
    """80 channels: the same requests to the first and the last, or to one of two words of the channel set."""
    few, many = controller("attacc-bg", "attacc", 2), controller("attacc-bg", "attacc", 80)

    def text(channels):
        rows = ((row, column, channel) for row in range(6) for column in range(32) for channel in channels)
        return "\n".join(f"PIM_MAC_SB {((channel << 20 | row) << 5 | column) * 32:#x}" for row, column, channel in rows)

    one, both = few.run(few.parse(text([0, 1]))), many.run(many.parse(text([0, 79])))
    assert both.cycles == one.cycles
    assert both.commands["MACSB"] == one.commands["MACSB"] == 2 * 6 * 32
    for here, there in ((0, 0), (1, 79)):
        own, other = (result.log[result.log[:, 2] == at] for result, at in ((one, here), (both, there)))
        assert np.array_equal(np.delete(own, 2, axis=1), np.delete(other, 2, axis=1))


def test_all_channels_of_many_words_refresh(controller):
    machine = controller("attacc", "loadstore", 130, refresh="on")
    rows = 130 * 1024 * 64  # of one bank
    result = machine.run(machine.parse("".join(f"LD {row * rows:#x}\n" for row in range(100))))
    refreshed = result.log[result.log[:, 1] == machine.tables.commands.index("ref")]
    assert set(refreshed[:, 2].tolist()) == set(range(130))


def test_requests_that_close_each_others_row_for_ever_are_an_error(controller):
    """Loads whose rows were opened, and MACs of the same banks in other rows: the published simulator never ends."""
    attacc = controller("attacc-bg", "attacc")
    lines = (
        "PIM_MAC_AB 0x130001c0",
        "LD 0x12000420",
        "LD 0x11000220",
        "PIM_BARRIER 0x2000700",
        "PIM_MAC_SB 0x11000b00",
    )
    with pytest.raises(SimulationError, match="queues wait for each other"):
        attacc.run(attacc.parse("\n".join(lines)))
