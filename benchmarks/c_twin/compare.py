"""Runs traces on the controller kernel and on its hand-written C twin: the same results, and how fast each is.

    python benchmarks/c_twin/compare.py

Needs gcc. The twin reads the same tables and instructions; it has no log, and PIM requests go in order.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pimlir.machines import load_machine
from pimlir.sim.timing import constraints, controller_runs
from pimlir.sim.timing import controller_tables as c
from pimlir.sim.traces.formats import parse_trace
from pimlir.sim.traces.run import run_trace

SOURCE = Path(__file__).with_name("controller.c")
FACTS = (
    *("COMMANDS", "TARGETS", "AT_ENTRY", "AT_READY", "AT_RING", "ENTRY_FIELDS"),
    *("GROUPS", "WORDS", "REFRESH_NODES", "REFRESH_INTERVAL", "REFRESH_TARGET", "REF", "WIDTH", "STRICT", "EXCLUSIVE"),
    *("FORWARD", "WRITE_HIGH", "WRITE_LOW", "MIXED_ROWS", "OVERTAKE", "MODE_COMMAND", "ENTRIES", "BANKS", "CHANNELS"),
    *("SLOTS", "MASK_WORDS", "MASK_BITS", "AT_COMMAND", "AT_GROUP_OF", "AT_GROUP", "AT_PERIOD", "AT_SHARED"),
    *("AT_BANK_ROW", "AT_ROW", "MEMBERS", "CONTAINED", "OVERLAPPING", "GROUP_FIELDS"),
    *("IS_PIM", "IS_READ", "NOTIFIES", "IS_MARK", "LONGEST"),
    *("I_COMMAND", "I_TARGET", "I_ROW", "I_COUNT", "I_COLUMN", "I_FLAGS", "I_QUEUE", "I_COLUMN_STEP", "I_CHANNELS"),
)
REPEATS = 5


class Twin(NamedTuple):
    """What the twin found."""

    cycles: int
    seconds: float
    commands: dict[str, int]


class Case(NamedTuple):
    """A trace on a machine."""

    name: str
    machine: str
    format: str
    text: str


def build(folder: Path) -> Path:
    """Compile the twin."""
    numbers = {name: getattr(c, name, getattr(constraints, name, None)) for name in FACTS}
    numbers["LONGEST"], numbers["MASK_WORDS_MAX"] = controller_runs.LONGEST, 16
    text = "".join(f"#define {name} ((int64_t){number})\n" for name, number in numbers.items())
    (folder / "facts.h").write_text(text)
    program = folder / "controller"
    subprocess.run(["gcc", "-O2", "-Wall", "-I", str(folder), "-o", str(program), str(SOURCE)], check=True)
    return program


def run_twin(program: Path, tables: c.ControllerTables, trace: np.ndarray, repeats: int = REPEATS) -> Twin:
    """Run a trace on the twin."""
    path = program.with_name("input")
    with path.open("wb") as file:
        for words in (tables.words, tables.group, trace.reshape(-1)):
            file.write(np.int64(len(words)).tobytes() + words.tobytes())
    done = subprocess.run([str(program), str(path), str(repeats)], check=True, capture_output=True, text=True)
    cycles, seconds, *counts = done.stdout.split()
    commands = {label: int(count) for label, count in zip(tables.labels, counts, strict=True) if count != "0"}
    return Twin(int(cycles), float(seconds), commands)


def macs(rows: int, columns: int, mask: int) -> str:
    """An AiM program: rows of all-bank MACs."""
    return "".join(f"AiM MAC_ABK {columns} {mask:#x} {row % 16_384}\n" for row in range(rows)) + "AiM EOC"


def accesses(machine: dict[str, Any], kind: str, count: int) -> str:
    """Loads and stores: a stream of loads, random loads, or both with a third of stores."""
    memory, random = machine["memory"], np.random.default_rng(1)
    unit = memory["access_bytes"]
    banks = memory["pseudo_channels"] * memory["ranks"] * memory["bank_groups"] * memory["banks_per_group"]
    size = memory["channels"] * banks * memory["rows"] * memory["row_bytes"]
    stream, scattered = np.arange(count) * unit % size, random.integers(0, size // unit, count) * unit
    choice = {"stream": np.zeros(count, bool), "random": np.ones(count, bool)}.get(kind, random.random(count) < 0.5)
    stores = random.random(count) < (1 / 3 if kind == "mixed" else 0)
    pairs = zip(stores.tolist(), np.where(choice, scattered, stream).tolist(), strict=True)
    return "".join(f"{'ST' if store else 'LD'} {address:#x}\n" for store, address in pairs)


def cases() -> Iterator[Case]:
    """The traces to compare."""
    yield Case("rows of 64 MACs, 32 channels", "aim-head", "aim", macs(20_000, 64, 0xFFFFFFFF))
    yield Case("rows of 64 MACs, 1 channel", "aim-head", "aim", macs(20_000, 64, 0x80000000))
    yield Case("rows of 4 MACs, 1 channel", "aim-head", "aim", macs(20_000, 4, 0x80000000))
    for name in ("ddr4", "hbm2"):
        machine = load_machine(name).to_dict()
        for kind in ("stream", "random", "mixed"):
            yield Case(f"{name}, {kind}", name, "loadstore", accesses(machine, kind, 100_000))


def main() -> None:
    """Print a line for each case."""
    if not shutil.which("gcc"):
        print("c_twin: gcc is not here, nothing is compared")
        return
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        print(f"{'case':30} {'cycles':>10} {'commands':>11} {'kernel s':>9} {'twin s':>9} {'speed of the twin':>18}")
        for case in cases():
            machine = load_machine(case.machine).to_dict()
            tables = c.build_controller(machine)
            trace = parse_trace(case.text, case.format, machine, tables)
            run_trace(tables, trace[:0])  # compiled before the clock starts
            seconds = float("inf")
            for _ in range(REPEATS):
                start = time.process_time()
                result = run_trace(tables, trace)
                seconds = min(seconds, time.process_time() - start)
            twin = run_twin(program, tables, trace)
            assert (twin.cycles, twin.commands) == (result.cycles, result.commands), (case.name, twin, result)
            print(
                f"{case.name:30} {result.cycles:>10,} {sum(result.commands.values()):>11,} {seconds:>9.4f} "
                f"{twin.seconds:>9.4f} {twin.seconds / seconds:>17.0%}"
            )


if __name__ == "__main__":
    main()
