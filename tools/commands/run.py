"""Run a model on a simulated machine: the text as it is produced, then what it cost.

MODEL is compiled first unless it is an image. Results come out of the simulated memory; time and energy from the same
program. --timing-only times a model without data, which also works for models of which only the shapes are known.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields, replace

from ...passes.pipelines import STAGES
from ..console import Progress, print_tables
from ..errors import OK, UsageError
from ..run_options import Listener, RunOptions, check_options
from .arguments import DEFAULT_PROMPT, MODEL_HELP, add_devices, add_machine, add_place, positive, token_ids

HELP = "tokens, cycles and energy of a model on a machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=f"{MODEL_HELP}, or a compiled image (.pimg)")
    target = parser.add_argument_group("target")
    add_machine(target)
    add_place(target)
    add_devices(target)
    target.add_argument("--context", type=positive, metavar="L", help="longest sequence (default: what the run needs)")
    target.add_argument("--chunk", type=positive, metavar="N", help="prompt tokens of one prefill step (default: 32)")
    target.add_argument("--weights", metavar="MODEL", help="where the weights of an image come from (default: it says)")
    prompt = parser.add_argument_group("tokens")
    prompt.add_argument("--prompt", metavar="TEXT", help=f"text to continue, - for stdin (default: {DEFAULT_PROMPT!r})")
    prompt.add_argument("--prompt-ids", type=token_ids, metavar="1,2,3", help="token ids instead of text")
    prompt.add_argument("--prompts", metavar="FILE", help="a batch: one text to continue on each line of the file")
    prompt.add_argument("--chat", action="store_true", help="give the prompt as a user's turn of a conversation")
    prompt.add_argument("--tokens", type=positive, metavar="N", help="tokens to produce (default: 32)")
    prompt.add_argument("--stop-at-eos", action="store_true", help="stop at the model's end-of-sequence token")
    how = parser.add_argument_group("how")
    how.add_argument("--no-timing", action="store_true", help="tokens only")
    how.add_argument("--at", choices=STAGES, metavar="STAGE", help=f"interpret the IR of a stage: {', '.join(STAGES)}")
    how.add_argument("--timing-only", action="store_true", help="one prefill and --tokens decode steps without data")
    how.add_argument("--prompt-length", type=positive, metavar="P", help="prompt tokens of --timing-only")
    how.add_argument("--no-prefill", action="store_true", help="with --timing-only: the decode steps alone")
    how.add_argument(
        "--batch",
        type=positive,
        metavar="B",
        help="with --timing-only: sequences (default: 1); with --serve: most requests of a step",
    )
    how.add_argument(
        "--requests",
        metavar="FILE|NAME:N",
        help="with --timing-only or --serve: requests of a CSV or JSON Lines file, or N of alpaca-like, sharegpt-like or fixed-INPUT-OUTPUT",
    )
    how.add_argument(
        "--serve",
        action="store_true",
        help="the --requests as they arrive: the batch, at most --batch (default: 64), changes from step to step",
    )
    how.add_argument("--step-log", metavar="OUT.csv", help="with --serve: a row for every step")
    how.add_argument("--seed", type=int, default=0, metavar="S", help="of the requests (default: 0)")
    how.add_argument(
        "--assign",
        choices=("min-load", "round-robin"),
        help="with --requests or --prompts: how sequences get channels (default: min-load)",
    )
    how.add_argument(
        "--cache-channels",
        type=positive,
        metavar="N",
        help="with --requests or --prompts: channels that the cache of a sequence is spread over (default: 1)",
    )
    how.add_argument(
        "--value-tokens",
        type=positive,
        metavar="N",
        help="tokens in a row of the value cache on the PIM, the fewer the more of a head's dimensions (default: a row full)",
    )
    how.add_argument(
        "--sub-batches",
        action="store_true",
        help="two halves of the batch, which overlap on NPU and PIM",
    )
    how.add_argument("--ignore-capacity", action="store_true", help="with --timing-only: as if banks had enough rows")
    parser.add_argument(
        "--log", metavar="OUT.csv|.npz", help="write every DRAM command with its cycle, address and operation"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text and tables")


def execute(arguments: argparse.Namespace) -> int:
    given = {field.name: getattr(arguments, field.name) for field in fields(RunOptions)}
    options = RunOptions(**{name: value for name, value in given.items() if value is not None})
    if options.serve and arguments.tokens is not None:
        raise UsageError("--tokens with --serve: each request says itself how many tokens it wants")
    if options.prompt == "-":
        options = replace(options, prompt=sys.stdin.read())
    check_options(options)
    from ..report_tables import report_tables
    from ..session import run

    with Progress() as progress:
        report = run(options, _Silent(progress) if arguments.json else _Console(progress))
    if arguments.json:
        print(json.dumps(report, ensure_ascii=False))
        return OK
    if report["output_ids"]:
        print("\n")
    for index, output in enumerate(report.get("outputs", ())):
        print(f"[{index}] {output['text']}\n")
    print_tables(report_tables(report))
    return OK


class _Silent(Listener):
    """Progress to stderr, nothing to stdout."""

    def __init__(self, progress: Progress):
        self.progress = progress

    def stage(self, message: str, slow: bool = False) -> None:
        self.progress.say(message, slow)


class _Console(_Silent):
    """Text to stdout as it comes, progress until then; on a terminal the prompt stands before the text."""

    before = ""

    def prompt(self, text: str) -> None:
        self.before = f"\x1b[2m{text}\x1b[0m" if sys.stdout.isatty() else ""

    def text(self, piece: str) -> None:
        self.progress.stop()
        print(f"{self.before}{piece}", end="", flush=True)
        self.before = ""
