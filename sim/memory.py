"""Main memory of a machine as bytes, and the layouts that put tensors into it."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ..backends.isa.image import Image, Region
from .functional.errors import SimulationError

DTYPES = {"f16": np.dtype(np.float16), "f32": np.dtype(np.float32), "i32": np.dtype(np.int32)}
LANES = 16

BANK_LEVELS = ("pseudo_channels", "ranks", "bank_groups", "banks_per_group")
"""Their product is the number of banks of a channel."""


class BankMemory:
    """All bank rows that an image uses, initially zero (rows that nobody touches cost no memory).

    `rows` is uint8[rows, banks, channels, row_bytes]. The order makes the linear space, which runs through the channels
    first, then the banks, then the rows, one contiguous range: `flat`.
    """

    def __init__(self, image: Image):
        memory = image.machine["memory"]
        self.channels: int = memory["channels"]
        self.banks: int = math.prod(memory.get(level, 1) for level in BANK_LEVELS)
        self.row_bytes: int = memory["row_bytes"]
        self.linear_bytes = image.linear_bytes
        self.rows = np.zeros((image.rows_used, self.banks, self.channels, self.row_bytes), np.uint8)
        self.flat = self.rows.reshape(-1)
        if image.linear_bytes > self.flat.size:
            raise SimulationError(
                f"linear space of {image.linear_bytes} bytes does not fit in {self.flat.size} bytes used"
            )

    def load_region(self, region: Region, array: np.ndarray) -> None:
        """Write a tensor, converting it to the element type of the region."""
        if tuple(array.shape) != tuple(region.shape):
            raise SimulationError(
                f"{region.symbol}: {region.source or 'tensor'} has shape {tuple(array.shape)}, expected {tuple(region.shape)}"
            )
        array = _converted(region, array)
        for stored, part in self._parts(region, array):
            stored[...] = part

    def read_region(self, region: Region) -> np.ndarray:
        """The tensor that a region holds."""
        array = np.zeros(region.shape, _dtype(region))
        for stored, part in self._parts(region, array):
            part[...] = stored
        return array

    def _parts(self, region: Region, array: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pairs (view of memory, view of the tensor) of equal shape that together cover the tensor."""
        kind = region.layout["kind"]
        if region.layout.get("page_tokens"):
            raise SimulationError(f"{region.symbol}: its pages have no fixed place")
        if kind not in _LAYOUTS:
            raise SimulationError(f"{region.symbol}: unknown layout {kind!r}, known are {', '.join(_LAYOUTS)}")
        return _LAYOUTS[kind](self, region, array)

    def linear(self, region: Region, count: int) -> np.ndarray:
        """`count` elements of a region in the linear space."""
        dtype = _dtype(region)
        end = region.address + count * dtype.itemsize
        if region.address < 0 or end > self.linear_bytes:
            raise SimulationError(
                f"{region.symbol}: covers bytes [{region.address}, {end}), the linear space has {self.linear_bytes}"
            )
        return self.flat[region.address : end].view(dtype)

    def bank_rows(self, region: Region, first: int, count: int) -> np.ndarray:
        """f16[count, banks, channels, elements]: rows of all banks, `first` counted from the region's row."""
        start, end = region.row + first, region.row + first + count
        if start < 0 or end > len(self.rows):
            raise SimulationError(f"{region.symbol}: covers rows [{start}, {end}), the image uses {len(self.rows)}")
        return self.rows[start:end].view(np.float16)


def _dtype(region: Region) -> np.dtype:
    if region.dtype not in DTYPES:
        raise SimulationError(f"{region.symbol}: element type {region.dtype!r} is not one of {', '.join(DTYPES)}")
    return DTYPES[region.dtype]


def _converted(region: Region, array: np.ndarray) -> np.ndarray:
    """`array` in the element type of the region, rounded to nearest even."""
    dtype = _dtype(region)
    if array.dtype == dtype:
        return array
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise SimulationError(f"{region.symbol}: {region.source or 'tensor'} is {array.dtype}, expected {region.dtype}")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    lost = np.isfinite(array) & ~np.isfinite(converted)
    if lost.any():
        raise SimulationError(f"{region.symbol}: {array[lost][0]} does not fit in {region.dtype}")
    return converted


Parts = Iterator[tuple[np.ndarray, np.ndarray]]


