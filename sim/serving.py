"""Requests over time: which of them run in which step, after Orca (OSDI 2022): a batch changes from step to step.

A request waits until it has a place in the batch and pages for its prompt, first come, first served. In a step every running
request brings one token, those that are not through their prompt yet as many as the step has room for. When a request has its
output it leaves, and its pages are free. If a request cannot grow, the one of its channels that was admitted last is evicted:
it waits again, in front of all others, and computes its keys and values anew (as in vLLM, SOSP 2023, section 4.5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .functional.errors import SimulationError
from .pages import OutOfPages
from .placement import Assignment, first_half
from .requests import Request
from .system import System

PS_PER_MS = 10**9


class ServingStep(NamedTuple):
    """One step: when, requests in it and waiting after it began, tokens of prompts and of outputs, pages in use."""

    start_ps: int
    finish_ps: int
    running: int
    waiting: int
    prefill_tokens: int
    decode_tokens: int
    pages: dict[str, int]


@dataclass
class Served:
    """A request and what became of it. `tokens` are those of its prompt, then of its output (zeros without data)."""

    number: int
    request: Request
    tokens: list[int]
    prompt_tokens: int
    slot: int = -1
    past: int = 0
    token_ps: list[int] = field(default_factory=list)
    """When each token of the output was there."""
    evicted: int = 0

    @property
    def arrival_ps(self) -> int:
        return round(self.request.arrival_ms * PS_PER_MS)

    @property
    def output(self) -> list[int]:
        return self.tokens[len(self.tokens) - len(self.token_ps) :]

    @property
    def decodes(self) -> bool:
        """Whether it is through its prompt, and everything but its last token is in the cache."""
        return len(self.tokens) > self.prompt_tokens and self.past == len(self.tokens) - 1


class Server:
    """Runs requests on a system. `prompts` are their token ids, None without data.

    `batch` is the largest number of requests of a step, `chunk` the largest number of prompt tokens; with 0, requests begin
    with their prompt in the cache and the token after it given: prefill happened elsewhere. `load` is the work of a request
    with so many tokens, by which channels are balanced.
    """

    def __init__(
        self,
        system: System,
        requests: Sequence[Request],
        prompts: Sequence[Sequence[int]] | None,
        batch: int,
        chunk: int,
        how: Assignment = "min-load",
        load: Callable[[int], int] = lambda tokens: tokens,
    ):
        self.system, self.batch, self.chunk, self.how, self.load = system, batch, chunk, how, load
        self.pages = system.pages
        self.requests = [
            Served(
                number, request, list(prompts[number]) if prompts else [0] * request.input_tokens, request.input_tokens
            )
            for number, request in enumerate(requests)
        ]
        if not chunk:
            for one in self.requests:
                one.tokens.append(0)
        self.waiting = deque(sorted(self.requests, key=lambda one: (one.arrival_ps, one.number)))
        self.running: list[Served] = []
        self._next_home = 0

    def run(self) -> Iterator[ServingStep]:
        """Step after step until all requests are done."""
        while self.waiting or self.running:
            if not self.running:
                self.system.wait_until(self.waiting[0].arrival_ps)
            self._admit()
            chosen = self._with_pages(self._choose())
            if chosen:
                yield self._step(chosen)

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.batch and self.waiting[0].arrival_ps <= self.system.now_ps:
            one = self.waiting[0]
            slot = self._free_slot(len(one.tokens))
            if slot is None:
                if not self.running:
                    self._refuse(one)
                return
            self.waiting.popleft()
            one.slot = slot
            one.past = 0 if self.chunk else len(one.tokens) - 1
            self.pages.grow(slot, len(one.tokens))
            self.running.append(one)

    def _refuse(self, one: Served) -> None:
        """Raise what it is that a request lacks, when all pages are free."""
        try:
            self.pages.grow(0, len(one.tokens))
        except OutOfPages as error:
            raise SimulationError(f"request {one.number}: {error}") from None

    def _free_slot(self, tokens: int) -> int | None:
        """A slot in the channels that are next in turn, or have the least load, of those that have pages enough."""
        homes = self.pages.homes
        fitting = [home for home in range(homes) if self.pages.fits(home, tokens)]
        if not fitting:
            return None
        if self.how == "round-robin":
            home = min(fitting, key=lambda home: (home - self._next_home) % homes)
            self._next_home = (home + 1) % homes
        else:
            loads = [0] * homes
            for one in self.running:
                loads[self.pages.home(one.slot)] += self.load(len(one.tokens))
            home = min(fitting, key=lambda home: (loads[home], home))
        return self._lowest_slot(home)

    def _lowest_slot(self, home: int) -> int:
        used = {one.slot for one in self.running}
        return next(slot for slot in range(home, self.pages.slots, self.pages.homes) if slot not in used)

    def _choose(self) -> list[tuple[Served, int]]:
        """Who is in the next step, and with how many tokens."""
        room, chosen = self.chunk, []
        for one in self.running:
            new = 1 if one.decodes else min(room, len(one.tokens) - one.past)
            if not one.decodes:
                room -= new
            if new:
                chosen.append((one, new))
        return chosen

    def _with_pages(self, chosen: list[tuple[Served, int]]) -> list[tuple[Served, int]]:
        """Those who have their pages now; others may have been evicted for it."""
        for one, new in chosen:
            while one in self.running:
                try:
                    self.pages.grow(one.slot, one.past + new)
                    break
                except OutOfPages as error:
                    self._evict(one, error)
        return [(one, new) for one, new in chosen if one in self.running]

    def _evict(self, needy: Served, error: OutOfPages) -> None:
        """Make room for `needy` in its channels."""
        beside = [one for one in self.running if self.pages.home(one.slot) == error.home]
        if beside == [needy]:
            raise SimulationError(f"request {needy.number}: {error}") from None
        last = beside[-1]
        self._leave(last)
        last.evicted += 1
        self.waiting.appendleft(last)

    def _leave(self, one: Served) -> None:
        self.running.remove(one)
        self.system.release(one.slot)
        one.slot, one.past = -1, 0

    def _step(self, chosen: list[tuple[Served, int]]) -> ServingStep:
        homes = [self.pages.home(one.slot) for one, _ in chosen]
        first = first_half(homes, self.pages.homes)
        order = [chosen[index] for index in sorted(range(len(chosen)), key=lambda index: not first[index])]
        tokens, table, decoded = [], [], 0
        for one, new in order:
            table.append((len(tokens), new, one.past, one.slot))
            tokens += one.tokens[one.past : one.past + new]
            decoded += one.decodes
        pages = {name: use["used"] for name, use in self.pages.usage().items()}
        waiting = sum(one.arrival_ps <= self.system.now_ps for one in self.waiting)
        counts = (len(order), waiting, len(tokens) - decoded, decoded)
        result = self.system.step(tokens, table, sum(first))
        found = [0] * len(order) if result.next is None else [int(token) for token in result.next]
        for (one, new), token in zip(order, found, strict=True):
            one.past += new
            if one.past == len(one.tokens):
                one.tokens.append(token)
                one.token_ps.append(result.finish_ps)
                if len(one.token_ps) == one.request.output_tokens:
                    self._leave(one)
        return ServingStep(result.start_ps, result.finish_ps, *counts, pages)
