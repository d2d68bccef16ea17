"""Programs of other simulators: read their traces, run them on the memory controller of a machine, write command logs."""

if __name__ != "pimlir.sim.traces":
    raise ImportError(
        f"import this package as pimlir.sim.traces, not as {__name__}: a second copy would break isinstance checks"
    )

from .formats import FORMATS, parse_trace, run_file
from .run import TraceResult, run_trace
from .text import TraceError

__all__ = ["FORMATS", "TraceError", "TraceResult", "parse_trace", "run_file", "run_trace"]
