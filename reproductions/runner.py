"""Runs points in processes of their own: a killed one costs its point a second try, and no other point anything.

Neither multiprocessing.Pool (hangs) nor ProcessPoolExecutor (gives up all that is pending) survives a killed worker, so
each worker has a pipe of its own here, whose end tells that the worker is gone.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from .figures import Point, Row
from .store import PointStore

TRIES = 2

_PROCESSES = get_context("spawn")  # a fork would copy the locks of this process's threads


@dataclass
class Outcome:
    """Rows by the store's key, and by name what happened to the points that have none."""

    rows: dict[str, Row] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unfinished(points: Sequence[Point], store: PointStore) -> dict[str, Point]:
    """The runs, by their key, that the store does not have."""
    distinct = {store.key(point): point for point in points}
    return {key: point for key, point in distinct.items() if store.read(point) is None}


def run_points(
    points: Sequence[Point], store: PointStore, jobs: int, finished: Callable[[Point], None] = lambda _: None
) -> Outcome:
    """Run what the store does not have, the longest first, in up to `jobs` processes.

    `finished` is called for every run that comes to an end here. KeyboardInterrupt passes after the workers are stopped;
    what had finished is in the store.
    """
    todo = unfinished(points, store)
    outcome = Outcome({store.key(point): store.read(point) or {} for point in points if store.key(point) not in todo})
    queue = deque(sorted(todo, key=lambda key: -todo[key].seconds))
    tries = dict.fromkeys(todo, 0)
    workers = [_Worker() for _ in range(min(jobs, len(queue)))]
    try:
        while queue or any(worker.key for worker in workers):
            for worker in workers:
                if worker.key is None and queue:
                    worker.key = queue.popleft()
                    worker.ask(todo[worker.key])
            for worker in _ready(workers):
                key, worker.key = worker.key, None
                assert key is not None
                point, answer = todo[key], worker.answer()
                tries[key] += 1
                if answer is None and tries[key] < TRIES:
                    queue.append(key)
                    continue
                match answer:
                    case ("row", row):
                        outcome.rows[key] = row
                        store.write(point, row)
                    case ("error", message):
                        outcome.failures[point.name] = message
                    case _:
                        outcome.failures[point.name] = f"its process died {TRIES} times, {worker.death}"
                finished(point)
    finally:
        for worker in workers:
            worker.stop()
    return outcome


class _Worker:
    """A process that runs one point after the other; it starts with its first point and again after a death."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.death = ""
        self._process: Any = None
        self._pipe: Connection[Any, Any] | None = None

    @property
    def pipe(self) -> Connection[Any, Any]:
        assert self._pipe is not None
        return self._pipe

    def ask(self, point: Point) -> None:
        """Send a point to the process, which is started if there is none."""
        if self._pipe is None:
            self._pipe, other = _PROCESSES.Pipe()
            self._process = _PROCESSES.Process(target=_serve, args=(other,), daemon=True)
            with _sigint_blocked():
                self._process.start()
            other.close()  # or the pipe would stay open when the worker is gone
        with suppress(OSError):  # it died between two points: its answer will say so
            self._pipe.send((point.run, dict(point.arguments)))

    def answer(self) -> tuple[str, Any] | None:
        """What it sent; None if it died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self.death = f"the last time by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            self.stop()
            return None

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._pipe is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._pipe = None


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    """Workers with an answer, or with an end; waits for one."""
    busy = {worker.pipe: worker for worker in workers if worker.key is not None}
    return [busy[pipe] for pipe in wait(list(busy)) if isinstance(pipe, Connection)]


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """A process that starts here never gets SIGINT: Ctrl-C reaches the whole group, and the parent decides."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection[Any, Any]) -> None:
    """The worker: answers every point until nobody asks any more."""
    while True:
        try:
            run, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("row", run(**arguments))
        except Exception as error:
            answer = ("error", " ".join(f"{type(error).__name__}: {error}".split()))
        try:
            pipe.send(answer)
        except OSError:
            return
