"""Runs the `// RUN:` lines of `.mlir` files as tests, in this process: about twenty times faster than lit.

A line is a pipe of `xdsl-opt` calls, each perhaps after `not`, with `filecheck` as its last member if it has one:

    // RUN: xdsl-opt %s -p canonicalize | filecheck %s

The files stay valid for lit. `%s` is the file, a trailing backslash continues a line, `2>&1` is accepted and without effect:
the message of an exception that `xdsl-opt` raises always follows the output.
"""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import parse_argv_options
from filecheck.parser import Parser as CheckParser
from xdsl.ir import Attribute
from xdsl.utils.diagnostic import Diagnostic
from xdsl.xdsl_opt_main import xDSLOptMain

RUN = "// RUN:"


class RunLineFailed(Exception):
    """A RUN line did not do what it should; the message is complete without a traceback."""


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> MlirFile | None:
    if file_path.suffix == ".mlir":
        return MlirFile.from_parent(parent, path=file_path)
    return None


class MlirFile(pytest.File):
    """A file with RUN lines; a file without any is an input of other tests."""

    def collect(self) -> Iterator[RunLine]:
        for number, command in run_lines(self.path.read_text()):
            yield RunLine.from_parent(self, name=f"line{number}", command=command, number=number)


class RunLine(pytest.Item):
    def __init__(self, *, command: str, number: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.command = command
        self.number = number

    def runtest(self) -> None:
        run_pipe(self.command, self.path)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style=None):
        if isinstance(excinfo.value, RunLineFailed):
            return f"{RUN} {self.command}\n{excinfo.value}"
        return f"{RUN} {self.command}\n{excinfo.getrepr(style='short')}"

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.number - 1, f"{self.path.name}:{self.number}"


def run_lines(text: str) -> Iterator[tuple[int, str]]:
    """The RUN lines of a file with their line numbers, continuation lines joined."""
    begun: tuple[int, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        _, mark, command = line.partition(RUN)
        if not mark:
            continue
        first, head = begun or (number, "")
        command = f"{head} {command.strip()}".strip()
        begun = (first, command[:-1].rstrip()) if command.endswith("\\") else None
        if begun is None:
            yield first, command
    if begun is not None:
        yield begun


def run_pipe(command: str, path: Path) -> None:
    """Run one RUN line."""
    words = [str(path) if word == "%s" else word for word in shlex.split(command.replace("2>&1", ""))]
    text = ""
    while words:
        end = words.index("|") if "|" in words else len(words)
        member, words = words[:end], words[end + 1 :]
        match member:
            case ["xdsl-opt", *arguments]:
                text = run_opt(arguments, text, must_fail=False)
            case ["not", "xdsl-opt", *arguments]:
                text = run_opt(arguments, text, must_fail=True)
            case ["filecheck", *arguments] if not words:
                run_filecheck(arguments, text)
            case _:
                raise RunLineFailed(f"this collector cannot run: {shlex.join(member)}")


def run_opt(arguments: list[str], stdin: str, must_fail: bool) -> str:
    """What `xdsl-opt` prints, and the message of its exception if it must fail."""
    output = io.StringIO()
    try:
        with no_lasting_flags(), redirect_stdout(output), replaced_stdin(stdin):
            xDSLOptMain(args=arguments).run()
    except SystemExit as error:
        if error.code:
            raise RunLineFailed(f"xdsl-opt refused its arguments: {shlex.join(arguments)}") from None
    except Exception as error:
        if must_fail:
            return f"{output.getvalue()}{type(error).__name__}: {error}\n"
        raise
    if must_fail:
        raise RunLineFailed(f"xdsl-opt was expected to fail:\n{output.getvalue()}")
    return output.getvalue()


def run_filecheck(arguments: list[str], text: str) -> None:
    """Match `text` with the CHECK lines of a file."""
    options = parse_argv_options(["filecheck", *arguments])
    message = io.StringIO()
    with redirect_stderr(message):
        code = Matcher(options, FInput("-", text), CheckParser.from_opts(options)).run()
    if code:
        raise RunLineFailed(f"{message.getvalue()}\ninput of filecheck:\n{text}")


@contextmanager
def no_lasting_flags() -> Iterator[None]:
    """Undo what `--disable-verify` and `--syntax-highlight` change in classes of xDSL."""
    verify, colored = Attribute.__post_init__, Diagnostic.colored
    try:
        yield
    finally:
        Attribute.__post_init__ = verify
        Diagnostic.colored = colored


@contextmanager
def replaced_stdin(text: str) -> Iterator[None]:
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    try:
        yield
    finally:
        sys.stdin = before
