"""Random traces of the formats with one stream, and machines that run them."""

import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from pimlir.machines import load_machine
from pimlir.sim.timing import controller_tables as c
from pimlir.sim.traces import formats
from pimlir.sim.traces.run import LOG_FIELDS, TraceResult, run_parts, run_trace

AIM_MASKS = ("0x80000000", "0xffffffff", "0xff000000", "0x40000000")


def aim(random_: random.Random, lines: int) -> Iterator[str]:
    """AiM instructions of few rows; masks that overlap split and merge groups of channels."""
    for _ in range(lines):
        mask, row, bank = random_.choice(AIM_MASKS), random_.randrange(3), random_.randrange(16)
        size, channel = random_.choice((1, 2, 4, 20, 64, 300)), random_.randrange(4)
        yield random_.choice(
            (
                *(f"AiM MAC_ABK {size} {mask} {row}", f"AiM MAC_SBK {size} {mask} {bank} {row}"),
                *(f"AiM WR_GB {size} 0 {mask}", f"AiM WR_BIAS 0 {mask}", f"AiM RD_MAC 0 {mask}", f"AiM AF {mask}"),
                *(f"AiM COPY_BKGB {size} {mask} {bank} {row}", f"AiM COPY_GBBK {size} {mask} {bank} {row}"),
                *(f"AiM EWMUL {size} {mask} {row}", f"AiM RD_AF 0 {mask}", "AiM SYNC", f"W CFR 2 {row}"),
                *(f"W MEM {channel} {bank} {row}", f"R MEM {channel} {bank} {row}", "AiM ISR_EWADD 1, 0, 0"),
                *(f"AiM WR_ABK 0 {1 << 31 - channel:#x} {row}", f"AiM WR_SBK 0 {mask} {bank} {row}"),
            )
        )
    yield "AiM EOC"


def attacc(random_: random.Random, lines: int, macs: str) -> Iterator[str]:
    """Requests of MACs in runs, alone or between others and barriers, to one channel or to three in lockstep."""
    others = ("PIM_WR_GB", "PIM_MV_SB", "PIM_MV_GB", "PIM_SFM", "PIM_BARRIER", "LD", "ST")
    alone = random_.random() < 0.5
    while lines > 0:
        request = macs if alone or random_.random() < 0.6 else random_.choice(others)
        bank = random_.randrange(4) if macs == "PIM_MAC_SB" and request == macs else 0
        row, first = random_.randrange(3), random_.randrange(8)
        channels = range(3) if request == macs and random_.random() < 0.7 else [random_.randrange(3)]
        for column in range(random_.choice((1, 3, 32, 60)) if request == macs else 1):
            for channel in channels:
                place = ((channel << 6 | bank) << 14 | row) << 5 | (first + column) % 32
                yield f"{request} {place * 32:#x}"
                lines -= 1


def loadstore(random_: random.Random, lines: int) -> Iterator[str]:
    """A stream, and random accesses to few rows."""
    for index in range(lines):
        place = random_.choice((index, random_.randrange(64) + random_.randrange(4) * (1 << 16)))
        yield f"{random_.choice(('LD', 'LD', 'ST'))} {place * 64:#x}"


class Controller(NamedTuple):
    """A machine that runs traces; `step_by_step` issues the commands of a run one after the other."""

    machine: dict[str, Any]
    tables: c.ControllerTables
    format: str

    def step_by_step(self) -> "Controller":
        words = self.tables.words.copy()
        words[c.BULK] = 0
        return self._replace(tables=self.tables._replace(words=words))

    def parse(self, text: str) -> np.ndarray:
        return formats.parse_trace(text, self.format, self.machine, self.tables)

    def run(self, trace: np.ndarray) -> TraceResult:
        return run_trace(self.tables, trace, log=True)

    def run_parts(self, parts: list[np.ndarray]) -> TraceResult:
        rows = [np.zeros((0, len(LOG_FIELDS)), np.int64)]
        result = run_parts(self.tables, parts, rows.append)
        return TraceResult(result.cycles, result.commands, np.concatenate(rows))


@cache
def _controller(name: str, format: str, channels: int, refresh: str) -> Controller:
    machine = load_machine(name, {"refresh": refresh} if refresh else {}).to_dict()
    machine["memory"]["channels"] = channels or machine["memory"]["channels"]
    return Controller(machine, c.build_controller(machine), format)


@pytest.fixture(scope="session")
def controller() -> Callable[..., Controller]:
    """A machine by name."""

    def build(name: str, format: str = "loadstore", channels: int = 0, refresh: str = "") -> Controller:
        return _controller(name, format, channels, refresh)

    return build


CASES = {
    "aim-head": ("aim-head", "aim", "", lambda random_: aim(random_, random_.randrange(3, 40))),
    "aim-pinned": ("aim-pinned", "aim", "", lambda random_: aim(random_, random_.randrange(3, 40))),
    "aim with refresh": ("aim", "aim", "on", lambda random_: aim(random_, random_.randrange(3, 40))),
    "attacc-bank": ("attacc-bank", "attacc", "", lambda random_: attacc(random_, 1500, "PIM_MAC_AB")),
    "attacc-bg": ("attacc-bg", "attacc", "", lambda random_: attacc(random_, 1500, "PIM_MAC_SB")),
    "attacc-bg without refresh": ("attacc-bg", "attacc", "off", lambda random_: attacc(random_, 1500, "PIM_MAC_SB")),
    "ddr4": ("ddr4", "loadstore", "", lambda random_: loadstore(random_, 500)),
    "hbm2": ("hbm2", "loadstore", "", lambda random_: loadstore(random_, 500)),
    "attacc-bank, loads and stores": ("attacc-bank", "loadstore", "", lambda random_: loadstore(random_, 500)),
}
SEEDS = range(6)


class Case(NamedTuple):
    """A controller and random traces for it."""

    controller: Controller
    texts: list[str]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Every kind of machine with traces for it."""
    name, format, refresh, make = CASES[request.param]
    texts = ["\n".join(make(random.Random(f"{request.param} {seed}"))) for seed in SEEDS]
    return Case(_controller(name, format, 0, refresh), texts)
