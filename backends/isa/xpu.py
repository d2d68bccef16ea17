"""The instruction set of an analytic processor: operators as its model takes them, one after another, without data.

An operator covers whole matrices of m rows; what it reads and writes is a matter of the model (`sim/analytic/xpu.py`).
Programs of this set have times only: their results are labelled analytic.
"""

from .spec import CONTROL, InstructionSet, Opcode

ACTIVATIONS = ("gelu", "relu", "glu")

XPU = InstructionSet(
    "xpu",
    ("ctl", "op"),
    (
        *CONTROL,
        Opcode(
            8,
            "product",
            "op",
            ("m", "n", "k", "element_bytes"),
            "Activations m x k times weights k x n.",
            defaults={"element_bytes": 2},
        ),
        Opcode(
            9,
            "activation",
            "op",
            ("kind", "m", "n", "element_bytes"),
            "An activation function of m x n elements; glu multiplies it by a second operand.",
            enums={"kind": ACTIVATIONS},
            defaults={"element_bytes": 2},
        ),
        Opcode(
            10,
            "norm",
            "op",
            ("m", "n", "element_bytes"),
            "Normalisation of m rows of n elements, with the residual that is added before.",
            defaults={"element_bytes": 2},
        ),
    ),
)
