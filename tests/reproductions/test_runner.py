"""The runner: killed workers, points that fail, interrupts, and results that are there already."""

import json
import multiprocessing
import signal

import pytest

from pimlir.reproductions.figures import Point
from pimlir.reproductions.runner import run_points, unfinished
from pimlir.reproductions.store import PointStore, digest_of_sources


@pytest.fixture
def store(tmp_path):
    return PointStore(tmp_path / "points", "code")


@pytest.fixture
def doubles(toys):
    return [Point(f"double {n}", toys.double, {"value": n}, 0.1) for n in range(6)]


def rows(outcome, store, points):
    return [outcome.rows.get(store.key(point)) for point in points]


def test_all_points_run(doubles, store):
    ended = []
    outcome = run_points(doubles, store, 2, ended.append)
    assert rows(outcome, store, doubles) == [{"twice": 2 * n} for n in range(6)]
    assert outcome.failures == {}
    assert sorted(point.name for point in ended) == [f"double {n}" for n in range(6)]


def test_a_killed_worker_costs_only_its_own_point(toys, doubles, store):
    points = [Point("victim", toys.killed, {"value": 1}, 9.0), *doubles]
    outcome = run_points(points, store, 2)
    assert outcome.failures == {"victim": "its process died 2 times, the last time by SIGKILL"}
    assert rows(outcome, store, doubles) == [{"twice": 2 * n} for n in range(6)]
    assert multiprocessing.active_children() == []


def test_a_point_whose_worker_died_is_tried_again(toys, doubles, store, tmp_path):
    point = Point("victim", toys.killed_once, {"mark": str(tmp_path / "mark"), "value": 7}, 9.0)
    outcome = run_points([point, *doubles], store, 1)
    assert outcome.failures == {}
    assert rows(outcome, store, [point]) == [{"value": 7}]


def test_a_worker_that_leaves_is_a_dead_one(toys, store):
    outcome = run_points([Point("gone", toys.left, {"code": 3}, 1.0)], store, 1)
    assert outcome.failures == {"gone": "its process died 2 times, with exit code 3"}


def test_an_exception_is_told_in_one_line_and_not_tried_again(toys, doubles, store):
    point = Point("bad", toys.wrong, {"value": 4}, 9.0)
    outcome = run_points([point, *doubles], store, 1)
    assert outcome.failures == {"bad": "ValueError: no 4 at all"}
    assert len(outcome.rows) == len(doubles)


def test_equal_points_are_one_run(toys, store, tmp_path):
    log = tmp_path / "log"
    points = [Point(name, toys.noted, {"log": str(log), "value": 1}, 1.0) for name in ("here", "there")]
    outcome = run_points(points, store, 2)
    assert rows(outcome, store, points) == [{"value": 1}, {"value": 1}]
    assert log.read_text() == "1\n"


def test_the_longest_point_begins(toys, store, tmp_path):
    log = tmp_path / "log"
    points = [Point(str(n), toys.noted, {"log": str(log), "value": n}, float(n)) for n in (1, 3, 2)]
    run_points(points, store, 1)
    assert log.read_text() == "3\n2\n1\n"


def test_finished_points_do_not_run_again(toys, store, tmp_path):
    log = tmp_path / "log"
    points = [Point(str(n), toys.noted, {"log": str(log), "value": n}, 1.0) for n in range(3)]
    run_points(points[:2], store, 1)
    outcome = run_points(points, store, 1)
    assert rows(outcome, store, points) == [{"value": 0}, {"value": 1}, {"value": 2}]
    assert log.read_text() == "0\n1\n2\n"


@pytest.fixture
def interruptible():
    """Ctrl-C raises, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_keeps_what_is_finished(toys, store, doubles):
    points = [*doubles, Point("interrupts", toys.interrupting, {"value": 1}, 0.0)]
    with pytest.raises(KeyboardInterrupt):
        run_points(points, store, 1)
    assert [point.name for point in unfinished(points, store).values()] == ["interrupts"]
    assert multiprocessing.active_children() == []


def test_a_broken_result_file_is_computed_again(doubles, store, tmp_path):
    run_points(doubles[:2], store, 1)
    first, second = (tmp_path / "points" / f"{store.key(point)}.json" for point in doubles[:2])
    first.write_text('{"row": ')
    second.write_text('{"row": 5}')
    assert list(unfinished(doubles[:2], store).values()) == doubles[:2]
    assert run_points(doubles[:2], store, 1).rows[store.key(doubles[0])] == {"twice": 0}


def test_result_files_say_what_they_are(doubles, store, tmp_path):
    run_points(doubles[2:3], store, 1)
    (path,) = (tmp_path / "points").iterdir()
    assert json.loads(path.read_text()) == {"point": "double 2", "arguments": {"value": 2}, "row": {"twice": 4}}


def test_keys_depend_on_run_arguments_and_code(toys, store, tmp_path):
    point = Point("a", toys.double, {"value": 1}, 1.0)
    others = [
        Point("a", toys.double, {"value": 2}, 1.0),
        Point("a", toys.killed, {"value": 1}, 1.0),
    ]
    keys = {store.key(each) for each in (point, *others)} | {PointStore(tmp_path, "changed code").key(point)}
    assert len(keys) == 4
    assert store.key(Point("b", toys.double, {"value": 1}, 5.0, {"label": 1})) == store.key(point)


def test_the_digest_of_sources_depends_on_the_files():
    assert digest_of_sources(["machines/tiny.toml"]) != digest_of_sources(["machines/attacc.toml"])
    assert digest_of_sources(["machines/tiny.toml", "machines/*.toml"]) == digest_of_sources(["machines/*.toml"])
