"""Execute an NPU program: DMA, systolic arrays, and dispatch to the vector unit."""

import numpy as np

from ...backends.isa.npu import NPU
from ...backends.isa.spec import WIDTH
from .dispatch import (
    ADDRESS,
    DEADLOCK,
    FAILED,
    FAULT_PC,
    FINISHED,
    LAST_CONTROL,
    MAX_EXTENT,
    OK,
    ONE,
    UNKNOWN,
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
from .half import axpy1, axpy16, axpy64, copy, load_half, load_int, store_float
from .jit import entry, inner
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
"""Weights that a gemv converts at a time."""

SCRATCH = 3 * CHUNK + TILE_K * TILE_N
"""float32 elements of scratch a program needs: three rows, and the tile of a gemv from TILE on."""
TILE = 3 * CHUNK


@entry
def run_npu(code, terms, registers, semaphores, memory, linear_bytes, local, weights, scratch, fault):
    """Run a program to its end; OK, or the status of the instruction that could not be executed (details in `fault`).

    `memory` is all of main memory as bytes in linear order, `weights` float32[arrays, rows, cols].
    """
    row = np.empty(WIDTH, np.int64)
    pc = ZERO
    while pc < len(code):
        fault[FAULT_PC] = pc
        fetch(code, terms, registers, pc, row)
        if row[0] <= LAST_CONTROL:
            pc = control(code, terms, registers, pc, row, fault)
            if pc == FINISHED:
                return OK
            if pc == FAILED:
                return ADDRESS
            continue
        if not take(semaphores, row, fault):
            return DEADLOCK
        opcode = row[0]
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
        elif opcode == _SYNC:
            done = True
        else:
            return UNKNOWN
        if not done:
            return ADDRESS
        post(semaphores, row)
        pc += 1
    return OK


@inner
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


@inner
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


@inner
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


@inner
def run_preload(row, local, weights, fault):
    """Convert an f16 tile to the float32 weights of an array."""
    arrays, array_rows, array_cols = weights.shape
    k, n, transpose = row[_preload.k], row[_preload.n], row[_preload.transpose] != 0
    stored_rows, stored_cols = (n, k) if transpose else (k, n)
    stride = row[_preload.weights_stride]
    if not (
        within(fault, row, _preload.array, ZERO, arrays - 1)
        and within(fault, row, _preload.k, ZERO, array_rows)
        and within(fault, row, _preload.n, ZERO, array_cols)
        and spans(fault, row, _preload.weights, len(local), stride, stored_rows, 2 * stored_cols)
    ):
        return False
    target = weights[row[_preload.array]].reshape(array_rows * array_cols)
    _widen_tile(target, array_cols, local, row[_preload.weights], stride, k, n, transpose)
    return True


@inner
def _widen_tile(target, pitch, local, address, stride, k, n, transpose):
    """target[i*pitch + j] = W[i][j] for i < k, j < n; W is stored [k][n], or [n][k] when `transpose`."""
    if not transpose:
        for i in range(k):
            widen_row(target[i * pitch :], local, address + i * stride, n)
        return
    for j in range(n):
        for i in range(k):
            target[i * pitch + j] = load_half(local, address + j * stride + 2 * i)


@inner
def run_matmul(row, local, weights, scratch, fault):
    """acc = (acc or 0) + a * W of an array."""
    arrays, array_rows, array_cols = weights.shape
    m, k, n = row[_matmul.m], row[_matmul.k], row[_matmul.n]
    if not (
        within(fault, row, _matmul.array, ZERO, arrays - 1)
        and within(fault, row, _matmul.k, ZERO, min(array_rows, CHUNK))
        and within(fault, row, _matmul.n, ZERO, array_cols)
        and spans(fault, row, _matmul.a, len(local), row[_matmul.a_stride], m, 2 * k)
        and spans(fault, row, _matmul.acc, len(local), row[_matmul.acc_stride], m, 4 * n)
    ):
        return False
    tile = weights[row[_matmul.array]].reshape(array_rows * array_cols)
    for r in range(m):
        acc = row[_matmul.acc] + r * row[_matmul.acc_stride]
        if row[_matmul.accumulate] == 0:
            _clear(local, acc, n)
        widen_row(scratch, local, row[_matmul.a] + r * row[_matmul.a_stride], k)
        _multiply_row(local, acc, scratch, tile, array_cols, k, n)
    return True


@inner
def _clear(local, acc, n):
    for j in range(n):
        store_float(local, acc + 4 * j, np.float32(0))


@inner
def _multiply_row(local, acc, a, w, pitch, k, n):
    """acc[0:n] += a[:k] * W, k ascending for each element."""
    j = 0
    while j + 64 <= n:
        axpy64(local, acc + 4 * j, a, 0, w, 4 * j, 4 * pitch, k)
        j += 64
    while j + 16 <= n:
        axpy16(local, acc + 4 * j, a, 0, w, 4 * j, 4 * pitch, k)
        j += 16
    while j < n:
        axpy1(local, acc + 4 * j, a, 0, w, 4 * j, 4 * pitch, k)
        j += 1


@inner
def run_gemv(row, local, scratch, fault):
    """preload + matmul without an array: tiles of the weights are converted to scratch, k tiles ascending."""
    m, k, n, transpose = row[_gemv.m], row[_gemv.k], row[_gemv.n], row[_gemv.transpose] != 0
    stride = row[_gemv.weights_stride]
    stored_rows, stored_cols = (n, k) if transpose else (k, n)
    if not (
        counted(fault, row, _gemv.k, _gemv.n)
        and within(fault, row, _gemv.m, ZERO, MAX_EXTENT)
        and spans(fault, row, _gemv.weights, len(local), stride, stored_rows, 2 * stored_cols)
        and spans(fault, row, _gemv.a, len(local), row[_gemv.a_stride], m, 2 * k)
        and spans(fault, row, _gemv.acc, len(local), row[_gemv.acc_stride], m, 4 * n)
    ):
        return False
    if row[_gemv.accumulate] == 0:
        for r in range(m):
            _clear(local, row[_gemv.acc] + r * row[_gemv.acc_stride], n)
    for j in range(0, n, TILE_N):
        for i in range(0, k, TILE_K):
            tile_n, tile_k = min(TILE_N, n - j), min(TILE_K, k - i)
            start = j * stride + 2 * i if transpose else i * stride + 2 * j
            _widen_tile(scratch[TILE:], TILE_N, local, row[_gemv.weights] + start, stride, tile_k, tile_n, transpose)
            for r in range(m):
                acc = row[_gemv.acc] + r * row[_gemv.acc_stride] + 4 * j
                widen_row(scratch, local, row[_gemv.a] + r * row[_gemv.a_stride] + 2 * i, tile_k)
                _multiply_row(local, acc, scratch, scratch[TILE:], TILE_N, tile_k, tile_n)
    return True
