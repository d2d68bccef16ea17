"""The closed form of overlapping folds is what the timing simulator takes for the same program, to the cycle."""

import pytest

from pimlir.dialects.hardware import NpuCore
from pimlir.passes.kernels.array_cycles import array_cycles

SHAPES = [
    *((m, k, n) for m in (1, 16, 256) for k, n in ((576, 576), (576, 1536), (1536, 576), (2048, 2048))),
    *((1, 768, 3072), (2048, 576, 1536), (128, 128, 128), (100, 130, 20)),
]


def program(k: int, n: int, rows: int, cols: int) -> str:
    """One array, operands in place: panels outside, depth inside, the rest of the depth as a fold of its own."""
    fold = "preload array=0, weights=0, weights_stride=256, k={0}, n=1\n matmul array=0, a=0, a_stride=256, m=%m, k={0}, n=1, acc=1048576, acc_stride=64, accumulate=1\n"
    rest = fold.format(k % rows) if k % rows else ""
    return f"""
    .program @mm npu (m)
      loop %r5 = 0 to {-(-n // cols)} {{
        loop %r6 = 0 to {k // rows} {{
          {fold.format(rows)}
        }}
        {rest}
      }}
      halt
    """


@pytest.mark.parametrize(("rows", "cols"), [(128, 128), (32, 32)])
@pytest.mark.parametrize("rate", [1, 4])
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
def test_overlapping_folds(run, m, k, n, rate, rows, cols):
    npu = {"array_rows": rows, "array_cols": cols, "weight_rows_per_cycle": rate, "min_stream_rows": 4}
    core = NpuCore("t", 1, rows, cols, 1, 1 << 20, 1 << 20, 64, weight_rows_per_cycle=rate, min_stream_rows=4)
    assert run("tiny", program(k, n, rows, cols), m, npu=npu) == array_cycles(m, k, n, core)
