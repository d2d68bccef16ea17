"""Arguments that commands share, and the types of their values."""

from __future__ import annotations

import argparse

from ...passes.pipelines import POLICIES

DEFAULT_MACHINE = "neupims"
DEFAULT_PLACE = "attention-on-pim"
DEFAULT_PROMPT = "The capital of France is"

MODEL_HELP = "smollm2, a .gguf file, or a preset of shapes such as gpt3-7b"


def add_machine(parser: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    parser.add_argument("--machine", metavar="NAME|FILE", help=f"machine or machine file (default: {DEFAULT_MACHINE})")


def add_place(parser: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    parser.add_argument("--place", choices=POLICIES, help=f"what runs on the PIM (default: {DEFAULT_PLACE})")


def add_devices(parser: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tensor-parallel",
        type=positive,
        metavar="T",
        help="devices that share each layer, of the machine's kind (default: 1)",
    )
    parser.add_argument(
        "--pipeline-stages",
        type=positive,
        metavar="P",
        help="stages that the layers are cut into, on T devices each (default: 1)",
    )
    parser.add_argument(
        "--head-groups",
        type=positive,
        metavar="N",
        help="groups of heads that follow each other on xPU and PIM (pipeline-heads; default: no pipeline)",
    )


def add_set(parser: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        type=_setting,
        default=[],
        metavar="KEY=VALUE",
        help="change the machine: refresh=on|off, preset=NAME of its timings, or a key such as timing.nRP=20 (may be repeated)",
    )


def _setting(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator and value):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected KEY=VALUE")
    return key, value


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of at least 1")
    return value


def token_ids(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    try:
        return tuple(int(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected whole numbers like 1,2,3") from None
