"""Decide, by cost model, what is still open in the tile programs of NPU kernels: units of attention, sizes of loads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm
from ...dialects.hardware import NpuCore, npu_core
from ...dialects.npu import structured as npu
from ...dialects.npu.types import TilesAttr
from ...dialects.record import page_tokens
from ...dialects.structured import buffer_type, symbol_of
from ..kernels.attention_cost import UNITS, AttentionShape, choose_attention
from ..kernels.buffers import kernels
from ..kernels.gemm_cost import choose_gemm
from ..kernels.linear_cost import best_load
from ..tile_builder import memory_table


@dataclass(frozen=True)
class NpuPlanTilesPass(ModulePass):
    """Write on each `npu.linear` how many tiles of its weights one load brings and into how many places they go in turn,
    on each `npu.scores` and `npu.context` the same in tokens, and which unit multiplies. An `npu.gemm` and the layout of
    its weights get all their tiles.

    All follow from the time that the cost model expects (`cycles`): loads are as large as bandwidth and latency of main
    memory ask for, and as small as the start of the op allows; places suffice for what is on its way and in use. For
    attention it is the time of one sequence that has as many keys as the bounds allow. `attention` forces the unit.

    Before:

        npu.linear %x, @attn_q_tiles[%layer] -> %y rows %rows : !host.buffer<32x576xf16> -> !host.buffer<32x576xf16>

    After:

        npu.linear %x, @attn_q_tiles[%layer] -> %y rows %rows {load_tiles = 3 : i64, load_slots = 18 : i64, cycles = 1290 : i64} : !host.buffer<32x576xf16> -> !host.buffer<32x576xf16>
    """

    name = "npu-plan-tiles"

    attention: Literal["auto", "array", "vector"] = "auto"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        memories, core = memory_table(op.ops), npu_core(op)
        plan = sum(_bytes(function) for function in kernels(op, "host"))
        for function in kernels(op, "npu"):
            room = core.scratchpad_bytes + core.accumulator_bytes - plan - _bytes(function)
            for inner in function.walk():
                match inner:
                    case npu.LinearOp():
                        _plan_linear(inner, memories[symbol_of(inner.weight)].layout, core, room)
                    case npu.GemmOp():
                        _plan_gemm(inner, memories, core)
                    case npu.ScoresOp():
                        self.plan_attention(inner, "scores", memories[symbol_of(inner.keys)], op, room)
                    case npu.ContextOp():
                        self.plan_attention(inner, "context", memories[symbol_of(inner.values)], op, room)
                    case _:
                        pass

    def plan_attention(
        self, op: npu.ScoresOp | npu.ContextOp, what: str, cache: host.MemoryOp, module: ModuleOp, room: int
    ) -> None:
        assert isinstance(cache.type, TensorType)
        _, _, kv_heads, keys, head_dim = cache.type.get_shape()
        rows, heads, _ = buffer_type(op.s if isinstance(op, npu.ScoresOp) else op.p).shape
        bounds = module.attributes.get(llm.BOUNDS)
        if isinstance(bounds, llm.BoundsAttr):
            keys = bounds.context.data
            rows = bounds.new_tokens.data - bounds.sequences.data + 1  # each sequence brings at least one
        shape = AttentionShape(rows, keys, kv_heads, heads // kv_heads, head_dim)
        core = npu_core(module)
        sums = 2 * 4 * rows * heads * head_dim if what == "context" else 0
        units = UNITS if self.attention == "auto" else (self.attention,)
        plan = choose_attention(what, shape, core, units, max(0, room - sums), page_tokens(cache.layout))
        op.unit = npu.UnitAttr(npu.Unit(plan.unit))
        op.load_tokens, op.load_slots = host.integer(plan.load_tokens), host.integer(plan.load_slots)
        op.attributes["cycles"] = host.integer(plan.cycles)


def _plan_linear(op: npu.LinearOp, layout: object, core: NpuCore, room: int) -> None:
    if not isinstance(layout, TilesAttr):
        raise PassFailedException(f"@{symbol_of(op.weight)} has layout {layout}, expected #{TilesAttr.name}<…>")
    rows, inputs = buffer_type(op.x).shape
    sizes = tuple(layout.integer(key) for key in ("tile_k", "padded_k", "tile_n", "padded_n", "group"))
    sums = 2 * 4 * rows * layout.integer("tile_n") * layout.integer("group")
    tiles = best_load(rows, inputs, core, sizes, max(0, room - sums))
    op.load_tiles, op.load_slots = host.integer(tiles.load_tiles), host.integer(tiles.load_slots)
    op.attributes["cycles"] = host.integer(tiles.cycles)


def _plan_gemm(op: npu.GemmOp, memories: Mapping[str, host.MemoryOp], core: NpuCore) -> None:
    a, weights = (memories[symbol_of(symbol)] for symbol in (op.a, op.w))
    assert isinstance(a.type, TensorType) and isinstance(weights.type, TensorType)
    if not core.arrays:
        raise PassFailedException(f"npu.gemm needs a systolic array, machine {core.name} has none")
    (m, k), (n, _) = a.type.get_shape(), weights.type.get_shape()
    tiles = choose_gemm(m, k, n, core)
    weights.layout = TilesAttr.of(**{key: getattr(tiles, key) for key in TilesAttr.keys})
    for key in ("tile_m", "depths", "sum_slots", "load_slots"):
        setattr(op, key, host.integer(getattr(tiles, key)))
    op.order, op.keep = StringAttr(tiles.order), StringAttr(tiles.keep)
    op.attributes["cycles"] = host.integer(tiles.cycles)


def _bytes(function: FuncOp) -> int:
    """Local memory of the buffers of a function."""
    buffers = [buffer_type(op.result) for op in function.walk() if isinstance(op, host.BufferOp)]
    return sum(buffer.size_bytes for buffer in buffers if buffer.space.data == "local")
