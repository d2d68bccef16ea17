"""Execute an NPU program: DMA, systolic arrays, and dispatch to the vector unit."""

import numpy as np

from ...backends.isa.npu import NPU
from .dispatch import (
    FAILED,
    FAULT_KIND,
    FAULT_PC,
    FINISHED,
    LAST_CONTROL,
    OK,
    ONE,
    WORD,
    ZERO,
    columns,
    control,
    counted,
    fetch,
    post,
    spans,
    take,
    within,
)
from .half import axpy1, axpy1_half, axpy16, axpy16_half, axpy64, axpy64_half, copy, load_half, load_int, store_float
from .jit import bare, bare_entry
from .rows import CHUNK, widen_row
from .vector import run_argmax, run_binary, run_fill, run_mask, run_reduce, run_rope, run_unary

_load, _store, _gather = columns(NPU["load"]), columns(NPU["store"]), columns(NPU["gather"])
_preload, _matmul, _gemv = columns(NPU["preload"]), columns(NPU["matmul"]), columns(NPU["gemv"])

_LOAD, _STORE, _GATHER = NPU["load"].number, NPU["store"].number, NPU["gather"].number
_PRELOAD, _MATMUL, _GEMV = NPU["preload"].number, NPU["matmul"].number, NPU["gemv"].number
_BINARY, _UNARY, _REDUCE = NPU["binary"].number, NPU["unary"].number, NPU["reduce"].number
_ROPE, _MASK, _ARGMAX, _FILL = NPU["rope"].number, NPU["mask"].number, NPU["argmax"].number, NPU["fill"].number
_SYNC = NPU["sync"].number

TILE_K, TILE_N = 128, 64
"""Weights that a matmul of several rows converts at a time."""

SCRATCH = int(CHUNK) + TILE_K * TILE_N
"""float32 elements of scratch that a program needs: a row, and a tile of weights (or two more rows)."""


