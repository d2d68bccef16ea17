"""Write a kernel of Samsung's HBM2-PIM as a trace that `pimlir sim` runs, or the traffic of a host that does the same work.

gemv and gemv-tree multiply an fp16 matrix of outputs x inputs by a batch of vectors; add, mul and relu work on --elements values.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from ..console import write_output
from ..errors import OK, CommandError, UsageError
from .arguments import add_set

HELP = "write a kernel of the HBM2-PIM library as a trace"
KERNELS = ("gemv", "gemv-tree", "add", "mul", "relu")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernel", choices=KERNELS, help="the kernel")
    parser.add_argument("--outputs", type=_positive, metavar="N", help="rows of the matrix of a gemv")
    parser.add_argument("--inputs", type=_positive, metavar="N", help="columns of the matrix of a gemv")
    parser.add_argument("--batch", type=_positive, metavar="N", help="vectors of a gemv (default: 1)")
    parser.add_argument("--elements", type=_positive, metavar="N", help="elements of add, mul and relu")
    parser.add_argument("--host", action="store_true", help="reads and writes of the same operands instead, in order")
    parser.add_argument("--machine", default="hbm-pim", metavar="NAME|FILE", help="machine (default: %(default)s)")
    add_set(parser)
    parser.add_argument(
        "-o", "--output", default="-", metavar="FILE", help="where to write the trace (default: stdout)"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of at least 1")
    return int(text)


def execute(arguments: argparse.Namespace) -> int:
    gemv = arguments.kernel.startswith("gemv")
    wanted, other = (("outputs", "inputs"), ("elements",)) if gemv else (("elements",), ("outputs", "inputs", "batch"))
    for name in wanted:
        if getattr(arguments, name) is None:
            raise UsageError(f"{arguments.kernel} needs --{name}")
    for name in other:
        if getattr(arguments, name) is not None:
            raise UsageError(f"{arguments.kernel} takes no --{name}")
    text = write_kernel(
        arguments.kernel,
        arguments.outputs or arguments.elements,
        arguments.inputs or 1,
        arguments.batch or 1,
        arguments.host,
        arguments.machine,
        dict(arguments.set),
    )
    write_output(arguments.output, text)
    return OK


def write_kernel(
    kernel: str,
    outputs: int,
    inputs: int = 1,
    batch: int = 1,
    host: bool = False,
    machine: str | Path = "hbm-pim",
    settings: Mapping[str, str] | None = None,
) -> str:
    """The trace of a kernel; for add, mul and relu `outputs` is the number of elements."""
    from ...machines.loader import load_machine
    from ...sim.traces.hbmpim_kernels import kernel as build

    description = load_machine(machine, settings).to_dict()
    if description["pim"].get("all_bank") is None:
        raise CommandError(f"{description['name']}: the machine has no [pim.all_bank], which the kernels need")
    return "\n".join(build(description, kernel, outputs, inputs, batch, host)) + "\n"
