"""The timing model of a device: launches of an image's programs in time, with statistics and energy."""

from typing import Any

import numpy as np

from ...backends.isa.image import Image, Program
from ...backends.isa.spec import REGISTERS, WIDTH
from ..energy import energy_fj, missing
from ..functional.dispatch import FAULT_COLUMN, FAULT_HIGH, FAULT_LIMIT, FAULT_LOW, FAULT_PC, FAULT_SIZE
from . import npu as npu_time
from . import pim as pim_time
from .tables import AT_LOG_SIZE, LOG_FIELDS, build_dram, command_names


class TimingError(RuntimeError):
    """A program that cannot run: an unknown instruction, or a wait for counts that nothing posts."""


class TimingModel:
    """State of the memory channels over time, and what the launches so far cost.

    Launches of a device are given in order. A launch sees the memory as all earlier calls left it: where two devices
    overlap in time, the one that is launched first goes first on every channel that both use.
    """

    def __init__(self, image: Image, log_capacity: int = 0):
        self.machine = image.machine
        self.programs = image.programs
        self.commands = command_names(self.machine)
        self.dram = build_dram(self.machine, log_capacity)
        self.npu = npu_time.build_npu(self.machine, image.linear_bytes)
        self.arrays = self.machine["npu"]["arrays"]
        self._npu_names = npu_time.counter_names(self.arrays)
        self._npu_counters = np.zeros(len(npu_time.COUNTERS) + max(1, self.arrays), np.int64)
        self._pim_counters = np.zeros(len(pim_time.COUNTERS), np.int64)
        self._row = np.zeros(WIDTH, np.int64)
        self._fault = np.zeros(FAULT_SIZE, np.int64)
        self._by_program: dict[int, _Launches] = {}
        self._first_ps: int | None = None
        self._last_ps = 0

    def launch(self, program_index: int, arguments: np.ndarray, start_ps: int) -> int:
        """Run a program from `start_ps` on with `arguments` in its first registers; when it is finished, in ps."""
        program = self.programs[program_index]
        registers = np.zeros(REGISTERS, np.int64)
        registers[: len(arguments)] = arguments
        launches = self._by_program.setdefault(program_index, _Launches(program))
        before = self._totals()
        if program.device == "npu":
            finish_ps = self._launch_npu(program, registers, start_ps, launches)
        elif program.device == "pim":
            finish_ps = self._launch_pim(program, registers, start_ps, launches)
        else:
            raise TimingError(f"program {program.name} is for {program.device}, expected npu or pim")
        launches.add(finish_ps - start_ps, [now - then for now, then in zip(self._totals(), before, strict=True)])
        self._first_ps = start_ps if self._first_ps is None else min(self._first_ps, start_ps)
        self._last_ps = max(self._last_ps, finish_ps)
        return finish_ps

    def _launch_npu(self, program: Program, registers: np.ndarray, start_ps: int, launches: "_Launches") -> int:
        clock = npu_time.clock_ps(self.machine)
        start = -(-start_ps // clock) + self.machine["npu"]["launch_cycles"]
        queues = npu_time.build_queues(self.arrays, program.semaphores, start)
        end = npu_time.run_npu(
            self.dram.tables,
            self.dram.state,
            self.npu,
            queues,
            program.code,
            _terms(program),
            registers,
            self._row,
            self._npu_counters,
            launches.by_tag,
            self._fault,
        )
        self._check(program, end)
        return int(end) * clock

    def _launch_pim(self, program: Program, registers: np.ndarray, start_ps: int, launches: "_Launches") -> int:
        clock = self.machine["memory"]["clock_ps"]
        end = pim_time.run_pim(
            self.dram.tables,
            self.dram.state,
            program.code,
            _terms(program),
            registers,
            self._row,
            -(-start_ps // clock),
            self._pim_counters,
            launches.by_tag,
            self._fault,
        )
        self._check(program, end)
        return int(end) * clock

    def _check(self, program: Program, end: int) -> None:
        if end >= 0:
            return
        fault = self._fault
        found = (
            f"column {fault[FAULT_COLUMN]}: found {fault[FAULT_LOW]}, {fault[FAULT_HIGH]}, limit {fault[FAULT_LIMIT]}"
        )
        raise TimingError(f"program {program.name}, instruction {fault[FAULT_PC]}: cannot be timed ({found})")

    def _totals(self) -> list[np.ndarray]:
        return [self.dram.counts.sum(axis=0), self._npu_counters.copy(), self._pim_counters.copy()]

    def log(self) -> np.ndarray:
        """The command log so far, rows of `LOG_FIELDS` in order of simulation; runs of equal commands are one row."""
        return self.dram.log[: self.dram.state[self.dram.tables[AT_LOG_SIZE]]]

    def statistics(self) -> dict[str, Any]:
        """Counts, bytes, busy cycles and energy of all launches, and of each program under `programs`."""
        elapsed = self._last_ps - (self._first_ps or 0)
        whole = self._describe(self._totals(), elapsed)
        programs = {}
        for index, launches in self._by_program.items():
            entry = self._describe(launches.counters, launches.time_ps)
            entry |= {"name": launches.program.name, "device": launches.program.device, "launches": launches.number}
            entry["tags"] = launches.tags()
            programs[index] = entry
        return {**whole, "programs": programs}

    def _describe(self, counters: list[np.ndarray], elapsed_ps: int) -> dict[str, Any]:
        issued, npu_counters, pim_counters = counters
        commands = {name: int(count) for name, count in zip(self.commands, issued, strict=True)}
        npu = {name: int(npu_counters[index]) for index, name in enumerate(self._npu_names)}
        pim = {name: int(count) for name, count in zip(pim_time.COUNTERS, pim_counters, strict=True)}
        tables = self.machine["command"]
        burst, unit = self.machine["memory"]["burst_cycles"], self.machine["memory"]["access_bytes"]
        data = {name: burst if name in ("rd", "wr") else tables[name]["data_cycles"] for name in commands}
        events = {
            "array_mac": npu["array_macs"],
            "vector_op": npu["vector_ops"],
            "scratchpad_byte": npu["scratchpad_bytes"],
            "accumulator_byte": npu["accumulator_bytes"],
            "dram_read_byte": commands["rd"] * unit,
            "dram_write_byte": commands["wr"] * unit,
            "pim_mac": pim["macs"],
            "pim_buffer_byte": pim["buffer_bytes"],
            "softmax_element": pim["softmax_elements"],
        }
        energy = energy_fj(self.machine, commands, events, elapsed_ps)
        return {
            "time_ps": elapsed_ps,
            "commands": commands,
            "bytes": {
                "npu_loaded": npu["loaded_bytes"] + npu["gathered_bytes"],
                "npu_stored": npu["stored_bytes"],
                "pim_buffer": pim["buffer_bytes"],
                "pim_copied": pim["copied_bytes"],
                "pim_results": pim["result_bytes"],
                "pim_written": pim["written_bytes"],
                "pim_read": pim["read_bytes"],
                "dram_read": commands["rd"] * unit,
                "dram_written": commands["wr"] * unit,
            },
            "busy_cycles": {
                "arrays": [npu[f"array{index}_busy_cycles"] for index in range(self.arrays)],
                "vector": npu["vector_busy_cycles"],
                "queues": {queue: npu[f"{queue}_busy_cycles"] for queue in ("ld0", "ld1", "st", "mx", "vx")},
                "pim_mac": pim["mac_busy_cycles"],
                "softmax": pim["softmax_busy_cycles"],
                "command_bus": sum(commands.values()),
                "data_bus": sum(count * data[name] for name, count in commands.items()),
            },
            "instructions": {"npu": npu["instructions"], "pim": pim["instructions"]},
            "events": events,
            "energy_fj": energy,
            "energy_missing": missing(self.machine, commands, events),
        }


class _Launches:
    """What all launches of one program cost."""

    def __init__(self, program: Program):
        self.program = program
        self.number = 0
        self.time_ps = 0
        self.counters: list[np.ndarray] = []
        self.by_tag = np.zeros((len(program.tags) + 1, 2), np.int64)  # a tag of -1 ends up in the last row

    def add(self, time_ps: int, counters: list[np.ndarray]) -> None:
        self.number += 1
        self.time_ps += time_ps
        self.counters = (
            counters if not self.counters else [old + new for old, new in zip(self.counters, counters, strict=True)]
        )

    def tags(self) -> dict[str, dict[str, int]]:
        """Instructions and busy cycles of every operation that the program came from."""
        return {
            name: {"instructions": int(self.by_tag[index, 0]), "cycles": int(self.by_tag[index, 1])}
            for index, name in enumerate(self.program.tags)
            if name
        }


def _terms(program: Program) -> np.ndarray:
    """The affine terms; an empty table keeps its three columns."""
    return np.ascontiguousarray(program.terms, np.int64).reshape(-1, 3)


__all__ = ["LOG_FIELDS", "TimingError", "TimingModel"]
