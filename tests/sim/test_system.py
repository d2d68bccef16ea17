"""The step of a system: what the plan launches, with which values, when, and what comes back."""

from typing import Any

import numpy as np
import pytest

from pimlir.backends.isa.encode import Affine, ProgramBuilder
from pimlir.backends.isa.image import Buffer, Image, Program, Region
from pimlir.sim.plan import Exchange
from pimlir.sim.system import LaunchRecord, SimulationError, System

MACHINE = {
    "npu": {"arrays": 1, "array_rows": 16, "array_cols": 16},
    "memory": {
        "channels": 2,
        "ranks": 1,
        "bank_groups": 1,
        "banks_per_group": 2,
        "row_bytes": 256,
        "column_bytes": 32,
    },
    "pim": {"buffer_bytes": 64, "dual_row_buffer": False},
}
LAYERS = 2
TOKENS, NEXT, LOGITS = 0, 64, 128
BOUNDS = {"phase": "decode", "sequences": 3, "new_tokens": 4, "context": 10}


def embed() -> Program:
    """Row of logits for each token: the table row that the token names, times 2 + layer."""
    builder = ProgramBuilder("embed", "npu", ("rows", "layer"))
    rows = builder.argument("rows")
    strides: dict[str, Any] = {"dram_stride": 16, "local_stride": 16}
    builder.emit("gather", dram=256, rows=rows, row_bytes=16, local=LOGITS, index=TOKENS, **strides)
    scale: dict[str, Any] = {"dst_stride": 16, "dst_type": "f32", "a_stride": 16, "a_type": "f32"}
    with builder.loop(2 + builder.argument("layer"), start=1):
        types: dict[str, Any] = {"b_stride": 16, "b_type": "f32", "broadcast": "tile"}
        builder.emit("binary", op="add", dst=LOGITS, a=LOGITS, b=LOGITS, rows=rows, cols=4, **scale, **types)
    builder.emit("argmax", dst=NEXT, a=LOGITS, a_stride=16, rows=rows, cols=4)
    return builder.finish()


def nothing(device: str) -> Program:
    builder = ProgramBuilder(f"nothing_{device}", device, ("slot", "past", "layer"))
    return builder.finish()


def plan() -> Program:
    """Embed, then per layer and sequence a PIM launch, and an NPU launch after each layer's last."""
    builder = ProgramBuilder("step", "host", ("tokens", "sequences"))
    first, new, past, slot = (builder.register() for _ in range(4))
    builder.emit("launch", kernel=0, event=0, arguments=2, arg0=builder.argument("tokens"))
    with builder.loop(LAYERS) as layer:
        with builder.loop(builder.argument("sequences")) as index:
            builder.emit(
                "sequence", index=Affine.register(index), first_row=first, new_tokens=new, past=past, slot=slot
            )
            values: dict[str, Any] = {
                "arg0": Affine.register(slot),
                "arg1": Affine.register(past),
                "arg2": Affine.register(layer),
            }
            builder.emit("launch", kernel=1, event=1, after0=0, arguments=3, **values)
        builder.emit("launch", kernel=2, event=0, after0=1, arguments=3, arg2=Affine.register(layer))
    return builder.finish()


def make_image(**changes) -> Image:
    regions = [
        Region("table", "embedding", (5, 4), "f32", {"kind": "row_major"}, address=256),
        Region("rope", "", (8, 4), "f32", {"kind": "rope_table", "theta": 100.0}, address=512),
        Region("cache", "", (4,), "f16", {"kind": "row_major"}, address=1000),
    ]
    buffers = {
        "tokens": Buffer(TOKENS, (4,), "i32", 4),
        "next": Buffer(NEXT, (4,), "i32", 4),
        "logits": Buffer(LOGITS, (4, 4), "f32", 16),
    }
    image = Image(
        machine=MACHINE,
        programs=[embed(), nothing("pim"), nothing("npu")],
        plan=plan(),
        regions=regions,
        buffers=buffers,
        bounds=BOUNDS,
        local_bytes=1024,
        softmax_bytes=0,
        linear_bytes=2048,
        first_pim_row=2,
        rows_used=4,
    )
    return Image(**{**vars(image), **changes})


class Store:
    table = np.random.default_rng(5).standard_normal((5, 4)).astype(np.float32)

    def array(self, symbol: str) -> np.ndarray:
        assert symbol == "embedding"
        return self.table


class FixedTimes:
    """Launches take 10, 100 and 1000 ps, by program; an exchange takes 25."""

    def __init__(self):
        self.sequences = np.zeros((0, 4), np.int64)
        self.pages = np.zeros((2, 0, 0), np.int64)
        self.calls: list[tuple[int, list[int], int]] = []
        self.running: list[tuple[int, int]] = []

    def unit(self, program_index: int) -> str:
        return "pim" if program_index == 1 else "arrays"

    def begin(self, program_index: int, arguments: np.ndarray, start_ps: int) -> int:
        assert arguments.dtype == np.int64
        self.calls.append((program_index, arguments.tolist(), start_ps))
        self.running.append((start_ps + 10 * 10**program_index, len(self.calls)))
        return len(self.calls)

    def begin_exchange(self, exchange: Exchange, start_ps: int) -> int:
        self.calls.append((-1, [exchange.size_bytes], start_ps))
        self.running.append((start_ps + 25, len(self.calls)))
        return len(self.calls)

    def advance(self) -> tuple[int, int]:
        self.running.sort()
        finish, number = self.running.pop(0)
        return number, finish

    def statistics(self) -> dict:
        return {}


