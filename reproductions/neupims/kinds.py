"""The systems that NeuPIMs compares, each as a machine and a way to run it."""

from __future__ import annotations

from .device import DeviceKind

NPU_ONLY = DeviceKind("neupims", "npu-only", "round-robin")
NAIVE = DeviceKind("neupims-single", assignment="round-robin")
NEUPIMS = DeviceKind("neupims", sub_batches=True)

AS_PUBLISHED = {
    "npu-only": DeviceKind("neupims-mac-charged", "npu-only", "round-robin", as_simulated=True),
    "npu-pim": DeviceKind("neupims-mac-charged", assignment="round-robin", as_simulated=True),
    "neupims": DeviceKind("neupims-mac-charged", sub_batches=True, as_simulated=True),
}
DEFAULT = {"npu-only": NPU_ONLY, "npu-pim": NAIVE, "neupims": NEUPIMS}

_ROUND_ROBIN = {"assignment": "round-robin", "as_simulated": True}
SIMULATED = {
    "drb": DeviceKind("neupims-mac-charged", **_ROUND_ROBIN),
    "drb_fix": DeviceKind("neupims-mac-charged", **_ROUND_ROBIN),
    "main_srb": DeviceKind("neupims-mac-charged", **_ROUND_ROBIN),
    "npupim_wide": DeviceKind("neupims-mac-charged", **_ROUND_ROBIN),
    "npupim": DeviceKind("neupims-mac-charged", **_ROUND_ROBIN),
    "npuonly": DeviceKind("neupims-mac-charged", "npu-only", **_ROUND_ROBIN),
    "drb_sbi": DeviceKind("neupims-mac-charged", sub_batches=True, **_ROUND_ROBIN),
    "drb_sbi_fix": DeviceKind("neupims-mac-charged", sub_batches=True, **_ROUND_ROBIN),
}
"""By the names of the repeated runs of the paper's simulator."""
