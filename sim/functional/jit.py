"""How kernels are compiled: entry points are cached, what they call is compiled into them and needs no wrapper of its own."""

from typing import Any

from numba import njit

from .. import kernel_cache  # noqa: F401  (chooses the cache folder before the first kernel)
from .kernel_compiler import KernelCompiler, PartCompiler

_entry: dict[str, Any] = dict(cache=True, pipeline_class=KernelCompiler, error_model="numpy")
_inner: dict[str, Any] = dict(
    pipeline_class=PartCompiler, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)

entry = njit(**_entry)
inner = njit(**_inner)

# Without reference counts, which cost a third of the time of a kernel that only reads and writes words: for functions that
# are given their arrays and make none.
bare_entry = njit(**_entry, _nrt=False)  # pyright: ignore[reportCallIssue]
bare = njit(**_inner, _nrt=False)  # pyright: ignore[reportCallIssue]
