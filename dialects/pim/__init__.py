"""The `pim` dialect: structured ops over matrices in banks, and one command vocabulary for bank-level machines."""

from xdsl.ir import Dialect

from ..hardware import PimMemoryAttr
from . import instructions, structured
from .types import KeysAttr, MatrixAttr, PimFieldsAttr, StagingAttr, ValuesAttr

PIM = Dialect(
    "pim",
    [*structured.STRUCTURED, *instructions.INSTRUCTIONS],
    [PimFieldsAttr, MatrixAttr, KeysAttr, ValuesAttr, StagingAttr, PimMemoryAttr],
)

MEMORY = "pim.memory"
"""Module attribute: the `#pim.memory` that `attach-machine` put there."""
