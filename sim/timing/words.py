"""Arrays of words as bare pointers inside a kernel: an access is a load, without the test for negative indices.

That halves the time of kernels that do little else, and what must be compiled. When indices are to be checked
(NUMBA_BOUNDSCHECK) or nothing is compiled, arrays stay arrays.
"""

import numpy as np
from numba import config, types
from numba.extending import intrinsic

if config.BOUNDSCHECK or config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]
    from ..functional.jit import bare

    @bare
    def words_of(array: np.ndarray) -> np.ndarray:  # pyright: ignore[reportRedeclaration]
        """The array itself."""
        return array

else:

    @intrinsic  # a kernel calls it without the typing context
    def words_of(typing_context, array):
        """The address of the first word of a contiguous int64 array."""

        def generate(context, builder, signature, arguments):
            return context.make_array(signature.args[0])(context, builder, arguments[0]).data

        return types.CPointer(types.int64)(array), generate
