"""What `pimlir run` can be asked for, and what it tells on the way. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import UsageError

IMAGE_SUFFIX = ".pimg"
"""As in backends/isa/container.py, which would cost NumPy to import."""


@dataclass(frozen=True)
class RunOptions:
    """What to run. None is a default, or what an image says."""

    model: str
    machine: str | None = None
    prompt: str | None = None
    prompt_ids: tuple[int, ...] | None = None
    prompts: str | None = None
    chat: bool = False
    tokens: int = 32
    stop_at_eos: bool = False
    place: str | None = None
    context: int | None = None
    chunk: int | None = None
    weights: str | None = None
    no_timing: bool = False
    at: str | None = None
    timing_only: bool = False
    prompt_length: int | None = None
    no_prefill: bool = False
    batch: int | None = None
    ignore_capacity: bool = False
    sub_batches: bool = False
    requests: str | None = None
    seed: int = 0
    assign: Literal["min-load", "round-robin"] | None = None
    cache_channels: int | None = None
    value_tokens: int | None = None
    log: str | None = None
    serve: bool = False
    step_log: str | None = None
    tensor_parallel: int | None = None
    head_groups: int | None = None
    pipeline_stages: int | None = None

    @property
    def is_image(self) -> bool:
        return self.model.endswith(IMAGE_SUFFIX)


class Listener:
    """What a run tells while it goes on; this one does not listen."""

    def stage(self, message: str, slow: bool = False) -> None:
        """What happens now; `slow` may take a minute."""

    def prompt(self, text: str) -> None:
        """The text that the run continues."""

    def text(self, piece: str) -> None:
        """The next piece of the text, or of the list of ids where there is no tokenizer."""


def check_options(options: RunOptions) -> None:
    """Refuse options that contradict each other."""
    conflicts = {
        "--prompt": options.prompt is not None,
        "--prompt-ids": options.prompt_ids is not None,
        "--prompts": options.prompts is not None,
        "--chat": options.chat,
        "--stop-at-eos": options.stop_at_eos,
        "--no-timing": options.no_timing,
        "--at": options.at is not None,
    }
    if options.timing_only:
        for name, given in conflicts.items():
            if given:
                raise UsageError(f"{name} with --timing-only, which executes no data")
        if (options.prompt_length is None) == (options.requests is None):
            raise UsageError("--timing-only needs either --prompt-length or --requests")
    for name in ("--no-timing", "--at"):
        if conflicts[name] and options.log is not None:
            raise UsageError(f"--log with {name}, which issues no commands")
    needs = {
        "--prompt-length": options.prompt_length is not None,
        "--no-prefill": options.no_prefill,
        "--batch": options.batch is not None,
        "--ignore-capacity": options.ignore_capacity,
        "--requests": options.requests is not None,
    }
    if options.serve:
        _check_serving(options, conflicts)
        needs = {name: needs[name] for name in ("--prompt-length", "--no-prefill", "--ignore-capacity")}
    elif options.step_log is not None:
        raise UsageError("--step-log needs --serve")
    for name, given in needs.items():
        if given and not options.timing_only:
            raise UsageError(f"{name} needs --timing-only{' or --serve' if name == '--requests' else ''}")
    if (options.pipeline_stages or 1) > 1 and not options.timing_only and options.at is None:
        raise UsageError("--pipeline-stages above 1 needs --timing-only or --at")
    if options.requests is None and options.prompts is None:
        for name, given in (("--assign", options.assign), ("--cache-channels", options.cache_channels)):
            if given is not None:
                raise UsageError(f"{name} needs --requests or --prompts")
        if options.sub_batches and not options.timing_only:
            raise UsageError("--sub-batches needs a batch: --timing-only or --prompts")
    elif options.prompts is not None:
        for name in ("--prompt", "--prompt-ids", "--at", "--chat", "--stop-at-eos"):
            if conflicts[name]:
                raise UsageError(f"{name} with --prompts")
        if options.is_image:
            raise UsageError("--prompts with an image: the batch is fixed when it is compiled")
    elif options.is_image:
        raise UsageError("--requests with an image: the batch is fixed when it is compiled")
    elif options.batch is not None and not options.serve:
        raise UsageError("--batch with --requests, which says itself how large the batch is, unless with --serve")
    if options.prompt_ids is not None:
        for name in ("--prompt", "--chat"):
            if conflicts[name]:
                raise UsageError(f"{name} with --prompt-ids")
    if options.is_image:
        for name in (
            "machine",
            "place",
            "context",
            "chunk",
            "batch",
            "at",
            "tensor_parallel",
            "pipeline_stages",
            "head_groups",
            "value_tokens",
        ):
            if getattr(options, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} with an image: it was fixed when the image was compiled")
    elif options.weights is not None:
        raise UsageError(f"--weights needs an image ({IMAGE_SUFFIX})")


def _check_serving(options: RunOptions, conflicts: dict[str, bool]) -> None:
    """Refuse what does not go with --serve."""
    if options.requests is None:
        raise UsageError("--serve needs --requests")
    for name in ("--prompt", "--prompt-ids", "--prompts", "--chat"):
        if conflicts[name]:
            raise UsageError(f"{name} with --serve, whose requests have prompts of their own")
    if conflicts["--stop-at-eos"]:
        raise UsageError("--stop-at-eos with --serve: each request says itself how many tokens it wants")
    if conflicts["--at"]:
        raise UsageError("--at with --serve, which runs images")
    if (options.pipeline_stages or 1) > 1:
        raise UsageError("--pipeline-stages above 1 with --serve, whose steps follow each other")
    if conflicts["--no-timing"]:
        raise UsageError("--no-timing with --serve: requests arrive in simulated time")
