"""The systems that NeuPIMs compares, each as a machine and a way to run it."""

from __future__ import annotations

from .device import DeviceKind


def _both(name: str, default: DeviceKind, published: DeviceKind) -> dict[str, DeviceKind]:
    return {name: default, f"{name}, as published": published}


KINDS = {
    **_both(
        "npu-only",
        DeviceKind("neupims", "npu-only", "round-robin"),
        DeviceKind("neupims-as-published", "npu-only", "round-robin", as_simulated=True),
    ),
    **_both(
        "npu-pim",
        DeviceKind("npu-pim", assignment="round-robin"),
        DeviceKind("npu-pim-as-published", assignment="round-robin", as_simulated=True),
    ),
    **_both(
        "neupims, round robin, no sub-batches",
        DeviceKind("neupims", assignment="round-robin"),
        DeviceKind("neupims-as-published", assignment="round-robin", as_simulated=True),
    ),
    **_both(
        "neupims, no sub-batches",
        DeviceKind("neupims"),
        DeviceKind("neupims-as-published", as_simulated=True),
    ),
    **_both(
        "neupims, sub-batches",
        DeviceKind("neupims", sub_batches=True),
        DeviceKind("neupims-as-published", sub_batches=True, as_simulated=True),
    ),
    **_both(
        "neupims, one row buffer, sub-batches",
        DeviceKind("neupims-one-row-buffer", sub_batches=True),
        DeviceKind("npu-pim-wide", sub_batches=True, as_simulated=True),
    ),
    **_both(
        "npu-pim, min-load, sub-batches",
        DeviceKind("npu-pim", sub_batches=True),
        DeviceKind("npu-pim-as-published", sub_batches=True, as_simulated=True),
    ),
}
"""By name. `as published` is the paper's simulator with all that it leaves out, the others are charged for what they do."""

CHOICES = {"neupims": ("neupims, no sub-batches", "neupims, sub-batches")}
"""What a compiler may do on a system, the kinds of which it takes the fastest."""


LEAST_INTERLEAVED = 256
"""Sequences of a device from which NeuPIMs interleaves sub-batches as published, as the README of its simulator says."""


def kind_of(system: str, sequences: int) -> str:
    """The kind behind a system's name, or the name of its CHOICES; as published the sequences of a device decide."""
    if system == "neupims, as published":
        return f"neupims, {'' if sequences >= LEAST_INTERLEAVED else 'no '}sub-batches, as published"
    return system


def _simulated(machine: str, policy: str = "attention-on-pim", sub_batches: bool = False) -> DeviceKind:
    return DeviceKind(machine, policy, "round-robin", sub_batches, as_simulated=True)


SIMULATED = {
    "drb": _simulated("neupims-as-published"),
    "drb_fix": _simulated("neupims-mac-charged"),
    "main_srb": _simulated("npu-pim-wide"),
    "npupim_wide": _simulated("npu-pim-wide"),
    "npupim": _simulated("npu-pim-as-published"),
    "npuonly": _simulated("neupims-as-published", "npu-only"),
    "drb_sbi": _simulated("neupims-as-published", sub_batches=True),
    "drb_sbi_fix": _simulated("neupims-mac-charged", sub_batches=True),
}
"""By the names of the repeated runs of the paper's simulator."""
