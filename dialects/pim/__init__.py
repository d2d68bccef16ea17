"""The `pim` dialect: structured ops over matrices in banks, and one command vocabulary for bank-level machines."""

from xdsl.ir import Dialect

from ..hardware import PimMemoryAttr
from . import head_instructions, instructions, structured
from .types import HeadKeysAttr, HeadValuesAttr, KeysAttr, MatrixAttr, PimFieldsAttr, StagingAttr, ValuesAttr

PIM = Dialect(
    "pim",
    [*structured.STRUCTURED, *instructions.INSTRUCTIONS, *head_instructions.HEAD_INSTRUCTIONS],
    [PimFieldsAttr, MatrixAttr, KeysAttr, ValuesAttr, HeadKeysAttr, HeadValuesAttr, StagingAttr, PimMemoryAttr],
)

MEMORY = "pim.memory"
"""Module attribute: the `#pim.memory` that `attach-machine` put there."""
