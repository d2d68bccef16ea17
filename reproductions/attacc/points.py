"""The runs behind AttAcc's figures: a batch on a system, attention of a stack, the largest batch within a time limit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ...machines import load_machine
from ...sim.analytic.decode_step import System
from ...sim.analytic.energy import COMPUTE, MEMORY, total_pj
from ...sim.analytic.shapes import ATTACC_MODELS
from ...sim.analytic.studies import Placement, Studies
from ..figures import Point, Row, Value

OPTIMISATIONS = {
    "none": (False, False),
    "pipelined": (True, False),
    "co-processing": (False, True),
    "both": (True, True),
}
"""Name -> head-level pipelining, feed-forward co-processing."""

ATTENTION = ("score", "softmax", "context")
FEED_FORWARD = ("ff_gate", "ff_up", "ff_down")
MATRICES = ("qkv", "proj")


@cache
def studies(as_published: bool = False) -> Studies:
    """One for all points of a process: simulated attention is remembered in it."""
    return Studies(as_published)


def build(system: str, optimisations: str = "both", as_published: bool = False) -> System:
    """dgx, dgx-2x, dgx-cpu, dgx-h100, or attacc-PLACEMENT, which may end in -uncapped."""
    make = studies(as_published)
    match system.split("-"):
        case ["dgx"]:
            return make.gpus()
        case ["dgx", "2x"]:
            return make.gpus(2 * make.machine()["xpu"]["devices"])
        case ["dgx", "cpu"]:
            return make.host()
        case ["dgx", "h100"]:
            return System(load_machine("attacc-bank-h100").to_dict(), as_published=as_published)
        case ["attacc", ("bank" | "bg" | "buffer") as placement, *uncapped]:
            return make.attacc(placement, not uncapped, *OPTIMISATIONS[optimisations])
    raise ValueError(f"found system {system!r}")


def generation(
    model: str,
    element_bytes: int,
    system: str,
    batch: int,
    prompt: int,
    output: int,
    optimisations: str = "both",
    as_published: bool = False,
) -> Row:
    """Mean of the generation steps of a batch: time by part in ms (what is hidden by overlap is in no part but
    `attention_ms`), energy by part in J per token.
    """
    found = studies(as_published).row(
        system,
        build(system, optimisations, as_published),
        ATTACC_MODELS[model],
        element_bytes,
        batch,
        prompt,
        output,
    )
    part = found.generation.operator_ms
    parts = {
        "attention_ms": found.attention_ms,
        "qkv_projection_ms": _sum(part, MATRICES),
        "feed_forward_ms": _sum(part, FEED_FORWARD),
        "communication_ms": sum(time for name, time in part.items() if name.startswith(("all_reduce", "transfer"))),
    }
    energy = found.generation.energy_j
    return {
        "model": model,
        "element_bytes": element_bytes,
        "batch": batch,
        "prompt": prompt,
        "output": output,
        "tokens_per_s": found.tokens_per_s,
        "step_ms": found.step_ms,
        **parts,
        "other_ms": found.step_ms - sum(parts.values()),  # norms and activations
        "joule_per_token": found.joule_per_token,
        "memory_joule_per_token": total_pj(energy, MEMORY) / batch,
        "compute_joule_per_token": total_pj(energy, COMPUTE) / batch,
        "link_joule_per_token": energy.get("link", 0.0) / batch,
    }


def _sum(values: Mapping[str, float], names: tuple[str, ...]) -> float:
    return sum(values.get(name, 0.0) for name in names)


def bandwidth(placement: Placement, heads: int, length: int) -> Row:
    """Attention of fp16 heads of 128 on one stack, with and without the power limit; every command is simulated."""
    row: dict[str, str | int | float] = {"heads": heads, "length": length}
    for found in studies().placement_study(heads, (length,), placements=(placement,)):
        kind = "capped" if found.capped else "uncapped"
        row |= {f"{kind}_cycles": found.cycles, f"{kind}_bandwidth": found.bandwidth}
    return row


def within_limit(model: str, element_bytes: int, system: str, limit_ms: float, tokens: int, most: int) -> Row:
    """The largest batch whose step at `tokens` tokens takes no longer than a limit, and its throughput in that step."""
    shape = ATTACC_MODELS[model]
    batch = studies().batch_within(build(system), shape, element_bytes, tokens, limit_ms, most)
    row = {"model": model, "limit_ms": limit_ms, "tokens": tokens, "most": most, "batch": batch, "tokens_per_s": 0.0}
    if batch:
        row["tokens_per_s"] = build(system).generate(shape, batch, tokens - 1, 2, element_bytes).tokens_per_s
    return row


SECONDS_PER_STEP = 0.00024
SECONDS_PER_HEAD_TOKEN = {"bank": 2.8e-8, "bg": 6.1e-8, "buffer": 7.6e-7}
"""CPU time of a simulated length, by the heads of a stack and their tokens."""

TOKENS_PER_RUN = {"bank": 16, "bg": 16, "buffer": 256}
"""How many lengths share a simulated one."""


def generation_point(
    name: str,
    model: str,
    element_bytes: int,
    system: str,
    batch: int,
    prompt: int,
    output: int,
    labels: Row | None = None,
    **how: Value,
) -> Point:
    """A point for `generation`."""
    arguments = {
        "model": model,
        "element_bytes": element_bytes,
        "system": system,
        "batch": batch,
        "prompt": prompt,
        "output": output,
        **how,
    }
    seconds = 0.02 + SECONDS_PER_STEP * output
    if system.startswith("attacc"):
        placement = system.split("-")[1]
        heads = ATTACC_MODELS[model].heads * batch / 40
        runs = 1 + output / TOKENS_PER_RUN[placement]
        seconds += runs * SECONDS_PER_HEAD_TOKEN[placement] * heads * (prompt + output / 2)
    return Point(name, generation, arguments, seconds, labels or {})
