"""The `pimlir` command: its parser, and what becomes of errors. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from .commands import check, compile, doctor, import_model, machines, reproduce, run, sim, trace
from .errors import BROKEN_PIPE, FAILED, INTERNAL, INTERRUPTED, OK, USAGE, UsageError, user_message, write_reproducer

COMMANDS = {
    "run": run,
    "compile": compile,
    "import": import_model,
    "sim": sim,
    "check": check,
    "trace": trace,
    "reproduce": reproduce,
    "machines": machines,
    "doctor": doctor,
}
"""Every module has `HELP`, `add_arguments(parser)` and `execute(arguments) -> exit code`."""

_EPILOG = """examples:
  pimlir run smollm2 --prompt "The capital of France is" --tokens 8
  pimlir run gpt3-7b --timing-only --prompt-length 1023 --tokens 1 --no-prefill
  pimlir compile smollm2 --machine aim --dump-stages-to stages
  pimlir sim --trace attention.trace --machine attacc-bank --set refresh=off
  pimlir check commands.npz --machine attacc-bank
  pimlir trace gemv --outputs 4096 --inputs 1024 -o gemv.trace && pimlir sim --trace gemv.trace --machine hbm-pim
  pimlir reproduce attacc systems --quick
  pimlir machines neupims

exit codes: 0 ok, 1 bad input or failed check, 2 usage, 70 internal error
Passes run alone under plain xdsl-opt: `pimlir import smollm2 | xdsl-opt -p 'canonicalize,llm-decompose-attention'`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _fail(str(error), USAGE)
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BaseException as error:
        message = user_message(error)
        if message is not None:
            return _fail(message, FAILED)
        if not isinstance(error, Exception):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        path = write_reproducer(error, arguments)
        return _fail(f"internal error: {what[:200]} (please report it with {path})", INTERNAL)


def _run(arguments: list[str]) -> int:
    parser = build_parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit:  # of --help and --version
        return OK
    return COMMANDS[options.command].execute(options)


def _fail(message: str, code: int) -> int:
    for line in message.splitlines() or [""]:
        print(f"pimlir: error: {line}", file=sys.stderr)
    return code


def _silence_stdout() -> None:
    """Nobody reads stdout any more; without this the interpreter would complain when it ends."""
    with suppress(OSError):  # stdout may be no file, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


class _Version(argparse.Action):
    """Prints the version of the installed package, which costs an import that other commands need not pay."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"pimlir {version('pimlir')}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        "pimlir",
        description="Compile language models for NPU + PIM machines, execute and time them in simulated memory.",
        epilog=_EPILOG,
        formatter_class=formatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="show the version and exit"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.HELP, description=module.__doc__, formatter_class=formatter, allow_abbrev=False
        )
        module.add_arguments(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
