"""When the launches of a step run: in order on each launch queue of a device, after the launches that they wait for."""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from .plan import Exchange

LINK = "link"
"""Device and unit of exchanges."""


class Launch(NamedTuple):
    """A launch of a step. `after` are the positions of earlier launches, `layer` the counter of the outermost plan loop.

    An exchange between devices is a launch on the device "link", without kernel (-1) and arguments.
    """

    kernel: int
    arguments: list[int]
    after: tuple[int, ...]
    device: str
    queue: int
    layer: int
    exchange: Exchange | None = None


class Timing(Protocol):
    """What a step needs of a timing model: `sequences` int64[n, 4] is the sequence table of the step, `pages` the page tables."""

    sequences: np.ndarray
    pages: np.ndarray

    def unit(self, program_index: int) -> str:
        """The part of the machine that a launch has to itself."""
        ...

    def begin(self, program_index: int, arguments: np.ndarray, start_ps: int) -> int:
        """Start a launch on a unit that is free at `start_ps`; a number that tells it from others."""
        ...

    def begin_exchange(self, exchange: Exchange, start_ps: int) -> int:
        """Start an exchange on the link, which is free at `start_ps`; a number that tells it from others."""
        ...

    def advance(self) -> tuple[int, int]:
        """Go on until one of the launches is finished: its number and when, in ps."""
        ...

    def statistics(self) -> dict[str, Any]:
        """Counts since the model was made."""
        ...


def schedule(launches: Sequence[Launch], timing: Timing, now_ps: int) -> list[tuple[int, int]]:
    """Start and finish of every launch, in ps.

    A unit takes the launch that is ready first; of several, the first in the plan.
    """
    waiting: dict[tuple[str, int], deque[int]] = {}
    for index, launch in enumerate(launches):
        waiting.setdefault((launch.device, launch.queue), deque()).append(index)
    times: list[tuple[int, int] | None] = [None] * len(launches)
    queue_free = dict.fromkeys(waiting, now_ps)
    unit_free: dict[str, int] = {}
    running: dict[int, int] = {}
    while waiting or running:
        while ready := _ready(launches, timing, waiting, running, times, queue_free, unit_free, now_ps):
            start, index = min(ready)
            launch = launches[index]
            if launch.exchange is not None:
                number = timing.begin_exchange(launch.exchange, start)
            else:
                number = timing.begin(launch.kernel, np.array(launch.arguments, np.int64), start)
            running[number] = index
            times[index] = (start, -1)
            line = waiting[launch.device, launch.queue]
            line.popleft()
            if not line:
                del waiting[launch.device, launch.queue]
        number, finish = timing.advance()
        index = running.pop(number)
        launch, begun = launches[index], times[index]
        assert begun is not None
        times[index] = (begun[0], finish)
        queue_free[launch.device, launch.queue] = unit_free[_unit(launch, timing)] = finish
    return [time for time in times if time is not None]


def _unit(launch: Launch, timing: Timing) -> str:
    return LINK if launch.exchange is not None else timing.unit(launch.kernel)


def _ready(
    launches: Sequence[Launch],
    timing: Timing,
    waiting: dict[tuple[str, int], deque[int]],
    running: dict[int, int],
    times: list[tuple[int, int] | None],
    queue_free: dict[tuple[str, int], int],
    unit_free: dict[str, int],
    now_ps: int,
) -> list[tuple[int, int]]:
    """When the first launches of the queues can start: (ps, position), those only whose predecessors are finished."""
    busy_units = {_unit(launches[index], timing) for index in running.values()}
    busy_queues = {(launches[index].device, launches[index].queue) for index in running.values()}
    found: list[tuple[int, int]] = []
    for key, line in waiting.items():
        launch = launches[line[0]]
        unit = _unit(launch, timing)
        before = [times[position] for position in launch.after]
        if key in busy_queues or unit in busy_units or any(time is None or time[1] < 0 for time in before):
            continue
        finishes = [time[1] for time in before if time is not None]
        found.append((max(now_ps, queue_free[key], unit_free.get(unit, 0), *finishes), line[0]))
    return found
