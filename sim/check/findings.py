"""What a check finds: the commands that break one rule, each with the command that it is too close to or contradicts."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Finding:
    """Commands that break a rule. `found` and `needed` are cycles, rows or counts, as the rule says."""

    rule: str
    rows: np.ndarray  # of the log
    earlier: np.ndarray  # the other row of each; -1: there is none
    found: np.ndarray
    needed: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def finding(rule: str, rows: np.ndarray, earlier: np.ndarray, found: np.ndarray, needed: np.ndarray | int) -> Finding:
    """A finding; `needed` may be one number for all rows."""
    return Finding(rule, rows, earlier, found, np.broadcast_to(np.asarray(needed, np.int64), rows.shape))
