"""How fast traces of other simulators run: commands, requests and channel-cycles a second, against what those reach.

    python benchmarks/trace_speed.py

The figures of the other simulators were measured in CPU seconds on one core of the same kind of machine; see
docs/explanation/performance.md for what they are. Times here are medians of ROUNDS runs, parsing apart.
"""

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from c_twin.compare import accesses, macs

from pimlir.machines import load_machine
from pimlir.sim.timing.controller_tables import build_controller
from pimlir.sim.traces.formats import parse_trace
from pimlir.sim.traces.run import run_trace

ORACLES = Path(__file__).parent.parent / "tests" / "data" / "oracles"
ROUNDS = 5


class Peer(NamedTuple):
    """What the C++ simulator of a trace does in a CPU second."""

    name: str
    unit: str
    rate: float


AIM = Peer("AiM simulator", "channel-cycles", 1.06e6)
ATTACC = Peer("AttAcc's Ramulator", "commands", 8e3)


def ramulator(requests: float) -> Peer:
    return Peer("Ramulator 2", "requests", requests)


class Case(NamedTuple):
    """A trace on a machine, and who else runs it."""

    name: str
    machine: str
    format: str
    peer: Peer
    text: Callable[[], str]


def oracle(name: str, repeats: int = 1) -> Callable[[], str]:
    return lambda: gzip.decompress((ORACLES / name).read_bytes()).decode() * repeats


def rows_of_macs(request: str, rows: int) -> str:
    """An AttAcc stream: rows of 32 MACs of all banks, one channel."""
    return "".join(
        f"{request} {(row % 16_384) * 1024 + column * 32:#x}\n" for row in range(rows) for column in range(32)
    )


def load_store(machine: str, kind: str, peer: Peer) -> Case:
    description = load_machine(machine).to_dict()
    return Case(f"{machine}, {kind}", machine, "loadstore", peer, lambda: accesses(description, kind, 200_000))


CASES = (
    Case("rows of 64 MACs, 32 channels", "aim-head", "aim", AIM, lambda: macs(20_000, 64, 0xFFFFFFFF)),
    Case("rows of 64 MACs, 1 channel", "aim-head", "aim", AIM, lambda: macs(20_000, 64, 0x80000000)),
    Case("Llama-2-7B block, 8 channels a block", "aim-pinned", "aim", AIM, oracle("cent/l7b_pp8_128.trace.gz")),
    Case("Llama-2-7B block, 8 devices", "aim-pinned", "aim", AIM, oracle("cent/l7b_tp8_128.trace.gz")),
    Case("rows of 32 MACs, banks", "attacc-bank", "attacc", ATTACC, lambda: rows_of_macs("PIM_MAC_AB", 5000)),
    Case("rows of 32 MACs, groups", "attacc-bg", "attacc", ATTACC, lambda: rows_of_macs("PIM_MAC_SB", 5000)),
    Case("32 heads, banks", "attacc-bank", "attacc", ATTACC, oracle("attacc/bank_h32_L128_d128_b2.trace.gz", 100)),
    Case("1 head, banks", "attacc-bank", "attacc", ATTACC, oracle("attacc/bank_h1_L2048_d128_b2.trace.gz", 100)),
    Case("1 head, bank groups", "attacc-bg", "attacc", ATTACC, oracle("attacc/bg_h1_L2048_d128_b2.trace.gz", 100)),
    Case("1 head, buffer", "attacc-buffer", "attacc", ATTACC, oracle("attacc/buffer_h1_L64_d128_b2.trace.gz", 100)),
    load_store("ddr4", "stream", ramulator(82e3)),
    load_store("ddr4", "random", ramulator(71e3)),
    load_store("ddr4", "mixed", ramulator(83e3)),
    load_store("hbm2", "stream", ramulator(241e3)),
    load_store("hbm2", "random", ramulator(115e3)),
    load_store("hbm2", "mixed", ramulator(131e3)),
)


def main() -> None:
    """Print a line for each case."""
    print(f"{'case':36} {'cycles':>10} {'commands':>11} {'seconds':>8} {'M cmd/s':>8} {'M lines/s read':>14}  against")
    for case in CASES:
        machine = load_machine(case.machine).to_dict()
        tables, channels = build_controller(machine), machine["memory"]["channels"]
        text = case.text()
        start = time.process_time()
        trace = parse_trace(text, case.format, machine, tables)
        reading = time.process_time() - start
        run_trace(tables, trace[:0])  # compiled before the clock starts
        times = []
        for _ in range(ROUNDS):
            start = time.process_time()
            result = run_trace(tables, trace)
            times.append(time.process_time() - start)
        seconds, commands, lines = median(times), sum(result.commands.values()), text.count("\n")
        done = {"commands": commands, "requests": lines, "channel-cycles": result.cycles * channels}[case.peer.unit]
        print(
            f"{case.name:36} {result.cycles:>10,} {commands:>11,} {seconds:>8.4f} {commands / seconds / 1e6:>8.1f} "
            f"{lines / reading / 1e6:>14.2f}  {done / seconds / 1e6:,.2f} M {case.peer.unit}/s, "
            f"{done / seconds / case.peer.rate:,.0f} x {case.peer.name}"
        )


if __name__ == "__main__":
    main()
