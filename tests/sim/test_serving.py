"""Requests over time: who is in which step, who waits, who is evicted, and when tokens are there."""

from types import SimpleNamespace

import pytest

from pimlir.backends.isa.image import Region
from pimlir.sim.functional.errors import SimulationError
from pimlir.sim.pages import PageTables
from pimlir.sim.requests import Request
from pimlir.sim.serving import PS_PER_MS, Server

from .test_system import make_image


class Steps:
    """A system whose steps take a millisecond and give each sequence the number of tokens that it has then."""

    def __init__(self, pages: int = 100, channels: int = 2, slots: int = 8):
        layout = {"kind": "pim_keys", "channels": channels, "page_tokens": 4, "pages": pages}
        regions = [Region(name, "", (1,), "f16", layout) for name in ("keys", "values")]
        bounds = {"phase": "mixed", "sequences": 4, "new_tokens": 8, "context": 100, "slots": slots}
        self.pages = PageTables(make_image(regions=regions, bounds=bounds))
        self.now_ps = 0
        self.tables: list[list[tuple[int, int, int, int]]] = []

    def wait_until(self, time_ps: int) -> None:
        self.now_ps = max(self.now_ps, time_ps)

    def release(self, slot: int) -> None:
        self.pages.release(slot)

    def step(self, tokens, table, first_half):
        for _, new, past, slot in table:
            self.pages.grow(slot, past + new)
        self.tables.append(table)
        start, self.now_ps = self.now_ps, self.now_ps + PS_PER_MS
        return SimpleNamespace(start_ps=start, finish_ps=self.now_ps, next=[past + new for _, new, past, _ in table])


def serve(system: Steps, *requests: tuple[float, int, int], batch: int = 4, chunk: int = 8, **options):
    wanted = [Request(*request) for request in requests]
    prompts = [[1] * request.input_tokens for request in wanted]
    server = Server(system, wanted, prompts, batch, chunk, **options)  # pyright: ignore[reportArgumentType]
    return server, list(server.run())


def test_prompts_share_a_step_with_each_other_and_with_outputs():
    system = Steps()
    server, steps = serve(system, (0, 5, 3), (0, 6, 2))
    assert system.tables == [
        [(0, 5, 0, 0), (5, 3, 0, 1)],
        [(0, 1, 5, 0), (1, 3, 3, 1)],
        [(0, 1, 6, 0), (1, 1, 6, 1)],
    ]
    assert [(step.prefill_tokens, step.decode_tokens) for step in steps] == [(8, 0), (3, 1), (0, 2)]
    assert [one.output for one in server.requests] == [[5, 6, 7], [6, 7]]
    assert [one.token_ps for one in server.requests] == [
        [n * PS_PER_MS for n in times] for times in ([1, 2, 3], [2, 3])
    ]


def test_requests_wait_for_their_time_and_for_a_place():
    server, steps = serve(Steps(), (0, 1, 2), (0.5, 1, 1), (7, 1, 1), (0, 1, 1), batch=1)
    assert [(step.start_ps / PS_PER_MS, step.running, step.waiting) for step in steps] == [
        (0, 1, 1),
        (1, 1, 2),
        (2, 1, 1),
        (3, 1, 0),
        (7, 1, 0),
    ]
    assert [one.token_ps[-1] / PS_PER_MS for one in server.requests] == [2, 4, 8, 3]


def test_everything_is_free_at_the_end():
    system = Steps()
    serve(system, *((0, number, 3) for number in range(1, 9)))
    assert [use["used"] for use in system.pages.usage().values()] == [0, 0]


def test_whoever_was_admitted_last_makes_room_and_begins_anew():
    """Both fit at first; when the first needs its third page, the second goes, and comes back with what it had."""
    system = Steps(pages=4)
    server, _ = serve(system, (0, 7, 3), (0, 7, 3), chunk=20)
    first, second = server.requests
    assert system.tables == [
        [(0, 7, 0, 0), (7, 7, 0, 1)],
        [(0, 1, 7, 0), (1, 1, 7, 1)],
        [(0, 1, 8, 0)],
        [(0, 9, 0, 0)],
    ]
    assert (first.evicted, second.evicted) == (0, 1)
    assert first.output == second.output == [7, 8, 9]


def test_a_request_that_can_never_be_done_is_named():
    with pytest.raises(SimulationError, match="request 1: slot 0: 20 tokens need 5 pages of 4 keys"):
        serve(Steps(pages=4), (0, 7, 3), (0, 20, 3))
    with pytest.raises(SimulationError, match="request 0: slot 0: 17 tokens need 5 pages of 4 keys, it has 4"):
        serve(Steps(pages=4), (0, 7, 30))


@pytest.mark.parametrize(("how", "slots"), [("min-load", [0, 1, 3, 5]), ("round-robin", [0, 1, 2, 3])])
def test_channels_get_requests_by_load_or_in_turn(how, slots):
    system = Steps(channels=1)  # of two: even slots lie in the first
    serve(system, (0, 20, 2), (0, 2, 2), (0, 3, 2), (0, 4, 2), chunk=100, how=how)
    assert [slot for *_, slot in sorted(system.tables[0])] == sorted(slots, key=slots.index)


def test_without_prefill_requests_begin_with_their_prompt_in_the_cache():
    system = Steps()
    server, _ = serve(system, (0, 5, 2), chunk=0)
    assert system.tables == [[(0, 1, 5, 0)], [(0, 1, 6, 0)]]
    assert len(server.requests[0].output) == 2
