"""What plain `xdsl-opt` sees of pimlir: lazy factories of dialects, passes and targets.

Every `xdsl-opt` of the environment imports this module, so it imports nothing heavy and never raises.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from xdsl.universe import Universe


def _lazy(module: str, name: str) -> Callable[[], Any]:
    """A factory that imports `pimlir.<module>` only when the entry is used."""

    def factory() -> Any:
        return getattr(import_module(f"pimlir.{module}"), name)

    return factory


UNIVERSE = Universe(
    all_dialects={
        "host": _lazy("dialects.host", "HOST"),
        "llm": _lazy("dialects.llm", "LLM"),
        "npu": _lazy("dialects.npu", "NPU"),
        "pim": _lazy("dialects.pim", "PIM"),
        "xpu": _lazy("dialects.xpu", "XPU"),
    },
    all_passes={
        "assign-layouts": _lazy("passes.kernels.assign_layouts", "AssignLayoutsPass"),
        "assign-memory": _lazy("passes.machine.assign_memory", "AssignMemoryPass"),
        "attach-machine": _lazy("passes.machine.attach_machine", "AttachMachinePass"),
        "convert-llm-to-npu": _lazy("passes.kernels.convert_llm_to_npu", "ConvertLlmToNpuPass"),
        "convert-llm-to-pim": _lazy("passes.kernels.convert_llm_to_pim", "ConvertLlmToPimPass"),
        "convert-llm-to-xpu": _lazy("passes.kernels.convert_llm_to_xpu", "ConvertLlmToXpuPass"),
        "drop-cache-appends": _lazy("passes.placed.drop_cache_appends", "DropCacheAppendsPass"),
        "insert-transfers": _lazy("passes.placed.insert_transfers", "InsertTransfersPass"),
        "interleave-sub-batches": _lazy("passes.placed.interleave_sub_batches", "InterleaveSubBatchesPass"),
        "llm-decompose-attention": _lazy("passes.llm.llm_decompose_attention", "LlmDecomposeAttentionPass"),
        "llm-outline-kernels": _lazy("passes.placed.llm_outline_kernels", "LlmOutlineKernelsPass"),
        "llm-place": _lazy("passes.placed.llm_place", "LlmPlacePass"),
        "llm-shard": _lazy("passes.llm.llm_shard", "LlmShardPass"),
        "llm-specialize": _lazy("passes.llm.llm_specialize", "LlmSpecializePass"),
        "lower-to-machine": _lazy("passes.machine.lower_to_machine", "LowerToMachinePass"),
        "npu-allocate-scratchpad": _lazy("passes.npu.npu_allocate_scratchpad", "NpuAllocateScratchpadPass"),
        "npu-double-buffer": _lazy("passes.npu.npu_double_buffer", "NpuDoubleBufferPass"),
        "npu-fold-copies": _lazy("passes.npu.npu_fold_copies", "NpuFoldCopiesPass"),
        "npu-plan-tiles": _lazy("passes.npu.npu_plan_tiles", "NpuPlanTilesPass"),
        "npu-insert-semaphores": _lazy("passes.npu.npu_insert_semaphores", "NpuInsertSemaphoresPass"),
        "npu-spill-buffers": _lazy("passes.npu.npu_spill_buffers", "NpuSpillBuffersPass"),
        "npu-split-loops": _lazy("passes.npu.npu_split_loops", "NpuSplitLoopsPass"),
        "npu-tile": _lazy("passes.npu.npu_tile", "NpuTilePass"),
        "pipeline-heads": _lazy("passes.kernels.pipeline_heads", "PipelineHeadsPass"),
        "pim-expand": _lazy("passes.pim.pim_expand", "PimExpandPass"),
        "pim-fuse-attention": _lazy("passes.pim.pim_fuse_attention", "PimFuseAttentionPass"),
        "verify-kernels": _lazy("passes.kernels.verify_kernels", "VerifyKernelsPass"),
        "verify-llm": _lazy("passes.llm.verify_llm", "VerifyLlmPass"),
        "verify-machine": _lazy("passes.machine.verify_machine", "VerifyMachinePass"),
        "verify-model": _lazy("passes.llm.verify_model", "VerifyModelPass"),
        "verify-placed": _lazy("passes.placed.verify_placed", "VerifyPlacedPass"),
    },
    all_targets={
        "aim-trace": _lazy("backends.exports.aim", "AimTraceTarget"),
        "attacc-trace": _lazy("backends.exports.attacc", "AttaccTraceTarget"),
        "host-asm": _lazy("backends.targets", "HostAssemblyTarget"),
        "npu-asm": _lazy("backends.targets", "NpuAssemblyTarget"),
        "pim-asm": _lazy("backends.targets", "PimAssemblyTarget"),
        "xpu-asm": _lazy("backends.targets", "XpuAssemblyTarget"),
    },
)
