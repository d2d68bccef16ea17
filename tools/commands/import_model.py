"""Print the model stage: llm ops on tensors, weights as symbols, the layers one loop."""

from __future__ import annotations

import argparse

from ..console import write_output
from ..errors import OK
from .arguments import MODEL_HELP

HELP = "model to IR"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    parser.add_argument("-o", "--output", metavar="FILE", help="where the IR goes (default: stdout)")


def execute(arguments: argparse.Namespace) -> int:
    write_output(arguments.output, import_model(arguments.model))
    return OK


def import_model(model: str) -> str:
    """The text of the model stage."""
    from ...frontends.model import load_model
    from ..compiler import module_text

    return module_text(load_model(model).build_module())