SEQUENCES = [(0, 2, 5, 2), (2, 1, 0, 0)]


def test_a_step_returns_tokens_and_logits_of_the_memory():
    system = System(make_image())
    system.load(Store())
    result = system.step([3, 0, 4], SEQUENCES)
    expected = Store.table[[3, 0, 4]] * 2
    np.testing.assert_array_equal(result.logits, expected[: len(SEQUENCES)])
    np.testing.assert_array_equal(result.next, expected[: len(SEQUENCES)].argmax(axis=1))
    assert result.time_ps == 0


def test_outputs_with_room_for_sequences_only_have_a_row_per_sequence():
    buffers = make_image().buffers | {"next": Buffer(NEXT, (3,), "i32", 4)}
    del buffers["logits"]
    system = System(make_image(buffers=buffers))
    system.load(Store())
    result = system.step([3, 0, 4], SEQUENCES)
    assert result.next is not None and len(result.next) == 2
    assert result.logits is None


def test_load_fills_sources_and_tables_and_leaves_caches_zero():
    system = System(make_image())
    system.load(Store())
    table, rope, cache = (system.memory.read_region(region) for region in system.image.regions)
    np.testing.assert_array_equal(table, Store.table)
    np.testing.assert_array_equal(rope[3, :2], np.cos([3, 0.3]).astype(np.float32))
    assert not cache.any()


def test_launches_wait_for_their_device_and_their_events():
    timing = FixedTimes()
    result = System(make_image(), timing, functional=False).step([3, 0, 4], SEQUENCES)
    assert timing.calls == [
        (0, [3, 0], 0),
        (1, [2, 5, 0], 10),
        (1, [0, 0, 0], 110),
        (2, [0, 0, 0], 210),
        (1, [2, 5, 1], 1210),
        (1, [0, 0, 1], 1310),
        (2, [0, 0, 1], 1410),
    ]
    assert result.launches[0] == LaunchRecord(0, 0, 10, -1)
    assert result.launches[4] == LaunchRecord(1, 1210, 1310, 1)
    assert (result.start_ps, result.finish_ps, result.time_ps) == (0, 2410, 2410)
    assert result.next is None and result.logits is None


def test_time_goes_on_from_step_to_step():
    system = System(make_image(), FixedTimes(), functional=False)
    first, second = (system.step([1], [(0, 1, past, 0)]) for past in (0, 1))
    assert second.start_ps == first.finish_ps
    assert second.time_ps == first.time_ps
    assert system.now_ps == second.finish_ps


def test_devices_without_events_between_them_overlap():
    builder = ProgramBuilder("step", "host", ("tokens", "sequences"))
    builder.emit("launch", kernel=2, arguments=3)
    builder.emit("launch", kernel=1, arguments=3)
    builder.emit("launch", kernel=1, arguments=3)
    timing = FixedTimes()
    System(make_image(plan=builder.finish()), timing, functional=False).step([1], [(0, 1, 0, 0)])
    assert [start for _, _, start in timing.calls] == [0, 0, 100]


def exchanging_plan() -> Program:
    """Two chains: a launch on the arrays, an exchange of what it made, and a launch after it."""
    builder = ProgramBuilder("step", "host", ("tokens", "sequences"))
    for queue in range(2):
        order: dict[str, Any] = {"launch_queue": queue, "event": queue}
        builder.emit("launch", kernel=0, arguments=2, arg0=builder.argument("tokens"), **order)
        sums: dict[str, Any] = {"local": LOGITS, "dtype": "f32", "rows": builder.argument("tokens"), "columns": 4}
        builder.emit("exchange", kind="all_reduce", devices=2, after0=queue, **sums, **order)
        builder.emit("launch", kernel=1, arguments=3, after0=queue, **order)
    return builder.finish()


def test_an_exchange_has_the_link_to_itself_beside_launches_of_the_other_half():
    timing = FixedTimes()
    result = System(make_image(plan=exchanging_plan()), timing, functional=False).step([1, 2], [(0, 2, 0, 0)])
    assert timing.calls == [
        (0, [2, 0], 0),
        (-1, [32], 10),
        (0, [2, 0], 10),
        (1, [0, 0, 0], 35),
        (-1, [32], 35),
        (1, [0, 0, 0], 135),
    ]
    assert [launch for launch in result.launches if launch.kernel < 0] == [
        LaunchRecord(-1, 10, 35, -1),
        LaunchRecord(-1, 35, 60, -1),
    ]


