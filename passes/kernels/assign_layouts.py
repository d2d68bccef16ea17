"""Give every weight, cache and table that kernels use a place in main memory with a layout that its reader wants."""

from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType, f16, f32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute, Operation
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm
from ...dialects.hardware import npu_core, pim_memory
from ...dialects.npu.types import RopeTableAttr, RowMajorAttr
from ...dialects.pim.types import StagingAttr
from .buffers import context_of_buffers, kernels
from .tiles import (
    choose_head_keys,
    choose_head_values,
    choose_keys,
    choose_matrix,
    choose_rows,
    choose_tiles,
    choose_values,
)

STAGING = "staging"
"""Symbol of the row that vectors pass through on the way to the global buffers of a PIM without direct writes."""


@dataclass(frozen=True)
class AssignLayoutsPass(ModulePass):
    """Create a `host.memory` for each weight as its kernels read it, for the KV cache, and for rotary tables.

    NPU linear layers read `#npu.tiles`; PIM linear layers `#pim.matrix` (a neuron in a bank); embeddings, norms and
    biases rows in order. A cache on the PIM is laid out by token for keys and by head dimension for values, one on the
    NPU row-major. A weight that is read in two ways gets two places. `cache-channels` is the number of channels that a
    sequence's cache on the PIM is spread over (0: all of them). With one, attention of different sequences runs in
    different channels at a time, as in NeuPIMs; which, is decided by the slot that a sequence gets. `cache-slots` is the
    number of slots (0: as many as sequences), more of them if channels are to hold different numbers of sequences. With
    `attention=heads` a cache on the PIM has a head in a channel (`#pim.head_keys`, `#pim.head_values`), for machines with the
    commands of `pim.attend`.

    `value-tokens` is the number of tokens that a row of the value cache holds (0: as many as fit, as in NeuPIMs). With fewer,
    several groups of dimensions share a row (`groups_per_row`): appending a token and attending to short sequences then open
    fewer rows, and long sequences are read in more parts.

    With `page-tokens` a cache is in pages of at least so many tokens, which the host gives to slots as their sequences grow;
    the smallest ones of a layout are whole rows. `assign-memory` decides how many there are.

    Before:

        llm.weight @attn_q : tensor<30x576x576xf16>

    After:

        llm.weight @attn_q : tensor<30x576x576xf16>
        host.memory @attn_q_tiles : tensor<30x576x576xf16> layout #npu.tiles<…> {source = "attn_q"}
    """

    name = "assign-layouts"

    cache_channels: int = 0
    cache_slots: int = 0
    page_tokens: int = 0
    value_tokens: int = 0
    attention: Literal["tokens", "heads"] = "tokens"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        memories: dict[str, host.MemoryOp] = {}
        for function in op.ops:
            if isinstance(function, FuncOp):
                device = function.attributes.get(host.DEVICE)
                if device == StringAttr("xpu"):  # its weights are in a memory of its own
                    continue
                for inner in function.walk():
                    for memory in self.memories_of(inner, device, op):
                        memories.setdefault(memory.sym_name.data, memory)
        if kernels(op, "pim") and not pim_memory(op).has("write_buffer"):
            elements = pim_memory(op).row_elements
            memories[STAGING] = host.MemoryOp(STAGING, TensorType(f16, [elements]), StagingAttr.of(rows=1))
        first = next((o for o in op.ops if isinstance(o, FuncOp)), None)
        if first is not None and memories:
            op.body.block.insert_ops_before(list(memories.values()), first)

    def memories_of(self, op: Operation, device: Attribute | None, module: ModuleOp) -> list[host.MemoryOp]:
        """The places in main memory that one op needs."""
        match op:
            case llm.GetWeightOp():
                return [self.weight(op, use.operation, device, module) for use in op.result.uses]
            case host.CacheOp():
                return self.cache(op, device, module)
            case llm.RopeOp():
                context = context_of_buffers(module)
                theta = op.theta.value.data
                shape = TensorType(f32, [context, op.head_dim.value.data])
                return [host.MemoryOp(rope_table(op), shape, RopeTableAttr(theta))]
            case _:
                return []

    def weight(self, op: llm.GetWeightOp, user: Operation, device: Attribute | None, module: ModuleOp) -> host.MemoryOp:
        declared = next((w for w in module.ops if isinstance(w, llm.WeightOp) and w.sym_name.data == op.symbol), None)
        if declared is None:
            raise PassFailedException(f"llm.get_weight names @{op.symbol}, which the module does not declare")
        assert isinstance(declared.type, TensorType)
        *_, outputs, inputs = (1, *declared.type.get_shape())
        suffix = usage(op, user, device)
        if suffix == "tiles":
            layout: Attribute = choose_tiles(_bounds(module).new_tokens.data, outputs, inputs, npu_core(module))
        elif suffix == "banks":
            layout = choose_matrix(outputs, inputs, pim_memory(module))
        else:
            layout = RowMajorAttr.of(row_bytes=inputs * 2)
        return host.MemoryOp(f"{op.symbol}_{suffix}", declared.type, layout, op.symbol)

    def cache(self, op: host.CacheOp, device: Attribute | None, module: ModuleOp) -> list[host.MemoryOp]:
        kv = op.result.type
        assert isinstance(kv, llm.KVCacheType)
        layers, heads, head_dim = kv.shape
        slots = self.cache_slots or _bounds(module).sequences.data
        context = context_of_buffers(module)
        shape = TensorType(f16, [layers, slots, heads, context, head_dim])
        keys: Attribute
        values: Attribute
        memory = pim_memory(module)
        if device == StringAttr("pim") and self.attention == "heads":
            if not memory.has("mac_tree"):
                raise PassFailedException(
                    f"attention=heads needs the command mac_tree, which machine {memory.name} has not"
                )
            if self.cache_channels not in (0, memory.channels):
                raise PassFailedException(
                    f"cache-channels is {self.cache_channels}, but attention=heads spreads a sequence over all channels"
                )
            if self.value_tokens:
                raise PassFailedException(
                    f"value-tokens is {self.value_tokens}, which a cache with attention=heads has not"
                )
            keys = choose_head_keys(slots, context, heads, head_dim, memory, self.page_tokens)
            values = choose_head_values(slots, context, heads, head_dim, memory, self.page_tokens)
        elif device == StringAttr("pim"):
            channels = self.cache_channels or memory.channels
            if memory.channels % channels:
                raise PassFailedException(
                    f"cache-channels is {channels}, expected a divisor of the {memory.channels} channels of {memory.name}"
                )
            keys = choose_keys(slots, context, heads, head_dim, memory, channels, self.page_tokens)
            values = choose_values(
                slots, context, heads, head_dim, memory, channels, self.page_tokens, self.value_tokens
            )
        else:
            keys = values = choose_rows(head_dim, npu_core(module), self.page_tokens)
        return [host.MemoryOp("keys", shape, keys), host.MemoryOp("values", shape, values)]


def usage(op: llm.GetWeightOp, user: Operation, device: Attribute | None) -> str:
    """How `user` reads a weight: as `tiles` of a linear layer, over the `banks` of a PIM, or as `rows`."""
    if isinstance(user, llm.LinearOp) and user.weight is op.result:
        return "banks" if device == StringAttr("pim") else "tiles"
    return "rows"


def rope_table(op: llm.RopeOp) -> str:
    """Symbol of the rotary table of this op."""
    return f"rope_{op.head_dim.value.data}_{op.theta.value.data:.0f}"


def _bounds(module: ModuleOp) -> llm.BoundsAttr:
    bounds = module.attributes.get(llm.BOUNDS)
    if not isinstance(bounds, llm.BoundsAttr):
        raise PassFailedException("the module has no llm.bounds: run llm-specialize first")
    return bounds
