"""Time of messages between devices: alpha-beta models of the `[link]` section. Sizes in bytes, times in nanoseconds."""

from typing import Any


def all_reduce_ns(link: dict[str, Any], size: float, devices: int) -> float:
    """A ring that sends 1/n of the data in each of n - 1 steps, as AttAcc counts it (one of the ring's two rounds)."""
    part = size / devices
    step = link["all_reduce_latency_ns"] + link["all_reduce_ns_per_byte"] * part
    return (devices - 1) * max(step, part / link["bytes_per_ns"])


def transfer_ns(link: dict[str, Any], size: float, to: str) -> float:
    """A message between a device and its PIM stacks (`to` = pim) or the host's memory (host)."""
    return link["latency_ns"] + size / link[f"{to}_bytes_per_ns"]
