"""NeuPIMs traces: the same whether read and logged at once or in small parts, and however far one stream is ahead."""

import random

import numpy as np
import pytest

from pimlir.machines import load_machine
from pimlir.sim.timing.controller_tables import build_controller
from pimlir.sim.traces import neupims, text
from pimlir.sim.traces.formats import run_file


def pim(random_, dual):
    for copy in range(3):
        yield f"GWRITE {random_.randrange(32)} {copy}"
        for _ in range(8):
            row, results, macs = random_.randrange(100, 104), random_.choice((1, 4)), random_.choice((2, 16))
            yield f"P_HEADER {row} {results * macs} {results}"
            for index in range(results):
                last = " last" * (index == results - 1)
                yield from [f"COMPS_READRES {row} {macs}{last}"] if dual else [f"COMP {row}"] * macs
                if not dual:
                    yield f"READRES {row}{last}"


def accesses(random_):
    for _ in range(300):
        yield f"{random_.choice(('LD', 'ST'))} {(random_.randrange(6400) * 512 + random_.randrange(16)) * 64:#x}"


@pytest.fixture(params=["neupims-dual", "neupims-single"])
def machine(request):
    description = load_machine(request.param).to_dict()
    return description, build_controller(description)


@pytest.fixture
def run(machine, tmp_path):
    def simulate(lines):
        path = tmp_path / "a.trace"
        path.write_text("\n".join(lines))
        result, done = run_file(path, "neupims", *machine, log=True)
        return result.cycles, result.commands, done, result.log[:, :6].tolist()  # lines move with the order of the text

    return simulate


@pytest.fixture
def lines(machine):
    random_ = random.Random(3)
    return list(pim(random_, machine[0]["pim"]["dual_row_buffer"])), list(accesses(random_))


def test_reading_and_logging_in_parts_changes_nothing(run, lines, monkeypatch):
    whole = run(["START 10", *lines[0], *lines[1]])
    monkeypatch.setattr(text, "BLOCK_BYTES", 100)
    monkeypatch.setattr(neupims, "_LOG_ROWS", 3)
    assert run(["START 10", *lines[0], *lines[1]]) == whole


def test_only_the_order_within_a_stream_counts(run, lines, monkeypatch):
    monkeypatch.setattr(text, "BLOCK_BYTES", 500)
    assert run(["START 10", *lines[0], *lines[1]]) == run([*lines[1], *lines[0], "START 10"])


def parsed(machine, text_, by_line):
    """The requests, or the message that they are wrong."""
    source = text.Source("a", [text_.encode()], machine[1], machine[0]["memory"], machine[0]["controller"]["address"])
    parser = neupims.Parser(source)
    try:
        parts = (parser._one_by_one(block) for block in source.blocks()) if by_line else parser.parts()
        (part,) = parts
        return [rows.tolist() for rows in part.streams], part.start
    except text.TraceError as error:
        return str(error)


def test_a_broken_line_is_found_in_a_block(machine, lines):
    random_ = random.Random(2)
    whole = "\n".join(["START 7", *lines[0][:40], *lines[1][:20]])
    for _ in range(100):
        place = random_.randrange(len(whole))
        broken = whole[:place] + random_.choice("0x9 -_#Z\nl,é") + whole[place + 1 :]
        assert parsed(machine, broken, by_line=False) == parsed(machine, broken, by_line=True)


def test_a_pipe_is_refused(machine):
    with pytest.raises(text.TraceError, match="/dev/null:1: expected a file, which is read more than once"):
        run_file("/dev/null", "neupims", *machine)


def test_logs_are_in_order(run, lines):
    cycles = np.array(run(lines[0] + lines[1])[3])[:, 0]
    assert (np.diff(cycles) >= 0).all()
