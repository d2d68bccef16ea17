"""Attention of heads from llm IR to AttAcc's Ramulator: our own traces take the cycles of AttAcc's trace generator."""

import io
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from pimlir.backends.exports.attacc import AttaccTraceTarget
from pimlir.backends.exports.step import Instruction
from pimlir.frontends import preset, random_model
from pimlir.passes.pipelines import PipelineOptions
from pimlir.tools.compiler import Compilation

CHANNELS = 16
ROW_CHANGE = 40
"""Cycles that the generator saves in each pair of heads by multiplying the values of the first head twice: the row of the
second is not opened. It shows where the values of a head fit in one row."""


@cache
def compiled(heads: int, length: int, head_dim: int) -> Compilation:
    """One layer whose attention has so many heads, for a step at this length, in the last stage."""
    shape = {"heads": heads, "kv_heads": heads, "head_dim": head_dim, "hidden": 64, "ffn": 64, "vocabulary": 64}
    config = replace(preset("gpt3-7b"), layers=1, context_length=length, **shape)
    options = PipelineOptions(
        "attacc-bank", "attention-on-pim", phase="decode", context=length, attention="heads", ignore_capacity=True
    )
    compilation = Compilation(random_model(config).build_module(), options)
    compilation.to("machine")
    return compilation


def trace(*shape: int) -> str:
    out, compilation = io.StringIO(), compiled(*shape)
    AttaccTraceTarget(ordinary="skip").emit(compilation.context, compilation.module, out)
    return out.getvalue()


def run(simulator, row: dict[str, str]) -> Any:
    uncapped = "-uncapped" * row["timing_preset"].endswith("_NPC")
    machine = simulator(f"attacc-bank{uncapped}", {"refresh": row["refresh"]})
    return machine.run(trace(int(row["heads"]), int(row["seqlen"]), int(row["dhead"])), "attacc")


def rows(oracle, alone: bool) -> list[dict[str, str]]:
    """Measured runs of f16 heads on bank-level units at 5.2 Gb/s, with one head a channel or with more."""
    found = (row for row in oracle.rows("attacc/head_cycles.csv") if row["variant"] == "bank" and row["dbyte"] == "2")
    found = (row for row in found if row["timing_preset"].startswith("HBM3_5.2Gbps"))
    return [row for row in found if (int(row["heads"]) <= CHANNELS) == alone]


def test_a_head_in_a_channel_takes_exactly_as_long(simulator, oracle):
    for row in rows(oracle, alone=True):
        found = run(simulator, row)
        assert found.cycles == int(row["cycles"]), row
        for column, name in (("wrgb", "WRGB"), ("mac", "MACAB"), ("mvsb", "MVSB"), ("mvgb", "MVGB"), ("sfm", "SFM")):
            assert found.commands[name] == int(row[f"n_{column}"]), row


def test_pairs_of_heads_take_exactly_as_long_but_for_the_row_that_the_generator_forgets(simulator, oracle):
    for row in rows(oracle, alone=False):
        values_of_head = -(-int(row["dhead"]) // 64) * -(-int(row["seqlen"]) // 16)  # columns, 32 in a row
        forgotten = ROW_CHANGE if values_of_head <= 32 else 0
        if int(row["seqlen"]) == 16:
            forgotten = 16  # most of the row change is hidden behind moves
        assert run(simulator, row).cycles == int(row["cycles"]) + forgotten, row


@pytest.mark.parametrize(("uncapped", "slope"), [("", 1.875), ("-uncapped", 1.390625)])
@pytest.mark.parametrize("length", [512, 1024, 2048, 4096])
def test_closed_form_of_one_head_without_refresh(simulator, length, uncapped, slope):
    machine = simulator(f"attacc-bank{uncapped}", {"refresh": "off"})
    assert machine.run(trace(1, length, 128), "attacc").cycles == slope * length - 30


@pytest.mark.parametrize("shape", [(1, 100, 128), (16, 600, 64), (32, 20, 64), (33, 300, 128), (40, 700, 96)])
def test_between_two_fences_no_command_depends_on_another(shape):
    """Ramulator may reorder what stands between two fences of a channel, so it must not matter."""
    compilation = compiled(*shape)
    window: list[tuple[str, set[tuple], set[tuple]]] = []
    for op in instructions(AttaccTraceTarget(), compilation):
        if op.name == "fence":
            window.clear()
            continue
        reads, writes = effects(op)
        for name, earlier_reads, earlier_writes in window:
            conflict = (writes & (earlier_reads | earlier_writes)) | (reads & earlier_writes)
            same_sum = name == op.name and name.startswith("mac")  # additions to one result
            assert same_sum or not conflict, f"{op.name} after {name}: {conflict}"
        window.append((op.name, reads, writes))


def instructions(target: AttaccTraceTarget, compilation: Compilation) -> Iterator[Instruction]:
    for launch in target.launches(compilation.module):
        yield from launch


def effects(op: Instruction) -> tuple[set[tuple], set[tuple]]:
    """What an instruction reads and writes: halves of buffers and results, and places in the softmax buffer."""

    def span(begin: str, size: int, stride: str) -> set[tuple]:
        starts = [op[begin] + channel * op[stride] for channel in range(op["channels"])]
        return {("softmax", start + at) for start in starts for at in range(0, size, 32)}

    match op.name:
        case "write_vector":
            return set(), {("buffer", op["half"])}
        case "mac_tree" | "mac_lanes":
            return {("buffer", op["half"])}, {("result", op["result_half"])}
        case "move_scores":
            size = 4 * min(op["limit"], op["tokens"] * op["parts"])
            return set(), {("result", op["result_half"])} | span("dst", size, "channel_stride")
        case "softmax_head":
            return span("src", 4 * op["cols"], "src_stride"), span("dst", 2 * op["cols"], "dst_stride")
        case "move_vector":
            # Pieces of one vector do not conflict with each other.
            return span("src", 2 * op["limit"], "channel_stride"), {("buffer", op["half"])}
        case "move_sums":
            return set(), {("result", op["result_half"])}
        case _:
            return set(), set()
