"""Runs of requests over time: what is read, what is run, what is reported. The part of `pimlir run --serve`."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..sim.requests import Request, read_requests
from ..sim.serving import PS_PER_MS, Served, Server, ServingStep
from .batch import drawn_or_read, load_of
from .errors import CommandError
from .report import Phase, Report
from .run_options import RunOptions

if TYPE_CHECKING:
    from ..frontends.model import Model
    from ..sim.system import System

DEFAULT_BATCH = 64
"""Requests of a step, unless the user says how many."""


@dataclass(frozen=True)
class Requests:
    """What is to be served; `prompts` are token ids, None without data."""

    requests: list[Request]
    prompts: list[list[int]] | None

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(request.input_tokens + request.output_tokens for request in self.requests)


def read_served(options: RunOptions, model: Model) -> Requests:
    """The requests of --requests, with their prompts as tokens if they are to be computed."""
    assert options.requests is not None
    longest = options.context or model.config.context_length
    if options.timing_only:
        requests, prompts = drawn_or_read(options.requests, options.seed, longest), None
    else:
        tokenizer, prompts, requests = model.tokenizer(), [], []
        for number, request in enumerate(read_requests(options.requests)):
            if request.prompt is None:
                raise CommandError(
                    f"request {number} of {options.requests} has no prompt, which a run with data needs: a column or key "
                    "`prompt`, or --timing-only"
                )
            prompts.append(tokenizer.encode(request.prompt).ids)
            requests.append(Request(request.arrival_ms, len(prompts[-1]), request.output_tokens))
    for number, request in enumerate(requests):
        total = request.input_tokens + request.output_tokens
        if total > longest:
            raise CommandError(
                f"request {number} of {options.requests} has {request.input_tokens} tokens and wants "
                f"{request.output_tokens}, the context length is {longest}"
            )
    return Requests(requests, prompts)


def serve(
    system: System, served: Requests, options: RunOptions, model: Model, batch: int, tell: Callable[[str], None]
) -> tuple[Server, list[ServingStep], float]:
    """Run all requests; the server afterwards, its steps, and the seconds that it took."""
    begin, steps = time.perf_counter(), []
    chunk = 0 if options.no_prefill else system.image.bounds["new_tokens"] - batch
    tensor = options.tensor_parallel or 1
    load = load_of(model.config, system.image.machine, options.cache_channels or 1, tensor, options.value_tokens or 0)
    how = options.assign or "min-load"
    server = Server(system, served.requests, served.prompts, batch, chunk, how, load)
    for step in server.run():
        steps.append(step)
        tell(f"step {len(steps)}: {step.running} running, {step.waiting} waiting, {step.finish_ps / PS_PER_MS:.1f} ms")
    return server, steps, time.perf_counter() - begin


def serving_phase(steps: Sequence[ServingStep], served: Sequence[Served], seconds: float, statistics: Any) -> Phase:
    """All steps as one phase of a report."""
    return Phase("serving", sum(len(one.token_ps) for one in served), len(steps), seconds, None, statistics)


def serving_report(server: Server, steps: Sequence[ServingStep]) -> Report:
    """Times in simulated ms: to the first token of a request since it arrived, and of each token after that."""
    requests = server.requests
    outputs = sum(len(one.token_ps) for one in requests)
    seconds = (steps[-1].finish_ps - min(one.arrival_ps for one in requests)) / 1e12
    first = [(one.token_ps[0] - one.arrival_ps) / PS_PER_MS for one in requests]
    later = [
        (one.token_ps[-1] - one.token_ps[0]) / PS_PER_MS / (len(one.token_ps) - 1)
        for one in requests
        if len(one.token_ps) > 1
    ]
    return {
        "requests": len(requests),
        "steps": len(steps),
        "prompt_tokens": sum(step.prefill_tokens for step in steps),
        "output_tokens": outputs,
        "seconds": seconds,
        "tokens_per_second": outputs / seconds if seconds else None,
        "time_to_first_token_ms": _spread(first),
        "time_per_output_token_ms": _spread(later),
        "most_running": max(step.running for step in steps),
        "evictions": sum(one.evicted for one in requests),
        "pages": server.pages.usage(),
    }


def _spread(values: Sequence[float]) -> Report | None:
    if not values:
        return None
    p50, p99 = np.quantile(values, [0.5, 0.99]).tolist()
    return {"mean": float(np.mean(values)), "p50": p50, "p99": p99}


def write_steps(path: str, steps: Sequence[ServingStep]) -> None:
    """A row for every step."""
    caches = list(steps[0].pages)
    header = ["step", "start_ms", "finish_ms", "running", "waiting", "prefill_tokens", "decode_tokens"]
    rows: list[list[Any]] = [[*header, *(f"{name}_pages" for name in caches)]]
    for number, step in enumerate(steps):
        times = [f"{step.start_ps / PS_PER_MS:.6f}", f"{step.finish_ps / PS_PER_MS:.6f}"]
        rows.append([number, *times, *step[2:6], *step.pages.values()])
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
