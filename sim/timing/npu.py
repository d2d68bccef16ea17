"""Time of an NPU program: one pass in program order, in which every instruction starts when its queue is free, the
counts that it waits for were posted, and its unit can take it. Transfers go to the memory channels as they start.
"""

from typing import Any, NamedTuple

import numpy as np

from ...backends.isa.npu import BINARY_OPS, BROADCASTS, NPU, REDUCE_OPS, UNARY_FUNCTIONS
from ...backends.isa.spec import DTYPE_BYTES, HEADER, WIDTH
from ..functional.dispatch import (
    DEADLOCK,
    FAILED,
    FAULT_PC,
    LAST_CONTROL,
    columns,
    control,
    failed,
    fetch,
    within,
)
from ..functional.dispatch import FINISHED as HALTED
from ..functional.jit import bare, bare_entry
from .tables import END, FAULTED, FINISHED, NONE, ONE, PAUSED, PC, RD, TIME, WAITING, WR, ZERO, numbers
from .transfers import transfer

COUNTERS = (
    "loaded_bytes",
    "gathered_bytes",
    "stored_bytes",
    "array_macs",
    "vector_ops",
    "scratchpad_bytes",
    "accumulator_bytes",
    "vector_busy_cycles",
    "instructions",
    "ld0_busy_cycles",
    "ld1_busy_cycles",
    "st_busy_cycles",
    "mx_busy_cycles",
    "vx_busy_cycles",
    "array_busy_cycles",  # of array 0, the others follow
)
(_LOADED, _GATHERED, _STORED, _MACS, _VECTOR_OPS, _SCRATCHPAD, _ACCUMULATOR, _VECTOR_BUSY, _INSTRUCTIONS, _QUEUE) = (
    numbers(0, 10)
)
_ARRAY = len(COUNTERS) - 1

(
    ARRAYS,
    ARRAY_ROWS,
    ARRAY_COLS,
    WEIGHT_ROWS,
    MIN_STREAM,
    VECTOR_WIDTH,
    VECTOR_MIN,
    VECTOR_LATENCY,
    SCRATCHPAD_BYTES,
    DMA_LATENCY,
    DMA_ISSUE,
    DMA_BYTES,
    DMA_OUTSTANDING,
    LAUNCH,
    CLOCK_PS,
    MEMORY_CLOCK_PS,
    LINEAR_BYTES,
    FACTS,
) = numbers(0, 18)
"""Indices of `Npu.facts`."""

_QUEUES = len(NPU.queues)
_OPCODES = 1 + max(opcode.number for opcode in NPU.opcodes)
_FUNCTIONS = max(len(BINARY_OPS), len(UNARY_FUNCTIONS), len(REDUCE_OPS))
_FIFO = 512  # posts of one semaphore that are kept apart
_FLIGHTS = 64  # transfers of a queue that are on their way
(_HELD, _HELD_START, _NEXT_START, _HELD_ROW) = numbers(0, 4)
_HAZARDS = 4  # vector results whose readers are checked

_load, _store, _gather, _preload, _matmul = (
    columns(NPU[name]) for name in ("load", "store", "gather", "preload", "matmul")
)
_gemv, _binary, _unary, _reduce, _rope = (columns(NPU[name]) for name in ("gemv", "binary", "unary", "reduce", "rope"))
_mask, _argmax, _fill = (columns(NPU[name]) for name in ("mask", "argmax", "fill"))
_OP_LOAD, _OP_STORE, _OP_GATHER, _OP_PRELOAD, _OP_MATMUL = (
    NPU[name].number for name in ("load", "store", "gather", "preload", "matmul")
)
_OP_GEMV, _OP_BINARY, _OP_UNARY, _OP_REDUCE, _OP_ROPE = (
    NPU[name].number for name in ("gemv", "binary", "unary", "reduce", "rope")
)
_OP_MASK, _OP_ARGMAX, _OP_FILL, _OP_SYNC = (NPU[name].number for name in ("mask", "argmax", "fill", "sync"))
_ROW, _COLUMN = BROADCASTS.index("row"), BROADCASTS.index("column")
_FIELD_QUEUE, _TAG, _WAIT, _POST = (HEADER.index(name) for name in ("queue", "tag", "wait0", "post0"))

_SIZES = np.array(DTYPE_BYTES, np.int64)
_F16, _F32 = np.int64(2), np.int64(4)  # bytes