@bare_entry
def run_npu(
    code, terms, registers, sequences, pages, semaphores, row, memory, linear_bytes, local, weights, scratch, fault
):
    """Run a program to its end; OK, or why an instruction could not be executed (details in `fault`).

    `memory` is all of main memory as bytes in linear order, `weights` uint8[arrays, rows, 2 * cols] (f16).
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
        if opcode == _LOAD:
            done = run_load(row, memory, linear_bytes, local, fault)
        elif opcode == _PRELOAD:
            done = run_preload(row, local, weights, fault)
        elif opcode == _MATMUL:
            done = run_matmul(row, local, weights, scratch, fault)
        elif opcode == _BINARY:
            done = run_binary(row, local, scratch, fault)
        elif opcode == _UNARY:
            done = run_unary(row, local, scratch, fault)
        elif opcode == _REDUCE:
            done = run_reduce(row, local, scratch, fault)
        elif opcode == _STORE:
            done = run_store(row, memory, linear_bytes, local, fault)
        elif opcode == _GATHER:
            done = run_gather(row, memory, linear_bytes, local, fault)
        elif opcode == _GEMV:
            done = run_gemv(row, local, scratch, fault)
        elif opcode == _ROPE:
            done = run_rope(row, local, scratch, fault)
        elif opcode == _MASK:
            done = run_mask(row, local, fault)
        elif opcode == _ARGMAX:
            done = run_argmax(row, local, fault)
        elif opcode == _FILL:
            done = run_fill(row, local, scratch, fault)
        else:
            done = opcode == _SYNC
        if not done:
            return fault[FAULT_KIND]
        post(semaphores, row)
        pc += 1
    return OK


@bare
def run_load(row, memory, linear_bytes, local, fault):
    """DMA from main memory."""
    rows, size = row[_load.rows], row[_load.row_bytes]
    if not (
        spans(fault, row, _load.dram, linear_bytes, row[_load.dram_stride], rows, size)
        and spans(fault, row, _load.local, len(local), row[_load.local_stride], rows, size)
    ):
        return False
    for r in range(rows):
        start = row[_load.dram] + r * row[_load.dram_stride]
        copy(local, row[_load.local] + r * row[_load.local_stride], memory, start, size)
    return True


@bare
def run_store(row, memory, linear_bytes, local, fault):
    """DMA to main memory."""
    rows, size = row[_store.rows], row[_store.row_bytes]
    if not (
        spans(fault, row, _store.dram, linear_bytes, row[_store.dram_stride], rows, size)
        and spans(fault, row, _store.local, len(local), row[_store.local_stride], rows, size)
    ):
        return False
    for r in range(rows):
        start = row[_store.local] + r * row[_store.local_stride]
        copy(memory, row[_store.dram] + r * row[_store.dram_stride], local, start, size)
    return True


@bare
def run_gather(row, memory, linear_bytes, local, fault):
    """DMA of rows that an index list names."""
    rows, size, base, stride = row[_gather.rows], row[_gather.row_bytes], row[_gather.dram], row[_gather.dram_stride]
    if not (
        within(fault, row, _gather.dram, ZERO, linear_bytes)
        and within(fault, row, _gather.dram_stride, ZERO, linear_bytes)
        and spans(fault, row, _gather.index, len(local), WORD, rows, WORD)
        and spans(fault, row, _gather.local, len(local), row[_gather.local_stride], rows, size)
    ):
        return False
    for r in range(rows):
        index = np.int64(load_int(local, row[_gather.index] + 4 * r))
        row[_gather.dram] = base + index * stride
        if not spans(fault, row, _gather.dram, linear_bytes, size, ONE, size):
            return False
        copy(local, row[_gather.local] + r * row[_gather.local_stride], memory, row[_gather.dram], size)
    return True


@bare
def run_preload(row, local, weights, fault):
    """Copy an f16 tile to the weights of an array, [k][n]."""
    arrays, array_rows, array_pitch = weights.shape
    k, n, stride, transpose = row[_preload.k], row[_preload.n], row[_preload.weights_stride], row[_preload.transpose]
    stored_rows, stored_cols = (n, k) if transpose != 0 else (k, n)
    if not (
        within(fault, row, _preload.array, ZERO, arrays - 1)
        and within(fault, row, _preload.k, ZERO, array_rows)
        and within(fault, row, _preload.n, ZERO, array_pitch // 2)
        and spans(fault, row, _preload.weights, len(local), stride, stored_rows, 2 * stored_cols)
    ):
        return False
    tile = weights[row[_preload.array]].reshape(array_rows * array_pitch)
    if transpose == 0:
        for i in range(k):
            copy(tile, i * array_pitch, local, row[_preload.weights] + i * stride, 2 * n)
        return True
    for j in range(n):
        for i in range(k):
            copy(tile, i * array_pitch + 2 * j, local, row[_preload.weights] + j * stride + 2 * i, 2)
    return True


@bare
def run_matmul(row, local, weights, scratch, fault):
    """acc = (acc or 0) + a * W of an array."""
    arrays, array_rows, array_pitch = weights.shape
    m, k, n = row[_matmul.m], row[_matmul.k], row[_matmul.n]
    if not (
        within(fault, row, _matmul.array, ZERO, arrays - 1)
        and within(fault, row, _matmul.k, ZERO, array_rows)
        and within(fault, row, _matmul.n, ZERO, array_pitch // 2)
        and spans(fault, row, _matmul.a, len(local), row[_matmul.a_stride], m, 2 * k)
        and spans(fault, row, _matmul.acc, len(local), row[_matmul.acc_stride], m, 4 * n)
    ):
        return False
    if row[_matmul.accumulate] == 0:
        _clear(local, row[_matmul.acc], row[_matmul.acc_stride], m, n)
    tile = weights[row[_matmul.array]].reshape(array_rows * array_pitch)
    a, acc = (row[_matmul.a], row[_matmul.a_stride]), (row[_matmul.acc], row[_matmul.acc_stride])
    _multiply(local, a, acc, tile, (ZERO, array_pitch, ZERO), m, k, n, scratch)
    return True


@bare
def run_gemv(row, local, scratch, fault):
    """preload + matmul without an array: the weights are read where they are."""
    m, k, n, stride, transpose = (
        row[_gemv.m],
        row[_gemv.k],
        row[_gemv.n],
        row[_gemv.weights_stride],
        row[_gemv.transpose],
    )
    stored_rows, stored_cols = (n, k) if transpose != 0 else (k, n)
    if not (
        counted(fault, row, _gemv.k, _gemv.n)
        and spans(fault, row, _gemv.weights, len(local), stride, stored_rows, 2 * stored_cols)
        and spans(fault, row, _gemv.a, len(local), row[_gemv.a_stride], m, 2 * k)
        and spans(fault, row, _gemv.acc, len(local), row[_gemv.acc_stride], m, 4 * n)
    ):
        return False
    if row[_gemv.accumulate] == 0:
        _clear(local, row[_gemv.acc], row[_gemv.acc_stride], m, n)
    a, acc = (row[_gemv.a], row[_gemv.a_stride]), (row[_gemv.acc], row[_gemv.acc_stride])
    _multiply(local, a, acc, local, (row[_gemv.weights], stride, transpose), m, k, n, scratch)
    return True


@bare
def _clear(local, acc, acc_stride, m, n):
    for r in range(m):
        for j in range(n):
            store_float(local, acc + r * acc_stride + 4 * j, np.float32(0))


@bare
def _multiply(local, a, acc, source, weights, m, k, n, scratch):
    """acc += a * W, k ascending for each element. `a` and `acc` are (address, stride), `weights` is (address, stride,
    transpose) in `source`. Blocks of k ascend too, and a block continues from the float32 that the last one stored."""
    for i in range(0, k, TILE_K):
        tile_k = min(TILE_K, k - i)
        for j in range(0, n, TILE_N):
            tile_n = min(TILE_N, n - j)
            as_stored = m == 1 and weights[2] == 0
            if not as_stored:
                _widen_tile(scratch[CHUNK:], source, weights, i, j, tile_k, tile_n)
            for r in range(m):
                if j == 0 or m > 1:
                    widen_row(scratch, local, a[0] + r * a[1] + 2 * i, tile_k)
                acc_row = acc[0] + r * acc[1] + 4 * j
                if as_stored:
                    at = weights[0] + i * weights[1] + 2 * j
                    _multiply_stored(local, acc_row, scratch, source, at, weights[1], tile_k, tile_n)
                else:
                    _multiply_widened(local, acc_row, scratch, scratch[CHUNK:], tile_k, tile_n)


@bare
def _widen_tile(target, source, weights, i, j, k, n):
    """target[k][TILE_N] = k x n weights from row i, column j."""
    address, stride, transpose = weights
    if transpose == 0:
        for row in range(k):
            widen_row(target[row * TILE_N :], source, address + (i + row) * stride + 2 * j, n)
        return
    for col in range(n):
        for row in range(k):
            target[row * TILE_N + col] = load_half(source, address + (j + col) * stride + 2 * (i + row))


@bare
def _multiply_stored(local, acc, a, w, w_at, w_stride, k, n):
    j = 0
    while j + 64 <= n:
        axpy64_half(local, acc + 4 * j, a, 0, w, w_at + 2 * j, w_stride, k)
        j += 64
    while j + 16 <= n:
        axpy16_half(local, acc + 4 * j, a, 0, w, w_at + 2 * j, w_stride, k)
        j += 16
    while j < n:
        axpy1_half(local, acc + 4 * j, a, 0, w, w_at + 2 * j, w_stride, k)
        j += 1


@bare
def _multiply_widened(local, acc, a, w, k, n):
    j = 0
    while j + 64 <= n:
        axpy64(local, acc + 4 * j, a, 0, w, 4 * j, 4 * TILE_N, k)
        j += 64
    while j + 16 <= n:
        axpy16(local, acc + 4 * j, a, 0, w, 4 * j, 4 * TILE_N, k)
        j += 16
    while j < n:
        axpy1(local, acc + 4 * j, a, 0, w, 4 * j, 4 * TILE_N, k)
        j += 1
