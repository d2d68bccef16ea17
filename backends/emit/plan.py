"""The host plan to a program: launches, with an event slot for each chain of events that are one value at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from xdsl.dialects import func, scf
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host
from ..isa.encode import Affine
from ..isa.host import MAX_ARGUMENTS
from .kernel import FunctionEmitter

_NO_EVENT = -1


class PlanEmitter(FunctionEmitter):
    """Emits the plan. `kernels` maps kernel names to their index in the image."""

    def __init__(self, function: func.FuncOp, kernels: Mapping[str, int]):
        names = host.SUB_BATCH_ARGUMENTS[: len(function.body.block.args)]
        super().__init__(function, "host", names)
        self.kernels = kernels
        self.events: dict[SSAValue, int] = {}
        self.event_count = 0

    def op(self, op: Operation) -> Sequence[int]:
        match op:
            case host.StartOp():
                self.events[op.result] = _NO_EVENT
            case host.BufferOp():
                if op.address is None:
                    raise PassFailedException("a buffer of the plan has no address: run npu-allocate-scratchpad first")
                self.values[op.result] = Affine(op.address.value.data)
            case host.ViewOp():
                assert isinstance(op.buffer.type, host.BufferType)
                self.values[op.result] = self.affine(op.buffer) + self.affine(op.first) * op.buffer.type.row_bytes
            case host.LaunchOp():
                self.launch(op)
            case host.TransferOp():
                self.transfer(op)
            case host.CollectiveOp():
                self.exchange(op)
            case _:
                return super().op(op)
        return ()

    def loop(self, op: scf.ForOp) -> None:
        """Carried events stay in one slot: the slot of the initial event takes the yielded one."""
        carried: list[int] = []
        for initial, argument in zip(op.iter_args, op.body.block.args[1:], strict=True):
            slot = self.events[initial]
            if slot == _NO_EVENT:
                slot = self.new_event()
            self.events[argument] = slot
            carried.append(slot)
        terminator = op.body.block.last_op
        assert isinstance(terminator, scf.YieldOp)
        for value, slot in zip(terminator.arguments, carried, strict=True):
            self.events[value] = slot
            # The yielded event of an inner loop ends in the slot its own initial event had; give both the same.
            producer = value.owner
            if isinstance(producer, scf.ForOp):
                self.tie(producer, slot)
        super().loop(op)
        for result, slot in zip(op.results, carried, strict=True):
            self.events[result] = slot

    def tie(self, loop: scf.ForOp, slot: int) -> None:
        for initial in loop.iter_args:
            self.events[initial] = slot

    def new_event(self) -> int:
        self.event_count += 1
        return self.event_count - 1

    def launch(self, op: host.LaunchOp) -> None:
        if len(op.arguments) > MAX_ARGUMENTS:
            raise PassFailedException(
                f"launch of @{op.symbol} has {len(op.arguments)} arguments, a launch holds {MAX_ARGUMENTS}"
            )
        if op.symbol not in self.kernels:
            raise PassFailedException(f"launch of @{op.symbol}, which is not a kernel of the module")
        arguments: dict[str, Any] = {f"arg{index}": self.affine(value) for index, value in enumerate(op.arguments)}
        self.builder.emit(
            "launch",
            kernel=self.kernels[op.symbol],
            arguments=len(op.arguments),
            **self.order(op),
            **arguments,
        )

    def exchange(self, op: host.CollectiveOp) -> None:
        matrix, best = op.buffer_type, {}
        if isinstance(op, host.AllArgmaxOp):
            assert isinstance(op.logits.type, host.BufferType)
            matrix = op.logits.type
            best = {"logits": self.affine(op.logits), "vocabulary": op.vocabulary.value.data}
        self.builder.emit(
            "exchange",
            kind=op.kind,
            devices=op.devices.value.data,
            local=self.affine(op.buffer),
            dtype="f16" if matrix.element_bytes == 2 else "f32",
            rows=self.affine(op.rows),
            columns=prod(matrix.shape[1:]),
            **best,
            **self.order(op),
        )

    def transfer(self, op: host.TransferOp) -> None:
        self.builder.emit(
            "exchange",
            kind="transfer",
            devices=1,
            local=self.affine(op.buffers[0]),
            dtype="f16",
            rows=self.affine(op.rows),
            columns=op.row_bytes // 2,
            **self.order(op),
        )

    def order(self, op: host.LaunchOp | host.CollectiveOp | host.TransferOp) -> dict[str, Any]:
        """The fields that say when an op starts and who hears of its end."""
        after = [self.events[event] for event in op.after if self.events[event] != _NO_EVENT]
        if op.event not in self.events:
            self.events[op.event] = self.new_event()
        return {
            "event": self.events[op.event],
            "launch_queue": 0 if op.queue is None else op.queue.value.data,
            **{f"after{index}": event for index, event in enumerate(after)},
        }
