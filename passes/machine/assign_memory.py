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
from ...dialects.npu.types import RowMajorAttr, TilesAttr
from ...dialects.pim.types import HeadKeysAttr, HeadValuesAttr, KeysAttr, MatrixAttr, StagingAttr, ValuesAttr
from ...dialects.record import page_tokens
from .page_counts import enough_pages, paged_caches, set_pages, share_rest


@dataclass(frozen=True)
class AssignMemoryPass(ModulePass):
    """Place the linear tensors from byte 0 and the row tensors above them, in the order of the module.

    The linear space is spread over all channels and banks row by row: one row index in every bank holds channels x banks
    x row bytes. Row tensors own whole row indices. Fails when the rows of a bank do not suffice. Caches in pages get pages
    for as many full sequences as a step has, or, if there is less room, what the other tensors leave.

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
        self.count_pages(tensors, paged_caches(op), op)
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

    def count_pages(self, tensors: list[host.MemoryOp], caches: list[host.MemoryOp], module: ModuleOp) -> None:
        """Decide how many pages the caches have."""
        if not caches:
            return
        memory = pim_memory(module)
        channels, across = memory.channels, memory.units * memory.row_bytes
        wanted = [enough_pages(cache, module, memory) for cache in caches]
        if self.capacity == "check":
            for cache in caches:
                set_pages(cache, 1)
            others = [tensor for tensor in tensors if tensor not in caches]
            in_rows = rows_of(caches[0], channels) is not None
            linear = sum(-(-linear_bytes(o) // across) for o in others if rows_of(o, channels) is None)
            rest = memory.rows - linear - sum(rows_of(o, channels) or 0 for o in others)
            sizes = [rows_of(cache, channels) or linear_bytes(cache) for cache in caches]
            if in_rows:
                wanted = share_rest(caches, sizes, wanted, rest, f"rows in every bank of machine {memory.name}")
            else:
                wanted = share_rest(caches, sizes, wanted, rest * across, f"bytes of machine {memory.name}")
        for cache, count in zip(caches, wanted, strict=True):
            set_pages(cache, count)


def linear_bytes(tensor: host.MemoryOp) -> int:
    """Size of a tensor in the linear space."""
    assert isinstance(tensor.type, TensorType)
    shape = tensor.type.get_shape()
    if isinstance(tensor.layout, TilesAttr):
        return prod(shape[:-2]) * tensor.layout.layer_bytes
    if isinstance(tensor.layout, RowMajorAttr) and page_tokens(tensor.layout):
        layers, _, heads, _, _ = shape
        page = heads * page_tokens(tensor.layout) * tensor.layout.integer("row_bytes")
        return tensor.layout.integer("pages") * layers * page
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
            return shape[0] * (layout.integer("pages") or places_of(layout, channels)) * slot
        case ValuesAttr() as layout:
            places = layout.integer("pages") or places_of(layout, channels)
            return shape[0] * places * layout.integer("rows_per_sequence")
        case HeadKeysAttr() | HeadValuesAttr() as layout:
            rows = layout.integer("heads_per_channel") * layout.integer("rows_per_head")
            return shape[0] * (layout.integer("pages") or 1) * rows
        case StagingAttr() as layout:
            return layout.integer("rows")
        case _:
            return None


def places_of(layout: KeysAttr | ValuesAttr, channels: int) -> int:
    """Sequences that share the same channels."""
    return -(-layout.integer("slots") * layout.integer("channels") // channels)
