"""What each PIM instruction of attention by heads does: the definition of backends/isa/pim_heads.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..backends.isa.pim_heads import RESULTS
from ..dialects.affine_fields import bits_float
from ..dialects.hardware import PimMemory
from .functions import F32, LANES, exp, halving_tree, lane_sum
from .npu_instructions import Fields

if TYPE_CHECKING:
    from .pim_instructions import Pim


class HeadState:
    """Per bank: two buffers, and two sets of results."""

    def __init__(self, memory: PimMemory):
        shape = (memory.channels, memory.banks, 2)
        self.buffers = np.full((*shape, memory.buffer_columns * LANES), np.nan, F32)
        self.results = np.zeros((*shape, RESULTS), F32)


def _parts(pim: Pim, f: Fields) -> range:
    if f.parts < 1 or pim.memory.banks % f.parts:
        raise ValueError(f"{f.parts} parts of {pim.memory.banks} banks")
    return range(f.parts)


def _write_vector(pim: Pim, f: Fields) -> None:
    width, parts = f.columns * LANES, len(_parts(pim, f))
    for number, channel in enumerate(pim.channels(f)):
        vector = np.zeros(pim.memory.banks // parts * width, F32)
        found = pim.space(f.space).read(f.src + number * f.channel_stride, 0, 1, f.elements, "f16")[0]
        vector[: f.elements] = found
        for bank in range(pim.memory.banks):
            pim.heads.buffers[channel, bank, f.half, :width] = vector[bank // parts * width :][:width]


def _move_vector(pim: Pim, f: Fields) -> None:
    parts, elements = len(_parts(pim, f)), np.arange(f.first * LANES, (f.first + f.columns) * LANES)
    for number, channel in enumerate(pim.channels(f)):
        found = pim.spaces["softmax"].read(f.src + number * f.channel_stride, 0, 1, f.limit, "f16")[0]
        for bank in range(pim.memory.banks):
            tokens = bank % parts + elements * parts
            values = np.where(tokens < f.limit, found[np.minimum(tokens, f.limit - 1)], F32(0))
            pim.heads.buffers[channel, bank, f.half][elements] = values


def _open_columns(pim: Pim, channel: int, f: Fields) -> np.ndarray:
    """Columns of the open row in all banks."""
    if pim.open_rows[channel] < 0:
        raise ValueError(f"channel {channel} has no row open")
    return pim.columns(channel, pim.open_rows[channel], f.column, f.columns).astype(F32)


def _mac_tree(pim: Pim, f: Fields) -> None:
    for channel in pim.channels(f):
        weights = _open_columns(pim, channel, f)
        for index in range(f.columns):
            token, column = divmod(f.first + index, f.depth)
            operand = pim.heads.buffers[channel, :, f.half, column * LANES : (column + 1) * LANES]
            pim.heads.results[channel, :, f.result_half, token] += halving_tree(weights[:, index] * operand)


def _mac_lanes(pim: Pim, f: Fields) -> None:
    for channel in pim.channels(f):
        weights = _open_columns(pim, channel, f)
        for index in range(f.columns):
            factor = pim.heads.buffers[channel, :, f.half, f.first + index, None]
            pim.heads.results[channel, :, f.result_half] += weights[:, index] * factor


def _move_scores(pim: Pim, f: Fields) -> None:
    for number, channel in enumerate(pim.channels(f)):
        results = pim.heads.results[channel, :, f.result_half]
        count = max(0, min(f.limit, f.tokens * f.parts))
        target = pim.spaces["softmax"].matrix(f.dst + number * f.channel_stride, 0, 1, count, "f32")[0]
        for part in _parts(pim, f):
            sums = _in_order(results[part :: f.parts])
            for token in range(f.tokens):
                if part + token * f.parts < f.limit:
                    target[part + token * f.parts] = sums[token]
        results[...] = 0


def _move_sums(pim: Pim, f: Fields) -> None:
    parts = len(_parts(pim, f))
    for number, channel in enumerate(pim.channels(f)):
        results = pim.heads.results[channel, :, f.result_half]
        sums = _in_order(results.reshape(-1, parts, RESULTS).transpose(1, 0, 2)).reshape(-1)
        target = pim.space(f.space).matrix(f.dst + number * f.channel_stride, 0, 1, f.elements, "f32")[0]
        target[...] = sums[: f.elements]
        results[...] = 0


def _in_order(terms: np.ndarray) -> np.ndarray:
    """The sum over the first dimension, one fp32 addition after another."""
    total = terms[0].copy()
    for term in terms[1:]:
        total += term
    return total


def _softmax_head(pim: Pim, f: Fields) -> None:
    buffer, rows = pim.spaces["softmax"], len(pim.channels(f))
    scaled = buffer.read(f.src, f.src_stride, rows, f.cols, "f32") * F32(bits_float(f.scale))
    exponentials = exp(scaled - np.max(scaled, axis=1, keepdims=True))
    buffer.write(f.dst, f.dst_stride, "f16", exponentials / lane_sum(exponentials)[:, None])


def _fence(pim: Pim, f: Fields) -> None:
    """The order of commands is that of the program anyway."""
    pim.channels(f)


HEAD_INSTRUCTIONS: dict[str, Callable[[Pim, Fields], None]] = {
    "write_vector": _write_vector,
    "move_vector": _move_vector,
    "mac_tree": _mac_tree,
    "mac_lanes": _mac_lanes,
    "move_scores": _move_scores,
    "move_sums": _move_sums,
    "softmax_head": _softmax_head,
    "fence": _fence,
}
