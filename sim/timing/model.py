"""The timing model of a device: launches of an image's programs in time, with statistics and energy."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...backends.isa.image import Image, Program
from ...backends.isa.spec import REGISTERS, WIDTH
from ..energy import energy_fj, missing
from ..functional.dispatch import FAULT_SIZE, MAX_INT, SEQUENCE_FIELDS
from ..functional.errors import SimulationError
from ..functional.faults import fault_error
from ..pages import NO_PAGES
from ..plan import Exchange
from . import npu as npu_time
from . import pim as pim_time
from .dram import refresh_all
from .link import LinkTime
from .pim_counters import COUNTERS
from .pim_streams import Streams, build_streams, larger, no_streams
from .tables import (
    AT_LOG_SIZE,
    CHANNEL_FACTS,
    DONE,
    END,
    FAULTED,
    FINISHED,
    HANDED_FROM,
    LOG_FIELDS,
    PIM_TAG,
    STREAM,
    TIME,
    WALK_FIELDS,
    build_dram,
    command_names,
)
from .xpu import XpuTime

_LOG_TAG = LOG_FIELDS.index("tag")
SLACK_PS = 50_000  # how far a program of the NPU may run ahead of another one before they take turns
AHEAD_PS = 500_000  # the same beside a program of the PIM, whose commands go along in time with every transfer
QUEUE, LONGEST_QUEUE = 1024, 1 << 16  # instructions of a channel that are decoded ahead


class TimingError(SimulationError):
    """A program that the machine cannot run, or a launch that does not fit the others."""


class TimingModel:
    """State of the memory channels over time, and what the launches so far cost.

    `begin` a launch on a unit that is idle, then `advance` until it is finished; `launch` does both. With dual row
    buffers the programs of several units advance together in time and contend for the channels instruction by
    instruction; with one row buffer a launch has a channel to itself, in the order in which they were begun.
    `sequences` is the sequence table of the step that launches belong to, `pages` the page tables of the caches.

    With `on_log` a log may be longer than its capacity: programs then advance in slices of time, after each of which the
    rows so far are handed to it with their program and forgotten. No time depends on that.
    """

    def __init__(
        self, image: Image, log_capacity: int = 0, on_log: Callable[[np.ndarray, Program], None] | None = None
    ):
        self.machine = image.machine
        self.programs = image.programs
        self.commands = command_names(self.machine)
        self.dram = build_dram(self.machine, log_capacity)
        self._on_log = on_log
        self._slice_ps = (
            max(1, log_capacity // (4 * self.machine["memory"]["channels"])) * self.machine["memory"]["clock_ps"]
        )
        self.npu = npu_time.build_npu(self.machine, image.linear_bytes)
        self.arrays = self.machine["npu"]["arrays"]
        self.clocks_ps = {"npu": npu_time.clock_ps(self.machine), "pim": self.machine["memory"]["clock_ps"]}
        self._npu_names = npu_time.counter_names(self.arrays)
        self._npu_counters = np.zeros(len(npu_time.COUNTERS) + max(1, self.arrays), np.int64)
        self._pim_counters = np.zeros(len(COUNTERS), np.int64)
        self._fault = np.zeros(FAULT_SIZE, np.int64)
        self.sequences = np.zeros((0, len(SEQUENCE_FIELDS)), np.int64)
        self.pages = NO_PAGES
        self._vector_free = np.zeros(1, np.int64)
        self._no_streams = no_streams()
        self.link = LinkTime(self.machine)
        self.xpu: XpuTime | None = None
        if any(program.device == "xpu" for program in self.programs):
            self.xpu = XpuTime(self.machine)
            self.clocks_ps["xpu"] = 1
        self._running: list[_Walk | _Transfer] = []
        self._begun = 0
        self._by_program: dict[int, _Launches] = {}
        self._first_ps: int | None = None
        self._last_ps = 0

    def launch(self, program_index: int, arguments: np.ndarray, start_ps: int) -> int:
        """Run a program alone from `start_ps` on; when it is finished, in ps."""
        if self._running:
            raise TimingError("another launch is running: use begin and advance")
        self.begin(program_index, arguments, start_ps)
        return self.advance()[1]

    def unit(self, program_index: int) -> str:
        """What a launch of a program has to itself: "pim", "xpu", the "arrays" of the NPU, or, if it uses none, its "vector" side."""
        program = self.programs[program_index]
        if program.device not in self.clocks_ps:
            raise TimingError(f"program {program.name} is for {program.device}, expected npu, pim or xpu")
        if program.device != "npu":
            return program.device
        return "arrays" if np.isin(program.code[:, 0], npu_time.ARRAY_OPCODES).any() else "vector"

    def begin(self, program_index: int, arguments: np.ndarray, start_ps: int) -> int:
        """Start a program at `start_ps` with `arguments` in its first registers; the number of the launch."""
        program, unit = self.programs[program_index], self.unit(program_index)
        if any(walk.unit == unit for walk in self._running):
            raise TimingError(f"program {program.name}: unit {unit} of the machine is still running another launch")
        if self.xpu is not None and unit == "xpu":
            launches = self._by_program.setdefault(program_index, _Launches(program))
            time_ps = self.xpu.run(program, arguments.tolist(), self.sequences.tolist(), launches.by_tag)
            launches.add(time_ps, [0 * counts for counts in self._totals()])
            return self._transfer(unit, start_ps, time_ps)
        walk = _Walk(self._begun, program_index, unit, program, arguments, start_ps, self.clocks_ps[program.device])
        self._begun += 1
        self._refresh(start_ps, walk)
        if program.device == "npu":
            walk.place[[TIME, END]] += self.machine["npu"]["launch_cycles"]
            start = int(walk.place[TIME])
            walk.queues = npu_time.build_queues(self.arrays, program.semaphores, start, self._vector_free)
        else:
            walk.place[HANDED_FROM] = walk.place[TIME]
            for word in (STREAM, DONE):
                places = self.dram.channels[:, word]
                np.maximum(places, walk.place[TIME], out=places)
        self._running.append(walk)
        launches = self._by_program.setdefault(program_index, _Launches(program))
        if program.device == "pim":
            channels = self.machine["memory"]["channels"]
            walk.streams = build_streams(channels, QUEUE, launches.by_tag, walk.place)
        self._first_ps = start_ps if self._first_ps is None else min(self._first_ps, start_ps)
        return walk.number

    def begin_exchange(self, exchange: Exchange, start_ps: int) -> int:
        """Start an exchange on the link at `start_ps`; the number of the launch."""
        return self._transfer("link", start_ps, self.link.run(exchange))

    def _transfer(self, unit: str, start_ps: int, time_ps: int) -> int:
        """Start what takes a known time and touches no memory channel."""
        number = self._begun
        self._begun += 1
        self._running.append(_Transfer(number, start_ps + time_ps, unit))
        self._first_ps = start_ps if self._first_ps is None else min(self._first_ps, start_ps)
        return number

    def advance(self) -> tuple[int, int]:
        """Go on until the next of the running launches is finished: its number and when, in ps."""
        if not self._running:
            raise TimingError("no launch is running")
        together = self.machine["pim"]["dual_row_buffer"]
        while True:
            first = self._walks()[:1]
            side_by_side = [one for one in self._running if together or isinstance(one, _Transfer) or one in first]
            walk = min(side_by_side, key=lambda one: one.now_ps)
            if isinstance(walk, _Transfer) or walk.finished:
                break
            self._step(walk, self._horizon(walk, side_by_side))
        self._running.remove(walk)
        if isinstance(walk, _Transfer):
            self._last_ps = max(self._last_ps, walk.now_ps)
            return walk.number, walk.now_ps
        finish_ps = walk.now_ps
        self._refresh(finish_ps, walk)
        self._by_program[walk.index].add(finish_ps - walk.start_ps, walk.counters)
        self._last_ps = max(self._last_ps, finish_ps)
        return walk.number, finish_ps

    def _horizon(self, walk: "_Walk", side_by_side: list["_Walk | _Transfer"]) -> int | None:
        """How far a program may go before what runs beside it has caught up, in ps; None: it is alone."""
        others = [one for one in side_by_side if one is not walk]
        if walk.unit == "pim":
            return min((one.now_ps for one in others), default=None)
        ahead = [AHEAD_PS if isinstance(one, _Walk) and one.unit == "pim" else SLACK_PS for one in others]
        return min((one.now_ps + more for one, more in zip(others, ahead, strict=True)), default=None)

    def _step(self, walk: "_Walk", horizon_ps: int | None) -> None:
        """Advance one program to its end, or to the first instruction that starts after the horizon."""
        before = self._totals()
        program, launches = walk.program, self._by_program[walk.index]
        limit = MAX_INT if horizon_ps is None else horizon_ps // walk.clock_ps
        horizon = -1
        while not walk.finished and horizon < limit:
            horizon = limit
            if self._on_log is not None:
                horizon = min(limit, int(walk.place[TIME]) + self._slice_ps // walk.clock_ps + 1)
            place = (
                walk.code,
                walk.terms,
                walk.registers,
                self.sequences,
                self.pages,
                walk.row,
                walk.place,
                np.int64(horizon),
            )
            if program.device == "npu":
                memory = (self.dram.tables, self.dram.state, self._streams_beside())
                counters = (self._npu_counters, launches.by_tag, self._fault)
                status = npu_time.run_npu(*memory, self.npu, walk.queues, *place, *counters)
            else:
                assert walk.streams is not None
                memory = (self.dram.tables, self.dram.state, walk.streams)
                status = pim_time.run_pim(*memory, *place, self._pim_counters, self._fault)
                if status == pim_time.FULL and walk.streams.items.shape[1] < LONGEST_QUEUE:
                    walk.streams = larger(walk.streams, self.dram.channels[:, :CHANNEL_FACTS])
            if status == FAULTED:
                raise TimingError(str(fault_error(program, self._fault)))
            walk.finished = status == FINISHED
            self._hand_over(program)
        walk.count(before, self._totals())

    def _streams_beside(self) -> Streams:
        """The queues of the PIM program that is running."""
        return next((walk.streams for walk in self._walks() if walk.streams is not None), self._no_streams)

    def _hand_over(self, program: Program) -> None:
        """Give the rows of the log to whoever wants them, and begin it anew."""
        if self._on_log is None:
            return
        size = int(self.dram.state[self.dram.tables[AT_LOG_SIZE]])
        if size > len(self.dram.log):
            raise TimingError(
                f"program {program.name}: found {size} runs of commands in an instruction, the log holds {len(self.dram.log)}"
            )
        rows = self.dram.log[:size].copy()
        of_pim = rows[:, _LOG_TAG] >= PIM_TAG
        rows[:, _LOG_TAG] %= PIM_TAG
        pim = next((walk.program for walk in self._walks() if walk.streams is not None), program)
        for part, owner in ((rows[~of_pim], program), (rows[of_pim], pim)):
            if len(part):
                self._on_log(part, owner)
        self.dram.state[self.dram.tables[AT_LOG_SIZE]] = 0

    def _refresh(self, now_ps: int, walk: "_Walk") -> None:
        """Refresh in time what fell due while no launch was running; it counts for the launch before or after."""
        if not self._walks():
            before = self._totals()
            refresh_all(self.dram.tables, self.dram.state, np.int64(now_ps // self.clocks_ps["pim"]))
            walk.count(before, self._totals())
            self._hand_over(walk.program)

    def _walks(self) -> list["_Walk"]:
        """The programs among what is running."""
        return [one for one in self._running if isinstance(one, _Walk)]

    def _totals(self) -> list[np.ndarray]:
        return [self.dram.counts.sum(axis=0), self._npu_counters.copy(), self._pim_counters.copy()]

    def log(self) -> np.ndarray:
        """The command log so far, rows of `LOG_FIELDS` in order of simulation; runs of equal commands are one row."""
        rows = self.dram.log[: self.dram.state[self.dram.tables[AT_LOG_SIZE]]].copy()
        rows[:, _LOG_TAG] %= PIM_TAG
        return rows

    def statistics(self) -> dict[str, Any]:
        """Counts, bytes, busy cycles and energy of all launches, of each program under `programs`, and number, bytes and
        time of each kind of exchange with other devices under `exchanges`."""
        elapsed = self._last_ps - (self._first_ps or 0)
        whole = self._describe(
            self._totals(), elapsed, self.link.sent_bytes, None if self.xpu is None else self.xpu.events
        )
        programs = {}
        for index, launches in self._by_program.items():
            entry = self._describe(launches.counters, launches.time_ps)
            entry |= {"name": launches.program.name, "device": launches.program.device, "launches": launches.number}
            entry["tags"] = launches.tags(self.clocks_ps[launches.program.device])
            programs[index] = entry
        exchanges = {kind: vars(count).copy() for kind, count in self.link.counts.items()}
        return {**whole, "programs": programs, "exchanges": exchanges}

    def _describe(
        self, counters: list[np.ndarray], elapsed_ps: int, link_bytes: int = 0, xpu_events: dict[str, int] | None = None
    ) -> dict[str, Any]:
        issued, npu_counters, pim_counters = counters
        commands = {name: int(count) for name, count in zip(self.commands, issued, strict=True)}
        npu = {name: int(npu_counters[index]) for index, name in enumerate(self._npu_names)}
        pim = {name: int(count) for name, count in zip(COUNTERS, pim_counters, strict=True)}
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
            "link_bit": 8 * link_bytes,
            **(xpu_events or {}),
        }
        parts = self._parts(commands, pim)
        energy = energy_fj(self.machine, parts, events, elapsed_ps)
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
                "link_sent": link_bytes,
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
            "energy_missing": missing(self.machine, parts, events),
        }

    def _parts(self, commands: dict[str, int], pim: dict[str, int]) -> dict[str, int]:
        """Commands whose energy counts: those that hold MACs and a result as these."""
        instructions = self.machine["pim"]["instruction"]
        joined = instructions.get("read_acc", {}).get("joined", "")
        if not joined:
            return commands
        (mac,), (result,) = instructions["mac"]["commands"], instructions["read_acc"]["commands"]
        columns = pim["mac_columns"] // instructions["mac"]["columns_per_command"]
        parts = {name: count for name, count in commands.items() if name != joined}
        return parts | {mac: columns, result: commands[result] + commands[joined]}


class _Walk:
    """A launch that is running: where its program stands."""

    def __init__(
        self, number: int, index: int, unit: str, program: Program, arguments: np.ndarray, start_ps: int, clock_ps: int
    ):
        self.number, self.index, self.unit = number, index, unit
        self.program = program
        self.code = np.ascontiguousarray(program.code, np.int64)
        self.terms = np.ascontiguousarray(program.terms, np.int64).reshape(-1, 3)
        self.start_ps = start_ps
        self.clock_ps = clock_ps
        self.registers = np.zeros(REGISTERS, np.int64)
        self.registers[: len(arguments)] = arguments
        self.row = np.zeros(WIDTH, np.int64)
        self.place = np.zeros(WALK_FIELDS, np.int64)
        self.place[[TIME, END]] = -(-start_ps // clock_ps)
        self.queues: Any = None
        self.streams: Streams | None = None
        self.finished = False
        self.counters: list[Any] = [0, 0, 0]

    def count(self, before: list[np.ndarray], after: list[np.ndarray]) -> None:
        """Add what was counted meanwhile."""
        self.counters = [spent + now - then for spent, now, then in zip(self.counters, after, before, strict=True)]

    @property
    def now_ps(self) -> int:
        """When the program goes on, or when it is finished."""
        return int(self.place[END if self.finished else TIME]) * self.clock_ps


class _Transfer(NamedTuple):
    """An exchange, or a program of the xPU, that has its unit until `now_ps`."""

    number: int
    now_ps: int
    unit: str


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

    def tags(self, clock_ps: int) -> dict[str, dict[str, int]]:
        """Instructions of every operation that the program came from, and how far they moved its end."""
        return {
            name: {"instructions": int(self.by_tag[index, 0]), "time_ps": int(self.by_tag[index, 1]) * clock_ps}
            for index, name in enumerate(self.program.tags)
            if name
        }


__all__ = ["LOG_FIELDS", "TimingError", "TimingModel"]
