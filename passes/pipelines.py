"""The stages of compilation and the passes that lead to each.

Every pipeline is a plain `xdsl-opt -p` string; `pimlir compile` runs the same ones. A stage's pipeline starts from the
stage before it and ends with that stage's verify pass.
"""

from __future__ import annotations

from dataclasses import dataclass

STAGES = ("model", "llm", "placed", "kernels", "machine")
"""In order. The image follows `machine`; it is made by the backends."""

POLICIES = ("npu-only", "attention-on-pim", "all-on-pim")


@dataclass(frozen=True)
class PipelineOptions:
    """What the passes need to know. `machine` is the name of a machine or the path of a machine file.

    `mac_operands` is that of the machine unless given. `attention` is the layout of caches on the PIM, a head or a token at a
    time. Targets for other simulators set both. The model is cut for `tensor_parallel` x `pipeline_stages` devices. The
    batch is in as many parts as there are stages: a step takes one of them, caches hold all. `drop_cache_appends` leaves
    out writes to the caches: for timing only. `serial_kernels` makes an op that needs another one's result a kernel of its
    own, `spill_buffers` keeps what kernels pass to each other in main memory.
    """

    machine: str
    policy: str = "npu-only"
    phase: str = "mixed"
    batch: int = 1
    context: int | None = None
    new_tokens: int | None = None
    depth: int = 2
    ignore_capacity: bool = False
    sub_batches: bool = False
    cache_channels: int = 0
    cache_slots: int = 0
    page_tokens: int = 0
    mac_operands: str | None = None
    attention: str = "tokens"
    head_groups: int = 0
    tensor_parallel: int = 1
    pipeline_stages: int = 1
    drop_cache_appends: bool = False
    serial_kernels: bool = False
    spill_buffers: bool = False
    value_tokens: int = 0


def pipeline(stage: str, options: PipelineOptions) -> str:
    """The passes from the stage before `stage` to `stage`; KeyError for an unknown stage."""
    stages = options.pipeline_stages
    specialise = f"phase={options.phase} batch={-(-options.batch // stages)}"
    if options.context is not None:
        specialise += f" context={options.context}"
    if options.new_tokens is not None:
        specialise += f" new-tokens={options.new_tokens}"
    key = "file" if options.machine.endswith(".toml") else "name"
    chosen = {
        "attention": "" if options.attention == "tokens" else options.attention,
        "cache-channels": options.cache_channels,
        "cache-slots": options.cache_slots or (options.batch if stages > 1 else 0),
        "value-tokens": options.value_tokens,
        "page-tokens": options.page_tokens,
    }
    layouts = " ".join(f"{name}={value}" for name, value in chosen.items() if value)
    assign_layouts = f"assign-layouts{{{layouts}}}" if layouts else "assign-layouts"
    operands = f" mac-operands={options.mac_operands}" if options.mac_operands is not None else ""
    shard = f"llm-shard{{tensor-parallel={options.tensor_parallel} pipeline-stages={stages}}}"
    passes = {
        "model": ("verify-model",),
        "llm": (
            *((shard,) if options.tensor_parallel > 1 or stages > 1 else ()),
            "canonicalize",
            "llm-decompose-attention",
            f"llm-specialize{{{specialise}}}",
            "canonicalize",
            "verify-llm",
        ),
        "placed": (
            f'attach-machine{{{key}="{options.machine}"{operands}}}',
            f"llm-place{{policy={options.policy}}}",
            "llm-outline-kernels{serial=true}" if options.serial_kernels else "llm-outline-kernels",
            *(("drop-cache-appends",) if options.drop_cache_appends else ()),
            *(("interleave-sub-batches",) if options.sub_batches else ()),
            "insert-transfers",
            "verify-placed",
        ),
        "kernels": (
            assign_layouts,
            "convert-llm-to-npu",
            "convert-llm-to-pim",
            "convert-llm-to-xpu",
            "pim-fuse-attention",
            *((f"pipeline-heads{{groups={options.head_groups}}}",) if options.head_groups else ()),
            "npu-fold-copies",
            "npu-plan-tiles",
            "verify-kernels",
        ),
        "machine": (
            "npu-tile",
            "npu-split-loops",
            *(("npu-spill-buffers",) if options.spill_buffers else ()),
            "pim-expand",
            f"npu-double-buffer{{depth={options.depth}}}",
            "npu-allocate-scratchpad",
            "npu-insert-semaphores",
            "assign-memory{capacity=ignore}" if options.ignore_capacity else "assign-memory",
            "lower-to-machine",
            "verify-machine",
        ),
    }
    return ",".join(passes[stage])