ARRAY_OPCODES = (int(_OP_PRELOAD), int(_OP_MATMUL))
"""Instructions that use the systolic arrays."""


class Npu(NamedTuple):
    """The tile machine as arrays: its numbers, and cycles per element of `[opcode, function]`."""

    facts: np.ndarray
    cost: np.ndarray


class Queues(NamedTuple):
    """What an NPU program changes while it runs, in cycles of the NPU; new for every launch."""

    free: np.ndarray  # [queue] when it takes the next instruction
    complete: np.ndarray  # [queue] when all it took so far is complete; in entry 0 (control) the preloads alone
    array_free: np.ndarray  # [array] when it takes the next matmul
    port_free: np.ndarray  # [array] when its weight port is free
    taken: np.ndarray  # [array] when the shadow weights went into use
    loaded: np.ndarray  # [array] when the shadow weights are complete
    post_time: np.ndarray  # [semaphore, entry]
    post_count: np.ndarray
    post_first: np.ndarray  # [semaphore] oldest entry
    posts: np.ndarray  # [semaphore] number of entries
    flights: np.ndarray  # [queue, entry] completion and bytes of transfers on their way
    flying: np.ndarray  # [queue] oldest entry, number of entries, bytes
    written: np.ndarray  # [entry] begin, end and completion of recent vector results
    vector_free: np.ndarray  # [1] when the vector unit is free, for all launches
    cursor: np.ndarray  # [1] next entry of `written`
    held: (
        np.ndarray
    )  # a store that has not left: whether there is one, its start, that of the next instruction, and itself


def build_npu(machine: dict[str, Any], linear_bytes: int) -> Npu:
    """Tables for the `npu` section of a machine."""
    npu = machine["npu"]
    facts = np.zeros(FACTS, np.int64)
    facts[[ARRAYS, ARRAY_ROWS, ARRAY_COLS]] = npu["arrays"], npu["array_rows"], npu["array_cols"]
    facts[[WEIGHT_ROWS, MIN_STREAM]] = npu["weight_rows_per_cycle"], npu["min_stream_rows"]
    facts[[VECTOR_WIDTH, VECTOR_MIN, VECTOR_LATENCY]] = (
        npu["vector_units"] * npu["vector_lanes"],
        npu["vector_min_cycles"],
        npu["vector_latency_cycles"],
    )
    facts[[DMA_LATENCY, DMA_ISSUE, DMA_BYTES, DMA_OUTSTANDING]] = (
        npu["dma_latency_cycles"],
        npu["dma_issue_cycles"],
        npu["dma_bytes_per_cycle"],
        npu["dma_outstanding_bytes"],
    )
    facts[[SCRATCHPAD_BYTES, LAUNCH, LINEAR_BYTES]] = npu["scratchpad_bytes"], npu["launch_cycles"], linear_bytes
    facts[[CLOCK_PS, MEMORY_CLOCK_PS]] = clock_ps(machine), machine["memory"]["clock_ps"]
    costs = npu["vector_cost"]
    cost = np.zeros((_OPCODES, _FUNCTIONS), np.int64)
    cost[_OP_BINARY, : len(BINARY_OPS)] = [costs[name] for name in BINARY_OPS]
    cost[_OP_UNARY, : len(UNARY_FUNCTIONS)] = [costs[name] for name in UNARY_FUNCTIONS]
    cost[_OP_REDUCE, : len(REDUCE_OPS)] = [costs[f"reduce_{name}"] for name in REDUCE_OPS]
    for name in ("gemv", "rope", "mask", "argmax", "fill"):
        cost[NPU[name].number, 0] = costs[name]
    return Npu(facts, cost)


def clock_ps(machine: dict[str, Any]) -> int:
    """Length of an NPU cycle in whole picoseconds."""
    return round(1_000_000 / machine["npu"]["clock_mhz"])


