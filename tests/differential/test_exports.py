"""Traces for other simulators: read back they are the commands of the program, and take about the time that it takes here."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from pimlir.backends.emit.image import build_image
from pimlir.backends.exports.step import StepTarget
from pimlir.backends.isa.image import Image
from pimlir.dialects.hardware import pim_memory
from pimlir.frontends import ModelConfig, preset, random_model
from pimlir.machines import load_machine
from pimlir.passes.pipelines import PipelineOptions
from pimlir.sim.plan import Plan, PlannedLaunch
from pimlir.sim.timing import controller_tables as c
from pimlir.sim.timing.controller_tables import ControllerTables, build_controller
from pimlir.sim.timing.model import TimingModel
from pimlir.sim.traces import run_trace
from pimlir.sim.traces.formats import parse_trace
from pimlir.tools.compiler import Compilation, find_target

CONFIG = replace(
    preset("llama2-7b"),
    name="small",
    layers=2,
    hidden=1040,
    heads=6,
    kv_heads=3,
    head_dim=64,
    ffn=1536,
    vocabulary=1101,
    context_length=4096,
)
TOKENS, TABLE = 2, [(0, 1, 699, 0), (1, 1, 699, 1)]


@dataclass
class Export:
    """A compiled model and its trace for another simulator."""

    target: StepTarget
    machine: dict[str, Any]
    tables: ControllerTables
    module: ModuleOp
    image: Image

    @staticmethod
    def compile(target: str, machine: str, config: ModelConfig = CONFIG, **options: Any) -> "Export":
        found = find_target(target)
        assert isinstance(found, StepTarget)
        settings = {"phase": "decode", "batch": 2, "context": 700, "mac_operands": found.mac_operands, **options}
        chosen = PipelineOptions(machine, settings.pop("policy", "all-on-pim"), ignore_capacity=True, **settings)
        module = Compilation(random_model(config).build_module(), chosen).to("machine")
        description = load_machine(machine).to_dict()
        return Export(found, description, build_controller(description), module, build_image(module, description))

    def text(self) -> str:
        out = io.StringIO()
        self.target.emit(None, self.module, out)  # pyright: ignore[reportArgumentType]
        return out.getvalue()

    def parse(self, text: str) -> np.ndarray:
        return parse_trace(text, self.machine["controller"]["trace_format"], self.machine, self.tables)

    def channels(self, trace: np.ndarray) -> list[list[tuple]]:
        """For each channel its requests in order: name, target, row, count, column."""
        found: list[list[tuple]] = [[] for _ in range(self.machine["memory"]["channels"])]
        for row in trace.tolist():
            command = row[c.I_COMMAND]
            request = tuple(row[field] for field in (c.I_TARGET, c.I_ROW, c.I_COUNT, c.I_COLUMN))
            for channel, requests in enumerate(found):
                if row[c.I_CHANNELS + channel // c.MASK_BITS] >> channel % c.MASK_BITS & 1:
                    requests.append((self.tables.commands[command] if command >= 0 else "mark", *request))
        return found


def one_by_one(trace: np.ndarray) -> np.ndarray:
    """Instructions of one request each: those that differ in the column only were read as one."""
    count = trace[:, c.I_COUNT]
    rows = np.repeat(trace, count, axis=0)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    rows[:, c.I_COLUMN] += place * rows[:, c.I_COLUMN_STEP]
    rows[:, c.I_COUNT] = 1
    return rows


class Step(NamedTuple):
    """An instruction with the rows that were open in its channels when it was executed."""

    name: str
    fields: dict[str, int]
    rows: list[int]

    @property
    def channels(self) -> range:
        return range(self.fields["channel"], self.fields["channel"] + self.fields.get("channels", 1))


def with_rows(executed: Iterable[Any], channels: int) -> Iterator[Step]:
    rows = [-1] * channels
    for each in executed:
        if each.fields.get("channel") is None:
            continue
        step = Step(each.name, each.fields, rows)
        if each.name == "activate":
            for channel in step.channels:
                rows[channel] = each.fields["row"]
        yield step


@pytest.mark.parametrize("policy", ["attention-on-pim", "all-on-pim"])
def test_an_aim_trace_read_back_is_the_program(instructions, policy):
    export = Export.compile("aim-trace", "aim-head", policy=policy)
    everything = export.tables.geometry.target(())
    expected: list[list[tuple]] = [[] for _ in range(32)]
    pim = (each for each in instructions(export.image, TOKENS, TABLE) if not each.program.endswith("npu"))
    for step in with_rows(pim, 32):
        f = step.fields
        for channel in step.channels:
            lines = {
                "write_buffer": [("write_gb", everything, -1, f.get("columns"), 0)] * (f.get("columns", 1) > 0),
                "mac": [("mac", everything, step.rows[channel], f.get("columns"), 0)],
                "read_acc": [("read_result", everything, -1, 1, 0), ("clear_result", everything, -1, 1, 0)],
                "write": [("wr", f.get("bank"), f.get("row"), 1, -1)] * (f.get("bytes", 0) // 32),
                "scatter": [("write_all", everything, f.get("row"), 1, 0)],
            }
            expected[channel] += lines.get(step.name, [])
    trace = export.parse(export.text())
    found = [[request for request in requests if request[0] != "mark"] for requests in export.channels(trace)]
    assert [requests[0][0] for requests in found] == ["clear_result"] * 32
    assert [requests[1:] for requests in found] == expected


@pytest.mark.parametrize(
    ("policy", "attention"), [("all-on-pim", "tokens"), ("attention-on-pim", "tokens"), ("attention-on-pim", "heads")]
)
def test_an_attacc_trace_read_back_is_the_program(instructions, policy, attention):
    export = Export.compile("attacc-trace{ordinary=skip}", "attacc-bank", policy=policy, attention=attention)
    expected: list[Counter[str]] = [Counter() for _ in range(16)]
    columns: list[list[tuple[int, int]]] = [[] for _ in range(16)]
    pim = (each for each in instructions(export.image, TOKENS, TABLE) if not each.program.endswith("npu"))
    for step in with_rows(pim, 16):
        f = step.fields
        for channel in step.channels:
            softmax = step.name == "move_vector" or f.get("space") == 1
            pieces = f.get("columns", 0)
            counts = {
                "write_buffer": {"move_vector": 8 * pieces} if softmax else {"write_gb": 4 * pieces},
                "write_vector": {"write_gb": 4 * pieces},
                "move_vector": {"move_vector": 8 * pieces},
                **{name: {"mac": pieces} for name in ("mac", "mac_tree", "mac_lanes")},
                **{name: {"move_result": 8} for name in ("read_acc", "move_scores", "move_sums")},
                "softmax_head": {"softmax": 1},
            }
            expected[channel] += Counter(counts.get(step.name, {}))
            if step.name.startswith("mac"):
                columns[channel] += [(step.rows[channel], f["column"] + i) for i in range(pieces)]
    found = export.channels(one_by_one(export.parse(export.text())))
    for channel, requests in enumerate(found):
        counted = Counter(name for name, *_ in requests if name != "mark")
        if attention == "tokens":
            counted.pop("softmax", None)
        assert counted == +expected[channel]
        macs = [(row, column) for name, _, row, _, column in requests if name == "mac"]
        assert macs == columns[channel]


def kernels(export: Export, context: int) -> dict[str, tuple[int, int]]:
    """Cycles of the first launch of each PIM kernel: here, and as a trace."""
    launches: list[PlannedLaunch] = []
    table = [(0, 1, context - 1, 0)]
    Plan(export.image.plan, export.image.programs).run((1, 1), table, launches.append)
    pim = [each for each in launches if export.image.programs[each.kernel].device == "pim"]
    memory, clock = pim_memory(export.module), export.machine["memory"]["clock_ps"]
    found: dict[str, tuple[int, int]] = {}
    for planned, launch in zip(pim, export.target.launches(export.module), strict=True):
        name = "+".join(tag for tag in export.image.programs[planned.kernel].tags if tag)
        if name not in found:
            text = "\n".join(export.target.lines(memory, iter([launch]))) + "\n"
            model = TimingModel(export.image)
            model.sequences = np.array(table, np.int64)
            here = model.launch(planned.kernel, np.array(planned.arguments, np.int64), 0) // clock
            there = run_trace(export.tables, export.parse(text))
            found[name] = here, there.cycles
    return found


def test_aim_kernels_take_as_long_in_a_trace_as_here():
    """Two engines on one program. The trace can be faster: a row that is needed again is not closed, and channels that have
    nothing to multiply open none. It can be slower by its start, and where the front end, which takes an instruction at a
    time, fills buffers that get different vectors.
    """
    export = Export.compile("aim-trace", "aim-head", batch=1, context=1024)
    found = {name: there / here for name, (here, there) in kernels(export, 1024).items()}
    for name in ("attn_q+attn_k+attn_v", "attn_output", "ffn_gate+ffn_up", "ffn_down", "output"):
        assert 0.9 < found[name] < 1.03, found
    assert 0.5 < found["kv_append+scores"] < 1.03, found
    assert 1.0 < found["context"] < 1.6, found


def test_commands_of_matrices_take_as_long_on_attacc_as_here():
    """The unembedding writes its buffers seldom. All other kernels wait for buffers, to which a trace writes four times."""
    export = Export.compile("attacc-trace", "attacc", batch=1, config=replace(CONFIG, vocabulary=49152))
    export.target = find_target("attacc-trace{stack=0 ordinary=skip}")  # pyright: ignore[reportAttributeAccessIssue]
    export.machine = load_machine("attacc-bank", {"refresh": "off"}).to_dict()
    export.tables = build_controller(export.machine)
    here, there = kernels(export, 700)["output"]
    assert 0.93 < there / here < 1.05


def test_lines_come_one_by_one():
    """The first lines of a long trace are there before the others are made."""
    export = Export.compile("aim-trace", "aim", config=preset("llama2-7b"), batch=1, context=1024)
    lines = export.target.lines(pim_memory(export.module), export.target.launches(export.module))
    assert len(list(islice(lines, 5000))) == 5000
