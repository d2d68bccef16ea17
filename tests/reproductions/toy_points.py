"""Runs for the tests of the runner, in a module that worker processes can import."""

import os
import signal
from pathlib import Path


def double(value):
    return {"twice": 2 * value}


def noted(log, value):
    """Leaves a line for each time it runs."""
    with Path(log).open("a") as file:
        file.write(f"{value}\n")
    return {"value": value}


def killed(value):
    os.kill(os.getpid(), signal.SIGKILL)
    return {"value": value}


def killed_once(mark, value):
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": value}


def left(code):
    os._exit(code)


def wrong(value):
    raise ValueError(f"no {value}\nat all")


def interrupting(value):
    os.kill(os.getppid(), signal.SIGINT)
    signal.pause()
    return {"value": value}
