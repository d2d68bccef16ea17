"""How results look: tables, amounts with units, progress on a terminal, texts on stdout or in a file."""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ..backends.isa.atomic_file import atomic_file

_BAR = 12


@dataclass(frozen=True)
class Share:
    """A fraction of something, shown as a bar on a terminal."""

    value: float


Cell = str | int | Share | None


@dataclass(frozen=True)
class Table:
    """Rows under `columns`; a title that ends in `>` stands over numbers, which are aligned right. None is empty."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def print_tables(tables: Sequence[Table], stream: TextIO | None = None) -> None:
    """Tables by rich on a terminal, aligned text elsewhere."""
    out = sys.stdout if stream is None else stream
    tables = [table for table in tables if table.rows]
    if out.isatty():
        _print_rich(tables, out)
    else:
        out.write("\n".join(_plain(table) for table in tables))
    out.flush()


def _print_rich(tables: Sequence[Table], stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for table in tables:
        headed = any(name.strip(">") for name in table.columns)
        grid = RichTable(box=None, show_header=headed, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        for name in table.columns:
            grid.add_column(name.rstrip(">"), justify="right" if name.endswith(">") else "left", overflow="fold")
        for row in table.rows:
            cells = [Text(_bar(cell.value), style="cyan") if isinstance(cell, Share) else _text(cell) for cell in row]
            grid.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))
        if table.title:
            console.print(Text(table.title, style="bold"))
        console.print(grid)
        console.print()


def _bar(value: float) -> str:
    eighths = round(min(max(value, 0.0), 1.0) * _BAR * 8)
    whole, rest = divmod(eighths, 8)
    bar = "█" * whole + ("" if rest == 0 else "▏▎▍▌▋▊▉"[rest - 1])
    return f"{bar:<{_BAR}}{_text(Share(value)):>8}"


def _plain(table: Table) -> str:
    names = [name.rstrip(">") for name in table.columns]
    right = [
        name.endswith(">") or any(isinstance(row[i], Share) for row in table.rows)
        for i, name in enumerate(table.columns)
    ]
    lines = [[_text(cell) for cell in row] for row in table.rows]
    if any(names):
        lines.insert(0, names)
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    text = f"{table.title}\n" if table.title else ""
    for line in lines:
        cells = [
            f"{cell:>{width}}" if r else f"{cell:<{width}}" for cell, width, r in zip(line, widths, right, strict=True)
        ]
        text += f"{'  ' if table.title else ''}{'  '.join(cells)}".rstrip() + "\n"
    return text


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case Share(value):
            return f"{_percent(100 * value)} %"
        case int():
            return f"{cell:,}"
    return cell


def _percent(value: float) -> str:
    """With one decimal, below 0.1 with two digits: little is not nothing."""
    decimals = 1 if value == 0 or value >= 0.1 else 1 - math.floor(math.log10(value))
    return f"{value:.{decimals}f}"


_PREFIXES = (
    ("T", 1e12),
    ("G", 1e9),
    ("M", 1e6),
    ("k", 1e3),
    ("", 1.0),
    ("m", 1e-3),
    ("u", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
)


def amount(value: float, unit: str) -> str:
    """`value` with four digits and an SI prefix: `amount(6.9636e-4, "s")` is `696.4 us`."""
    rounded = float(f"{value:.4g}")
    prefix, factor = next((pair for pair in _PREFIXES if abs(rounded) >= pair[1]), ("", 1.0))
    scaled = rounded / factor
    if float(value).is_integer() and factor == 1.0:
        return f"{int(value)} {prefix}{unit}"
    digits = 4 - len(str(int(abs(scaled))))
    return f"{scaled:.{digits}f} {prefix}{unit}"


class Progress:
    """Says on stderr what is going on: a spinner on a terminal; elsewhere only what takes long is worth a line."""

    def __init__(self) -> None:
        self._status: Any = None
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status("starting")

    def __enter__(self) -> Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """No more progress: something else writes now."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def say(self, message: str, slow: bool = False) -> None:
        """What happens now; `slow` things are also told without a terminal."""
        if self._status is not None:
            self._status.update(message)
        elif slow:
            print(f"pimlir: {message}", file=sys.stderr, flush=True)


class Count:
    """Says on stderr how many of many things are done: a bar on a terminal, elsewhere a line after each tenth."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what, self._done = total, what, 0
        self._bar: Any = None

    def __enter__(self) -> Count:
        if self._total and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn(self._what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task("", total=self._total)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])
        elif self._done * 10 // self._total > (self._done - 1) * 10 // self._total:
            print(f"pimlir: {self._done} of {self._total} {self._what}", file=sys.stderr, flush=True)


def write_output(path: str | None, content: str | bytes) -> None:
    """To stdout if `path` is None or `-`, otherwise to a file that appears complete or not at all."""
    if path is None or path == "-":
        if isinstance(content, bytes):
            sys.stdout.buffer.write(content)
        else:
            sys.stdout.write(content)
        sys.stdout.flush()
        return
    with atomic_file(Path(path)) as temporary:
        if isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            temporary.write_text(content, encoding="utf-8")


@contextmanager
def output_stream(path: str | None) -> Iterator[TextIO]:
    """What `write_output` writes to, as a stream for long texts: nothing appears if the block ends with an exception."""
    if path is not None and path != "-":
        with atomic_file(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as stream:
            yield stream
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stream:
        yield stream
        stream.seek(0)
        shutil.copyfileobj(stream, sys.stdout)
    sys.stdout.flush()


def read_text(path: str) -> str:
    """The text of a file, or of stdin for `-`."""
    return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
