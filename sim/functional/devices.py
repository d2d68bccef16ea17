"""The NPU and the PIM memory as state, and the launch of one program on either."""

from typing import Any

import numpy as np

from ...backends.isa.image import Buffer, Image, Program
from ...backends.isa.pim_heads import RESULTS
from ...backends.isa.spec import REGISTERS, WIDTH
from ..memory import DTYPES, BankMemory
from ..pages import NO_PAGES
from .dispatch import FAULT_SIZE, SEQUENCE_FIELDS
from .errors import SimulationError
from .faults import fault_error
from .half import LANES
from .npu import SCRATCH, run_npu
from .pim import CLOSED, run_pim

COLUMN_BYTES = 2 * LANES


class Devices:
    """All state that instructions can see. It lives from launch to launch, as it does in hardware.

    `sequences` is the sequence table of the step and `pages` the page tables of the caches; whoever runs a step sets them.
    """

    def __init__(self, image: Image, memory: BankMemory):
        analytic = next((program.name for program in image.programs if program.device == "xpu"), None)
        if analytic is not None:
            raise SimulationError(f"program {analytic} is for an xPU, which has times and no data: use --timing-only")
        npu, pim = image.machine["npu"], image.machine.get("pim") or {}
        column_bytes = image.machine["memory"]["column_bytes"]
        if column_bytes != COLUMN_BYTES:
            raise SimulationError(f"machine has columns of {column_bytes} bytes, the MAC units take {COLUMN_BYTES}")
        self.memory = memory
        self.local = np.zeros(image.local_bytes, np.uint8)
        self.softmax_buffer = np.zeros(image.softmax_bytes, np.uint8)
        self.weights = np.zeros((npu["arrays"], npu["array_rows"], 2 * npu["array_cols"]), np.uint8)
        self.global_buffers = np.zeros((memory.channels, pim.get("buffer_bytes", 0) // 2), np.float32)
        self.accumulators = np.zeros((memory.channels, memory.banks), np.float32)
        elements = pim.get("buffer_bytes", 0) // 2 if "mac_tree" in pim.get("commands", ()) else 0
        self.unit_buffers = np.zeros((memory.channels, memory.banks, 2, elements), np.float32)
        self.results = np.zeros((memory.channels, memory.banks, 2, RESULTS if elements else 0), np.float32)
        self.open_rows = np.full(memory.channels, CLOSED, np.int64)
        self.dual_row_buffer = bool(pim.get("dual_row_buffer", False))
        self.scratch = np.zeros(SCRATCH, np.float32)
        self.registers = np.zeros(REGISTERS, np.int64)
        self.row = np.zeros(WIDTH, np.int64)
        self.fault = np.zeros(FAULT_SIZE, np.int64)
        self.sequences = np.zeros((0, len(SEQUENCE_FIELDS)), np.int64)
        self.pages = NO_PAGES
        self.programs = [_Loaded(program) for program in image.programs]

    def run(self, index: int, arguments: list[int]) -> None:
        """Run program `index` to its end with these values in registers 0...; SimulationError if it cannot."""
        loaded = self.programs[index]
        registers, semaphores = self.registers, loaded.semaphores
        registers[:] = 0
        registers[: len(arguments)] = arguments
        semaphores[:] = loaded.program.semaphores
        if loaded.program.device == "npu":
            status = run_npu(
                loaded.code,
                loaded.terms,
                registers,
                self.sequences,
                self.pages,
                semaphores,
                self.row,
                self.memory.flat,
                self.memory.linear_bytes,
                self.local,
                self.weights,
                self.scratch,
                self.fault,
            )
        else:
            status = run_pim(
                loaded.code,
                loaded.terms,
                registers,
                self.sequences,
                self.pages,
                semaphores,
                self.row,
                self.memory.rows,
                self.local,
                self.softmax_buffer,
                self.global_buffers,
                self.accumulators,
                self.unit_buffers,
                self.results,
                self.open_rows,
                self.dual_row_buffer,
                self.scratch,
                self.fault,
            )
        if status:
            raise fault_error(loaded.program, self.fault)

    def view(self, name: str, buffer: Buffer) -> np.ndarray:
        """A host-visible buffer as an array that shares local memory."""
        dtype = DTYPES[buffer.dtype]
        inner = [dtype.itemsize]
        for extent in reversed(buffer.shape[2:]):
            inner.insert(0, inner[0] * extent)
        strides = (buffer.stride_bytes, *inner)[: len(buffer.shape)]
        try:
            return np.ndarray(buffer.shape, dtype, self.local.data, buffer.address, strides)
        except (TypeError, ValueError) as error:
            raise SimulationError(
                f"buffer {name}: {buffer.shape} of {buffer.dtype} at {buffer.address} does not fit in the "
                f"{len(self.local)} bytes of local memory"
            ) from error


class _Loaded:
    """A program in arrays of the one kind that kernels are compiled for: own, contiguous, writable."""

    def __init__(self, program: Program):
        self.program: Any = program
        self.code = np.array(program.code, np.int64, order="C")
        self.terms = np.array(program.terms, np.int64, order="C")
        self.semaphores = np.zeros(len(program.semaphores), np.int64)
