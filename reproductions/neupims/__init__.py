"""NeuPIMs (ASPLOS 2024): an NPU whose HBM computes attention in its banks, batch after batch, compiled and simulated."""

from ..figures import Paper
from .runs import RUNS

PAPER = Paper(
    "neupims",
    (RUNS,),
    (
        "backends/**/*.py",
        "dialects/**/*.py",
        "frontends/*.py",
        "machines/*.toml",
        "machines/*.py",
        "passes/**/*.py",
        "sim/*.py",
        "sim/timing/*.py",
        "tools/batch.py",
        "reproductions/neupims/*.py",
    ),
)
