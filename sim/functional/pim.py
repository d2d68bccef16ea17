"""Execute a PIM program: banks with MAC units, global buffers, accumulators and the softmax unit, in program order."""

import math

import numpy as np

from ...backends.isa.pim import PIM, SPACES
from .dispatch import (
    FAILED,
    FAULT_KIND,
    FAULT_PC,
    FINISHED,
    LAST_CONTROL,
    OK,
    ONE,
    ROW_CLOSED,
    ROW_OPEN,
    WORD,
    ZERO,
    columns,
    control,
    counted,
    failed,
    fetch,
    post,
    spans,
    take,
    within,
)
from .half import LANES, copy, dot_columns, float_of, load_float, store_float, store_half
from .jit import bare, bare_entry
from .pim_heads import FIRST_HEAD, SOFTMAX_HEAD, run_head, selects
from .rows import CHUNK, add_lanes, narrow_row, total, widen_row

_write_buffer, _copy_row = columns(PIM["write_buffer"]), columns(PIM["copy_row"])
_activate, _mac, _precharge = columns(PIM["activate"]), columns(PIM["mac"]), columns(PIM["precharge"])
_read_acc, _write, _read = columns(PIM["read_acc"]), columns(PIM["write"]), columns(PIM["read"])
_scatter, _softmax = columns(PIM["scatter"]), columns(PIM["softmax"])
_softmax_head = columns(PIM["softmax_head"])

_WRITE_BUFFER, _COPY_ROW = PIM["write_buffer"].number, PIM["copy_row"].number
_ACTIVATE, _MAC, _PRECHARGE = PIM["activate"].number, PIM["mac"].number, PIM["precharge"].number
_READ_ACC, _WRITE, _READ = PIM["read_acc"].number, PIM["write"].number, PIM["read"].number
_SCATTER = PIM["scatter"].number
_LOCAL = SPACES.index("local")

COLUMN_BYTES = 2 * LANES
CLOSED = -1
HALF_BYTES = np.int64(2)


@bare_entry
def run_pim(
    code,
    terms,
    registers,
    sequences,
    pages,
    semaphores,
    row,
    memory,
    local,
    softmax_buffer,
    global_buffers,
    accumulators,
    unit_buffers,
    results,
    open_rows,
    dual_row_buffer,
    scratch,
    fault,
):
    """Run a program to its end; OK, or why an instruction could not be executed (details in `fault`).

    `memory` is uint8[rows, banks, channels, row_bytes], `global_buffers` float32[channels, elements] (the exact values
    of its f16 contents), `accumulators` float32[channels, banks], `open_rows` int64[channels] (the row that PIM has open, or -1);
    `unit_buffers` and `results` are those of run_head.
    """
    pc = ZERO
    while pc < len(code):
        fault[FAULT_PC] = pc
        fetch(code, terms, registers, pc, row)
        if not take(semaphores, row, fault):
            return fault[FAULT_KIND]
        opcode = row[0]
        if opcode <= LAST_CONTROL:
            post(semaphores, row)
            pc = control(code, terms, registers, sequences, pages, pc, row, fault)
            if pc == FINISHED:
                return OK
            if pc == FAILED:
                return fault[FAULT_KIND]
            continue
        if opcode == _MAC:
            done = run_mac(row, memory, global_buffers, accumulators, open_rows, fault)
        elif opcode == _ACTIVATE:
            done = run_activate(row, memory, open_rows, fault)
        elif opcode == _PRECHARGE:
            done = run_precharge(row, open_rows, fault)
        elif opcode == _WRITE_BUFFER:
            source = local if row[_write_buffer.space] == _LOCAL else softmax_buffer
            done = run_write_buffer(row, source, global_buffers, fault)
        elif opcode == _COPY_ROW:
            done = run_copy_row(row, memory, global_buffers, fault)
            close_row(row, _copy_row.channel, row[_copy_row.channels], _copy_row.row, open_rows, dual_row_buffer, done)
        elif opcode == _READ_ACC:
            target = local if row[_read_acc.space] == _LOCAL else softmax_buffer
            done = run_read_acc(row, target, accumulators, fault)
        elif opcode == _WRITE:
            done = run_write(row, memory, local, fault)
            close_row(row, _write.channel, ONE, _write.row, open_rows, dual_row_buffer, done)
        elif opcode == _READ:
            done = run_read(row, memory, local, fault)
            close_row(row, _read.channel, ONE, _read.row, open_rows, dual_row_buffer, done)
        elif opcode == _SCATTER:
            done = run_scatter(row, memory, local, fault)
            close_row(row, _scatter.channel, ONE, _scatter.row, open_rows, dual_row_buffer, done)
        elif opcode == SOFTMAX_HEAD:
            done = run_softmax_head(row, softmax_buffer, len(open_rows), scratch, fault)
        elif opcode >= FIRST_HEAD:
            done = run_head(row, memory, local, softmax_buffer, unit_buffers, results, open_rows, fault)
        else:
            done = run_softmax(row, softmax_buffer, scratch, fault)
        if not done:
            return fault[FAULT_KIND]
        post(semaphores, row)
        pc += 1
    return OK