def build_queues(arrays: int, semaphores: np.ndarray, start: int, vector_free: np.ndarray) -> Queues:
    """Everything idle at cycle `start`, semaphores at their initial counts; launches share `vector_free`."""
    number = max(1, len(semaphores))
    queues = Queues(
        free=np.full(_QUEUES, start, np.int64),
        complete=np.full(_QUEUES, start, np.int64),
        array_free=np.full(max(1, arrays), start, np.int64),
        port_free=np.full(max(1, arrays), start, np.int64),
        taken=np.full(max(1, arrays), start, np.int64),
        loaded=np.full(max(1, arrays), start, np.int64),
        post_time=np.full((number, _FIFO), start, np.int64),
        post_count=np.zeros((number, _FIFO), np.int64),
        post_first=np.zeros(number, np.int64),
        posts=np.zeros(number, np.int64),
        flights=np.zeros((_QUEUES, _FLIGHTS, 2), np.int64),
        flying=np.zeros((_QUEUES, 3), np.int64),
        written=np.zeros((_HAZARDS, 3), np.int64),
        cursor=np.zeros(1, np.int64),
        held=np.zeros(int(_HELD_ROW) + WIDTH, np.int64),
        vector_free=vector_free,
    )
    queues.post_count[: len(semaphores), 0] = semaphores
    queues.posts[: len(semaphores)] = np.asarray(semaphores) > 0
    return queues


def counter_names(arrays: int) -> tuple[str, ...]:
    """Names of the NPU counters of a machine."""
    return (*COUNTERS[:-1], *(f"array{index}_busy_cycles" for index in range(arrays)))


@bare_entry
def run_npu(
    tables,
    state,
    streams,
    npu,
    queues,
    code,
    terms,
    registers,
    sequences,
    pages,
    row,
    walk,
    horizon,
    counters,
    by_tag,
    fault,
):
    """Walk a program on from where it stands, up to NPU cycle `horizon`; walk[END] is its end when FINISHED.

    A store is held until a load that starts later, or until something waits for it: loads that stand behind it in the
    program and start before it reach the memory first.
    """
    held = queues.held
    while True:
        sends = False
        if not walk[WAITING]:
            fault[FAULT_PC] = walk[PC]
            fetch(code, terms, registers, walk[PC], row)
            if row[0] <= LAST_CONTROL:
                following = control(code, terms, registers, sequences, pages, walk[PC], row, fault)
                if following == FAILED:
                    return FAULTED
                if following != HALTED:
                    walk[PC] = following
                    continue
                if not held[_HELD]:
                    return FINISHED
                sends = True
            else:
                if row[0] in (_OP_PRELOAD, _OP_MATMUL):  # `array` is the first field of both
                    limit = max(ONE, npu.facts[ARRAYS]) - 1
                    if not within(fault, row, _preload.array, ZERO, limit):
                        return FAULTED
                sends = held[_HELD] and (row[_FIELD_QUEUE] == held[_HELD_ROW + _FIELD_QUEUE] or _lacks(queues, row))
            if sends:
                if held[_HELD_START] > horizon:
                    walk[TIME] = held[_HELD_START]
                    return PAUSED
            else:
                walk[TIME] = _wait(queues, row, queues.free[row[_FIELD_QUEUE]], fault)
                if walk[TIME] < 0:
                    return FAULTED
                if row[0] in (_OP_LOAD, _OP_STORE, _OP_GATHER):
                    walk[TIME] = _make_room(npu, queues, row, walk[TIME])
        else:
            walk[TIME] = held[_NEXT_START]
        if not sends:
            walk[WAITING], held[_NEXT_START] = walk[TIME] > horizon, walk[TIME]
            moves = walk[WAITING] or row[0] in (_OP_LOAD, _OP_GATHER)
            if moves and held[_HELD] and held[_HELD_START] <= min(horizon, walk[TIME]):
                sends, walk[WAITING] = True, 1
            if walk[WAITING] and not sends:
                if held[_HELD]:
                    walk[TIME] = min(walk[TIME], held[_HELD_START])
                return PAUSED
            if row[0] == _OP_STORE and not sends:
                held[_HELD], held[_HELD_START] = 1, walk[TIME]
                for field in range(WIDTH):
                    held[_HELD_ROW + field] = row[field]
                walk[PC] += 1
                continue
        instruction = held[_HELD_ROW:] if sends else row
        start = held[_HELD_START] if sends else walk[TIME]
        _carry_out(tables, state, streams, npu, queues, instruction, start, walk, counters, by_tag)
        if sends:
            held[_HELD] = 0
        else:
            walk[PC] += 1


