"""The `npu` dialect: structured ops on buffers, and the instructions of a decoupled access/execute tile machine."""

from xdsl.ir import Dialect

from ..hardware import NpuCoreAttr
from . import instructions, structured
from .semaphore import AdvanceOp, SemaphoreOp
from .types import NpuFieldsAttr, RopeTableAttr, RowMajorAttr, SemaphoreType, TilesAttr

NPU = Dialect(
    "npu",
    [*structured.STRUCTURED, *instructions.INSTRUCTIONS, SemaphoreOp, AdvanceOp],
    [
        SemaphoreType,
        NpuFieldsAttr,
        RowMajorAttr,
        TilesAttr,
        RopeTableAttr,
        structured.ElementwiseAttr,
        structured.UnitAttr,
        NpuCoreAttr,
    ],
)

CORE = "npu.core"
"""Module attribute: the `#npu.core` that `attach-machine` put there."""
