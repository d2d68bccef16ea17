"""Every repeated run of NeuPIMs' simulator with equal lengths: cycles of a layer and of its parts, counts of commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...frontends.config import ModelConfig
from ...frontends.presets import preset
from ..deviations import published_table
from ..figures import Figure, Panel, Point, Row, Series
from ..rows import known, number
from .device import LayerTimes, time_layers
from .kinds import SIMULATED

TABLE = "neupims-runs.csv"
COMMANDS = ("copy_row", "act_pim", "mac", "read_result", "pre_pim")
PARTS = {
    "qkv": ("attn_q", "attn_k", "attn_v"),
    "scores": ("scores", "softmax"),
    "context": ("context",),
    "attention": ("scores", "softmax", "context"),
    "projection": ("attn_output",),
    "ffn_up": ("ffn_up",),
    "ffn_down": ("ffn_down",),
}
"""Part of a layer -> the operations whose kernels it has."""
PS_PER_CYCLE = 1000


def shape(hidden: int, heads: int) -> ModelConfig:
    """A GPT layer of a size that is no preset, as the repeated runs used."""
    return preset("gpt3-7b", hidden=hidden, heads=heads, kv_heads=heads, head_dim=hidden // heads, ffn=4 * hidden)


def one_layer(hidden: int, heads: int, tensor_parallel: int, batch: int, tokens: int, system: str) -> Row:
    """A layer of a batch of equal sequences, the new token among their `tokens`."""
    kind = SIMULATED[system]
    found = time_layers(shape(hidden, heads), tensor_parallel, 1, [tokens - 1] * batch, kind)
    row: dict[str, str | int | float] = {"layer_cycles": found.layer_ps / PS_PER_CYCLE}
    if not kind.sub_batches:
        row |= {f"{part}_cycles": _cycles(found, ops) for part, ops in PARTS.items()}
    return row | _counts(found)


def _counts(found: LayerTimes) -> dict[str, float]:
    """Commands of a layer under the names of a machine without composite commands."""
    memory, pim = found.machine["memory"], found.machine["pim"]
    banks = memory["pseudo_channels"] * memory["ranks"] * memory["bank_groups"] * memory["banks_per_group"]
    counts = {name: round(found.commands.get(name, 0), 6) for name in COMMANDS}
    counts["mac"] = round(found.events["pim_mac"] / (pim["lanes"] * banks), 6)
    counts["read_result"] += round(found.commands.get("mac_read", 0), 6)
    return counts


def _cycles(found: LayerTimes, operations: tuple[str, ...]) -> float:
    kernels = found.launches_ps.items()
    return sum(time for names, time in kernels if set(names) & set(operations)) / PS_PER_CYCLE


def _points(quick: bool, seed: int) -> list[Point]:
    return [
        Point(
            run["id"],
            one_layer,
            {
                **{column: int(run[column]) for column in ("hidden", "heads", "tensor_parallel", "batch", "tokens")},
                "system": run["system"],
            },
            0.5 + 0.01 * int(run["batch"]),
            {"run": run["id"], "system": run["system"]},
        )
        for run in published_table(TABLE)
        if not (quick and run["model"] == "tiny")
    ]


def _values(rows: Sequence[Row]) -> Mapping[str, float]:
    columns = ("layer_cycles", *(f"{part}_cycles" for part in PARTS), *COMMANDS)
    values = {
        f"{row['run']} {column}": number(row, column)
        for row in rows
        for column in columns
        if row.get(column) is not None
    }
    off = _off(rows, "layer_cycles")
    for system in SIMULATED:
        of_system = [abs(off[str(row["run"])]) for row in rows if row["system"] == system]
        if of_system:
            values[f"mean distance of layers %, {system}"] = sum(of_system) / len(of_system)
    return known(values)


def _off(rows: Sequence[Row], column: str) -> dict[str, float]:
    """Per cent from the published simulator, by run."""
    published = {run["id"]: run for run in published_table(TABLE)}
    off: dict[str, float] = {}
    for row in rows:
        value, reference = row.get(column), published[str(row["run"])][column]
        if isinstance(value, int | float) and reference:
            off[str(row["run"])] = 100 * (value / float(reference) - 1)
    return off


def _panels(rows: Sequence[Row]) -> list[Panel]:
    panels = []
    for column, title in (("layer_cycles", "A layer"), ("attention_cycles", "Attention of a layer")):
        off = _off(rows, column)
        if off:
            series = [Series("deviation", list(off.values()))]
            title = f"{title} against the published simulator"
            panels.append(Panel(title, "run", "deviation (%)", series, categories=list(off)))
    return panels


RUNS = Figure(
    "runs",
    "every repeated run of the published simulator with equal lengths: one layer, no appends, operators in turn",
    _points,
    _values,
    _panels,
)
