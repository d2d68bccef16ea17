"""Numba's compiler for kernels, without what kernels do not need: it takes a third of the time.

Numba optimises every function with all that it calls, and makes machine code of each, although nothing but the kernel at
the top is ever entered from outside. Here a part stays LLVM IR until the kernel that needs it is optimised as a whole.
"""

import gc

from numba.core import typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager

PASSES = (
    untyped_passes.TranslateByteCode,
    untyped_passes.FixupArgs,
    untyped_passes.IRProcessing,
    untyped_passes.RewriteSemanticConstants,
    untyped_passes.GenericRewrites,
    untyped_passes.ReconstructSSA,
    typed_passes.NopythonTypeInference,
    typed_passes.PreLowerStripPhis,
    typed_passes.IRLegalization,
    typed_passes.NativeLowering,
    typed_passes.NoPythonBackend,
)
"""Of Numba's passes those that plain loops over arrays need: no closures, no array expressions, no literal unrolling."""


class _NoEnvironment:
    """What a library without code has instead of a code generator: there is no place to store an environment in."""

    def set_env(self, name, env):
        """Numba's hook after code was made."""


class _PartLibrary(JITCodeLibrary):
    """LLVM IR of a function, as it was written."""

    codegen = _NoEnvironment()  # type: ignore[assignment]

    def _optimize_functions(self, ll_module):
        ll_module.data_layout = self._codegen._data_layout  # and nothing else: the kernel is optimised as a whole

    def finalize(self):
        self._finalized = True

    def get_pointer_to_function(self, name):
        """There is none."""
        self._ensure_finalized()
        return 0


class _KernelLibrary(JITCodeLibrary):
    """Machine code of a kernel, with all parts."""

    def add_linking_library(self, library):
        super().add_linking_library(library)
        if isinstance(library, _PartLibrary):
            for part in library._linking_libraries:
                if part not in self._linking_libraries:
                    self.add_linking_library(part)

    def _optimize_final_module(self):
        # level 3 and vectorised loops take longer, and no kernel is measurably faster: vectors are explicit (half.py)
        manager, builder = self._codegen._module_pass_manager(opt=2, loop_vectorize=False, slp_vectorize=False)
        manager.run(self._final_module, builder)


class _Compiler(CompilerBase):
    """Runs the passes above."""

    def define_pipelines(self):
        manager = PassManager("kernel")
        for each in PASSES:
            manager.add_pass(each, each.name())
        manager.finalize()
        return [manager]


class PartCompiler(_Compiler):
    """For functions that only kernels call."""

    def define_pipelines(self):
        self.state.library = _PartLibrary(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return super().define_pipelines()


class KernelCompiler(_Compiler):
    """For what Python calls."""

    def define_pipelines(self):
        self.state.library = _KernelLibrary(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        self.state.library.enable_object_caching()
        return super().define_pipelines()

    def _compile_core(self):
        # millions of small objects that live to the end: looking for garbage among them takes a tenth of the time
        collects = gc.isenabled()
        gc.disable()
        try:
            return super()._compile_core()
        finally:
            if collects:
                gc.enable()
