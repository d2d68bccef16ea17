"""Logs of random traces that go through the whole controller are accepted, on every machine and in every format it takes."""

import random

import pytest

from pimlir.machines import known_machines, load_machine
from pimlir.sim.check import check_log
from pimlir.sim.timing.controller_tables import build_controller
from pimlir.sim.traces.formats import run_file
from pimlir.sim.traces.log import trace_log

MACS = {"attacc-bank": ("PIM_MAC_AB", 1), "attacc-bg": ("PIM_MAC_SB", 4), "attacc-buffer": ("PIM_MAC_PB", 32)}
"""Requests of MACs, and how many different banks they name."""
REQUESTS = ("PIM_WR_GB", "PIM_MV_SB", "PIM_MV_GB", "PIM_SFM")


def load_store(random_, machine, channels):
    """Accesses all over the memory and to few rows, some of them in a row."""
    memory = machine["memory"]
    size = memory["access_bytes"]
    banks = memory["pseudo_channels"] * memory["ranks"] * memory["bank_groups"] * memory["banks_per_group"]
    limit = memory["channels"] * banks * memory["rows"] * memory["row_bytes"]
    for _ in range(150):
        base = (
            random_.choice((random_.randrange(1 << 12) * 1024, random_.randrange(256), random_.randrange(limit))) * size
        )
        for column in range(random_.choice((1, 1, 4, 16))):
            yield f"{random_.choice(('LD', 'ST'))} {(base + column * size) % limit}"


def attacc(random_, machine, channels):
    """PIM requests to one row after the other. MACs name the first of their banks: two names of a bank close its row in turn."""
    unit = next((unit for unit in MACS if machine["name"].startswith(unit)), "attacc-bank")  # attacc-dgx has bank units
    macs, banks = MACS[unit]
    for row in range(12):
        for _ in range(30):
            channel, bank, column = (random_.randrange(limit) for limit in (2, 64, 8))
            request = random_.choice((macs, *REQUESTS))
            address = ((channel << 6 | (bank % banks if request == macs else bank)) << 14 | row) << 10 | column << 5
            yield from [f"{request} {address}"] * random_.choice((1, 1, 8))
        yield from (f"PIM_BARRIER {channel << 30}" for channel in range(2))


def aim(random_, machine, channels):
    """Instructions on one and all channels."""
    for _ in range(60):
        mask, bank, row, size = (
            *(random_.choice(("0x80000000", "0xffffffff")), random_.randrange(16), random_.randrange(3)),
            random_.choice((1, 4, 32)),
        )
        yield random_.choice(
            (
                *(f"AiM WR_SBK 0 0x80000000 {bank} {row}", f"AiM RD_SBK 0 {mask} {bank} {row}"),
                *(f"AiM WR_ABK 0 0x80000000 {row}", f"AiM WR_GB {size} 0 {mask}", f"AiM WR_BIAS 0 {mask}"),
                *(f"AiM RD_MAC 0 {mask}", f"AiM RD_AF 0 {mask}", f"AiM COPY_BKGB {size} {mask} {bank} {row}"),
                *(f"AiM COPY_GBBK {size} {mask} {bank} {row}", f"AiM MAC_SBK {size} {mask} {bank} {row}"),
                *(f"AiM MAC_ABK {size} {mask} {row}", f"AiM AF {mask}", f"AiM EWMUL {size} {mask} {row}"),
                *(f"W MEM 0 {bank} {row}", f"R MEM 0 {bank} {row}", "AiM SYNC"),
            )
        )
    yield "AiM EOC"


def neupims(random_, machine, channels):
    """Rows of MACs beside accesses of one channel."""
    yield "START 10"
    for copy in range(3):
        yield f"GWRITE {random_.randrange(32)} {copy}"
        for _ in range(6):
            row, results, macs = random_.randrange(100, 104), random_.choice((1, 4)), random_.choice((2, 16))
            yield f"P_HEADER {row} {results * macs} {results}"
            for index in range(results):
                last = " last" * (index == results - 1)
                if machine["pim"]["dual_row_buffer"]:
                    yield f"COMPS_READRES {row} {macs}{last}"
                else:
                    yield from [f"COMP {row}"] * macs
                    yield f"READRES {row}{last}"
    for _ in range(200):
        row_and_bank, column = random_.randrange(32 * 200), random_.randrange(16)
        yield f"{random_.choice(('LD', 'ST'))} {(row_and_bank * 32 * 16 + column) * 64}"


FORMATS = {"loadstore": load_store, "attacc": attacc, "aim": aim, "neupims": neupims}


@pytest.mark.parametrize("name", known_machines())
def test_random_traces_are_legal(name, tmp_path):
    machine = load_machine(name).to_dict()
    if machine["memory"]["channels"] > 62:
        machine["memory"]["channels"] = 16
    tables, own = build_controller(machine), machine["controller"]["trace_format"]
    for format in ({own} if machine["controller"]["queues"] == "banks" else {own, "loadstore"}) & set(FORMATS):
        for seed in range(4):
            path = tmp_path / f"{format}-{seed}.trace"
            lines = FORMATS[format](random.Random(seed), machine, machine["memory"]["channels"])
            path.write_text("".join(f"{line}\n" for line in lines))
            log = trace_log(run_file(path, format, machine, tables, True)[0].log, tables)
            check = check_log(log, machine)
            assert check.findings == [], (path, check.counts, check.first(3))
            assert len(log) > 100
