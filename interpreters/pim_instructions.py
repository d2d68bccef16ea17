"""What each PIM instruction does, one function each: the definition of the instruction set of backends/isa/pim.py."""

from collections.abc import Callable

import numpy as np

from ..backends.isa.pim import SPACES
from ..dialects.affine_fields import bits_float
from ..dialects.hardware import PimMemory
from .functions import F32, exp, halving_tree, lane_sum
from .layouts import MainMemory
from .local import LocalMemory
from .npu_instructions import Fields
from .pim_head_instructions import HEAD_INSTRUCTIONS, HeadState

_CLOSED = -1


class Pim:
    """Per channel: the row that PIM has open, a global buffer, and an accumulator for each bank."""

    def __init__(self, memory: PimMemory, main: MainMemory, local: LocalMemory, softmax: LocalMemory):
        self.memory, self.main = memory, main
        self.spaces = dict(zip(SPACES, (local, softmax), strict=True))
        self.open_rows = np.full(memory.channels, _CLOSED)
        self.buffers = np.full((memory.channels, memory.buffer_columns, memory.column_elements), np.nan, F32)
        self.accumulators = np.zeros((memory.channels, memory.banks), F32)
        self.heads = HeadState(memory)

    def run(self, name: str, fields: Fields) -> None:
        _EXECUTE[name](self, fields)

    def space(self, number: int) -> LocalMemory:
        return self.spaces[SPACES[number]]

    def channels(self, f: Fields) -> range:
        """The channels that an instruction selects."""
        if f.channel < 0 or f.channels < 0 or f.channel + f.channels > self.memory.channels:
            raise ValueError(f"channels {f.channel} to {f.channel + f.channels} of {self.memory.channels}")
        return range(f.channel, f.channel + f.channels)

    def columns(self, channel: int, row: int, column: int, columns: int) -> np.ndarray:
        """Columns of a row in all banks of a channel: f16 [banks, columns, elements of a column]."""
        memory = self.memory
        at = row - self.main.first_row
        if not 0 <= at < self.main.banks.shape[2] or column < 0 or column + columns > memory.row_columns:
            raise ValueError(f"columns {column} to {column + columns} of row {row} do not exist")
        stored = self.main.banks[channel, :, at].view(np.float16)
        return stored.reshape(memory.banks, memory.row_columns, memory.column_elements)[:, column : column + columns]

    def buffer(self, channel: int, column: int, columns: int) -> np.ndarray:
        """Columns of the global buffer of a channel."""
        if column < 0 or column + columns > self.memory.buffer_columns:
            raise ValueError(f"buffer columns {column} to {column + columns} of {self.memory.buffer_columns}")
        return self.buffers[channel, column : column + columns]

    def ordinary(self, channel: int, bank: int, row: int, offset: int, size: int) -> np.ndarray:
        """Bytes of one bank row, reached by an ordinary access: it closes another PIM row unless there are two buffers."""
        if not self.memory.dual_row_buffer and self.open_rows[channel] != row:
            self.open_rows[channel] = _CLOSED
        if offset < 0 or size < 0 or offset + size > self.memory.row_bytes or not 0 <= bank < self.memory.banks:
            raise ValueError(f"bytes {offset} to {offset + size} of bank {bank} row {row} do not exist")
        return self.main.banks[channel, bank, row - self.main.first_row, offset : offset + size]


def _write_buffer(pim: Pim, f: Fields) -> None:
    elements = pim.memory.column_elements
    for number, channel in enumerate(pim.channels(f)):
        source = f.src + number * f.channel_stride
        values = pim.space(f.space).read(source, elements * 2, f.columns, elements, "f16")
        pim.buffer(channel, f.buffer_column, f.columns)[...] = values


def _copy_row(pim: Pim, f: Fields) -> None:
    size = pim.memory.column_bytes
    for channel in pim.channels(f):
        source = pim.ordinary(channel, f.bank, f.row, f.column * size, f.columns * size).view(np.float16)
        pim.buffer(channel, f.buffer_column, f.columns)[...] = source.reshape(f.columns, -1)


def _activate(pim: Pim, f: Fields) -> None:
    for channel in pim.channels(f):
        if pim.open_rows[channel] != _CLOSED:
            raise ValueError(f"channel {channel} has row {pim.open_rows[channel]} open, activate needs it closed")
        pim.open_rows[channel] = f.row


def _mac(pim: Pim, f: Fields) -> None:
    for channel in pim.channels(f):
        if pim.open_rows[channel] == _CLOSED:
            raise ValueError(f"channel {channel} has no row open")
        weights = pim.columns(channel, pim.open_rows[channel], f.column, f.columns).astype(F32)
        sums = halving_tree(weights * pim.buffer(channel, f.buffer_column, f.columns))
        for column in range(f.columns):
            pim.accumulators[channel] += sums[:, column]


def _read_acc(pim: Pim, f: Fields) -> None:
    for number, channel in enumerate(pim.channels(f)):
        target = pim.space(f.space).matrix(f.dst + number * f.channel_stride, 0, 1, f.banks, "f32")[0]
        sums = pim.accumulators[channel, : f.banks]
        target[...] = sums + target if f.accumulate else sums
        pim.accumulators[channel] = 0


def _precharge(pim: Pim, f: Fields) -> None:
    for channel in pim.channels(f):
        pim.open_rows[channel] = _CLOSED


def _write(pim: Pim, f: Fields) -> None:
    target = pim.ordinary(f.channel, f.bank, f.row, f.offset, f.bytes)
    target[...] = pim.space(0).raw(f.src, f.bytes)


def _read(pim: Pim, f: Fields) -> None:
    source = pim.ordinary(f.channel, f.bank, f.row, f.offset, f.bytes)
    pim.space(0).raw(f.dst, f.bytes)[...] = source


def _scatter(pim: Pim, f: Fields) -> None:
    for bank in range(f.banks):
        target = pim.ordinary(f.channel, bank, f.row, f.offset, 2)
        target[...] = pim.space(0).raw(f.src + 2 * bank, 2)


def _softmax(pim: Pim, f: Fields) -> None:
    buffer = pim.spaces["softmax"]
    seen = min(f.limit, f.cols)
    scaled = buffer.read(f.src, f.src_stride, f.rows, seen, "f32") * F32(bits_float(f.scale))
    exponentials = exp(scaled - np.max(scaled, axis=1, keepdims=True))
    result = np.zeros((f.rows, f.cols), F32)
    result[:, :seen] = exponentials / lane_sum(exponentials)[:, None]
    buffer.write(f.dst, f.dst_stride, "f16", result)


_EXECUTE: dict[str, Callable[[Pim, Fields], None]] = {
    "write_buffer": _write_buffer,
    "copy_row": _copy_row,
    "activate": _activate,
    "mac": _mac,
    "read_acc": _read_acc,
    "precharge": _precharge,
    "write": _write,
    "read": _read,
    "scatter": _scatter,
    "softmax": _softmax,
    **HEAD_INSTRUCTIONS,
}
