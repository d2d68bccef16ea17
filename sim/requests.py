"""Requests of a batch: from a file, or drawn from named distributions of lengths.

A distribution that follows a data set is called `…-like`: it is drawn from quantiles of the lengths, not from the data.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .functional.errors import SimulationError

FIELDS = ("arrival_ms", "input_tokens", "output_tokens")
PROMPT_FIELDS = ("arrival_ms", "prompt", "output_tokens")


class RequestError(SimulationError):
    """A request file that cannot be read; the message is `file:line: what is wrong`."""


@dataclass(frozen=True)
class Request:
    """A request: when it arrives, the tokens of its prompt and those that it asks for; the prompt itself where it is known,
    with `input_tokens` 0 until somebody has counted them.
    """

    arrival_ms: float
    input_tokens: int
    output_tokens: int
    prompt: str | None = None


@dataclass(frozen=True)
class Lengths:
    """Lengths by quantile: log-linear between the points (probability, tokens)."""

    points: tuple[tuple[float, float], ...]

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        """`count` lengths, at least 1."""
        probabilities, tokens = np.array(self.points).T
        drawn = np.exp(np.interp(random.random(count), probabilities, np.log(tokens)))
        return np.maximum(1, np.rint(drawn)).astype(np.int64)


DISTRIBUTIONS: dict[str, tuple[Lengths, Lengths]] = {
    "alpaca-like": (
        Lengths(((0, 5), (0.5, 11), (0.9, 17), (0.95, 20), (0.99, 27), (1, 99))),
        Lengths(((0, 2), (0.5, 40), (0.9, 122), (0.95, 151), (0.99, 249), (1, 1005))),
    ),
    "sharegpt-like": (
        Lengths(((0, 2), (0.5, 17), (0.9, 118), (0.95, 303), (0.99, 1268), (1, 4096))),
        Lengths(((0, 16), (0.5, 261), (0.9, 576), (0.95, 727), (0.99, 960), (1, 4096))),
    ),
}
"""Input and output lengths. p50 to p99 counted in the files that NeuPIMs ships (52,002 and 391,726 rows); the lowest
point is chosen so that the mean comes near theirs (12.1 and 55.8; 80.3 and 295.0), the highest of sharegpt-like is a cap."""


def draw_requests(name: str, count: int, seed: int, longest: int | None = None) -> list[Request]:
    """`count` requests of a distribution, all there at time 0. `longest` caps input + output, the output first.

    `fixed-480-2` is 480 input tokens and 2 output tokens for each, and not capped.
    """
    if fixed := _FIXED.fullmatch(name):
        return [Request(0.0, int(fixed[1]), int(fixed[2]))] * count
    if name not in DISTRIBUTIONS:
        known = ", ".join(DISTRIBUTIONS)
        raise RequestError(f"no distribution {name!r}, expected {known} or fixed-INPUT-OUTPUT as in fixed-480-2:64")
    random = np.random.default_rng(seed)
    inputs, outputs = (lengths.draw(random, count) for lengths in DISTRIBUTIONS[name])
    if longest is not None:
        inputs = np.minimum(inputs, longest - 1)
        outputs = np.minimum(outputs, longest - inputs)
    return [Request(0.0, int(i), int(o)) for i, o in zip(inputs, outputs, strict=True)]


_FIXED = re.compile(r"fixed-([1-9]\d{0,6})-([1-9]\d{0,6})")


def cached_tokens(requests: Sequence[Request], seed: int) -> list[int]:
    """Tokens that each request has in its cache when the batch is looked at: each is at a random point of its output."""
    random = np.random.default_rng(seed)
    return [request.input_tokens + int(random.integers(0, request.output_tokens)) for request in requests]


def read_requests(path: str | Path) -> list[Request]:
    """Requests of a CSV file with a header, or of a JSON Lines file: `arrival_ms`, `input_tokens`, `output_tokens`.

    A line of JSON may have `prompt`, a text, in place of `input_tokens`. The order of the lines means nothing.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}:1: not a text file: byte {error.start}") from None
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror}") from None
    lines = text.splitlines()
    if path.suffix == ".csv":
        rows = csv.DictReader(lines)
        if tuple(rows.fieldnames or ()) != FIELDS:
            raise RequestError(f"{path}:1: found columns {rows.fieldnames}, expected {', '.join(FIELDS)}")
        found = [_request(row, f"{path}:{number}") for number, row in enumerate(rows, 2)]
    else:
        found = [
            _request(_json(line, f"{path}:{number}"), f"{path}:{number}")
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]
    if not found:
        raise RequestError(f"{path}:1: no requests")
    return found


def _json(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise RequestError(f"{where}: {error.msg} at column {error.colno}") from None
    if not isinstance(row, dict):
        raise RequestError(f"{where}: found {line.strip()[:40]}, expected an object")
    return row


def _request(row: dict[Any, Any], where: str) -> Request:
    prompt = row.get("prompt")
    fields = FIELDS if prompt is None else PROMPT_FIELDS
    if set(row) != set(fields):
        raise RequestError(f"{where}: found {', '.join(map(str, row))}, expected {', '.join(fields)}")
    if prompt is not None and (not isinstance(prompt, str) or not prompt.strip()):
        raise RequestError(f"{where}: prompt is {str(prompt)[:40]!r}, expected a text")
    values: dict[str, float] = {}
    for name in fields:
        if name == "prompt":
            continue
        try:
            value = float(row[name])
        except (TypeError, ValueError):
            raise RequestError(f"{where}: {name} is {row[name]!r}, expected a number") from None
        low = 0 if name == "arrival_ms" else 1
        if not low <= value < 2**31 or (low and value != int(value)):
            kind = "a whole number" if low else "a number"
            raise RequestError(f"{where}: {name} is {row[name]!r}, expected {kind} from {low} on")
        values[name] = value
    return Request(values["arrival_ms"], int(values.get("input_tokens", 0)), int(values["output_tokens"]), prompt)
