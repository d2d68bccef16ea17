"""AttAcc! (ASPLOS 2024): attention in HBM stacks beside GPUs. Whole systems are analytic, attention is simulated."""

from ..figures import Paper
from .runs import RUNS
from .studies import ABLATION, ENERGY, LATENCY_LIMIT, PLACEMENT
from .sweeps import BATCHES, LENGTHS
from .systems import SYSTEMS

PAPER = Paper(
    "attacc",
    (SYSTEMS, PLACEMENT, ABLATION, LENGTHS, BATCHES, ENERGY, LATENCY_LIMIT, RUNS),
    (
        "machines/*.toml",
        "machines/*.py",
        "sim/analytic/*.py",
        "sim/timing/*.py",
        "sim/traces/*.py",
        "reproductions/attacc/points.py",
    ),
)