@bare
def _carry_out(tables, state, streams, npu, queues, row, start, walk, counters, by_tag):
    """Execute an instruction that starts now, and post its counts."""
    queue = row[_FIELD_QUEUE]
    free, done = _execute(tables, state, streams, npu, queues, row, start, counters)
    queues.free[queue] = free
    queues.complete[queue] = max(queues.complete[queue], done)
    if row[0] == _OP_PRELOAD:
        queues.complete[0] = max(queues.complete[0], done)
        _post(queues, row, queues.complete[0])
    else:
        _post(queues, row, queues.complete[queue])
    counters[_INSTRUCTIONS] += 1
    counters[_QUEUE + queue - 1] += free - start
    by_tag[row[_TAG], 0] += 1
    by_tag[row[_TAG], 1] += max(ZERO, done - walk[END])
    walk[END] = max(walk[END], done)


@bare
def _lacks(queues, row):
    """Whether some of the counts that the instruction takes have not been posted yet."""
    for column in (_WAIT, _WAIT + 2):
        semaphore, needed = row[column], row[column + 1]
        if semaphore < 0:
            continue
        for entry in range(queues.posts[semaphore]):
            needed -= queues.post_count[semaphore, (queues.post_first[semaphore] + entry) % _FIFO]
        if needed > 0:
            return True
    return False


@bare
def _wait(queues, row, start, fault):
    """When the counts that the instruction takes were there: first posted, first taken."""
    for column in (_WAIT, _WAIT + 2):
        semaphore, needed = row[column], row[column + 1]
        if semaphore < 0:
            continue
        while needed > 0:
            if queues.posts[semaphore] == 0:
                failed(fault, DEADLOCK, column, semaphore, row[column + 1], row[column + 1] - needed)
                return NONE
            entry = queues.post_first[semaphore]
            taken = min(needed, queues.post_count[semaphore, entry])
            start = max(start, queues.post_time[semaphore, entry])
            needed -= taken
            queues.post_count[semaphore, entry] -= taken
            if queues.post_count[semaphore, entry] == 0:
                queues.post_first[semaphore] = (entry + 1) % _FIFO
                queues.posts[semaphore] -= 1
    return start


@bare
def _post(queues, row, done):
    for column in (_POST, _POST + 2):
        semaphore, count = row[column], row[column + 1]
        if semaphore < 0 or count <= 0:
            continue
        number = queues.posts[semaphore]
        if number == _FIFO:  # join the newest entry, at the later of the two times
            entry = (queues.post_first[semaphore] + number - 1) % _FIFO
            queues.post_time[semaphore, entry] = max(queues.post_time[semaphore, entry], done)
            queues.post_count[semaphore, entry] += count
        else:
            entry = (queues.post_first[semaphore] + number) % _FIFO
            queues.post_time[semaphore, entry] = done
            queues.post_count[semaphore, entry] = count
            queues.posts[semaphore] = number + 1


@bare
def _make_room(npu, queues, row, start):
    """When enough of the queue's earlier transfers are complete for this one to go out."""
    flying, flights = queues.flying[row[_FIELD_QUEUE]], queues.flights[row[_FIELD_QUEUE]]
    size = row[_load.rows] * row[_load.row_bytes]
    while flying[1] > 0:
        done = flights[flying[0], 0]
        full = flying[1] == _FLIGHTS or flying[2] + size > npu.facts[DMA_OUTSTANDING]
        if done > start and not full:
            break
        start = max(start, done)
        flying[2] -= flights[flying[0], 1]
        flying[0] = (flying[0] + 1) % _FLIGHTS
        flying[1] -= 1
    return start


