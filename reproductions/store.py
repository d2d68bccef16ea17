"""Results of finished points as small files, so that an interrupted reproduction goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ..backends.isa.atomic_file import atomic_file
from .figures import Point, Row

ROOT = Path(__file__).parent.parent


def digest_of_sources(globs: Sequence[str]) -> str:
    """Hash of the files of this package that match one of the globs, names and contents."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in globs for path in ROOT.glob(pattern)}):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


class PointStore:
    """A folder with one JSON file per point, named by a hash of what the point computes and of the code that does it."""

    def __init__(self, folder: Path, code: str):
        self._folder = folder
        self._code = code

    def key(self, point: Point) -> str:
        """The same for all points that are the same run."""
        what = [self._code, point.run.__module__, point.run.__qualname__, dict(point.arguments)]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]

    def read(self, point: Point) -> Row | None:
        """The result of an earlier run; None if there is none that can be used."""
        try:
            row = json.loads(self._path(point).read_text(encoding="utf-8"))["row"]
        except (OSError, ValueError, KeyError, TypeError):  # somebody else's file, or half of one
            return None
        return row if isinstance(row, dict) else None

    def write(self, point: Point, row: Row) -> None:
        """Keep a result; the file appears complete or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content = {"point": point.name, "arguments": dict(point.arguments), "row": row}
        with atomic_file(self._path(point)) as path:
            path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    def _path(self, point: Point) -> Path:
        return self._folder / f"{self.key(point)}.json"
