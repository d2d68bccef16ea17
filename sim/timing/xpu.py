"""Time of xPU programs: the analytic model of each operator, one after another. Results are analytic."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...backends.isa.image import Program
from ...backends.isa.spec import HEADER
from ...backends.isa.walk import Walk
from ...backends.isa.xpu import ACTIVATIONS, XPU
from ..analytic.energy import DRAM_PATH
from ..analytic.operators import Kind, Operator
from ..analytic.xpu import AnalyticXpu, Cost
from ..functional.errors import SimulationError

_PRODUCT, _ACTIVATION, _NORM = (XPU[name].number for name in ("product", "activation", "norm"))
_TAG = HEADER.index("tag")


class XpuTime:
    """The processor of a machine's `[xpu]`; its own clock counts picoseconds."""

    def __init__(self, machine: dict[str, Any]):
        if "xpu" not in machine:
            raise SimulationError(f"machine {machine['name']} has no [xpu], which the programs of an xPU need")
        self._xpu = AnalyticXpu(machine["xpu"])
        self.events: dict[str, int] = {}
        """What was moved and computed, by the names of the machine's energy items."""

    def run(
        self, program: Program, arguments: Sequence[int], sequences: Sequence[Sequence[int]], by_tag: np.ndarray
    ) -> int:
        """How long a program takes, in ps; adds operators and ps to `by_tag`, a row for each tag."""
        walk, total = Walk(program), 0
        for index, opcode, fields in walk.run(walk.registers([*arguments]), [], sequences):
            op = operator(opcode, fields)
            if not op.m:
                continue
            cost = self._xpu.cost(op)
            time_ps = round(1000 * cost.time_ns)
            for name, count in _events(cost).items():
                self.events[name] = self.events.get(name, 0) + round(count)
            by_tag[program.code[index, _TAG]] += (1, time_ps)
            total += time_ps
        return total


def _events(cost: Cost) -> dict[str, float]:
    """As in `sim/analytic/energy.py`: bits over each part of the path from the cells, and accesses."""
    bits = {f"{part}_bit": 8 * cost.memory_bytes for part in DRAM_PATH}
    bits |= {"xpu_l2_bit": 8 * cost.l2_bytes, "xpu_l1_bit": 8 * cost.l1_bytes}
    return bits | {"xpu_register_access": cost.register_accesses, "xpu_mac": cost.flops / 2}


def operator(opcode: int, fields: Sequence[int]) -> Operator:
    """What an instruction is to the analytic model."""
    if opcode == _PRODUCT:
        m, n, k, size = fields[:4]
        return Operator("product", Kind.FC, m, n, k, 1, size)
    if opcode == _ACTIVATION:
        kind, m, n, size = fields[:4]
        return Operator(ACTIVATIONS[kind], Kind.ACTIVATION, m, n, 1, 1, size)
    assert opcode == _NORM
    m, n, size = fields[:3]
    return Operator("norm1", Kind.NORM, m, n, 1, 1, size)
