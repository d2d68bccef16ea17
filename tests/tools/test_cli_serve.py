"""`pimlir run --serve`: requests as they arrive, and batches that are prefilled."""

import csv

import pytest


@pytest.fixture
def requests(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text("arrival_ms,input_tokens,output_tokens\n0.2,9,3\n0,5,2\n0,40,1\n0.01,3,4\n")
    return path


def tiny(model, *arguments):
    return ("run", model, "--machine", "tiny", "--timing-only", *arguments, "--json")


@pytest.mark.parametrize("place", ["npu-only", "attention-on-pim"])
def test_all_requests_get_their_tokens(pimlir, model, requests, tmp_path, place):
    log = tmp_path / "steps.csv"
    options = ("--serve", "--requests", requests, "--batch", 2, "--chunk", 8, "--step-log", log, "--place", place)
    report = pimlir(*tiny(model, *options)).json
    serving = report["serving"]
    assert (serving["requests"], serving["prompt_tokens"], serving["output_tokens"]) == (4, 57, 10)
    assert report["tokens_in"] == 57 and report["tokens_out"] == 10
    assert serving["tokens_per_second"] == pytest.approx(10 / serving["seconds"])
    assert 0 < serving["time_to_first_token_ms"]["p50"] <= serving["time_to_first_token_ms"]["p99"]
    assert serving["time_per_output_token_ms"]["mean"] > 0
    assert serving["most_running"] == 2
    with log.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == serving["steps"] == report["phases"][0]["steps"]
    assert sum(int(row["prefill_tokens"]) for row in rows) == 57
    assert max(int(row["keys_pages"]) for row in rows) == serving["pages"]["keys"]["peak"]
    assert all(float(row["start_ms"]) < float(row["finish_ms"]) for row in rows)


def test_a_serving_run_repeats_to_the_bit(pimlir, model, requests):
    reports = [pimlir(*tiny(model, "--serve", "--requests", requests)).json for _ in range(2)]
    assert reports[0]["serving"] == reports[1]["serving"]


def test_prompts_of_a_batch_are_timed_before_it_decodes(pimlir, model, requests):
    report = pimlir(*tiny(model, "--requests", requests, "--tokens", 2)).json
    prefill, decode = report["phases"]
    assert (prefill["tokens"], prefill["steps"], decode["tokens"], decode["steps"]) == (57, 2, 8, 2)
    assert report["pages"]["values"]["used"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--serve",), "--serve needs --requests"),
        (("--timing-only", "--serve", "--requests", "fixed-4-2:2", "--prompts", "x"), "--prompts with --timing-only"),
        (("--serve", "--requests", "fixed-4-2:2", "--no-timing"), "--no-timing with --serve"),
        (("--serve", "--requests", "x.jsonl", "--prompt", "a"), "--prompt with --serve"),
        (("--serve", "--requests", "x.jsonl", "--tokens", "4"), "--tokens with --serve: each request says"),
        (("--serve", "--requests", "x.jsonl", "--at", "llm"), "--at with --serve, which runs images"),
        (("--serve", "--requests", "x.jsonl", "--stop-at-eos"), "--stop-at-eos with --serve: each request says"),
        (("--timing-only", "--prompt-length", "3", "--step-log", "x.csv"), "--step-log needs --serve"),
        (("--requests", "fixed-4-2:2"), "--requests needs --timing-only or --serve"),
    ],
)
def test_options_that_do_not_go_together(pimlir, model, arguments, message):
    outcome = pimlir("run", model, *arguments)
    assert outcome.code == 2 and message in outcome.err


def test_requests_that_cannot_be_served(pimlir, model, tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"arrival_ms": 0, "input_tokens": 60, "output_tokens": 9}\n')
    outcome = pimlir(*tiny(model, "--serve", "--requests", path))
    assert outcome.code == 1
    assert outcome.error.endswith("request 0 of " + str(path) + " has 60 tokens and wants 9, the context length is 64")
    path.write_text('{"arrival_ms": 0, "prompt": "a", "output_tokens": 9}\n')
    outcome = pimlir(*tiny(model, "--serve", "--requests", path))
    assert outcome.code == 1 and "has a prompt, expected input_tokens" in outcome.error