@bare
def _execute(tables, state, streams, npu, queues, row, start, counters):
    """When the queue takes the next instruction, and when this one is complete."""
    opcode = row[0]
    if opcode in (_OP_LOAD, _OP_STORE, _OP_GATHER):
        return _dma(tables, state, streams, npu, queues, row, start, counters)
    if opcode == _OP_PRELOAD:
        array = row[_preload.array]
        begin = max(start, max(queues.port_free[array], queues.taken[array]))
        done = begin + -(-row[_preload.k] // npu.facts[WEIGHT_ROWS])
        queues.port_free[array] = done
        queues.loaded[array] = done
        queues.taken[array] = 1 << 62  # until a matmul takes them
        counters[_SCRATCHPAD] += row[_preload.k] * row[_preload.n] * _F16
        return start + 1, done
    if opcode == _OP_MATMUL:
        return _multiply(npu, queues, row, start, counters)
    if opcode == _OP_SYNC:
        return start, start
    return _vector(npu, queues, row, start, counters)


@bare
def _multiply(npu, queues, row, start, counters):
    array, m, k, n = row[_matmul.array], row[_matmul.m], row[_matmul.k], row[_matmul.n]
    begin = max(start, max(queues.array_free[array], queues.loaded[array]))
    if queues.taken[array] == 1 << 62:
        queues.taken[array] = begin
    interval = max(m, npu.facts[MIN_STREAM])
    queues.array_free[array] = begin + interval
    counters[_ARRAY + array] += interval
    counters[_MACS] += m * k * n
    counters[_SCRATCHPAD] += m * k * _F16
    counters[_ACCUMULATOR] += m * n * _F32 * (2 if row[_matmul.accumulate] else 1)
    return start + 1, begin + npu.facts[ARRAY_ROWS] + npu.facts[ARRAY_COLS] - 2 + interval


@bare
def _dma(tables, state, streams, npu, queues, row, start, counters):
    """Send the pieces of a 2-D transfer to the memory; the last data plus the latency of the path completes it."""
    address, stride, rows, size = row[_load.dram], row[_load.dram_stride], row[_load.rows], row[_load.row_bytes]
    total = rows * size
    occupied = max(npu.facts[DMA_ISSUE], -(-total // npu.facts[DMA_BYTES]))
    clock, memory_clock = npu.facts[CLOCK_PS], npu.facts[MEMORY_CLOCK_PS]
    at = -(-start * clock // memory_clock)
    store, gather = row[0] == _OP_STORE, row[0] == _OP_GATHER
    command = tables[WR] if store else tables[RD]
    if stride == size and not gather:
        rows, size = ONE, total
    known = max(ONE, (npu.facts[LINEAR_BYTES] - address) // stride) if gather else ONE
    last = at
    for index in range(rows):
        place = index * stride
        if gather:  # indices are data, which is not here: rows spread over what lies behind the address
            place = index * 2654435761 % known * stride
        last = max(last, transfer(tables, state, streams, address + place, size, command, at, row[_TAG]))
    counters[_STORED if store else (_GATHERED if gather else _LOADED)] += total
    counters[_SCRATCHPAD] += total
    arrived = max(start + occupied, -(-last * memory_clock // clock))
    flying, flights = queues.flying[row[_FIELD_QUEUE]], queues.flights[row[_FIELD_QUEUE]]
    entry = (flying[0] + flying[1]) % _FLIGHTS
    flights[entry, 0], flights[entry, 1] = arrived, total
    flying[1] += 1
    flying[2] += total
    return start + occupied, arrived + npu.facts[DMA_LATENCY]


@bare
def _vector(npu, queues, row, start, counters):
    """An operation of the vector unit; it waits for earlier results that it reads, not for earlier ones in general."""
    opcode = row[0]
    rows, cols, function = ONE, ZERO, ZERO
    read, written, dst, dst_size = ZERO, ZERO, ZERO, ZERO
    if opcode == _OP_BINARY:
        rows, cols, function = row[_binary.rows], row[_binary.cols], row[_binary.op]
        b_rows = ONE if row[_binary.broadcast] == _ROW else rows
        b_width = (ONE if row[_binary.broadcast] == _COLUMN else cols) * _SIZES[row[_binary.b_type]]
        a_width = cols * _SIZES[row[_binary.a_type]]
        read = rows * a_width + b_rows * b_width
        width = cols * _SIZES[row[_binary.dst_type]]
        written, dst, dst_size = rows * width, row[_binary.dst], (rows - 1) * row[_binary.dst_stride] + width
        start = _after(queues, start, row[_binary.a], row[_binary.a_stride], rows, a_width)
        start = _after(queues, start, row[_binary.b], row[_binary.b_stride], b_rows, b_width)
    elif opcode == _OP_UNARY:
        rows, cols, function = row[_unary.rows], row[_unary.cols], row[_unary.function]
        a_width = cols * _SIZES[row[_unary.a_type]]
        read = rows * a_width
        width = cols * _SIZES[row[_unary.dst_type]]
        written, dst, dst_size = rows * width, row[_unary.dst], (rows - 1) * row[_unary.dst_stride] + width
        start = _after(queues, start, row[_unary.a], row[_unary.a_stride], rows, a_width)
    elif opcode == _OP_REDUCE:
        rows, cols, function = row[_reduce.rows], row[_reduce.cols], row[_reduce.op]
        a_width = cols * _SIZES[row[_reduce.a_type]]
        read = rows * a_width
        written, dst, dst_size = rows * _F32, row[_reduce.dst], (rows - 1) * row[_reduce.dst_stride] + _F32
        start = _after(queues, start, row[_reduce.a], row[_reduce.a_stride], rows, a_width)
    elif opcode == _OP_ROPE:
        rows, cols = row[_rope.rows], row[_rope.heads] * row[_rope.head_dim]
        width, table_width = cols * _F16, row[_rope.head_dim] * _F32
        read = rows * (width + table_width)
        written, dst, dst_size = rows * width, row[_rope.dst], (rows - 1) * row[_rope.dst_stride] + width
        start = _after(queues, start, row[_rope.a], row[_rope.a_stride], rows, width)
        start = _after(queues, start, row[_rope.table], row[_rope.table_stride], rows, table_width)
    elif opcode == _OP_MASK:
        rows, cols = row[_mask.rows], row[_mask.cols]
        written, dst = rows * cols * _F32, row[_mask.dst]
        dst_size = (rows - 1) * row[_mask.dst_stride] + cols * _F32
        start = _after(queues, start, dst, row[_mask.dst_stride], rows, cols * _F32)
    elif opcode == _OP_ARGMAX:
        rows, cols = row[_argmax.rows], row[_argmax.cols]
        read, written, dst, dst_size = rows * cols * _F32, rows * _F32, row[_argmax.dst], rows * _F32
        start = _after(queues, start, row[_argmax.a], row[_argmax.a_stride], rows, cols * _F32)
    elif opcode == _OP_FILL:
        rows, cols = row[_fill.rows], row[_fill.cols]
        width = cols * _SIZES[row[_fill.dst_type]]
        written, dst, dst_size = rows * width, row[_fill.dst], (rows - 1) * row[_fill.dst_stride] + width
    elif opcode == _OP_GEMV:
        m, k, n = row[_gemv.m], row[_gemv.k], row[_gemv.n]
        rows, cols = m, k * n
        read = k * n * _F16 + m * k * _F16 + (m * n * _F32 if row[_gemv.accumulate] else 0)
        written, dst, dst_size = m * n * _F32, row[_gemv.acc], (m - 1) * row[_gemv.acc_stride] + n * _F32
        stored_rows, stored_cols = (n, k) if row[_gemv.transpose] else (k, n)
        start = _after(queues, start, row[_gemv.a], row[_gemv.a_stride], m, k * _F16)
        start = _after(queues, start, row[_gemv.weights], row[_gemv.weights_stride], stored_rows, stored_cols * _F16)
        if row[_gemv.accumulate]:
            start = _after(queues, start, dst, row[_gemv.acc_stride], m, n * _F32)
    elements = rows * cols
    cycles = -(-elements // npu.facts[VECTOR_WIDTH]) * npu.cost[opcode, function]
    cycles = max(cycles, npu.facts[VECTOR_MIN])
    start = max(start, queues.vector_free[0])
    queues.vector_free[0] = start + cycles
    done = start + cycles + npu.facts[VECTOR_LATENCY]
    entry = queues.written[queues.cursor[0]]
    entry[0], entry[1], entry[2] = dst, dst + dst_size, done
    queues.cursor[0] = (queues.cursor[0] + 1) % _HAZARDS
    counters[_VECTOR_OPS] += elements
    counters[_VECTOR_BUSY] += cycles
    if dst >= npu.facts[SCRATCHPAD_BYTES]:
        counters[_ACCUMULATOR] += written
        counters[_SCRATCHPAD] += read
    else:
        counters[_SCRATCHPAD] += read + written
    return start + cycles, done


@bare
def _after(queues, start, address, stride, rows, size):
    """`start`, or later if a recent vector result overlaps what is read: `rows` pieces of `size` bytes, `stride` apart."""
    end = address + (rows - 1) * stride + size
    for index in range(_HAZARDS):
        if queues.written[index, 0] < end and address < queues.written[index, 1]:
            start = max(start, queues.written[index, 2])
    return start
