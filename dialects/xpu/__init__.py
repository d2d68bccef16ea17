"""The `xpu` dialect: operators of a processor that is timed by an analytic model."""

from xdsl.ir import Dialect

from .instructions import INSTRUCTIONS, ActivationOp, NormOp, ProductOp, XpuFieldsAttr

XPU = Dialect("xpu", INSTRUCTIONS, [XpuFieldsAttr])

PROCESSOR = "machine.processor"
"""Module attribute: "xpu" if what is not on the PIM runs on such a processor."""

__all__ = ["PROCESSOR", "XPU", "ActivationOp", "NormOp", "ProductOp"]
