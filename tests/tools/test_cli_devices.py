"""`--tensor-parallel` and `--pipeline-stages`: tokens of several devices, time of a pipeline that is full, refusals."""

import pytest

from pimlir.frontends.presets import preset
from pimlir.machines import load_machine
from pimlir.tools.batch import make_batch

PROMPT = "--prompt-ids", "5,17,3"
TIMED = "--timing-only", "--no-prefill", "--tokens", 1


@pytest.fixture
def expected(pimlir, model) -> list[int]:
    """Tokens of one device."""
    return pimlir("run", model, *PROMPT, "--tokens", 4, "--no-timing", "--json").json["output_ids"]


def test_two_devices_give_the_tokens_of_one_and_report_the_link(pimlir, model, expected):
    report = pimlir("run", model, *PROMPT, "--tokens", 4, "--tensor-parallel", 2, "--json").json
    assert report["output_ids"] == expected
    assert (report["tensor_parallel"], report["pipeline_stages"]) == (2, 1)
    counts = {op["op"]: op["instructions"] for op in report["per_op"] if op["device"] == "link"}
    assert counts == {"all_reduce": 2 * 2 * 4, "all_argmax": 4}  # two a layer, two layers, four steps
    assert report["devices"]["link"]["launches"] == 20
    assert report["bytes"]["link_sent"] > 0
    assert "event.link_bit" in report["energy_pj"]["components"]
    busy = sum(device["busy_seconds"] for device in report["devices"].values())
    assert sum(op["seconds"] for op in report["per_op"]) == pytest.approx(busy)
    assert busy == pytest.approx(report["seconds_simulated"])
    layers = [entry["seconds"] for entry in report["per_layer"]]
    assert sum(layers) < busy and len(layers) == 3


@pytest.mark.parametrize("stage", ["llm", "placed", "kernels", "machine"])
def test_interpreters_take_several_devices(pimlir, model, expected, stage):
    mesh = ("--tensor-parallel", 2, "--pipeline-stages", 2)
    assert pimlir("run", model, *PROMPT, "--tokens", 4, "--at", stage, *mesh, "--json").json["output_ids"] == expected


def test_people_read_how_many_devices_there_are(pimlir, model):
    report = pimlir("run", model, *PROMPT, "--tokens", 2, "--tensor-parallel", 2)
    assert "2: 2 share each layer, 1 pipeline stage" in report.out


def test_a_full_pipeline_works_on_a_part_of_the_batch_in_each_stage(pimlir, model):
    def timed(batch, *mesh):
        return pimlir("run", model, *TIMED, "--prompt-length", 9, "--batch", batch, *mesh, "--json").json

    report = timed(4, "--pipeline-stages", 2)
    assert report["phases"][0]["tokens"] == 4
    counts = {op["op"]: op["instructions"] for op in report["per_op"] if op["device"] == "link"}
    assert counts == {"receive": 2, "send": 2}  # a part of two sequences for each of the two stages
    assert report["devices"]["pim"]["launches"] == timed(4)["devices"]["pim"]["launches"]  # half the layers, twice


def test_requests_are_dealt_out_to_the_stages(pimlir):
    options = ("--requests", "alpaca-like:10", "--tensor-parallel", 4, "--pipeline-stages", 4, "--sub-batches")
    report = pimlir("run", "gpt3-7b", *TIMED, *options, "--ignore-capacity", "--json").json
    assert report["tokens_out"] == 10
    assert len(report["per_layer"]) == 1 + 8
    assert report["devices"]["link"]["launches"] == 4 * 2 * (1 + 2 * 8 + 1 + 1)


def test_an_image_knows_its_devices(pimlir, model):
    mesh = ("--tensor-parallel", 2, "--pipeline-stages", 2)
    pimlir("compile", model, "--phase", "decode", "--batch", 4, "--context", 32, *mesh, "-o", "two.pimg")
    report = pimlir("run", "two.pimg", *TIMED, "--prompt-length", 9, "--json").json
    assert (report["tensor_parallel"], report["pipeline_stages"], report["batch"]) == (2, 2, 4)


def test_micro_batches_share_every_channel_and_have_halves():
    config, machine = preset("gpt3-7b"), load_machine("neupims").to_dict()
    batch = make_batch([100 + index for index in range(96)], config, machine, 1, "min-load", tensor_parallel=4)
    parts = batch.micro_batches(3)
    assert sorted(request for part in parts for request in part.requests) == list(range(96))
    for part in parts:
        assert sorted(slot % 32 for slot in part.slots) == list(range(32))
        assert part.first_half == 16
        assert [100 + request for request in part.requests] == part.past


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tensor-parallel", 3), "tensor-parallel is 3, expected a divisor of the KV heads: there are 2"),
        (
            ("--tensor-parallel", 2, "--machine", "tiny"),
            "machine tiny has no [link], which all_reduce over 2 devices needs",
        ),
        (("--at", "llm", "--pipeline-stages", 3), "pipeline-stages is 3, expected at most 2: the layers of the model"),
    ],
)
def test_meshes_that_do_not_fit(pimlir, model, arguments, message):
    outcome = pimlir("run", model, *PROMPT, "--tokens", 2, *arguments)
    assert (outcome.code, outcome.error) == (1, f"pimlir: error: {message}")


def test_more_stages_than_sequences(pimlir):
    outcome = pimlir("run", "gpt3-7b", *TIMED, "--prompt-length", 9, "--batch", 2, "--pipeline-stages", 4)
    assert outcome.error == (
        "pimlir: error: --pipeline-stages is 4, expected at most the 2 sequences: each stage works on some"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "smollm2", "--pipeline-stages", 2), "--pipeline-stages above 1 needs --timing-only or --at"),
        (("run", "x.pimg", "--tensor-parallel", 2), "--tensor-parallel with an image: it was fixed"),
        (("compile", "x.mlir", "--from", "llm", "--tensor-parallel", 2), "--tensor-parallel with --from llm"),
    ],
)
def test_usage(pimlir, arguments, message):
    outcome = pimlir(*arguments)
    assert outcome.code == 2
    assert outcome.error.startswith(f"pimlir: error: {message}")


def test_an_image_for_several_devices_runs_without_data_only(pimlir, model):
    pimlir("compile", model, "--tensor-parallel", 2, "-o", "two.pimg")
    outcome = pimlir("run", "two.pimg", *PROMPT, "--tokens", 2)
    assert outcome.error == "pimlir: error: two.pimg: is for 2 devices, expected one: use --timing-only"


def test_a_part_of_a_model_that_is_too_large_says_by_how_much(pimlir):
    outcome = pimlir(
        "compile", "gpt3-175b", "--phase", "decode", "--tensor-parallel", 8, "--context", 512, "-o", "x.pimg"
    )
    assert outcome.error.startswith("pimlir: error: the model needs ")
    assert outcome.error.endswith(" of 34359738368 bytes")
    mesh = ("--tensor-parallel", 8, "--pipeline-stages", 4)
    assert pimlir("compile", "gpt3-175b", "--phase", "decode", *mesh, "--context", 512, "-o", "x.pimg").code == 0
