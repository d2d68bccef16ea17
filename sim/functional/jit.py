"""How kernels are compiled: entry points are cached, what they call is compiled into them and needs no wrapper of its own."""

from numba import njit

from .. import kernel_cache  # noqa: F401  (chooses the cache folder before the first kernel)

entry = njit(cache=True, error_model="numpy")
inner = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)  # pyright: ignore[reportCallIssue]

# Without reference counts, which cost a third of the time of a kernel that only reads and writes words: for functions that
# are given their arrays and make none.
bare_entry = njit(cache=True, error_model="numpy", _nrt=False)  # pyright: ignore[reportCallIssue]
bare = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)  # pyright: ignore[reportCallIssue]
