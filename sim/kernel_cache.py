"""Where compiled Numba kernels are kept. Import this before any module that defines a kernel.

Numba decides whether a cached kernel is fresh by the file of that kernel alone: a cached caller keeps using the old
code of a callee from another file, and a warm cache ignores changed flags such as NUMBA_BOUNDSCHECK. So the folder's
name is a hash of all kernel sources, of the instruction sets they are built from, and of the flags.
"""

import atexit
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

SIM = Path(__file__).resolve().parent
SOURCES = (SIM / "functional", SIM / "timing", SIM.parent / "backends" / "isa")
IGNORED_FLAGS = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS")
"""Settings that do not change the code of a kernel."""


def fingerprint() -> str:
    """Hash of everything that decides what the kernels compile to."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted(folder.glob("*.py")):
            digest.update(f"{folder.name}/{path.name}\0".encode())
            digest.update(path.read_bytes())
    for name, value in sorted(os.environ.items()):
        if name.startswith("NUMBA_") and name not in IGNORED_FLAGS:
            digest.update(f"{name}={value}\0".encode())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """$PIMLIR_CACHE, or pimlir in the user's cache folder."""
    if chosen := os.environ.get("PIMLIR_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "pimlir"


def prepare(folder: Path) -> Path:
    """`folder` if kernels can be stored there, otherwise an empty one that lives as long as the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        temporary = tempfile.mkdtemp(prefix="pimlir-kernels-")
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        return Path(temporary)


def use(folder: Path) -> None:
    """Make Numba keep kernels in `folder`, whether or not it is imported already."""
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if numba := sys.modules.get("numba"):
        numba.config.reload_config()


FOLDER = prepare(cache_root() / "kernels" / fingerprint())
use(FOLDER)
