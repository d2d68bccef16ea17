"""Models that a machine cannot hold are refused with the number that is too large and the limit that it meets."""

from dataclasses import replace

import pytest
from xdsl.utils.exceptions import PassFailedException

from pimlir.frontends import preset

CONFIG = replace(
    preset("llama2-7b"),
    name="small",
    layers=1,
    hidden=48,
    heads=2,
    kv_heads=1,
    head_dim=16,
    ffn=48,
    vocabulary=37,
    context_length=64,
)


@pytest.mark.parametrize(
    ("changes", "policy", "message"),
    [
        (
            {"head_dim": 256},
            "attention-on-pim",
            "a key has 256 elements, expected at most 128: a row of a bank of tiny",
        ),
        (
            {"head_dim": 96},
            "attention-on-pim",
            "a query of 96 elements needs 6 columns, the global buffer of tiny has 4",
        ),
        ({"head_dim": 24}, "attention-on-pim", "head dimension is 24, expected a multiple of 16"),
        ({"ffn": 100}, "all-on-pim", "input width of @ffn_down_banks is 100, expected a multiple of 16"),
    ],
)
def test_a_pim_refuses_what_does_not_fit(stages, changes, policy, message):
    with pytest.raises(PassFailedException, match=message):
        stages(replace(CONFIG, **changes), (), machine="tiny", policy=policy)


@pytest.mark.parametrize("changes", [{"head_dim": 256}, {"head_dim": 2}, {"ffn": 100}, {"hidden": 101}])
def test_the_npu_takes_any_width(stages, changes):
    run = stages(replace(CONFIG, **changes), machine="tiny", policy="npu-only", batch=1, new_tokens=2, context=20)
    run.step((0, 2))
    run.step((0, 1))


def test_the_plan_is_refused_with_all_that_it_needs(stages, tmp_path):
    machine = tmp_path / "narrow.toml"
    machine.write_text(
        'name = "narrow"\nextends = ["tiny"]\nsource = "invented"\ndescription = "tiny with little local memory"\n'
        "[npu]\nscratchpad_bytes = 512\naccumulator_bytes = 32\n"
    )
    found = set()
    for new_tokens in (2, 4):
        with pytest.raises(PassFailedException, match=r"the plan needs [0-9]+ bytes") as error:
            stages(CONFIG, (), machine=str(machine), policy="npu-only", batch=2, new_tokens=new_tokens, context=20)
        found.add(str(error.value))
    assert len(found) == 2
