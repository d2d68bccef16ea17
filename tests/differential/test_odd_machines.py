"""Machines whose arrays, banks and channels divide neither each other nor the context."""

from dataclasses import replace

import pytest

from pimlir.frontends import preset

WIDE = """
name = "odd-wide"
extends = ["tiny"]
description = "arrays wider than high, 5 channels of 6 banks"
source = "invented"
[npu]
arrays = 3
array_rows = 24
array_cols = 40
[memory]
channels = 5
bank_groups = 3
banks_per_group = 2
"""
HIGH = """
name = "odd-high"
extends = ["tiny-dual"]
description = "arrays higher than wide, 3 channels of 3 banks, a global buffer smaller than a row"
source = "invented"
[npu]
arrays = 3
array_rows = 40
array_cols = 24
[memory]
channels = 3
bank_groups = 1
banks_per_group = 3
[pim]
buffer_bytes = 96
"""
CONFIG = replace(
    preset("llama2-7b"),
    name="small",
    layers=1,
    hidden=96,
    heads=4,
    kv_heads=2,
    head_dim=32,
    ffn=80,
    vocabulary=101,
    context_length=200,
)


@pytest.mark.parametrize(
    ("policy", "context", "past"),
    [
        ("npu-only", 150, 145),
        ("npu-only", 160, 157),
        ("attention-on-pim", 150, 39),
        ("attention-on-pim", 160, 157),
        ("all-on-pim", 150, 80),
    ],
)
@pytest.mark.parametrize("machine", [WIDE, HIGH], ids=["wide", "high"])
def test_stages_agree(stages, tmp_path, machine, context, past, policy):
    """Lengths at which tiles of keys, tiles of values, columns and banks end at four different places."""
    file = tmp_path / "odd.toml"
    file.write_text(machine)
    run = stages(CONFIG, machine=str(file), policy=policy, batch=2, new_tokens=2, context=context)
    run.fill_caches({0: past, 1: 7})
    run.step((1, 1), (0, 1))
    run.same_caches()
