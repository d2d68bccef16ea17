"""Request sets: drawn lengths have the statistics of their data set, files are read line by line and refused with the line."""

import numpy as np
import pytest

from pimlir.sim.requests import DISTRIBUTIONS, Request, RequestError, cached_tokens, draw_requests, read_requests

COUNTED = {"alpaca-like": ((12.1, 11, 17), (55.8, 40, 122)), "sharegpt-like": ((80.3, 17, 118), (295.0, 261, 576))}
"""Mean, p50 and p90 of inputs and outputs, counted in the files that NeuPIMs ships."""


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_drawn_lengths_have_the_statistics_of_the_data(name: str):
    requests = draw_requests(name, 50_000, seed=3)
    lengths = [[r.input_tokens for r in requests], [r.output_tokens for r in requests]]
    for found, (mean, median, high) in zip(lengths, COUNTED[name], strict=True):
        assert np.mean(found) == pytest.approx(mean, rel=0.06)
        assert np.quantile(found, [0.5, 0.9]) == pytest.approx([median, high], rel=0.05)


def test_a_seed_decides_everything():
    assert draw_requests("alpaca-like", 20, 1) == draw_requests("alpaca-like", 20, 1)
    assert draw_requests("alpaca-like", 20, 1) != draw_requests("alpaca-like", 20, 2)
    requests = draw_requests("sharegpt-like", 20, 1, longest=300)
    assert max(r.input_tokens + r.output_tokens for r in requests) <= 300
    cached = cached_tokens(requests, 5)
    assert cached == cached_tokens(requests, 5)
    assert all(r.input_tokens <= c < r.input_tokens + r.output_tokens for r, c in zip(requests, cached, strict=True))


def test_fixed_lengths():
    assert draw_requests("fixed-480-2", 3, 0, longest=100) == [Request(0.0, 480, 2)] * 3


def test_prompts_may_stand_for_their_length(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"arrival_ms": 2, "prompt": "Hello", "output_tokens": 5}\n')
    assert read_requests(path) == [Request(2.0, 0, 5, "Hello")]


def test_files(tmp_path):
    csv_file, json_file = tmp_path / "r.csv", tmp_path / "r.jsonl"
    csv_file.write_text("arrival_ms,input_tokens,output_tokens\n0,12,5\n1.5,7,1\n")
    json_file.write_text(
        '{"arrival_ms": 0, "input_tokens": 12, "output_tokens": 5}\n\n'
        '{"arrival_ms": 1.5, "input_tokens": 7, "output_tokens": 1}\n'
    )
    assert read_requests(csv_file) == read_requests(json_file) == [Request(0.0, 12, 5), Request(1.5, 7, 1)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.csv", "", r"r.csv:1: found columns None"),
        (
            "r.csv",
            "a,b\n1,2\n",
            r"r.csv:1: found columns \['a', 'b'\], expected arrival_ms, input_tokens, output_tokens",
        ),
        ("r.csv", "arrival_ms,input_tokens,output_tokens\n", r"r.csv:1: no requests"),
        (
            "r.csv",
            "arrival_ms,input_tokens,output_tokens\n0,5,x\n",
            r"r.csv:2: output_tokens is 'x', expected a number",
        ),
        (
            "r.csv",
            "arrival_ms,input_tokens,output_tokens\n0,0,1\n",
            r"r.csv:2: input_tokens is '0', expected a whole number from 1 on",
        ),
        (
            "r.csv",
            "arrival_ms,input_tokens,output_tokens\n0,5,3\n-1,5,3\n",
            r"r.csv:3: arrival_ms is '-1', expected a number from 0 on",
        ),
        ("r.csv", "arrival_ms,input_tokens,output_tokens\n0,5\n", r"r.csv:2: output_tokens is None, expected a number"),
        (
            "r.csv",
            "arrival_ms,input_tokens,output_tokens\nnan,5,1\n",
            r"r.csv:2: arrival_ms is 'nan', expected a number",
        ),
        (
            "r.jsonl",
            '{"arrival_ms": 0, "prompt": " ", "output_tokens": 1}\n',
            r"r.jsonl:1: prompt is ' ', expected a text",
        ),
        (
            "r.jsonl",
            '{"arrival_ms": 0, "prompt": "a", "input_tokens": 1, "output_tokens": 1}\n',
            r"r.jsonl:1: found arrival_ms, prompt, input_tokens, output_tokens, expected arrival_ms, prompt, output_tokens",
        ),
        ("r.jsonl", "{", r"r.jsonl:1: Expecting"),
        ("r.jsonl", "[1]\n", r"r.jsonl:1: found \[1\], expected an object"),
        ("r.jsonl", '{"input_tokens": 1}\n', r"r.jsonl:1: found input_tokens, expected arrival_ms"),
    ],
)
def test_bad_files(tmp_path, name: str, text: str, message: str):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(RequestError, match=message):
        read_requests(path)


def test_unknown_names():
    with pytest.raises(
        RequestError, match="no distribution 'x', expected alpaca-like, sharegpt-like or fixed-INPUT-OUTPUT"
    ):
        draw_requests("x", 1, 0)
    with pytest.raises(RequestError, match="No such file"):
        read_requests("nowhere.csv")
