"""Look whether everything that pimlir needs is there, and in which state it is. Exit code 1 if something is missing."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path

from ..console import Table, amount, print_tables
from ..errors import FAILED, OK

HELP = "check the installation"
GOOD, NOTE, BAD = "ok", "note", "missing"


@dataclass(frozen=True)
class Finding:
    """One line of the report: `state` is ok, note (something optional is not there) or missing."""

    what: str
    state: str
    detail: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")


def execute(arguments: argparse.Namespace) -> int:
    findings = examine()
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        rows = [(finding.what, finding.state, finding.detail) for finding in findings]
        print_tables([Table("", ("what", "state", "detail"), rows)])
    return FAILED if any(finding.state == BAD for finding in findings) else OK


def examine() -> list[Finding]:
    """Everything that can be found out without compiling anything."""
    findings = [Finding("python", GOOD, f"{platform.python_version()} at {sys.executable}")]
    findings += _packages()
    for check in (_registration, _model, _cache, _kernels, _processor, _memory):
        findings.append(_guarded(check))
    return findings


def _guarded(check: Callable[[], Finding]) -> Finding:
    """A check that fails is a finding, too."""
    try:
        return check()
    except Exception as error:
        what = check.__name__.removeprefix("_")
        return Finding(what, BAD, " ".join(f"{type(error).__name__}: {error}".split()))


def _packages() -> Iterator[Finding]:
    """The packages that pimlir asks for, as its metadata names them."""
    yield Finding("pimlir", GOOD, version("pimlir"))
    for requirement in requires("pimlir") or ():
        name = re.match(r"[\w.-]+", requirement)
        wanted, _, marker = requirement.partition(";")
        if name is None or ("extra" in marker and "models" not in marker):
            continue
        optional = bool(marker)
        try:
            found = version(name[0])
        except PackageNotFoundError:
            yield Finding(
                name[0],
                NOTE if optional else BAD,
                f"not installed, pimlir {'can use' if optional else 'needs'} {wanted.strip()}",
            )
            continue
        exact = re.search(r"==\s*([\w.]+)", wanted)
        if exact and exact[1] != found:
            yield Finding(name[0], BAD, f"{found}, pimlir needs {wanted.strip()}")
        else:
            yield Finding(name[0], GOOD, found)


def _registration() -> Finding:
    """xdsl-opt finds dialects and passes by an entry point, which an installation must have written."""
    if any(point.name == "pimlir" for point in entry_points(group="xdsl.universe")):
        return Finding("xdsl-opt", GOOD, "knows the dialects, passes and targets of pimlir")
    return Finding(
        "xdsl-opt", BAD, "does not know pimlir: install it with pip, also from a checkout (pip install -e .)"
    )


def _model() -> Finding:
    from ...frontends.errors import ModelFileError
    from ...frontends.model import find_smollm2

    try:
        path = find_smollm2()
    except ModelFileError as error:
        return Finding("smollm2", NOTE, str(error))
    return Finding("smollm2", GOOD, f"{path.name}, {amount(path.stat().st_size, 'B')}")


def _cache() -> Finding:
    """Converted weights."""
    from ...frontends.weights import cache_root

    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        return Finding("cache", NOTE, f"{root}: {error.strerror}; weights and kernels are made anew every time")
    size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
    return Finding("cache", GOOD, f"{root}, {amount(size, 'B')}")


def _kernels() -> Finding:
    """Compiled kernels of the simulator."""
    from ...sim import kernel_cache

    count = sum(1 for _ in kernel_cache.FOLDER.rglob("*.nbi"))
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return Finding(
            "kernels", NOTE, "NUMBA_DISABLE_JIT is set: the simulator is interpreted, about a hundred times slower"
        )
    if not count:
        return Finding("kernels", NOTE, "none compiled yet: the first run takes about 20 seconds more")
    return Finding("kernels", GOOD, f"{count} compiled, version {kernel_cache.FOLDER.name}")


def _processor() -> Finding:
    flags = ("avx2", "fma", "f16c", "avx512f", "asimd", "fphp")
    try:
        known = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
    except OSError:
        known = set()
    found = [flag for flag in flags if flag in known]
    return Finding(
        "processor", GOOD, f"{platform.machine()}, {os.cpu_count()} cores, {' '.join(found) or 'features unknown'}"
    )


def _memory() -> Finding:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total, free = (page * os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    except (ValueError, OSError):
        return Finding("memory", NOTE, "size unknown on this system")
    return Finding("memory", GOOD, f"{amount(total, 'B')}, {amount(free, 'B')} free")
