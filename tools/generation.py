"""Token after token of one sequence, on anything that can execute a step; and steps without data, for timing only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from .report import Report, layer_report

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from ..sim.system import LaunchRecord, System
    from .batch import Batch

Rows = Sequence[tuple[int, int, int, int]]
"""First row, new tokens, past tokens and slot of each sequence of a step."""


class Engine(Protocol):
    """Executes a step; the next token of each sequence, or None where there is no data."""

    def step(self, tokens: Sequence[int], seqs: Rows) -> NDArray[Any] | None: ...


@dataclass
class Simulator:
    """A simulated system as an engine. Keeps the launches of its last step."""

    system: System
    launches: list[LaunchRecord] = field(default_factory=list)

    def step(self, tokens: Sequence[int], seqs: Rows, first_half: int | None = None) -> NDArray[Any] | None:
        """`first_half` is the number of sequences in the first sub-batch, if the plan has two."""
        result = self.system.step(tokens, seqs, first_half)
        self.launches = result.launches
        return result.next

    def last_layers(self) -> list[Report]:
        """Time of each layer in the last step."""
        programs = enumerate(self.system.image.programs)
        return layer_report(self.launches, {index for index, program in programs if "layer" in program.arguments})


def generate(engine: Engine, prompt: Sequence[int], count: int, chunk: int, stop: int | None = None) -> Iterator[int]:
    """`count` greedy tokens; the first comes out of the prefill, which brings `chunk` tokens a step."""
    token = -1
    for past in range(0, len(prompt), chunk):
        part = list(prompt[past : past + chunk])
        token = _last(engine.step(part, [(0, len(part), past, 0)]))
    yield token
    for past in range(len(prompt), len(prompt) + count - 1):
        if token == stop:
            return
        token = _last(engine.step([token], [(0, 1, past, 0)]))
        yield token


def generate_batch(
    simulator: Simulator, prompts: Sequence[Sequence[int]], batch: Batch, count: int, chunk: int
) -> Iterator[list[int]]:
    """`count` greedy tokens for each sequence of a batch, in its order: prompts are prefilled, as many in a step as there is
    room for, then all decode.
    """
    mine = [prompts[request] for request in batch.requests]
    last = [-1] * len(mine)
    for parts in prefill_parts([len(prompt) for prompt in mine], chunk, len(mine)):
        tokens = [token for index, past, new in parts for token in mine[index][past : past + new]]
        found = simulator.step(tokens, _rows(parts, batch.slots))
        assert found is not None
        for (index, _, _), token in zip(parts, found, strict=True):
            last[index] = int(token)
    yield last
    for step in range(count - 1):
        found = simulator.step(last, batch.table(step), batch.first_half)
        assert found is not None
        last = [int(token) for token in found]
        yield last


def _last(tokens: NDArray[Any] | None) -> int:
    assert tokens is not None
    return int(tokens[-1])


def prefill_parts(lengths: Sequence[int], chunk: int, most: int) -> Iterator[list[tuple[int, int, int]]]:
    """Prompts of these lengths cut into steps of `chunk` tokens of at most `most` sequences: of each step (sequence, first
    token, tokens).
    """
    parts: list[tuple[int, int, int]] = []
    room = chunk
    for index, length in enumerate(lengths):
        past = 0
        while past < length:
            new = min(room, length - past)
            parts.append((index, past, new))
            past, room = past + new, room - new
            if not room or len(parts) == most:
                yield parts
                parts, room = [], chunk
    if parts:
        yield parts


def _rows(parts: Sequence[tuple[int, int, int]], slots: Sequence[int]) -> Rows:
    rows: list[tuple[int, int, int, int]] = []
    first = 0
    for index, past, new in parts:
        rows.append((first, new, past, slots[index]))
        first += new
    return rows


def time_prefill(engine: Engine, lengths: Sequence[int], slots: Sequence[int], chunk: int, most: int) -> int:
    """All prompts, `chunk` tokens and at most `most` sequences a step; the number of steps."""
    steps = 0
    for parts in prefill_parts(lengths, chunk, most):
        engine.step([0] * sum(new for _, _, new in parts), _rows(parts, slots))
        steps += 1
    return steps


def time_decode(engine: Engine, past: int, batch: int, stages: int = 1) -> None:
    """One token for every sequence of the batch, each after `past` others: a step for every part of the batch, of which
    there are as many as pipeline stages.
    """
    for part in range(stages):
        slots = range(part, batch, stages)
        engine.step([0] * len(slots), [(row, 1, past, slot) for row, slot in enumerate(slots)])


@dataclass
class TextStream:
    """The text of a growing list of tokens, piece by piece. A character may need several tokens."""

    tokenizer: Tokenizer
    write: Callable[[str], None]
    tokens: list[int] = field(default_factory=list)
    written: str = ""

    def add(self, token: int) -> None:
        """One more token; writes what is complete."""
        self.tokens.append(token)
        text = self.tokenizer.decode(self.tokens, skip_special_tokens=False)
        if not text.endswith("�"):
            self._write_up_to(text)

    def finish(self) -> str:
        """Writes the rest; the whole text."""
        self._write_up_to(self.tokenizer.decode(self.tokens, skip_special_tokens=False))
        return self.written

    def _write_up_to(self, text: str) -> None:
        self.write(text[len(self.written) :])
        self.written = text
