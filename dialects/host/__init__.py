"""The `host` dialect: memory map, buffers, and the plan that launches kernels on device queues. Small on purpose."""

from xdsl.ir import Dialect

from .collective_ops import LINK, AllArgmaxOp, AllReduceOp, CollectiveOp, ReceiveOp, SendOp, TransferOp
from .ops import (
    AddressOfOp,
    BufferOp,
    CacheOp,
    LaunchOp,
    MemoryOp,
    OneSequenceOp,
    PageOp,
    ReadOp,
    SequenceOp,
    StartOp,
    ViewOp,
    WriteOp,
    integer,
)
from .types import BufferType, EventType

HOST = Dialect(
    "host",
    [
        MemoryOp,
        AddressOfOp,
        BufferOp,
        ViewOp,
        ReadOp,
        WriteOp,
        SequenceOp,
        OneSequenceOp,
        PageOp,
        CacheOp,
        LaunchOp,
        StartOp,
        AllReduceOp,
        AllArgmaxOp,
        ReceiveOp,
        SendOp,
        TransferOp,
    ],
    [BufferType, EventType],
)

DEVICE = "device"
"""Function attribute: the device that runs the kernel ("npu" or "pim"); the plan has "host"."""

PLAN_ARGUMENTS = ("tokens", "sequences")
"""What the arguments of the plan count: the token rows and the sequences of a step."""

SUB_BATCH_ARGUMENTS = (*PLAN_ARGUMENTS, "first_tokens", "first_sequences")
"""The arguments of a plan with two sub-batches: the same, then how many of them belong to the first."""

USED_BYTES = "host.used_bytes."
"""Prefix of the module attributes that say how many bytes of a space of on-chip memory are in use."""

__all__ = [
    "DEVICE",
    "HOST",
    "LINK",
    "PLAN_ARGUMENTS",
    "SUB_BATCH_ARGUMENTS",
    "USED_BYTES",
    "AddressOfOp",
    "AllArgmaxOp",
    "AllReduceOp",
    "BufferOp",
    "BufferType",
    "CacheOp",
    "CollectiveOp",
    "EventType",
    "LaunchOp",
    "MemoryOp",
    "OneSequenceOp",
    "PageOp",
    "ReadOp",
    "ReceiveOp",
    "SendOp",
    "SequenceOp",
    "StartOp",
    "TransferOp",
    "ViewOp",
    "WriteOp",
    "integer",
]
