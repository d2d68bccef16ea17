"""What fits: bytes of weights, keys and values, the largest batch, and which stack takes which heads."""

from collections.abc import Sequence
from typing import Any

from .shapes import DecoderShape


def weight_bytes(shape: DecoderShape, element_bytes: int) -> float:
    """Matrices of all decoders; embeddings are not counted, as in AttAcc's simulator."""
    return shape.layers * shape.layer_weights * element_bytes


def kv_bytes(shape: DecoderShape, tokens: int, element_bytes: int) -> int:
    """Keys and values of one sequence in all layers."""
    return shape.layers * 2 * tokens * shape.kv_heads * shape.head_dim * element_bytes


def working_bytes(shape: DecoderShape, tokens: int, element_bytes: int) -> float:
    """Largest intermediate results of one sequence (attacc_simulator c600051, system.py)."""
    scores = tokens * shape.heads
    largest = max(shape.hidden + scores, 2 * shape.hidden, 2 * scores, shape.ffn + shape.hidden)
    return largest * element_bytes + scores


def required_bytes(shape: DecoderShape, batch: int, prompt: int, output: int, element_bytes: int) -> float:
    """Memory of a whole batch at its longest."""
    tokens = prompt + output - 1
    each = kv_bytes(shape, tokens, element_bytes) + working_bytes(shape, tokens, element_bytes)
    return weight_bytes(shape, element_bytes) + batch * each


def largest_batch(
    machine: dict[str, Any],
    shape: DecoderShape,
    prompt: int,
    output: int,
    element_bytes: int,
    pim: bool,
    pooled: bool = True,
) -> int:
    """Sequences that the xPUs' memory holds beside the weights, or that memory and the PIM stacks (`pim`) hold together.

    Published systems count all memory as one pool. With `pooled` = False keys and values must lie in the stacks, where
    attention runs, and the weights in the memory of the xPUs.
    """
    tokens = prompt + output - 1
    weights = weight_bytes(shape, element_bytes)
    kv, working = kv_bytes(shape, tokens, element_bytes), working_bytes(shape, tokens, element_bytes)
    own = machine["xpu"]["memory_bytes"] * machine["xpu"]["devices"]
    stacks = machine["pim_stacks"]
    away = stacks["stack_bytes"] * stacks["stacks"] * stacks["devices"] if pim else 0
    if pim and not pooled:
        return max(0, min(int(away // kv), int((own - weights) // working)))
    return max(0, int((own + away - weights) // (kv + working)))


def assign_heads(lengths: Sequence[int], stacks: int) -> list[list[int]]:
    """Head-operations by stack: longest first, each to the stack with the least work (AttAcc section 5.1). Lengths."""
    held: list[list[int]] = [[] for _ in range(stacks)]
    load = [0] * stacks
    for length in sorted(lengths, reverse=True):
        stack = load.index(min(load))
        held[stack].append(length)
        load[stack] += length
    return held


def heads_of_fullest_stack(heads: int, stacks: int) -> int:
    """Equal head-operations of the fullest stack: what the published simulator computes, and greedy assignment too."""
    return -(-heads // stacks)
