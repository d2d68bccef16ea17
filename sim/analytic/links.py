"""Time of messages between devices: alpha-beta models of the `[link]` section. Sizes in bytes, times in nanoseconds."""

from typing import Any


def all_reduce_ns(link: dict[str, Any], size: float, devices: int) -> float:
    """A ring of n devices that send 1/n of the data in each of n - 1 steps a round.

    Rounds are those of `all_reduce_rounds`: 2 for a ring (reduce-scatter, then all-gather), 1 as AttAcc counts it.
    """
    part = size / devices
    measured = link["all_reduce_latency_ns"] + link["all_reduce_ns_per_byte"] * part
    return link["all_reduce_rounds"] * (devices - 1) * max(measured, message_ns(link, part))


def all_reduce_bytes(link: dict[str, Any], size: float, devices: int) -> float:
    """What each device sends for it."""
    return link["all_reduce_rounds"] * (devices - 1) * size / devices


def all_gather_ns(link: dict[str, Any], size: float, devices: int) -> float:
    """A ring in which every device gets what each of the others has, `size` each."""
    return (devices - 1) * message_ns(link, size)


def message_ns(link: dict[str, Any], size: float) -> float:
    """A message from one device to another."""
    return link["latency_ns"] + size / link["bytes_per_ns"]


def transfer_ns(link: dict[str, Any], size: float, to: str) -> float:
    """A message between a device and its PIM stacks (`to` = pim) or the host's memory (host)."""
    return link["latency_ns"] + size / link[f"{to}_bytes_per_ns"]
