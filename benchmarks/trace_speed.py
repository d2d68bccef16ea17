"""How fast traces of other simulators run: commands and channel-cycles a second, against what those simulators reach.

    python benchmarks/trace_speed.py

The figures of the other simulators were measured in CPU seconds on one core of the same kind of machine; see
docs/explanation/defects-of-peers.md for what they are.
"""

import gzip
import time
from pathlib import Path

from pimlir.machines import load_machine
from pimlir.sim.timing.controller_tables import build_controller
from pimlir.sim.traces.formats import parse_trace
from pimlir.sim.traces.run import run_trace

ORACLES = Path(__file__).parent.parent / "tests" / "data" / "oracles"
AIM_CHANNEL_CYCLES, ATTACC_COMMANDS = 1.06e6, 8e3  # a CPU second of the C++ simulators, 32 and 16 channels busy


def stream(rows: int, columns: int, mask: int) -> str:
    """A long AiM program: rows of all-bank MACs."""
    return "".join(f"AiM MAC_ABK {columns} {mask:#x} {row % 16_384}\n" for row in range(rows)) + "AiM EOC"


def oracle(name: str) -> str:
    return gzip.decompress((ORACLES / name).read_bytes()).decode()


CASES = (
    ("MAC stream, 32 channels", "aim-head", "aim", lambda: stream(20_000, 64, 0xFFFFFFFF)),
    ("MAC stream, 1 channel", "aim-head", "aim", lambda: stream(20_000, 64, 0x80000000)),
    ("Llama-2-7B block, 8 channels a block", "aim-pinned", "aim", lambda: oracle("cent/l7b_pp8_128.trace.gz")),
    ("Llama-2-7B block, 8 devices", "aim-pinned", "aim", lambda: oracle("cent/l7b_tp8_128.trace.gz")),
    ("32 heads, banks", "attacc-bank", "attacc", lambda: oracle("attacc/bank_h32_L128_d128_b2.trace.gz")),
    ("1 head, banks", "attacc-bank", "attacc", lambda: oracle("attacc/bank_h1_L2048_d128_b2.trace.gz")),
    ("1 head, bank groups", "attacc-bg", "attacc", lambda: oracle("attacc/bg_h1_L2048_d128_b2.trace.gz")),
)


def main() -> None:
    """Print a line for each case."""
    print(f"{'case':38} {'cycles':>10} {'commands':>10} {'seconds':>8} {'M cmd/s':>8} {'M ch-cyc/s':>10} {'x peer':>7}")
    for name, machine_name, format, text in CASES:
        machine = load_machine(machine_name).to_dict()
        tables, channels = build_controller(machine), machine["memory"]["channels"]
        trace = parse_trace(text(), format, machine, tables)
        run_trace(tables, trace)  # compiled before the clock starts
        seconds = float("inf")
        for _ in range(3):
            start = time.process_time()
            result = run_trace(tables, trace)
            seconds = min(seconds, time.process_time() - start)
        commands = sum(result.commands.values())
        channel_cycles = result.cycles * channels / seconds
        peer = channel_cycles / AIM_CHANNEL_CYCLES if format == "aim" else commands / seconds / ATTACC_COMMANDS
        print(
            f"{name:38} {result.cycles:>10,} {commands:>10,} {seconds:>8.4f} {commands / seconds / 1e6:>8.1f} "
            f"{channel_cycles / 1e6:>10.1f} {peer:>7.0f}"
        )


if __name__ == "__main__":
    main()
