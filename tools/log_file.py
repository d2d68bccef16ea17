"""Command logs as files of the user: complete or not there at all."""

from pathlib import Path

from ..sim.command_log import BINARY, CommandLog, write_log
from .console import atomic_file


def save_log(log: CommandLog, path: str | Path) -> None:
    """Write a log; the suffix chooses its form."""
    with atomic_file(Path(path)) as temporary, temporary.open("wb") as file:
        write_log(log, file, binary=str(path).endswith(BINARY))
