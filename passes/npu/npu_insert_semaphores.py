"""Order the queues of NPU kernels by counting semaphores, wherever two of them touch the same data."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.dialects.scf import ForOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from ...dialects import host
from ...dialects.instruction import InstructionOp
from ...dialects.npu.instructions import PreloadOp, SyncOp
from ...dialects.npu.semaphore import SemaphoreOp
from ..kernels.buffers import kernels
from .accesses import Access, Place, accesses, common_loop, conflict, instruction_users, queue_of

_PER_INSTRUCTION = 2
"""Waits and posts that an instruction holds."""


@dataclass(frozen=True)
class NpuInsertSemaphoresPass(ModulePass):
    """Insert a semaphore for each dependence between two queues.

    Within a block, an instruction waits for the last earlier one of another queue whose data it needs or overwrites.
    Around a loop, the first use of a buffer waits for the last use one round of its slots ago: a credit semaphore that
    starts with the number of slots. Whole loops wait and post through `npu.sync` before and after them. Buffers that
    share addresses count as the same data.

    Before:

        npu.load(…, local = %w, …) {queue = "ld1"}
        npu.binary(…, b = %w, …)

    After:

        %s = npu.semaphore {initial = 0 : i64}
        npu.load(…, local = %w, …) post(%s) {queue = "ld1"}
        npu.binary(…, b = %w, …) wait(%s)
    """

    name = "npu-insert-semaphores"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in kernels(op, "npu"):
            _Kernel(function).order_block(function.body.block, None)


@dataclass
class _Item:
    """An instruction or a loop of a block, with its accesses by stream (a queue, or the preloads of one)."""

    op: Operation
    accesses: dict[str, list[Access]] = field(default_factory=dict)


class _Kernel:
    def __init__(self, function: FuncOp):
        self.function = function
        self.ring_loops: dict[Place, ForOp | None] = {}
        self.slots: dict[Place, int] = {}
        for op in function.body.block.ops:
            if isinstance(op, host.BufferOp):
                self.slots[op.result] = op.slot_count
                if op.slot_count > 1:
                    self.ring_loops[op.result] = common_loop(instruction_users(op.result), function)

    def order_block(self, block: Block, loop: ForOp | None) -> _Item:
        """Insert the semaphores of a block and everything inside it; returns all its accesses."""
        items: list[_Item] = []
        for op in list(block.ops):
            if isinstance(op, InstructionOp):
                items.append(_Item(op, {_stream_of(op): accesses(op)}))
            elif isinstance(op, ForOp):
                items.append(self.order_block(op.body.block, op))
        forward = self.forward_edges(items)
        if loop is not None:
            self.carried_edges(items, loop, forward)
        whole = _Item(block.parent_op() or self.function)
        for item in items:
            for queue, found in item.accesses.items():
                merged = whole.accesses.setdefault(queue, [])
                merged += [access for access in found if access not in merged]
        return whole

    def forward_edges(self, items: list[_Item]) -> set[tuple[int, str, int, str]]:
        """Within one execution of the block; returns (source, queue, target, queue) of what now waits for what."""
        edges: set[tuple[int, str, int, str]] = set()
        synchronised: dict[tuple[str, str], int] = {}
        for later, item in enumerate(items):
            for stream, found in item.accesses.items():
                queue = _queue(stream)
                for other in sorted(other for other in _streams(items[:later]) if _queue(other) != queue):
                    earlier = _last(items[:later], other, found)
                    if earlier is not None and synchronised.get((other, queue), -1) < earlier:
                        synchronised[other, queue] = earlier
                        edges.add((earlier, other, later, queue))
                        self.edge(items[earlier], other, item, queue, 0)
        return edges

    def carried_edges(self, items: list[_Item], loop: ForOp, forward: set[tuple[int, str, int, str]]) -> None:
        """Across iterations: by number of slots, from the last conflicting use of one queue to the first of another."""
        ends: dict[tuple[str, str, int], list[int]] = {}
        for source, first_item in enumerate(items):
            for source_stream, source_accesses in first_item.accesses.items():
                for target, second_item in enumerate(items):
                    for target_stream, target_accesses in second_item.accesses.items():
                        target_queue = _queue(target_stream)
                        if _queue(source_stream) == target_queue or first_item is second_item:
                            continue
                        for credit in sorted(self.credits(source_accesses, target_accesses, loop)):
                            key = (source_stream, target_queue, credit)
                            found = ends.setdefault(key, [source, target])
                            ends[key] = [max(found[0], source), min(found[1], target)]
        for (source_stream, target_queue, credit), (source, target) in ends.items():
            # Streams are in order: waiting for this round's source is waiting for the last round's.
            implied = any(
                (a, b) == (source_stream, target_queue) and source <= s and t <= target for s, a, t, b in forward
            )
            if not implied:
                self.edge(items[source], source_stream, items[target], target_queue, credit)

    def credits(self, source: list[Access], target: list[Access], loop: ForOp) -> set[int]:
        """Slots of the data that two lists of accesses conflict on, unless an inner loop takes care of it."""
        found: set[int] = set()
        for a in source:
            for b in target:
                if not conflict(a, b):
                    continue
                inner = [self.ring_loops.get(place) for place in (a.place, b.place)]
                if a.place == b.place and inner[0] is not None and inner[0] is not loop:
                    # Either a loop further in goes round its slots, or one further out keeps this slot for now.
                    if _is_inside(inner[0], loop):
                        continue
                    found.add(1)
                    continue
                found.add(self.slots.get(a.place, 1) if a.place == b.place and inner[0] is loop else 1)
        return found

    def edge(self, source: _Item, source_stream: str, target: _Item, target_queue: str, initial: int) -> None:
        """One semaphore: posted after `source` on the queue of its stream, waited for before `target` on its own queue."""
        semaphore = SemaphoreOp(initial)
        first = self.function.body.block.first_op
        assert first is not None
        Rewriter.insert_op([semaphore], InsertPoint.before(first))
        _attach(source.op, _queue(source_stream), "posts", semaphore.result)
        _attach(target.op, target_queue, "waits", semaphore.result)


def _attach(op: Operation, queue: str, which: str, semaphore: SSAValue) -> None:
    if isinstance(op, InstructionOp) and len(op.semaphores(which)) < _PER_INSTRUCTION:
        op.add_semaphores(which, [(semaphore, 1)])
        return
    sync = SyncOp({})
    sync.attributes["queue"] = StringAttr(queue)
    sync.add_semaphores(which, [(semaphore, 1)])
    point = InsertPoint.after(op) if which == "posts" else InsertPoint.before(op)
    Rewriter.insert_op([sync], point)


def _stream_of(op: InstructionOp) -> str:
    """The post of a preload says that the preloads up to it are complete, any other that all of its queue up to it is."""
    return f"{queue_of(op)}/preload" if isinstance(op, PreloadOp) else queue_of(op)


def _queue(stream: str) -> str:
    return stream.split("/")[0]


def _streams(items: list[_Item]) -> set[str]:
    return {stream for item in items for stream in item.accesses}


def _last(items: list[_Item], stream: str, found: list[Access]) -> int | None:
    """Index of the last item whose accesses on `stream` conflict with `found`."""
    for index in range(len(items) - 1, -1, -1):
        if any(conflict(a, b) for a in items[index].accesses.get(stream, []) for b in found):
            return index
    return None


def _is_inside(loop: ForOp, outer: ForOp) -> bool:
    parent = loop.parent_op()
    while parent is not None:
        if parent is outer:
            return True
        parent = parent.parent_op()
    return False
