"""NPU programs: arrays follow the interval model, semaphores order queues, transfers run near the memory's peak."""

import numpy as np
import pytest

from pimlir.sim.timing.model import TimingError

MATMULS = """
.program @mm npu (blocks, m)
  loop %r5 = 0 to %blocks {{
    preload array={array}, weights=0, weights_stride=32, k=16, n=16
    matmul array={array}, a=0, a_stride=32, m=%m, k=16, n=16, acc=1048576, acc_stride=64, accumulate=1
  }}
  halt
"""
STREAM = """
.program @stream npu (tiles)
  loop %r5 = 0 to %tiles {{
    {op} dram=32768*%r5, dram_stride=32768, rows=1, row_bytes=32768, local=0, local_stride=32768
  }}
  halt
"""


@pytest.mark.parametrize("m", [1, 4, 15, 16])
def test_decode_is_bound_by_loading_weights(run, m):
    # every block waits for 16 weight rows; the last one streams max(m, 4) rows through 16 + 16 - 2 stages
    text = MATMULS.format(array=0)
    assert run("tiny", text, 100, m) == 100 * 16 + max(m, 4) + 16 + 16 - 2


@pytest.mark.parametrize("m", [17, 64])
def test_a_long_stream_hides_the_weights(run, m):
    assert run("tiny", MATMULS.format(array=0), 100, m) == 16 + 100 * m + 16 + 16 - 2


def test_arrays_work_at_the_same_time(run):
    both = MATMULS.replace(
        "  }}", MATMULS.splitlines()[3].format(array=1) + "\n" + MATMULS.splitlines()[4].format(array=1) + "\n  }}"
    )
    alone, together = run("tiny", MATMULS.format(array=0), 100, 16), run("tiny", both.format(array=0), 100, 16)
    assert together <= alone + 4


def test_an_instruction_waits_for_the_counts_it_takes(run):
    text = """
    .program @p npu ()
    .semaphore 0 = 0
      fill dst=0, dst_stride=64, dst_type=f32, rows=1, cols=1600 post(s0:1)
      fill dst=8192, dst_stride=64, dst_type=f32, rows=1, cols=1600 post(s0:1)
      preload array=0, weights=0, weights_stride=32, k=16, n=16 wait(s0:2)
      halt
    """
    assert run("tiny", text) == 100 + 100 + 8 + 16  # second fill: 1600 elements on 16 lanes, twice, and its latency


def test_posts_are_taken_in_their_order(run):
    text = """
    .program @p npu ()
    .semaphore 0 = 1
      fill dst=0, dst_stride=64, dst_type=f32, rows=1, cols=1600 post(s0:1)
      preload array=0, weights=0, weights_stride=32, k=16, n=16 wait(s0:1)
      halt
    """
    assert run("tiny", text) == 108  # the preload takes the initial count and is long done


def test_a_wait_that_nothing_satisfies_is_reported(run):
    text = """
    .program @p npu ()
    .semaphore 0 = 0
      sync wait(s0:1)
      halt
    """
    with pytest.raises(TimingError, match="deadlock: needs 1 of semaphore 0, earlier instructions left 0"):
        run("tiny", text)


HELD = """
.program @p npu (behind)
.semaphore 0 = 0
.semaphore 1 = 0
  fill dst=0, dst_stride=64, dst_type=f32, rows=1, cols=16000 post(s0:1)
  {first}
  {second}
  preload array=0, weights=0, weights_stride=32, k=16, n=16 wait({semaphore})
  halt
"""
STORE = "store dram=0, dram_stride=8192, rows=1, row_bytes=8192, local=0, local_stride=8192 wait(s0:1){post}"
LOAD = "load dram=65536, dram_stride=32768, rows=1, row_bytes=32768, local=0, local_stride=32768{post}"


def test_a_load_does_not_wait_for_a_store_whose_data_are_not_there(run):
    load, store = LOAD.format(post=" post(s1:1)"), STORE.format(post="")
    behind = run("tiny", HELD.format(first=store, second=load, semaphore="s1:1"), 0)
    assert behind == run("tiny", HELD.format(first=load, second=store, semaphore="s1:1"), 0)
    alone = run("tiny", HELD.format(first=store, second="", semaphore="").replace(" wait()", ""), 0)
    assert 1000 < behind < alone + 50  # the load is long done when the store begins, and has changed rows


def test_what_waits_for_a_store_gets_it(run):
    store, load = STORE.format(post=" post(s1:1)"), LOAD.format(post="")
    end = run("tiny", HELD.format(first=store, second=load, semaphore="s1:1"), 0)
    assert 0 <= end - 16 - run("tiny", HELD.format(first=store, second="", semaphore="").replace(" wait()", ""), 0) < 50


def test_a_store_goes_before_the_loads_that_start_later(run):
    """A load that waits for more vector work than the store comes second in memory."""
    late = "fill dst=65536, dst_stride=64, dst_type=f32, rows=1, cols=16000 post(s1:1)\n  " + LOAD.format(post="")
    text = HELD.format(first=STORE.format(post=""), second=late + " wait(s1:1)", semaphore="").replace(" wait()", "")
    only = text.replace("  " + STORE.format(post="") + "\n", "")
    assert 0 <= run("tiny", text, 0) - run("tiny", only, 0) < 50


