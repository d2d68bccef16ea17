"""Files that appear complete or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which takes its place when the block ends without an exception.

    A device or pipe, such as /dev/null, is written itself: a file must not take its place.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    temporary = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(descriptor, 0o666 & ~mask)  # mkstemp makes files that only their owner can read
        os.close(descriptor)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None  # it names the temporary file
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
