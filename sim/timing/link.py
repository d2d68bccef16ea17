"""The link between devices in time: how long each exchange takes, and what all of them sent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ..analytic.links import all_gather_ns, all_reduce_bytes, all_reduce_ns, message_ns, transfer_ns
from ..functional.errors import SimulationError
from ..plan import Exchange


@dataclass
class LinkCount:
    """Exchanges of one kind: their number, the bytes that a device sent for them, and their time."""

    number: int = 0
    sent_bytes: int = 0
    time_ps: int = 0


@dataclass
class LinkTime:
    """The link of a machine. All devices begin an exchange together, as they run the same program."""

    machine: dict[str, Any]
    counts: dict[str, LinkCount] = field(default_factory=dict)

    def run(self, exchange: Exchange) -> int:
        """Count an exchange; how long it takes, in ps."""
        link = self.machine.get("link")
        if link is None:
            raise SimulationError(
                f"machine {self.machine.get('name', '')} has no [link], which {exchange.kind} over {exchange.devices} "
                "devices needs"
            )
        size, devices = exchange.size_bytes, exchange.devices
        if not size:  # the second half of a batch may be empty
            return 0
        match exchange.kind:
            case "all_reduce":
                time_ns, sent = all_reduce_ns(link, size, devices), all_reduce_bytes(link, size, devices)
            case "all_argmax":
                time_ns, sent = all_gather_ns(link, size, devices), size * (devices - 1)
            case "transfer":
                time_ns, sent = transfer_ns(link, size, "pim"), size
            case "receive":
                time_ns, sent = message_ns(link, size), 0
            case _:  # a send is timed where it is received
                time_ns, sent = 0, size
        count = self.counts.setdefault(exchange.kind, LinkCount())
        time_ps = math.ceil(1000 * time_ns)
        count.number += 1
        count.sent_bytes += math.ceil(sent)
        count.time_ps += time_ps
        return time_ps

    @property
    def sent_bytes(self) -> int:
        return sum(count.sent_bytes for count in self.counts.values())