@bare
def close_row(row, channel_column, channels, row_column, open_rows, dual_row_buffer, done):
    """With one row buffer, an ordinary access to another row closes the row that PIM had open in that channel."""
    if not done or dual_row_buffer:
        return
    first = row[channel_column]
    for channel in range(first, first + channels):
        if open_rows[channel] != row[row_column]:
            open_rows[channel] = CLOSED


@bare
def run_activate(row, memory, open_rows, fault):
    """Open a row in all banks of the selected channels, whose PIM rows must be closed."""
    if not (
        selects(fault, row, _activate.channel, _activate.channels, len(open_rows))
        and within(fault, row, _activate.row, ZERO, len(memory) - 1)
    ):
        return False
    for channel in range(row[_activate.channel], row[_activate.channel] + row[_activate.channels]):
        if open_rows[channel] != CLOSED:
            return failed(fault, ROW_OPEN, _activate.row, channel, ZERO, open_rows[channel])
        open_rows[channel] = row[_activate.row]
    return True


@bare
def run_precharge(row, open_rows, fault):
    """Close the PIM row of the selected channels."""
    if not selects(fault, row, _precharge.channel, _precharge.channels, len(open_rows)):
        return False
    for channel in range(row[_precharge.channel], row[_precharge.channel] + row[_precharge.channels]):
        open_rows[channel] = CLOSED
    return True


