"""Command logs as files of the user: complete or not there at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..backends.isa.atomic_file import atomic_file
from ..sim.command_log import BINARY, CommandLog, write_end, write_header, write_log, write_rows


def save_log(log: CommandLog, path: str | Path) -> None:
    """Write a log; the suffix chooses its form."""
    with atomic_file(Path(path)) as temporary, temporary.open("wb") as file:
        write_log(log, file, binary=str(path).endswith(BINARY))


@contextmanager
def open_log(path: str | Path) -> Iterator[Callable[[CommandLog], None]]:
    """A log that comes in parts of the same machine: CSV is written as it comes, the binary form at the end."""
    binary, parts, count = str(path).endswith(BINARY), list[CommandLog](), 0
    with atomic_file(Path(path)) as temporary, temporary.open("wb") as file:
        if binary:
            yield parts.append
            table = np.concatenate([part.table for part in parts])
            write_log(CommandLog(table, parts[0].commands, parts[0].sources, parts[0].machine), file, binary)
            return

        def write(part: CommandLog) -> None:
            nonlocal count
            write_rows(part, file)
            count += len(part)

        write_header(file)
        yield write
        write_end(count, file)
