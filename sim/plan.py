"""The host plan, decoded once and walked in Python at every step: launches on device queues and exchanges on the link."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..backends.isa.check import ProgramError
from ..backends.isa.host import EXCHANGES, HOST, MAX_ARGUMENTS
from ..backends.isa.image import Program
from ..backends.isa.spec import DTYPE_BYTES, DTYPE_NAMES
from ..backends.isa.walk import Walk
from .functional.errors import SimulationError

SequenceRow = tuple[int, int, int, int]
"""A row of the sequence table: first_row, new_tokens, past, slot."""


class PlannedLaunch(NamedTuple):
    """A launch that the plan asks for: the kernel and its arguments, the events that it waits for, the one that it sets
    (-1: none), the launch queue of its device, the counter of the outermost loop (-1: outside).
    """

    kernel: int
    arguments: list[int]
    after: list[int]
    event: int
    queue: int
    layer: int


class Exchange(NamedTuple):
    """What the devices exchange: a matrix `rows` x `columns` of `dtype` in local memory. See the host instruction."""

    kind: str
    devices: int
    local: int
    dtype: str
    rows: int
    columns: int
    logits: int
    vocabulary: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the value that a device gives."""
        if self.kind == "all_argmax":
            return self.rows * (_BYTES["i32"] + _BYTES["f32"])
        return self.rows * self.columns * _BYTES[self.dtype]


class PlannedExchange(NamedTuple):
    """An exchange that the plan asks for, with events, queue and layer as those of a launch."""

    exchange: Exchange
    after: list[int]
    event: int
    queue: int
    layer: int


_BYTES: dict[str, int] = dict(zip(DTYPE_NAMES, DTYPE_BYTES, strict=True))
_LAUNCH, _EXCHANGE = HOST["launch"], HOST["exchange"]
_FIRST_ARGUMENT = _LAUNCH.fields.index("arg0")


class Plan:
    """A decoded plan. `programs` are the kernels that it may launch."""

    def __init__(self, plan: Program, programs: Sequence[Program]):
        self._argument_counts = [len(program.arguments) for program in programs]
        self._walk = Walk(plan)

    def run(
        self,
        arguments: Sequence[int],
        sequences: Sequence[SequenceRow],
        launch: Callable[[PlannedLaunch], None],
        exchange: Callable[[PlannedExchange], None] | None = None,
    ) -> None:
        """Interpret the plan with these values in registers 0.. and call `launch` for each kernel, in program order, and
        `exchange`, if given, for each exchange.
        """
        registers, counters = self._walk.registers([*arguments]), []
        try:
            for pc, opcode, fields in self._walk.run(registers, counters, sequences):
                layer = registers[counters[0]] if counters else -1
                if opcode == _EXCHANGE.number:
                    if exchange is not None:
                        exchange(_planned_exchange(fields, layer))
                    continue
                kernel, event, queue, after0, after1, after2, count = fields[:_FIRST_ARGUMENT]
                self._check_launch(pc, kernel, count)
                values = fields[_FIRST_ARGUMENT : _FIRST_ARGUMENT + count]
                after = [awaited for awaited in (after0, after1, after2) if awaited >= 0]
                launch(PlannedLaunch(kernel, values, after, event, queue, layer))
        except ProgramError as error:
            raise SimulationError(str(error)) from None

    def _check_launch(self, pc: int, kernel: int, count: int) -> None:
        if not 0 <= kernel < len(self._argument_counts):
            raise self._walk.error(pc, f"kernel {kernel}, the image has {len(self._argument_counts)}")
        if not count == self._argument_counts[kernel] <= MAX_ARGUMENTS:
            raise self._walk.error(
                pc,
                f"{count} arguments for kernel {kernel}, "
                f"which takes {self._argument_counts[kernel]} (limit {MAX_ARGUMENTS})",
            )


def _planned_exchange(fields: Sequence[int], layer: int) -> PlannedExchange:
    kind, event, queue, after0, after1, after2, devices, local, dtype, *extents = fields[: len(_EXCHANGE.fields)]
    exchange = Exchange(EXCHANGES[kind], devices, local, DTYPE_NAMES[dtype], *extents)
    after = [awaited for awaited in (after0, after1, after2) if awaited >= 0]
    return PlannedExchange(exchange, after, event, queue, layer)
