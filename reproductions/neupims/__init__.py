"""NeuPIMs (ASPLOS 2024): an NPU whose HBM computes attention in its banks, batch after batch, compiled and simulated."""

from ..figures import Paper
from .ablation import FIG13
from .parallel import FIG14
from .runs import RUNS
from .tables import TABLE4, TABLE5
from .throughput import FIG12

PAPER = Paper(
    "neupims",
    (FIG12, FIG13, FIG14, TABLE4, TABLE5, RUNS),
    (
        "backends/**/*.py",
        "dialects/**/*.py",
        "frontends/*.py",
        "machines/*.toml",
        "machines/*.py",
        "passes/**/*.py",
        "sim/*.py",
        "sim/analytic/*.py",
        "sim/timing/*.py",
        "tools/batch.py",
        "reproductions/neupims/device.py",
        "reproductions/neupims/kinds.py",
        "reproductions/neupims/points.py",
        "reproductions/neupims/runs.py",
    ),
)
