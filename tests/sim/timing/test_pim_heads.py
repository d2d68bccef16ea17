"""Attention by heads in `pimlir run`: the commands and cycles of AttAcc's own simulator, and of the exact controller."""

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pimlir.backends.emit.image import build_image
from pimlir.backends.isa.pim import PIM
from pimlir.frontends import preset, random_model
from pimlir.machines import load_machine
from pimlir.passes.pipelines import PipelineOptions
from pimlir.sim.analytic.head_stream import HeadMaker, stream
from pimlir.sim.check import check_log
from pimlir.sim.timing.controller_tables import build_controller
from pimlir.sim.timing.model import TimingModel
from pimlir.sim.timing.program_log import ProgramLog
from pimlir.sim.traces.run import run_trace
from pimlir.tools.compiler import Compilation

ORACLE = Path(__file__).parents[2] / "data/oracles/attacc/head_cycles.csv"
MACHINES = {"HBM3_5.2Gbps": "attacc-bank", "HBM3_5.2Gbps_NPC": "attacc-bank-uncapped"}
COUNTS = {"n_wrgb": "write_gb", "n_mac": "mac", "n_mvsb": "move_result", "n_mvgb": "move_vector", "n_sfm": "softmax"}
SMALL = {"name": "small", "layers": 1, "hidden": 64, "ffn": 48, "vocabulary": 97, "context_length": 6000}


def one_round():
    """Rows of the oracle whose heads have a channel each: with more its generator repeats itself (defects-of-peers.md)."""
    with ORACLE.open() as file:
        for row in csv.DictReader(file):
            shape = (row["variant"], row["dbyte"], row["refresh"])
            if shape == ("bank", "2", "on") and row["timing_preset"] in MACHINES and int(row["heads"]) <= 16:
                yield row


@cache
def attention(machine: str, heads: int, head_dim: int, length: int, log: int = 0):
    """A timing model after the attention of one query over `length` tokens, without the append before it; its cycles."""
    model = replace(preset("llama2-7b"), heads=heads, kv_heads=heads, head_dim=head_dim, **SMALL)
    options = PipelineOptions(
        machine, "attention-on-pim", phase="decode", attention="heads", context=max(64, length), batch=1
    )
    compilation = Compilation(random_model(model).build_module(), options)
    compilation.to("machine")
    image = build_image(compilation.module, load_machine(machine).to_dict())
    (index,) = (index for index, program in enumerate(image.programs) if program.device == "pim")
    program, write = image.programs[index], PIM["write"]
    program.code[program.code[:, 0] == write.number, write.column("bytes")] = 0
    timing = TimingModel(image, log)
    timing.sequences = np.array([[0, 1, length - 1, 0]], np.int64)
    arguments = np.array([int(name == "end") for name in program.arguments], np.int64)
    cycles = timing.launch(index, arguments, 0) // timing.clocks_ps["pim"]
    checked = ProgramLog(timing.machine)
    checked.add(timing.log(), program)
    return timing, cycles, check_log(checked.finish(), timing.machine).counts if log else {}


def until_issue(timing: TimingModel, cycles: int) -> int:
    """The run ends with the data of the last move; AttAcc's simulator ends when that is issued."""
    return cycles - timing.machine["command"]["move_result"]["latency_cycles"]


@pytest.mark.parametrize("row", list(one_round()), ids=lambda row: "-".join(list(row.values())[:6]))
def test_commands_and_cycles_of_the_oracle(row):
    timing, cycles, _ = attention(
        MACHINES[row["timing_preset"]], int(row["heads"]), int(row["dhead"]), int(row["seqlen"])
    )
    commands = timing.statistics()["commands"]
    assert {name: commands[command] for name, command in COUNTS.items()} == {name: int(row[name]) for name in COUNTS}
    assert until_issue(timing, cycles) == pytest.approx(int(row["cycles"]), rel=0.003, abs=3)


@pytest.mark.parametrize("machine", list(MACHINES.values()))
@pytest.mark.parametrize(
    ("heads", "length", "head_dim"), [(17, 128, 128), (32, 16, 128), (40, 256, 128), (20, 1024, 160), (48, 1024, 64)]
)
def test_pairs_of_heads_as_on_the_exact_controller(machine, heads, length, head_dim):
    timing, cycles, findings = attention(machine, heads, head_dim, length, 100_000)
    tables = build_controller(timing.machine)
    exact = run_trace(tables, stream(HeadMaker(timing.machine, tables, head_dim, 2), heads, length, 16))
    found = {timing.machine["command"][name]["label"]: n for name, n in timing.statistics()["commands"].items() if n}
    assert {name: found[name] for name in ("MACAB", "WRGB", "MVSB", "MVGB", "SFM", "ACTAB")} == {
        name: exact.commands[name] for name in ("MACAB", "WRGB", "MVSB", "MVGB", "SFM", "ACTAB")
    }
    assert until_issue(timing, cycles) == pytest.approx(exact.cycles, rel=0.01)
    assert findings == {}