def test_devices_add_up_what_they_exchange():
    """Each computes the logits of its own table twice over, as the plan does so twice."""
    stores = [Store(), Store()]
    stores[1].table = Store.table + 1
    system = System(make_image(plan=exchanging_plan(), bounds={**BOUNDS, "vocabulary": 8}), devices=2)
    system.load(*stores)
    result = system.step([3, 0], [(0, 1, 0, 0), (1, 1, 0, 1)])
    expected = 2 * stores[0].table[[3, 0]] + 2 * stores[1].table[[3, 0]]
    np.testing.assert_array_equal(result.logits, np.concatenate([expected, expected], axis=1))


@pytest.mark.parametrize(
    ("kind", "devices", "message"),
    [
        ("all_reduce", 3, "all_reduce is over 3 devices, the system has 2"),
        ("receive", 2, "pipeline stages have no data"),
    ],
)
def test_an_exchange_that_the_system_has_no_data_for_is_refused(kind, devices, message):
    builder = ProgramBuilder("step", "host", ("tokens", "sequences"))
    builder.emit("exchange", kind=kind, devices=devices, local=0, dtype="f16", rows=1, columns=4)
    system = System(make_image(plan=builder.finish()), devices=2)
    with pytest.raises(SimulationError, match=message):
        system.step([1], [(0, 1, 0, 0)])


def test_a_timing_only_system_holds_no_data():
    with pytest.raises(SimulationError, match="timing-only"):
        System(make_image(), functional=False).load(Store())


@pytest.mark.parametrize(
    "tokens, sequences, message",
    [
        ([1] * 5, [(0, 5, 0, 0)], r"step: token rows is 5, expected 1..4"),
        ([], [], r"step: token rows is 0, expected 1..4"),
        ([1] * 4, [(i, 1, 0, 0) for i in range(4)], r"step: sequences is 4, expected 1..3"),
        ([-1], [(0, 1, 0, 0)], r"token row 0: token is -1, expected 0"),
        ([1], [(0, 0, 0, 0)], r"sequence 0: new tokens is 0, expected 1"),
        ([1], [(0, 1, 10, 0)], r"sequence 0: past \+ new tokens is 11, expected 1..10"),
        ([1], [(0, 1, -1, 0)], r"sequence 0: past tokens is -1, expected 0..10"),
        ([1], [(0, 1, 0, 3)], r"sequence 0: slot is 3, expected 0..2"),
        ([1, 1], [(0, 1, 0, 1), (1, 1, 0, 1)], r"slots \[1, 1\]: two sequences"),
        ([1, 1], [(0, 1, 0, 0)], r"sequences own 1 token rows, the step has 2"),
        ([1, 1], [(0, 1, 0, 0), (0, 1, 0, 1)], r"token row 0 belongs to no sequence or to two"),
        ([1, 1], [(1, 1, 0, 0)], r"token row 0 belongs to no sequence or to two"),
    ],
)
def test_a_step_beyond_the_bounds_is_refused(tokens, sequences, message):
    system = System(make_image(), FixedTimes(), functional=False)
    with pytest.raises(SimulationError, match=message):
        system.step(tokens, sequences)
    assert system.now_ps == 0


def test_a_fault_names_the_kernel():
    system = System(make_image())
    with pytest.raises(SimulationError, match=r"program embed, instruction 0 \(gather\): dram covers"):
        system.step([400], [(0, 1, 0, 0)])


def bad_plan(write) -> Program:
    builder = ProgramBuilder("step", "host", ("tokens", "sequences"))
    write(builder)
    return builder.finish()


@pytest.mark.parametrize(
    "write, message",
    [
        (lambda b: b.emit("launch", kernel=3, arguments=0), r"plan step, instruction 0 \(launch\): kernel 3, .* has 3"),
        (lambda b: b.emit("launch", kernel=0, arguments=3), r"\(launch\): 3 arguments for kernel 0, which takes 2"),
        (
            lambda b: b.emit("sequence", index=1, first_row=2, new_tokens=3, past=4, slot=5),
            r"\(sequence\): row 1, the step has 1 sequences",
        ),
        (lambda b: b.emit("scalar", result=2, op="div", a=1, b=0), r"\(scalar\): division by zero"),
        (
            lambda b: [b.emit("loop", counter=2, stop=3, step=0), b.emit("end")],
            r"\(loop\): step 0, expected at least 1",
        ),
    ],
)
def test_a_plan_that_cannot_run_is_refused(write, message):
    system = System(make_image(plan=bad_plan(write)), functional=False)
    with pytest.raises(SimulationError, match=message):
        system.step([1], [(0, 1, 0, 0)])


def test_an_image_that_breaks_a_rule_is_refused():
    program = nothing("npu")
    program.code[0, 0] = 63
    with pytest.raises(SimulationError, match=r"program nothing_npu: last instruction is not halt"):
        System(make_image(programs=[program]), functional=False)
    with pytest.raises(SimulationError, match=r"plan embed: npu program"):
        System(make_image(plan=embed()), functional=False)
    buffers = {"tokens": Buffer(1020, (4,), "i32", 4)}
    with pytest.raises(SimulationError, match=r"buffer tokens: \(4,\) of i32 at 1020 does not fit in the 1024 bytes"):
        System(make_image(buffers=buffers))