def _row_major(memory: BankMemory, region: Region, array: np.ndarray) -> Parts:
    yield memory.linear(region, array.size).reshape(array.shape), array


def _tiles(memory: BankMemory, region: Region, array: np.ndarray) -> Parts:
    layout = region.layout
    tile_k, tile_n = layout["tile_k"], layout["tile_n"]
    k_tiles, n_tiles = layout["padded_k"] // tile_k, layout["padded_n"] // tile_n
    layers = _layered(array)
    count = len(layers) * k_tiles * n_tiles * tile_k * tile_n
    group = layout["group"]
    tiles = memory.linear(region, count).reshape(len(layers), n_tiles // group, k_tiles, group, tile_k, tile_n)
    for n in range(n_tiles):
        for k in range(k_tiles):
            part = layers[:, n * tile_n : (n + 1) * tile_n, k * tile_k : (k + 1) * tile_k].transpose(0, 2, 1)
            yield tiles[:, n // group, k, n % group, : part.shape[1], : part.shape[2]], part


def _layered(array: np.ndarray) -> np.ndarray:
    """A matrix, or a stack of one matrix per layer, as a stack."""
    return array.reshape(1, *array.shape) if array.ndim == 2 else array


def _pim_matrix(memory: BankMemory, region: Region, array: np.ndarray) -> Parts:
    layout = region.layout
    for layer, matrix in enumerate(_layered(array)):
        first = layer * layout["rows_per_layer"]
        for chunk, rows in enumerate(layout["rows_of_chunk"]):
            begin = chunk * layout["chunk"]
            stored = memory.bank_rows(region, first, rows)
            yield from _pim_chunk(
                stored,
                matrix[:, begin : begin + layout["chunk"]],
                layout["passes_per_row"][chunk],
                layout["columns_of_chunk"][chunk] * LANES,
            )
            first += rows


def _pim_chunk(stored: np.ndarray, matrix: np.ndarray, passes_per_row: int, pitch: int) -> Parts:
    """One K chunk: pass p of `passes_per_row` to a row holds neuron p*units + channel*banks + bank, in all units."""
    _rows, banks, channels, _ = stored.shape
    units = banks * channels
    neurons, length = matrix.shape
    whole = neurons // units
    for p in range(whole):
        at = p % passes_per_row * pitch
        part = matrix[p * units : (p + 1) * units].reshape(channels, banks, length).transpose(1, 0, 2)
        yield stored[p // passes_per_row, :, :, at : at + length], part
    at = whole % passes_per_row * pitch
    for channel in range(-(-(neurons - whole * units) // banks)):
        part = matrix[whole * units + channel * banks :][:banks]
        yield stored[whole // passes_per_row, : len(part), channel, at : at + length], part


def _pim_keys(memory: BankMemory, region: Region, array: np.ndarray) -> Parts:
    """Key cache [layers, slots, heads, context, head_dim]; a part is one head of one token in all layers, one slot."""
    layers, slots, heads, context, head_dim = array.shape
    layout = region.layout
    groups, rows_per_token, heads_per_row = layout["groups"], layout["rows_per_token"], layout["heads_per_row"]
    places, spread = _places(memory, layout)
    stored = memory.bank_rows(region, 0, layers * places * groups * rows_per_token)
    stored = stored.reshape(layers, places, groups, rows_per_token, *stored.shape[1:])
    for slot in range(slots):
        place, first = slot // spread, slot % spread * layout["channels"]
        for token in range(context):
            group, unit = divmod(token, memory.banks * layout["channels"])
            channel, bank = divmod(unit, memory.banks)
            for head in range(heads):
                at = head % heads_per_row * head_dim
                where = stored[:, place, group, head // heads_per_row, bank, first + channel]
                yield where[:, at : at + head_dim], array[:, slot, head, token]


def _places(memory: BankMemory, layout: dict[str, Any]) -> tuple[int, int]:
    """Sequences in the same channels, and sequences beside each other."""
    spread = memory.channels // layout["channels"]
    return -(-layout["slots"] // spread), spread


def _pim_values(memory: BankMemory, region: Region, array: np.ndarray) -> Parts:
    """Value cache [layers, slots, heads, context, head_dim]; a part is a run of tokens of dimensions in all banks."""
    layers, slots, heads, context, head_dim = array.shape
    layout = region.layout
    groups_per_head, row_elements = layout["groups_per_head"], layout["row_elements"]
    rows_per_sequence, channels = layout["rows_per_sequence"], layout["channels"]
    shared = layout.get("groups_per_row", 0) or 1
    groups_of_channel = -(-heads * groups_per_head // channels)
    rows_of_chunk = -(-groups_of_channel // shared)
    places, spread = _places(memory, layout)
    stored = memory.bank_rows(region, 0, layers * places * rows_per_sequence)
    stored = stored.reshape(layers, places, rows_per_sequence, *stored.shape[1:])
    for slot in range(slots):
        place, first_channel = slot // spread, slot % spread * channels
        for chunk in range(-(-context // row_elements)):
            tokens = slice(chunk * row_elements, min((chunk + 1) * row_elements, context))
            for head in range(heads):
                for first in range(0, head_dim, memory.banks):
                    group = head * groups_per_head + first // memory.banks
                    number, channel = divmod(group, channels)
                    row, at = chunk * rows_of_chunk + number // shared, number % shared * row_elements
                    part = array[:, slot, head, tokens, first : first + memory.banks].transpose(0, 2, 1)
                    where = stored[:, place, row, : part.shape[1], first_channel + channel]
                    yield where[:, :, at : at + part.shape[2]], part


def _pim_head_keys(memory: BankMemory, region: Region, array: np.ndarray) -> Parts:
    """Key cache [layers, slots, heads, context, head_dim]; a part is a column of one token and bank in all layers."""
    columns = region.layout["columns"]
    for piece, stored, part in _head_pieces(memory, region, array):
        for token in range(array.shape[3]):
            at, number = token % region.layout["parts"], token // region.layout["parts"]
            bank = piece // columns * region.layout["parts"] + at
            yield stored(bank, number * columns + piece % columns), part[:, token]


def _pim_head_values(memory: BankMemory, region: Region, array: np.ndarray) -> Parts:
    """Value cache of the same shape; the pieces of a token are dealt out to the banks of its part."""
    parts = region.layout["parts"]
    for piece, stored, part in _head_pieces(memory, region, array):
        chunk, bank = divmod(piece, memory.banks // parts)
        for token in range(array.shape[3]):
            at, number = token % parts, token // parts
            yield stored(bank * parts + at, chunk * region.layout["tokens"] + number), part[:, token]


def _head_pieces(memory: BankMemory, region: Region, array: np.ndarray) -> Iterator[tuple[int, Any, np.ndarray]]:
    """Number, place and tensor of each piece of 16 dimensions of each head; place(bank, column) is where it is stored."""
    layers, slots, heads, _, head_dim = array.shape
    per_channel, rows = region.layout["heads_per_channel"], region.layout["rows_per_head"]
    stored = memory.bank_rows(region, 0, layers * per_channel * rows)
    stored = stored.reshape(layers, per_channel, rows, memory.banks, memory.channels, -1, LANES)
    for head, slot in product(range(heads), range(slots)):
        turn, channel = divmod(head * slots + slot, memory.channels)
        for piece in range(-(-head_dim // LANES)):

            def place(
                bank: int, column: int, turn: int = turn, channel: int = channel, piece: int = piece
            ) -> np.ndarray:
                row, column = divmod(column, stored.shape[-2])
                return stored[:, turn, row, bank, channel, column, : min(LANES, head_dim - piece * LANES)]

            yield piece, place, array[:, slot, head, :, piece * LANES : (piece + 1) * LANES]


_LAYOUTS: dict[str, Any] = {
    "row_major": _row_major,
    "tiles": _tiles,
    "pim_matrix": _pim_matrix,
    "pim_keys": _pim_keys,
    "pim_values": _pim_values,
    "pim_head_keys": _pim_head_keys,
    "pim_head_values": _pim_head_values,
    "rope_table": _row_major,
}


def rope_table(context: int, head_dim: int, theta: float) -> np.ndarray:
    """f32[context, head_dim]: cosines, then sines, of position * theta^(-2i/head_dim); computed in float64."""
    frequencies = theta ** (-2.0 * np.arange(head_dim // 2) / head_dim)
    angles = np.arange(context)[:, None] * frequencies
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