@bare
def run_mac(row, memory, global_buffers, accumulators, open_rows, fault):
    """In every bank of the selected channels: accumulate the dot product of row columns and global buffer."""
    banks, channels, row_bytes = memory.shape[1:]
    if not (
        selects(fault, row, _mac.channel, _mac.channels, channels)
        and spans(fault, row, _mac.column, row_bytes // COLUMN_BYTES, ZERO, ONE, row[_mac.columns])
        and spans(fault, row, _mac.buffer_column, global_buffers.shape[1] // LANES, ZERO, ONE, row[_mac.columns])
    ):
        return False
    first, last = row[_mac.channel], row[_mac.channel] + row[_mac.channels]
    for channel in range(first, last):
        if open_rows[channel] == CLOSED:
            return failed(fault, ROW_CLOSED, _mac.column, channel, ZERO, ZERO)
    flat, operands = memory.reshape(memory.size), global_buffers.reshape(global_buffers.size)
    start = row[_mac.column] * COLUMN_BYTES
    # bank outer, channel inner: consecutive in memory when all channels have the same row open
    for bank in range(banks):
        for channel in range(first, last):
            weights = ((open_rows[channel] * banks + bank) * channels + channel) * row_bytes + start
            operand = 4 * (channel * global_buffers.shape[1] + row[_mac.buffer_column] * LANES)
            accumulators[channel, bank] = dot_columns(
                accumulators[channel, bank], flat, weights, operands, operand, row[_mac.columns]
            )
    return True


@bare
def run_write_buffer(row, source, global_buffers, fault):
    """Fill columns of the global buffers of the selected channels from local memory or the softmax buffer."""
    channels, elements = global_buffers.shape
    count, stride = row[_write_buffer.columns], row[_write_buffer.channel_stride]
    if not (
        selects(fault, row, _write_buffer.channel, _write_buffer.channels, channels)
        and spans(fault, row, _write_buffer.buffer_column, elements // LANES, ZERO, ONE, count)
        and spans(fault, row, _write_buffer.src, len(source), stride, row[_write_buffer.channels], count * COLUMN_BYTES)
    ):
        return False
    at = row[_write_buffer.buffer_column] * LANES
    for i in range(row[_write_buffer.channels]):
        target = global_buffers[row[_write_buffer.channel] + i, at:]
        widen_row(target, source, row[_write_buffer.src] + i * stride, count * LANES)
    return True


@bare
def run_copy_row(row, memory, global_buffers, fault):
    """Fill columns of the global buffers from a row of one bank of each selected channel."""
    rows, banks, channels, row_bytes = memory.shape
    count = row[_copy_row.columns]
    if not (
        selects(fault, row, _copy_row.channel, _copy_row.channels, channels)
        and within(fault, row, _copy_row.bank, ZERO, banks - 1)
        and within(fault, row, _copy_row.row, ZERO, rows - 1)
        and spans(fault, row, _copy_row.column, row_bytes // COLUMN_BYTES, ZERO, ONE, count)
        and spans(fault, row, _copy_row.buffer_column, global_buffers.shape[1] // LANES, ZERO, ONE, count)
    ):
        return False
    flat = memory.reshape(memory.size)
    at = row[_copy_row.buffer_column] * LANES
    for channel in range(row[_copy_row.channel], row[_copy_row.channel] + row[_copy_row.channels]):
        start = row_address(memory, row[_copy_row.row], row[_copy_row.bank], channel)
        start += row[_copy_row.column] * COLUMN_BYTES
        widen_row(global_buffers[channel, at:], flat, start, count * LANES)
    return True


@bare
def row_address(memory, row, bank, channel):
    """Byte of the first element of a row in the flat memory."""
    banks, channels, row_bytes = memory.shape[1:]
    return ((row * banks + bank) * channels + channel) * row_bytes


@bare
def run_read_acc(row, target, accumulators, fault):
    """Move the accumulators of the selected channels out, and clear them."""
    channels, available = accumulators.shape
    banks, stride = row[_read_acc.banks], row[_read_acc.channel_stride]
    if not (
        selects(fault, row, _read_acc.channel, _read_acc.channels, channels)
        and within(fault, row, _read_acc.banks, ZERO, available)
        and spans(fault, row, _read_acc.dst, len(target), stride, row[_read_acc.channels], WORD * banks)
    ):
        return False
    for i in range(row[_read_acc.channels]):
        channel = row[_read_acc.channel] + i
        for bank in range(banks):
            dst = row[_read_acc.dst] + i * stride + 4 * bank
            value = accumulators[channel, bank]
            if row[_read_acc.accumulate] != 0:
                value += load_float(target, dst)
            store_float(target, dst, value)
        accumulators[channel, :] = 0
    return True


@bare
def in_row(fault, row, memory, channel_column, bank_column, row_column, offset_column, size):
    """Whether an ordinary access of `size` bytes stays within an existing bank row."""
    rows, banks, channels, row_bytes = memory.shape
    return (
        within(fault, row, channel_column, ZERO, channels - 1)
        and within(fault, row, bank_column, ZERO, banks - 1)
        and within(fault, row, row_column, ZERO, rows - 1)
        and spans(fault, row, offset_column, row_bytes, ZERO, ONE, size)
    )


@bare
def run_write(row, memory, local, fault):
    """Ordinary write of bytes of local memory to a bank row."""
    size = row[_write.bytes]
    if not (
        in_row(fault, row, memory, _write.channel, _write.bank, _write.row, _write.offset, size)
        and spans(fault, row, _write.src, len(local), ZERO, ONE, size)
    ):
        return False
    to = row_address(memory, row[_write.row], row[_write.bank], row[_write.channel]) + row[_write.offset]
    copy(memory, to, local, row[_write.src], size)
    return True


@bare
def run_read(row, memory, local, fault):
    """Ordinary read of a bank row into local memory."""
    size = row[_read.bytes]
    if not (
        in_row(fault, row, memory, _read.channel, _read.bank, _read.row, _read.offset, size)
        and spans(fault, row, _read.dst, len(local), ZERO, ONE, size)
    ):
        return False
    start = row_address(memory, row[_read.row], row[_read.bank], row[_read.channel]) + row[_read.offset]
    copy(local, row[_read.dst], memory, start, size)
    return True


@bare
def run_scatter(row, memory, local, fault):
    """One f16 to the same place in each of the first banks of a channel."""
    rows, available, channels, row_bytes = memory.shape
    banks = row[_scatter.banks]
    if not (
        within(fault, row, _scatter.channel, ZERO, channels - 1)
        and within(fault, row, _scatter.row, ZERO, rows - 1)
        and within(fault, row, _scatter.banks, ZERO, available)
        and spans(fault, row, _scatter.offset, row_bytes, ZERO, ONE, HALF_BYTES)
        and spans(fault, row, _scatter.src, len(local), HALF_BYTES, banks, HALF_BYTES)
    ):
        return False
    for bank in range(banks):
        to = row_address(memory, row[_scatter.row], bank, row[_scatter.channel]) + row[_scatter.offset]
        copy(memory, to, local, row[_scatter.src] + 2 * bank, HALF_BYTES)
    return True


@bare
def run_softmax(row, buffer, scratch, fault):
    """Row-wise softmax of the first `limit` columns, f32 to f16, zeros in the columns after them."""
    rows, cols, scale = row[_softmax.rows], row[_softmax.cols], float_of(row[_softmax.scale])
    if not counted(fault, row, _softmax.rows, _softmax.cols):
        return False
    count = max(ZERO, min(row[_softmax.limit], cols))
    if not (
        spans(fault, row, _softmax.src, len(buffer), row[_softmax.src_stride], rows, WORD * count)
        and spans(fault, row, _softmax.dst, len(buffer), row[_softmax.dst_stride], rows, HALF_BYTES * cols)
    ):
        return False
    for r in range(rows):
        src = row[_softmax.src] + r * row[_softmax.src_stride]
        dst = row[_softmax.dst] + r * row[_softmax.dst_stride]
        _softmax_row(buffer, src, dst, count, scale, scratch)
        for c in range(count, cols):
            store_half(buffer, dst + 2 * c, np.float32(0))
    return True


@bare
def run_softmax_head(row, buffer, channels, scratch, fault):
    """Softmax of one row for each selected channel, f32 to f16."""
    count, cols = row[_softmax_head.channels], row[_softmax_head.cols]
    if not (
        selects(fault, row, _softmax_head.channel, _softmax_head.channels, channels)
        and counted(fault, row, _softmax_head.channels, _softmax_head.cols)
        and spans(fault, row, _softmax_head.src, len(buffer), row[_softmax_head.src_stride], count, WORD * cols)
        and spans(fault, row, _softmax_head.dst, len(buffer), row[_softmax_head.dst_stride], count, HALF_BYTES * cols)
    ):
        return False
    for i in range(count):
        src = row[_softmax_head.src] + i * row[_softmax_head.src_stride]
        dst = row[_softmax_head.dst] + i * row[_softmax_head.dst_stride]
        _softmax_row(buffer, src, dst, cols, float_of(row[_softmax_head.scale]), scratch)
    return True


@bare
def _softmax_row(buffer, src, dst, count, scale, scratch):
    """f16 at `dst` = softmax of `count` f32 at `src` times `scale`."""
    lanes = scratch[CHUNK : CHUNK + LANES]
    largest = np.float32(-np.inf)
    for c in range(count):
        value = load_float(buffer, src + 4 * c) * scale
        largest = value if value > largest or value != value else largest
    lanes[:] = 0
    for c in range(0, count, CHUNK):
        _exponentials(scratch, buffer, src + 4 * c, scale, largest, min(CHUNK, count - c))
        add_lanes(lanes, scratch, min(CHUNK, count - c))
    divisor = total(lanes)
    for c in range(0, count, CHUNK):
        part = min(CHUNK, count - c)
        _exponentials(scratch, buffer, src + 4 * c, scale, largest, part)
        for i in range(part):
            scratch[i] /= divisor
        narrow_row(buffer, dst + 2 * c, scratch, part)


@bare
def _exponentials(target, buffer, src, scale, largest, count):
    for i in range(count):
        target[i] = math.exp(load_float(buffer, src + 4 * i) * scale - largest)
