"""Checks that a machine-stage program orders every pair of accesses whose order matters, not only its program text.

Queues of the NPU run ahead of each other, so do channels of the PIM; program order, in which interpreters and the functional
simulator execute, is one of many orders. `OrderingChecker` runs the program and keeps, as vector clocks, what each queue
knows to be complete: its own past, and what the semaphores it waited on tell. Two accesses to the same bytes, at least
one a write, from different queues, neither of which knows the other to be complete, are a race.

An instruction completes with all before it in its queue, except that preloads complete in a stream of their own: the post of
a preload tells nothing of the matmuls before it, as backends/isa/npu.py says.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import SSAValue

from ..dialects.instruction import InstructionOp
from ..dialects.npu.instructions import NpuInstructionOp, PreloadOp
from ..dialects.npu.semaphore import SemaphoreOp
from .llm import Weights
from .local import DTYPES, type_name
from .machine import MachineInterpreter
from .npu_instructions import Fields

CELL = 2
"""Bytes that are tracked together: no element is smaller, and all addresses are even."""

Clock = dict[Hashable, int]


@dataclass(frozen=True)
class Access:
    """Rows of bytes in a space ("local", "softmax" or "linear") that an instruction reads or writes."""

    space: str
    writes: bool
    address: int
    stride: int
    rows: int
    row_bytes: int


class OrderingChecker(MachineInterpreter):
    """A machine interpreter that collects the races of what it executes in `races`, one line for each pair of ops."""

    def __init__(self, module: ModuleOp, store: Weights):
        super().__init__(module, store, self.check)
        self.sizes = {
            "local": len(self.local.bytes),
            "softmax": len(self.softmax.bytes),
            "linear": len(self.main.linear),
        }
        self.shadows: dict[tuple[str, bool, Hashable], np.ndarray] = {}
        self.time: Clock = {}
        self.names: dict[tuple[Hashable, int], str] = {}
        self.races: dict[tuple[str, str], None] = {}
        self.known: dict[Hashable, Clock] = {}
        self.posted: dict[SSAValue, list[Clock]] = {}
        self.kernel = ""

    def launch(self, kernel: func.FuncOp, arguments: list[Any]) -> None:
        """A kernel starts when all before it on its device have finished; the plan's events order the devices."""
        self.kernel = kernel.sym_name.data
        self.posted = {}
        self.barrier()
        super().launch(kernel, arguments)

    def barrier(self) -> None:
        """From here on every queue knows everything so far to be complete."""
        self.known = {}
        self.floor = dict(self.time)

    def check(self, op: InstructionOp, fields: Fields) -> None:
        if isinstance(op, NpuInstructionOp):
            chosen = op.attributes.get("queue")
            queue = chosen.data if isinstance(chosen, StringAttr) else op.OPCODE.queue
            self.issue(op, queue, list(npu_accesses(op.OPCODE.name, fields)))
        elif op.OPCODE.name == "softmax":
            self.barrier()
            self.issue(op, "softmax", list(pim_accesses(op.OPCODE.name, fields, 0)))
            self.barrier()
        else:
            count = getattr(fields, "channels", 1)
            for number in range(count):
                self.issue(op, fields.channel + number, list(pim_accesses(op.OPCODE.name, fields, number)))

    def issue(self, op: InstructionOp, queue: Hashable, accesses: list[Access]) -> None:
        """Execute the accesses of an instruction on its queue."""
        waited = self.known.setdefault(queue, dict(self.floor))
        for semaphore, count in op.semaphores("waits"):
            posted = self.posted.setdefault(semaphore, self.initial(semaphore))
            for _ in range(count):
                for other, time in posted.pop(0).items():
                    waited[other] = max(waited.get(other, 0), time)
        stream = preloads_of(queue) if isinstance(op, PreloadOp) else queue
        now = self.time[stream] = self.time.get(stream, 0) + 1
        names = ", ".join(operand.name_hint or "_" for operand in op.operands)
        self.names[stream, now] = f"@{self.kernel} {queue}: {op.OPCODE.name}({names})"
        for access in accesses:
            if access.rows > 0 and access.row_bytes > 0:
                self.access(access, (queue, preloads_of(queue)), waited, self.names[stream, now])
        for access in accesses:
            if access.rows > 0 and access.row_bytes > 0:
                self.shadow(access, access.writes, stream)[...] = now
        complete = waited | {own: self.time.get(own, 0) for own in {stream, preloads_of(queue)}}
        for semaphore, count in op.semaphores("posts"):
            self.posted.setdefault(semaphore, self.initial(semaphore)).extend([complete] * count)

    def initial(self, semaphore: SSAValue) -> list[Clock]:
        assert isinstance(semaphore.owner, SemaphoreOp)
        return [{}] * semaphore.owner.initial.value.data

    def access(self, access: Access, own: tuple[Hashable, ...], waited: Clock, name: str) -> None:
        """Record a race with any other queue that touched these bytes after the time that `waited` knows of."""
        for space, earlier_writes, other in list(self.shadows):
            if space == access.space and other not in own and (access.writes or earlier_writes):
                latest = int(self.shadow(access, earlier_writes, other).max())
                if latest > waited.get(other, 0):
                    self.races[self.names[other, latest], name] = None

    def shadow(self, access: Access, writes: bool, stream: Hashable) -> np.ndarray:
        """Times at which a stream last read or wrote the cells of an access."""
        key = (access.space, writes, stream)
        if key not in self.shadows:
            self.shadows[key] = np.zeros(-(-self.sizes[access.space] // CELL), np.int64)
        cells = -(-access.row_bytes // CELL)
        strides = (access.stride // CELL * 8, 8)
        return np.ndarray((access.rows, cells), np.int64, self.shadows[key].data, access.address // CELL * 8, strides)


def preloads_of(queue: Hashable) -> Hashable:
    """The stream in which the preloads of a queue complete."""
    return queue, "preload"


def npu_accesses(name: str, f: Fields) -> Iterator[Access]:
    """What an NPU instruction reads and writes."""

    def matrix(writes: bool, field: str, rows: int, cols: int, dtype: str, stride: int | None = None) -> Access:
        step = getattr(f, f"{field}_stride") if stride is None else stride
        return Access("local", writes, getattr(f, field), step, rows, cols * DTYPES[dtype].itemsize)

    match name:
        case "load" | "store":
            dram = Access("linear", name == "store", f.dram, f.dram_stride, f.rows, f.row_bytes)
            yield from (dram, Access("local", name == "load", f.local, f.local_stride, f.rows, f.row_bytes))
        case "gather":
            yield matrix(False, "index", f.rows, 1, "i32", 4)
            yield Access("local", True, f.local, f.local_stride, f.rows, f.row_bytes)
        case "preload" | "matmul" | "gemv":
            if name != "matmul":
                rows, cols = (f.n, f.k) if f.transpose else (f.k, f.n)
                yield matrix(False, "weights", rows, cols, "f16")
            if name != "preload":
                yield matrix(False, "a", f.m, f.k, "f16")
                yield matrix(True, "acc", f.m, f.n, "f32")
        case "binary":
            rows, cols = (1 if f.broadcast == 1 else f.rows), (1 if f.broadcast == 2 else f.cols)
            yield matrix(False, "a", f.rows, f.cols, type_name(f.a_type))
            if f.rows and f.cols:
                yield matrix(False, "b", rows, cols, type_name(f.b_type))
            yield matrix(True, "dst", f.rows, f.cols, type_name(f.dst_type))
        case "unary":
            yield matrix(False, "a", f.rows, f.cols, type_name(f.a_type))
            yield matrix(True, "dst", f.rows, f.cols, type_name(f.dst_type))
        case "reduce":
            yield matrix(False, "a", f.rows, f.cols, type_name(f.a_type))
            yield matrix(True, "dst", f.rows, 1, "f32")
        case "rope":
            yield matrix(False, "a", f.rows, f.heads * f.head_dim, "f16")
            yield matrix(False, "table", f.rows, f.head_dim, "f32")
            yield matrix(True, "dst", f.rows, f.heads * f.head_dim, "f16")
        case "mask":
            yield matrix(True, "dst", f.rows, f.cols, "f32")
        case "argmax":
            yield matrix(False, "a", f.rows, f.cols, "f32")
            yield matrix(True, "dst", f.rows, 1, "i32", 4)
        case "fill":
            yield matrix(True, "dst", f.rows, f.cols, type_name(f.dst_type))
        case _:
            return


def pim_accesses(name: str, f: Fields, number: int) -> Iterator[Access]:
    """What a PIM instruction reads and writes on chip, for the number-th channel that it selects.

    Bank rows, global buffers and accumulators belong to a channel, whose stream is in order.
    """
    match name:
        case "write_buffer":
            space = "softmax" if f.space else "local"
            yield Access(space, False, f.src + number * f.channel_stride, 0, 1, f.columns * 32)
        case "read_acc":
            space = "softmax" if f.space else "local"
            yield Access(space, True, f.dst + number * f.channel_stride, 0, 1, f.banks * 4)
        case "write":
            yield Access("local", False, f.src, 0, 1, f.bytes)
        case "read":
            yield Access("local", True, f.dst, 0, 1, f.bytes)
        case "scatter":
            yield Access("local", False, f.src, 2, f.banks, 2)
        case "softmax":
            yield Access("softmax", False, f.src, f.src_stride, f.rows, min(f.limit, f.cols) * 4)
            yield Access("softmax", True, f.dst, f.dst_stride, f.rows, f.cols * 2)
        case _:
            return
