"""An independent check of command logs: it knows the machine file and the log, and nothing of how the log came about."""

from .checker import Check, Violation, check_log
from .findings import Finding

__all__ = ["Check", "Finding", "Violation", "check_log"]