def test_a_vector_instruction_waits_for_a_result_that_it_reads(run):
    text = """
    .program @p npu ()
      fill dst=0, dst_stride=64, dst_type=f32, rows=1, cols=16
      unary function=exp, dst=4096, dst_stride=64, dst_type=f32, a={a}, a_stride=64, a_type=f32, rows=1, cols=16
      halt
    """
    assert run("tiny", text.format(a=64)) == 4 + 4 + 8  # shortest operation 4, result 8 later
    assert run("tiny", text.format(a=0)) == 4 + 8 + 4 + 8


BINARY = "binary op=add, dst=8192, dst_stride=256, dst_type=f32, rows={rows}, cols=64, " + (
    "a=16384, a_stride=256, a_type=f32, b={b}, b_stride=256, b_type=f32, broadcast={broadcast}"
)
ROPE = "rope style=half, dst=8192, dst_stride=256, a=16384, a_stride=256, rows=2, heads=1, head_dim=64, " + (
    "table={table}, table_stride=256"
)
GEMV = "gemv acc=8192, acc_stride=256, a=16384, a_stride=256, m=1, k=16, n=16, " + (
    "weights={weights}, weights_stride=32, transpose=0, accumulate={accumulate}"
)


@pytest.mark.parametrize(
    ("instruction", "written", "waits"),
    [
        (BINARY.format(rows=2, b=0, broadcast="tile"), 252, True),  # the last element of the first row
        (BINARY.format(rows=2, b=0, broadcast="tile"), 508, True),  # of the second row
        (BINARY.format(rows=2, b=0, broadcast="tile"), 512, False),  # behind both
        (BINARY.format(rows=2, b=0, broadcast="row"), 252, True),
        (BINARY.format(rows=2, b=0, broadcast="row"), 256, False),
        (BINARY.format(rows=2, b=0, broadcast="column"), 256, True),
        (BINARY.format(rows=2, b=0, broadcast="column"), 260, False),
        (BINARY.format(rows=1, b=1024, broadcast="tile"), 16384 + 252, True),  # a is f32
        (ROPE.format(table=0), 508, True),
        (ROPE.format(table=0), 512, False),
        (GEMV.format(weights=0, accumulate=0), 508, True),
        (GEMV.format(weights=0, accumulate=0), 512, False),
        (GEMV.format(weights=1024, accumulate=1), 8192 + 60, True),
        (GEMV.format(weights=1024, accumulate=0), 8192 + 60, False),
        ("mask dst=8192, dst_stride=256, rows=1, cols=64, limit=3, rows_per_step=1", 8192 + 252, True),
        ("argmax dst=0, a=8192, a_stride=256, rows=1, cols=64", 8192 + 252, True),
    ],
)
def test_an_operand_is_all_that_the_instruction_reads(run, instruction, written, waits):
    def cycles(address):
        fill = f"fill dst={address}, dst_stride=4, dst_type=f32, rows=1, cols=1, value=0"
        return run("tiny", f".program @p npu ()\n {fill}\n {instruction}\n halt\n")

    assert cycles(written) - cycles(40_000) == (8 if waits else 0)


def test_vector_cost_is_elements_over_lanes_times_the_cost_of_the_function(run):
    text = """
    .program @p npu ()
      unary function={function}, dst=0, dst_stride=4096, dst_type=f32, a=8192, a_stride=4096, a_type=f32, rows=4, cols=1024
      halt
    """
    assert run("tiny", text.format(function="exp")) == 256 + 8
    assert run("tiny", text.format(function="rsqrt")) == 256 * 8 + 8


@pytest.mark.parametrize(("machine", "least"), [("neupims", 0.85), ("attacc", 0.8), ("aim", 0.9), ("tiny", 0.85)])
@pytest.mark.parametrize("op", ["load", "store"])
def test_linear_transfers_run_near_the_peak_and_never_above(model, machine, least, op):
    timing = model(machine, STREAM.format(op=op))
    tiles = 4000
    time_ps = timing.launch(0, np.array([tiles]), 0)
    memory = timing.machine["memory"]
    bytes_per_burst = memory["channels"] * memory["pseudo_channels"] * memory["access_bytes"]
    bound_ps = tiles * 32768 / bytes_per_burst * memory["burst_cycles"] * memory["clock_ps"]
    assert least <= bound_ps / time_ps <= 1


def test_refresh_costs_about_its_share(run):
    off = run("tiny", STREAM.format(op="load"), 200, memory={"refresh_interval_cycles": 0})
    on = run("tiny", STREAM.format(op="load"), 200)
    assert 1 + 0.9 * 200 / 4000 <= on / off <= 1 + 1.5 * 200 / 4000  # nRFC of every interval


def test_a_strided_load_costs_more_than_a_contiguous_one(run):
    text = ".program @p npu ()\n load dram=0, dram_stride={s}, rows=64, row_bytes=64, local=0, local_stride=64\n halt\n"
    assert run("tiny", text.format(s=4096)) > 2 * run("tiny", text.format(s=64))


def test_outstanding_bytes_limit_how_far_a_queue_runs_ahead(run):
    few = run("tiny", STREAM.format(op="load"), 20, npu={"dma_outstanding_bytes": 32})
    many = run("tiny", STREAM.format(op="load"), 20)
    assert few >= many


def test_an_array_that_the_machine_lacks_is_reported(run):
    with pytest.raises(TimingError, match=r"instruction 1 \(preload\): array is 2, expected 0..1"):
        run("tiny", MATMULS.format(array=2), 1, 1)
