"""The binary programs are the IR of stage `machine`, instruction by instruction, and do the arithmetic of its shapes."""

from collections import Counter
from dataclasses import replace
from math import ceil

import numpy as np
import pytest

from pimlir.frontends import preset
from pimlir.machines import load_machine

CONFIG = replace(
    preset("llama2-7b"),
    name="small",
    layers=2,
    hidden=64,
    heads=6,
    kv_heads=3,
    head_dim=32,
    ffn=80,
    vocabulary=101,
    context_length=700,
)
LANES = 16


@pytest.mark.parametrize(
    ("policy", "depth"), [("npu-only", 1), ("npu-only", 2), ("attention-on-pim", 3), ("all-on-pim", 2)]
)
def test_the_image_executes_what_the_ir_says(stages, instructions, policy, depth):
    """Same instructions in the same order with the same field values, ring positions included."""
    run = stages(CONFIG, ("machine",), machine="tiny", policy=policy, batch=2, new_tokens=4, context=150, depth=depth)
    interpreter = run.interpreters["machine"]
    seen = []
    interpreter.observe = lambda op, fields: seen.append((op.OPCODE.name, dict(vars(fields))))
    table = [(0, 1, 130, 0), (1, 3, 20, 1)]
    interpreter.step([1, 2, 3, 4], table)
    assert seen == [(each.name, each.fields) for each in instructions(run.system.image, 4, table)]


@pytest.mark.parametrize(
    ("machine", "past"),
    [("tiny", 0), ("tiny", 130), ("tiny-dual", 70), ("neupims", 100), ("attacc", 100), ("aim", 600)],
)
def test_attention_on_pim_executes_the_macs_of_its_shapes(stages, instructions, machine, past):
    """Law: multiply-accumulates of scores and context in a decode step, those of real elements and those of padding.

    All banks of a channel and all lanes of a column work in lockstep. Scores of T tokens therefore take
    ceil(T / banks) * banks * D products a head, context ceil(D / banks) * banks * ceil(T / 16) * 16, where the shapes
    ask for T * D.
    """
    run = stages(CONFIG, (), machine=machine, policy="attention-on-pim", phase="decode", batch=1, context=past + 2)
    image = run.system.image
    units = load_machine(machine).memory
    banks, channels = units.banks, units.channels
    regions = {region.symbol: region for region in image.regions}
    keys, values = regions["keys"], regions["values"]
    length, dimension = past + 1, CONFIG.head_dim

    executed, real = Counter(), Counter()
    open_rows: dict[int, int] = {}
    for each in instructions(image, 1, [(0, 1, past, 0)]):
        f = each.fields
        if each.name == "activate":
            for channel in range(f["channel"], f["channel"] + f["channels"]):
                open_rows[channel] = f["row"]
        if each.name != "mac":
            continue
        for channel in range(f["channel"], f["channel"] + f["channels"]):
            executed[each.source] += banks * f["columns"] * LANES
            if each.source == "scores":
                layout = keys.layout
                group = (open_rows[channel] - keys.row) // layout["rows_per_token"] % layout["groups"]
                tokens = group * banks * channels + channel * banks + np.arange(banks)
                real["scores"] += int(np.sum(tokens < length)) * f["columns"] * LANES
            else:
                layout = values.layout
                row = (open_rows[channel] - values.row) % layout["rows_per_sequence"]
                chunk, group = divmod(row, ceil(layout["groups"] / channels))
                group = group * channels + channel
                dimensions = group % layout["groups_per_head"] * banks + np.arange(banks)
                first = chunk * layout["row_elements"] + f["column"] * LANES
                tokens = first + np.arange(f["columns"] * LANES)
                real["context"] += int(np.sum(dimensions < dimension)) * int(np.sum(tokens < length))

    heads = CONFIG.layers * CONFIG.heads
    asked = heads * length * dimension
    assert real == {"scores": asked, "context": asked}
    assert executed == {
        "scores": heads * ceil(length / banks) * banks * dimension,
        "context": heads * ceil(dimension / banks) * banks * ceil(length / LANES) * LANES,
    }
