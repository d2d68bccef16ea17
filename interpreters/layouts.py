"""Where the elements of a tensor are in main memory: each layout as a formula from the indices of an element to its place.

Written from the description of `Region` in backends/isa/image.py, one element at a time (index arrays stand for all
elements at once), as a check of the block-wise code of the simulator.
"""

from math import ceil, prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import TensorType

from ..dialects import host
from ..dialects.hardware import PimMemory
from ..dialects.npu.types import RopeTableAttr, RowMajorAttr, TilesAttr
from ..dialects.pim.types import HeadKeysAttr, HeadValuesAttr, KeysAttr, MatrixAttr, ValuesAttr
from .control import dtype_of
from .llm import Array

Index: TypeAlias = NDArray[np.int64]
BankPlace: TypeAlias = tuple[Index, Index, Index, Index]
"""Channel, bank, row and byte of elements."""


class MainMemory:
    """Main memory as bytes: the linear space, and the rows of all banks above it.

    `linear` is indexed by address, `banks` by channel, bank, row - `first_row`, byte.
    """

    def __init__(self, memories: list[host.MemoryOp], memory: PimMemory):
        self.memory = memory
        self.memories = {op.sym_name.data: op for op in memories}
        end = max((_address(op) + _linear_bytes(op) for op in memories if op.row is None), default=0)
        self.linear = np.zeros(-(-end // memory.row_bytes) * memory.row_bytes, np.uint8)
        self.first_row = min((_row(op) for op in memories if op.row is not None), default=0)
        rows = max(
            (_row(op) + _row_count(op, memory) - self.first_row for op in memories if op.row is not None), default=0
        )
        self.banks = np.zeros((memory.channels, memory.banks, rows, memory.row_bytes), np.uint8)

    def store(self, symbol: str, values: Array) -> None:
        """Write all elements of a tensor."""
        elements, place = self._place(symbol)
        op = self.memories[symbol]
        assert isinstance(op.type, TensorType)
        elements[place] = values.astype(dtype_of(op.type.element_type))

    def read(self, symbol: str) -> Array:
        """All elements of a tensor."""
        elements, place = self._place(symbol)
        return elements[place]

    def _place(self, symbol: str) -> tuple[Array, tuple[Index, ...]]:
        """The memory of a tensor as an array of its elements, and an index into it per dimension."""
        op = self.memories[symbol]
        assert isinstance(op.type, TensorType)
        dtype = np.dtype(dtype_of(op.type.element_type))
        indices = np.indices(op.type.get_shape(), np.int64)
        if op.row is None:
            at = _address(op) + linear_place(op, *indices)
            return self.linear.view(dtype), (at // dtype.itemsize,)
        channel, bank, row, byte = bank_place(op, self.memory, *indices)
        return self.banks.view(dtype), (channel, bank, _row(op) - self.first_row + row, byte // dtype.itemsize)


def linear_place(op: host.MemoryOp, *indices: Index) -> Index:
    """Bytes from the start of a tensor of the linear space to an element."""
    assert isinstance(op.type, TensorType)
    shape = op.type.get_shape()
    match op.layout:
        case RowMajorAttr() | RopeTableAttr():
            number = np.zeros_like(indices[0])
            for index, size in zip(indices, shape, strict=True):
                number = number * size + index
            return number * np.dtype(dtype_of(op.type.element_type)).itemsize
        case TilesAttr() as layout:
            tile_k, tile_n, group = (layout.integer(key) for key in ("tile_k", "tile_n", "group"))
            padded_k, padded_n = layout.integer("padded_k"), layout.integer("padded_n")
            layer = indices[0] if len(indices) == 3 else 0
            n, k = indices[-2:]
            panel, depth = n // tile_n, k // tile_k
            tile = ((panel // group) * (padded_k // tile_k) + depth) * group + panel % group
            element = tile * (tile_k * tile_n) + (k % tile_k) * tile_n + n % tile_n
            return (layer * (padded_k * padded_n) + element) * 2
        case layout:
            raise NotImplementedError(f"host.memory @{op.sym_name.data} has layout {layout}")


def bank_place(op: host.MemoryOp, memory: PimMemory, *indices: Index) -> BankPlace:
    """Channel, bank, row (from the first row of the tensor) and byte of an element."""
    match op.layout:
        case MatrixAttr() as layout:
            layer = indices[0] if len(indices) == 3 else np.zeros_like(indices[0])
            return _matrix_place(layout, memory, layer, *indices[-2:])
        case KeysAttr() as layout:
            layer, slot, head, token, dimension = indices
            first, place, places = _sequence_place(layout, memory, slot)
            units = layout.integer("channels") * memory.banks
            per_row = layout.integer("heads_per_row")
            group = (layer * places + place) * layout.integer("groups") + token // units
            row = group * layout.integer("rows_per_token") + head // per_row
            byte = ((head % per_row) * layout.integer("head_dim") + dimension) * 2
            unit = token % units
            return first + unit // memory.banks, unit % memory.banks, row, byte
        case ValuesAttr() as layout:
            layer, slot, head, token, dimension = indices
            group = head * layout.integer("groups_per_head") + dimension // memory.banks
            first, place, places = _sequence_place(layout, memory, slot)
            channels = layout.integer("channels")
            shared, number = layout.groups_per_row, group // channels
            rows_of_chunk = ceil(ceil(layout.integer("groups") / channels) / shared)
            row = (layer * places + place) * layout.integer("rows_per_sequence")
            row = row + token // layout.integer("row_elements") * rows_of_chunk + number // shared
            byte = (number % shared * layout.integer("row_elements") + token % layout.integer("row_elements")) * 2
            return first + group % channels, dimension % memory.banks, row, byte
        case HeadKeysAttr() | HeadValuesAttr() as layout:
            return _head_place(layout, memory, *indices)
        case layout:
            raise NotImplementedError(f"host.memory @{op.sym_name.data} has layout {layout}")


def _sequence_place(layout: KeysAttr | ValuesAttr, memory: PimMemory, slot: Index) -> tuple[Index, Index, int]:
    """First channel of a slot, its place among those that begin there, and how many places there are."""
    beside = memory.channels // layout.integer("channels")
    return slot % beside * layout.integer("channels"), slot // beside, _places(layout, memory)


def _places(layout: KeysAttr | ValuesAttr, memory: PimMemory) -> int:
    return ceil(layout.integer("slots") * layout.integer("channels") / memory.channels)


def _head_place(
    layout: HeadKeysAttr | HeadValuesAttr,
    memory: PimMemory,
    layer: Index,
    slot: Index,
    head: Index,
    token: Index,
    dimension: Index,
) -> BankPlace:
    parts, piece = layout.integer("parts"), dimension // 16
    if isinstance(layout, HeadKeysAttr):
        columns = layout.integer("columns")
        bank, column = piece // columns, token // parts * columns + piece % columns
    else:
        banks = memory.banks // parts
        bank, column = piece % banks, piece // banks * layout.integer("tokens") + token // parts
    place = head * layout.integer("slots") + slot
    turn = layer * layout.integer("heads_per_channel") + place // memory.channels
    row = turn * layout.integer("rows_per_head") + column // memory.row_columns
    byte = column % memory.row_columns * memory.column_bytes + dimension % 16 * 2
    return place % memory.channels, bank * parts + token % parts, row, byte


def _matrix_place(layout: MatrixAttr, memory: PimMemory, layer: Index, n: Index, k: Index) -> BankPlace:
    unit, number = n % memory.units, n // memory.units
    chunk = k // layout.integer("chunk")
    rows = np.array(layout.integers("rows_of_chunk"))
    rows_before = np.concatenate([[0], np.cumsum(rows)])[chunk]
    passes = np.array(layout.integers("passes_per_row"))[chunk]
    columns = np.array(layout.integers("columns_of_chunk"))[chunk]
    row = layer * layout.integer("rows_per_layer") + rows_before + number // passes
    byte = (number % passes) * columns * memory.column_bytes + k % layout.integer("chunk") * 2
    return unit // memory.banks, unit % memory.banks, row, byte


def rope_table(context: int, head_dim: int, theta: float) -> NDArray[np.float32]:
    """f32 [context, head_dim]: cosines, then sines, of position * theta^(-2i/head_dim), computed in f64."""
    angles = np.arange(context)[:, None] * theta ** (-2.0 * np.arange(head_dim // 2) / head_dim)
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def _address(op: host.MemoryOp) -> int:
    assert op.address is not None
    return op.address.value.data


def _row(op: host.MemoryOp) -> int:
    assert op.row is not None
    return op.row.value.data


def _shape(op: host.MemoryOp) -> tuple[int, ...]:
    assert isinstance(op.type, TensorType)
    return tuple(op.type.get_shape())


def _linear_bytes(op: host.MemoryOp) -> int:
    shape = _shape(op)
    if isinstance(op.layout, RowMajorAttr) and op.layout.integer("page_tokens"):
        return op.layout.integer("pages") * op.layout.integer("page_tokens") * shape[0] * shape[2] * shape[4] * 2
    if isinstance(op.layout, TilesAttr):
        return prod(shape[:-2]) * op.layout.integer("padded_n") * op.layout.integer("padded_k") * 2
    assert isinstance(op.type, TensorType)
    return prod(shape) * np.dtype(dtype_of(op.type.element_type)).itemsize


def _row_count(op: host.MemoryOp, memory: PimMemory) -> int:
    match op.layout:
        case MatrixAttr() as layout:
            return prod(_shape(op)[:-2]) * layout.integer("rows_per_layer")
        case KeysAttr() as layout:
            rows = layout.integer("groups") * layout.integer("rows_per_token")
            return _shape(op)[0] * (layout.integer("pages") or _places(layout, memory)) * rows
        case ValuesAttr() as layout:
            places = layout.integer("pages") or _places(layout, memory)
            return _shape(op)[0] * places * layout.integer("rows_per_sequence")
        case HeadKeysAttr() | HeadValuesAttr() as layout:
            rows = layout.integer("heads_per_channel") * layout.integer("rows_per_head")
            return _shape(op)[0] * (layout.integer("pages") or 1) * rows
        case layout:
            return layout.integer("rows")  # pyright: ignore[reportAttributeAccessIssue]
