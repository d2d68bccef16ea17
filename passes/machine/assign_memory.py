"""Give every tensor of main memory an address or a row, and check that the machine has that many."""

from dataclasses import dataclass
from math import prod
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import Float16Type, ModuleOp, TensorType
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ...dialects.hardware import pim_memory
from ...dialects.npu.types import TilesAttr
from ...dialects.pim.types import HeadKeysAttr, HeadValuesAttr, KeysAttr, MatrixAttr, StagingAttr, ValuesAttr


@dataclass(frozen=True)
class AssignMemoryPass(ModulePass):
    """Place the linear tensors from byte 0 and the row tensors above them, in the order of the module.

    The linear space is spread over all channels and banks row by row: one row index in every bank holds channels x banks
    x row bytes. Row tensors own whole row indices. Fails when the rows of a bank do not suffice.

    Before:

        host.memory @attn_norm_rows : tensor<30x576xf16> layout #npu.row_major<row_bytes = 1152>

    After:

        host.memory @attn_norm_rows : tensor<30x576xf16> layout #npu.row_major<row_bytes = 1152> {address = 56623104 : i64}
    """

    name = "assign-memory"

    capacity: Literal["check", "ignore"] = "check"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        memory = pim_memory(op)
        tensors = [tensor for tensor in op.ops if isinstance(tensor, host.MemoryOp)]
        across = memory.units * memory.row_bytes
        address = 0
        for tensor in tensors:
            if rows_of(tensor, memory.channels) is None:
                tensor.address = host.integer(address)
                # Whole rows, so that a burst never spans two tensors.
                address += -(-linear_bytes(tensor) // memory.row_bytes) * memory.row_bytes
        row = -(-address // across)
        for tensor in tensors:
            rows = rows_of(tensor, memory.channels)
            if rows is not None:
                tensor.row = host.integer(row)
                row += rows
        if row > memory.rows and self.capacity == "check":
            raise PassFailedException(
                f"the model needs {row} rows in every bank, machine {memory.name} has {memory.rows}: "
                f"{row * across} of {memory.rows * across} bytes"
            )


def linear_bytes(tensor: host.MemoryOp) -> int:
    """Size of a tensor in the linear space."""
    assert isinstance(tensor.type, TensorType)
    shape = tensor.type.get_shape()
    if isinstance(tensor.layout, TilesAttr):
        return prod(shape[:-2]) * tensor.layout.layer_bytes
    return prod(shape) * (2 if isinstance(tensor.type.element_type, Float16Type) else 4)


def rows_of(tensor: host.MemoryOp, channels: int) -> int | None:
    """Row indices that a tensor owns in a memory of `channels` channels, None for a tensor of the linear space."""
    assert isinstance(tensor.type, TensorType)
    shape = tensor.type.get_shape()
    match tensor.layout:
        case MatrixAttr() as layout:
            return prod(shape[:-2]) * layout.integer("rows_per_layer")
        case KeysAttr() as layout:
            slot = layout.integer("groups") * layout.integer("rows_per_token")
            return shape[0] * places_of(layout, channels) * slot
        case ValuesAttr() as layout:
            return shape[0] * places_of(layout, channels) * layout.integer("rows_per_sequence")
        case HeadKeysAttr() | HeadValuesAttr() as layout:
            return shape[0] * layout.integer("heads_per_channel") * layout.integer("rows_per_head")
        case StagingAttr() as layout:
            return layout.integer("rows")
        case _:
            return None


def places_of(layout: KeysAttr | ValuesAttr, channels: int) -> int:
    """Sequences that share the same channels."""
    return -(-layout.integer("slots") * layout.integer("channels") // channels)
