"""What the user is told when a command fails: one line that names the place, and an exit code; never a traceback."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

OK, FAILED, USAGE, INTERNAL = 0, 1, 2, 70
INTERRUPTED, BROKEN_PIPE = 130, 141  # 128 + SIGINT, 128 + SIGPIPE, as shells report them

_MESSAGE_IS_COMPLETE = {
    "CommandError",
    "ImageFileError",
    "MachineFileError",
    "ModelFileError",
    "PassFailedException",
    "SimulationError",
}
"""Names, not classes: to know the classes would mean to import all of the compiler."""


class CommandError(ValueError):
    """Input that a command cannot use, or a check that failed: exit code 1."""


class UsageError(ValueError):
    """Arguments that make no sense together: exit code 2."""


def user_message(error: BaseException) -> str | None:
    """What to tell the user about an error that they can mend; None for a mistake of ours."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & _MESSAGE_IS_COMPLETE:
        return str(error)
    if "ParseError" in names:
        return _parse_message(error)
    if "VerifyException" in names:
        return _verify_message(error)
    if "ArgSpecParseError" in names:
        return f"pass options: {str(error).strip().splitlines()[-1].strip()}"
    if isinstance(error, UnicodeDecodeError):
        return f"input is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}"
    if isinstance(error, MemoryError):
        return f"out of memory{f': {error}' if str(error) else ''}"
    if isinstance(error, OSError):
        place = f"{os.fspath(error.filename)}: " if isinstance(error.filename, str | os.PathLike) else ""
        return f"{place}{error.strerror or error}"
    return None


def write_reproducer(error: BaseException, arguments: Sequence[str]) -> str:
    """A file with all that is needed to look for a mistake of ours; in the current folder if possible. Its path."""
    name = f"pimlir-crash-{datetime.now():%Y%m%d-%H%M%S}-"
    try:
        descriptor, path = tempfile.mkstemp(".txt", name, os.curdir)
    except OSError:
        descriptor, path = tempfile.mkstemp(".txt", name)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(f"command: pimlir {shlex.join(arguments)}\n")
        file.write(f"python: {sys.version}\nplatform: {platform.platform()}\n")
        file.writelines(f"{package}: {_version(package)}\n" for package in ("pimlir", "xdsl", "numpy", "numba"))
        file.write("\n")
        file.writelines(traceback.format_exception(error))
    return os.path.relpath(path) if os.path.dirname(os.path.abspath(path)) == os.getcwd() else path


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _parse_message(error: BaseException) -> str:
    """`file:line:column: message` of an xDSL parse error, which prints the line and a marker as well."""
    text = str(error).strip().splitlines()
    place = text[0].strip() if text and re.search(r":\d+:\d+$", text[0].strip()) else ""
    message = str(getattr(error, "msg", "")).strip() or (text[-1].strip() if text else "")
    return ": ".join(part for part in (place, " ".join(message.split())) if part)


def _verify_message(error: BaseException) -> str:
    """The message with the operation that it is about, which xDSL puts into a note with the whole module."""
    message = " ".join(str(error).split())
    for note in getattr(error, "__notes__", ()):
        lines = note.splitlines()
        for before, line in pairwise(lines):
            if re.fullmatch(r"\s*\^+-*\s*", line):
                found = re.search(r'(?:(%[\w, %:#]+) = )?"?([a-z_]\w*(?:\.\w+)+)"?', before)
                if found:
                    return f"{found[2]}{f' {found[1]}' if found[1] else ''}: {message}"
    return message
