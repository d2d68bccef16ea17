"""What runs at the same time in AttAcc: formulas of its system model, as published (attacc_simulator c600051, system.py).

They are no schedule: a stage that hides behind another one keeps 1 / heads of its time, for the first head that nothing
hides. All times in nanoseconds, of one decoder.
"""

from dataclasses import dataclass, replace

QKV_SHARE = 3 / 4
"""Of what attention hides, the part that is taken off the QKV product; the projection has the rest, like their weights."""


@dataclass(frozen=True)
class AttentionStages:
    """Times of the stages that may overlap; `transfer` is both directions, `attention` includes the softmax."""

    qkv: float
    attention: float
    proj: float
    transfer: float


def overlap_attention(stages: AttentionStages, heads: int, pipelined: bool) -> AttentionStages:
    """What of each stage is not hidden; `heads` of the device.

    Attention-level pipelining always hides the link behind attention. With head-level pipelining (`pipelined`) the
    matrix products of some heads run while other heads attend.
    """
    first = 1 / heads
    hidden = stages.attention * (1 - first)
    transfer = stages.transfer * first if stages.attention > stages.transfer else stages.transfer - hidden
    if not pipelined:
        return replace(stages, transfer=transfer)
    products = stages.qkv + stages.proj
    if stages.attention > products:
        return replace(stages, qkv=stages.qkv * first, proj=stages.proj * first, transfer=transfer)
    if products > stages.transfer:
        qkv, proj = stages.qkv - hidden * QKV_SHARE, stages.proj - hidden * (1 - QKV_SHARE)
        return replace(stages, qkv=qkv, proj=proj, transfer=stages.transfer * first)
    qkv, proj = stages.qkv * first, stages.proj * first
    return replace(stages, qkv=qkv, proj=proj, transfer=stages.transfer - hidden)


def feed_forward_share(
    bound: str,
    batch: int,
    element_bytes: int,
    peak_tflops: float,
    memory_bytes_per_ns: float,
    stacks_bytes_per_ns: float,
) -> float:
    """Share of a feed-forward matrix that the stacks take, so that both sides finish together.

    A product that is bound by memory is split by bandwidth, of which the stacks need `batch` times as much: their units
    read the weights once for each sequence. One bound by arithmetic is split by operations, two for each element read.
    """
    if bound == "compute":
        stacks = stacks_bytes_per_ns / element_bytes * 2
        return stacks / (peak_tflops * 1000 + stacks)
    stacks = stacks_bytes_per_ns / batch
    return stacks / (memory_bytes_per_ns + stacks)
