"""Stage `placed`: the host plan launches kernels that hold `llm` ops between reads and writes of buffers."""

from typing import Any

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ..dialects import host, llm
from .control import ArrayPlanInterpreter
from .llm import Array, KVCache, LlmState, Ragged, SeqEntry, Weights, eval_llm_op


class PlacedInterpreter(ArrayPlanInterpreter):
    """Runs `@step` of a placed module. The KV cache is held as the `llm` interpreter holds it."""

    def __init__(self, module: ModuleOp, store: Weights, slots: int, context: int):
        super().__init__(module, store)
        self.state = LlmState(store)
        kv_type = next(op.result.type for op in module.walk() if isinstance(op, host.CacheOp))
        assert isinstance(kv_type, llm.KVCacheType)
        self.kv = KVCache(kv_type, slots, context, "fp16")
        self.table = SeqEntry(0, 0, 0, 0)

    def launch(self, kernel: func.FuncOp, arguments: list[Any]) -> None:
        self.table = SeqEntry(0, 0, 0, 0)
        super().launch(kernel, arguments)

    def execute(self, op: Operation, operands: list[Any]) -> list[Any]:
        match op:
            case host.OneSequenceOp():
                self.table = SeqEntry(0, *operands)
                return [[self.table]]
            case host.CacheOp():
                return [self.kv]
            case host.ViewOp():
                buffer, first = operands
                return [buffer[first:]]
            case host.ReadOp():
                return [self.read(op, *operands)]
            case host.WriteOp():
                self.write(op, *operands)
                return []
            case _ if op.name.startswith("llm."):
                return eval_llm_op(op, operands, self.state)
            case _:
                return super().execute(op, operands)

    def read(self, op: host.ReadOp, buffer: Array, rows: int) -> Array | Ragged:
        """A copy of the first rows. Row t of a ragged value has as many keys as token t of the sequence sees."""
        if isinstance(op.result.type, llm.RaggedType):
            return [buffer[row, :, : self.table.past + row + 1].copy() for row in range(rows)]
        return buffer[:rows].copy()

    def write(self, op: host.WriteOp, value: Array | Ragged, buffer: Array, rows: int) -> None:
        if isinstance(op.value.type, llm.RaggedType):
            for row in range(rows):
                buffer[row, :, : self.table.past + row + 1] = value[row]
        else:
            assert len(value) == rows, f"{len(value)} rows written to {rows}"
            buffer[:rows] = value
