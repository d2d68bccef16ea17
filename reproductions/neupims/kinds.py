"""The systems that NeuPIMs compares, each as a machine and a way to run it."""

from __future__ import annotations

from .device import DeviceKind

_SIMULATOR = "neupims"

KINDS = {
    "npu-only": DeviceKind("neupims", "npu-only", "round-robin"),
    "npu-pim": DeviceKind("neupims", assignment="round-robin"),
    "neupims": DeviceKind("neupims", sub_batches=True),
    "neupims, no sub-batches": DeviceKind("neupims"),
    "neupims, round robin, no sub-batches": DeviceKind("neupims", assignment="round-robin"),
    "npu-only, as published": DeviceKind(_SIMULATOR, "npu-only", "round-robin", as_simulated=True),
    "npu-pim, as published": DeviceKind(_SIMULATOR, assignment="round-robin", as_simulated=True),
    "neupims, as published": DeviceKind(_SIMULATOR, sub_batches=True, as_simulated=True),
    "neupims, no sub-batches, as published": DeviceKind(_SIMULATOR, as_simulated=True),
    "neupims, round robin, no sub-batches, as published": DeviceKind(
        _SIMULATOR, assignment="round-robin", as_simulated=True
    ),
}
"""By name. `as published` is the paper's simulator with all that it leaves out, the others are charged for what they do."""

SIMULATED = {
    "drb": DeviceKind(_SIMULATOR, assignment="round-robin", as_simulated=True),
    "drb_fix": DeviceKind(_SIMULATOR, assignment="round-robin", as_simulated=True),
    "main_srb": DeviceKind(_SIMULATOR, assignment="round-robin", as_simulated=True),
    "npupim_wide": DeviceKind(_SIMULATOR, assignment="round-robin", as_simulated=True),
    "npupim": DeviceKind(_SIMULATOR, assignment="round-robin", as_simulated=True),
    "npuonly": DeviceKind(_SIMULATOR, "npu-only", "round-robin", as_simulated=True),
    "drb_sbi": DeviceKind(_SIMULATOR, assignment="round-robin", sub_batches=True, as_simulated=True),
    "drb_sbi_fix": DeviceKind(_SIMULATOR, assignment="round-robin", sub_batches=True, as_simulated=True),
}
"""By the names of the repeated runs of the paper's simulator."""
