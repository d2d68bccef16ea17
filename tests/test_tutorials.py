"""Tutorials stay true: their commands and their code run, and what they show is what comes out.

A block with a file name is written to that file; a Python file of `passes/` is registered like any pass. A block of IR or text after
a command shows lines of its output in order, where `…` stands for anything; a line of only `…` stands for any lines.
"""

import importlib.util
import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from xdsl.passes import ModulePass
from xdsl.xdsl_opt_main import xDSLOptMain

from pimlir.universe import UNIVERSE

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs/tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path) -> str:
    """Run one `xdsl-opt` line and return what it prints or writes."""
    program, *words = shlex.split(command)
    assert program == "xdsl-opt", command
    paths = {
        word: str((ROOT if word.startswith("docs/") else folder) / word) for word in words if word.endswith(".mlir")
    }
    words = [paths.get(word, word) for word in words]
    printed = io.StringIO()
    with redirect_stdout(printed):
        xDSLOptMain(args=words).run()
    return Path(words[words.index("-o") + 1]).read_text() if "-o" in words else printed.getvalue()


def pass_of(path: Path, place: str) -> type[ModulePass]:
    """The pass that a file defines, as if it stood at `place` in the repository."""
    spec = importlib.util.spec_from_file_location("pimlir." + place.removesuffix(".py").replace("/", "."), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (found,) = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
    assert issubclass(found, ModulePass)
    return found


def missing_line(shown: str, output: str) -> str | None:
    """The first shown line that does not follow in the output."""
    lines = iter(output.splitlines())
    for line in shown.splitlines():
        if line.strip() in ("", "…"):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")))
        if not any(pattern.fullmatch(found) for found in lines):
            return line
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_shows_what_its_commands_print(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    output = ""
    for kind, name, text in BLOCK.findall(page.read_text()):
        if name:
            path = tmp_path / Path(name).name
            path.write_text(text)
            if kind == "python":
                found = pass_of(path, name)
                monkeypatch.setitem(UNIVERSE.all_passes, found.name, lambda found=found: found)
        elif kind == "sh":
            for command in text.strip().splitlines():
                output = run(command, tmp_path)
        elif kind in ("mlir", "text"):
            assert missing_line(text, output) is None
