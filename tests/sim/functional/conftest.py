"""A small machine with its state in view, for tests that run a few instructions and look at what they did."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pimlir.backends.isa.encode import ProgramBuilder
from pimlir.backends.isa.image import Image, Program
from pimlir.sim.functional.devices import Devices
from pimlir.sim.memory import BankMemory

MACHINE = {
    "npu": {"arrays": 2, "array_rows": 48, "array_cols": 96},
    "memory": {
        "channels": 3,
        "ranks": 1,
        "bank_groups": 2,
        "banks_per_group": 2,
        "row_bytes": 256,
        "column_bytes": 32,
    },
    "pim": {"buffer_bytes": 128, "dual_row_buffer": False},
}
LOCAL_BYTES = 1 << 16
LINEAR_ROWS = 8
ROWS = 24


class Bench:
    """A machine on which instructions are written and run one program at a time."""

    def __init__(self, device: str, dual_row_buffer: bool = False, commands: tuple[str, ...] = ()):
        self.device = device
        pim = {**MACHINE["pim"], "dual_row_buffer": dual_row_buffer, "commands": commands}
        machine = {**MACHINE, "pim": pim}
        memory = machine["memory"]
        linear = LINEAR_ROWS * memory["channels"] * 4 * memory["row_bytes"]
        plan = ProgramBuilder("plan", "host").finish()
        self.image = Image(machine, [], plan, [], {}, {}, LOCAL_BYTES, 4096, linear, LINEAR_ROWS, ROWS)
        self.memory = BankMemory(self.image)
        self.devices = Devices(self.image, self.memory)
        self.random = np.random.default_rng(7)

    def run(self, write: Callable[[ProgramBuilder], object], arguments: tuple[int, ...] = ()) -> Program:
        """Run the program that `write` emits, with these values in registers 0..."""
        builder = ProgramBuilder("bench", self.device, tuple(f"a{i}" for i in range(len(arguments))))
        write(builder)
        self.image.programs = [builder.finish()]
        self.devices = self._with_program()
        self.devices.run(0, list(arguments))
        return self.image.programs[0]

    def emit(self, name: str, **fields) -> None:
        """Run a single instruction."""
        self.run(lambda builder: builder.emit(name, **fields))

    def _with_program(self) -> Devices:
        devices = Devices(self.image, self.memory)
        names = (
            "local",
            "softmax_buffer",
            "weights",
            "global_buffers",
            "accumulators",
            "unit_buffers",
            "results",
            "open_rows",
        )
        for name in names:
            setattr(devices, name, getattr(self.devices, name))
        return devices

    def place(self, address: int, values: np.ndarray, stride: int | None = None, where: str = "local") -> None:
        """Write a matrix into local memory or the softmax buffer, rows `stride` bytes apart."""
        self.view(address, values.shape, values.dtype, stride, where)[...] = values

    def view(self, address: int, shape: tuple[int, ...], dtype, stride: int | None = None, where: str = "local"):
        """A matrix or vector in local memory or the softmax buffer, rows `stride` bytes apart."""
        size = np.dtype(dtype).itemsize
        strides = (size,) if len(shape) == 1 else (stride or shape[1] * size, size)
        return np.ndarray(shape, dtype, getattr(self.devices, where).data, address, strides)

    def normal(self, *shape: int, dtype=np.float16) -> np.ndarray:
        """Random values of moderate size."""
        return self.random.standard_normal(shape).astype(dtype)

    @staticmethod
    def lane_sum(values: np.ndarray) -> Any:
        """Element c into lane c mod 16, c ascending, then lower half plus upper half until one is left."""
        lanes = np.zeros(16, np.float32)
        for c, value in enumerate(values.astype(np.float32)):
            lanes[c % 16] += value
        while len(lanes) > 1:
            lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
        return lanes[0]


@pytest.fixture
def npu() -> Bench:
    return Bench("npu")


@pytest.fixture
def pim() -> Bench:
    return Bench("pim")


@pytest.fixture
def dual_pim() -> Bench:
    return Bench("pim", dual_row_buffer=True)


@pytest.fixture
def head_pim() -> Bench:
    """With the buffers and results of attention by heads."""
    return Bench("pim", commands=("mac_tree",))
