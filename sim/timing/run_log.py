"""The commands of a timed run as a command log, one row a command: runs of equal commands are written out."""

import numpy as np

from ..command_log import CommandLog
from .constraints import LEVELS
from .model import TimingModel
from .tables import LOG_FIELDS


def run_log(timing: TimingModel) -> CommandLog:
    """All commands of the launches so far in order of time. Sources are the operations that they came from."""
    runs = dict(zip(LOG_FIELDS, timing.log().T, strict=True))
    indices = np.full((len(timing.dram.geometry.indices), len(LEVELS) - 1), -1)
    for target, path in enumerate(timing.dram.geometry.indices):
        indices[target, : len(path) - 1] = path[1:]
    run = np.repeat(np.arange(len(runs["count"])), runs["count"])
    index = np.arange(len(run)) - np.repeat(np.cumsum(runs["count"]) - runs["count"], runs["count"])
    column = runs["column"][run]
    table = np.column_stack(
        [
            runs["cycle"][run] + index * runs["spacing"][run],
            runs["command"][run],
            runs["channel"][run],
            indices[runs["target"][run]],
            runs["row"][run],
            np.where(column < 0, -1, column + index),
            np.full(len(run), -1),
        ]
    )
    return CommandLog(table[np.argsort(table[:, 0], kind="stable")], timing.commands, machine=timing.machine["name"])
