"""Every kind of bad input: its exit code, and the one line that names the place."""

import os
import struct
import sys
from pathlib import Path

import pytest

from pimlir.machines import known_machines
from pimlir.tools.commands import machines

PROMPT = "--machine", "tiny", "--prompt-ids", "1,2"


def failed(outcome, code: int = 1) -> str:
    """The message of a command that failed with this code and wrote nothing else."""
    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.error.startswith("pimlir: error: ")
    return outcome.error.removeprefix("pimlir: error: ")


def test_truncated_model_file(pimlir, model):
    model.write_bytes(model.read_bytes()[:-100])
    assert failed(pimlir("run", model, *PROMPT)).startswith(f"{model}: ")


@pytest.mark.parametrize("length", [0, 3, 20, 200])
def test_model_file_that_ends_in_its_head(pimlir, model, length):
    model.write_bytes(model.read_bytes()[:length])
    assert failed(pimlir("import", model)).startswith(f"{model}: ")


def test_corrupt_model_file(pimlir, model):
    model.write_bytes(b"GGUF" + struct.pack("<I", 3) + b"\xff" * 64)
    assert failed(pimlir("import", model)).startswith(f"{model}: ")


def test_wrong_architecture(pimlir, tiny_gguf):
    path = tiny_gguf({"general.architecture": "mamba"})
    assert failed(pimlir("run", path, *PROMPT)) == f"{path}: architecture is 'mamba', supported are llama"


def test_missing_tensor(pimlir, tiny_gguf):
    path = tiny_gguf(tensors={"blk.1.ffn_up.weight": None})
    assert failed(pimlir("run", path, *PROMPT)) == f"{path}: tensor 'blk.1.ffn_up.weight' is missing"


def test_weight_of_another_shape(pimlir, tiny_gguf):
    path = tiny_gguf(tensors={"blk.0.attn_k.weight": ((16, 64), 0, b"\0" * 4096)})
    expected = f"{path}: tensor 'blk.0.attn_k.weight' has shape (16, 64), expected (32, 64)"
    assert failed(pimlir("compile", path, "--machine", "tiny")) == expected


def test_unknown_model_and_missing_file(pimlir):
    assert failed(pimlir("import", "gpt9")).startswith(
        "unknown model 'gpt9', expected a .gguf file or one of: gpt3-13b"
    )
    assert failed(pimlir("import", "no.gguf")) == "no.gguf: no such file"
    assert failed(pimlir("run", "no.pimg")) == "no.pimg: No such file or directory"


def test_damaged_image(pimlir):
    Path("bad.pimg").write_bytes(b"PK\3\4 no more")
    assert failed(pimlir("run", "bad.pimg")).startswith("bad.pimg: not an image, or damaged: ")


def test_unknown_machine(pimlir, model):
    expected = f"unknown machine 'hbm9'; known machines: {', '.join(known_machines())}"
    assert failed(pimlir("run", model, "--machine", "hbm9", "--prompt-ids", "1")) == expected
    assert failed(pimlir("compile", model, "--machine", "hbm9")) == expected
    assert failed(pimlir("machines", "hbm9")) == expected


def test_machine_file_with_four_mistakes(pimlir, model):
    lines = ['name = "bad"', 'extends = "tiny"', "[npu]", "arrays = -1", "colour = 1", "[memory]", 'rows = "many"']
    Path("bad.toml").write_text("\n".join([*lines, "[[constraint]]", 'level = "shelf"', ""]))
    outcome = pimlir("compile", model, "--machine", "bad.toml")
    assert outcome.code == 1
    found = [line.removeprefix(f"pimlir: error: {Path.cwd()}/") for line in outcome.err.splitlines()]
    assert [line for line in found if line.startswith(("bad.toml:4", "bad.toml:5", "bad.toml:7", "bad.toml:9"))] == [
        "bad.toml:4: npu.arrays: found -1, expected at least 0",
        "bad.toml:5: npu.colour: unknown key",
        "bad.toml:7: memory.rows: found 'many': input should be a valid integer",
        "bad.toml:9: constraint.0.level: found 'shelf', expected 'channel', 'pseudo_channel', 'rank', 'bank_group' or 'bank'",
    ]
    assert pimlir("machines", "bad.toml").err == outcome.err


def test_model_too_large_for_the_banks(pimlir):
    Path("small.toml").write_text('name = "small"\nextends = "neupims"\n[memory]\nrows = 2048\n')
    outcome = pimlir("compile", "gpt3-7b", "--machine", "small.toml", "--place", "npu-only", "--phase", "decode")
    message = failed(outcome)
    assert message.startswith("the model needs ") and "machine small has 2048" in message
    assert not Path("gpt3-7b-small.pimg").exists()


def test_context_too_long(pimlir, model):
    expected = "a prompt of 2 tokens and 63 tokens more make 65, the context length of model 'tiny' is 64"
    assert failed(pimlir("run", model, *PROMPT, "--tokens", 63)) == expected
    expected = "a prompt of 2 tokens and 7 tokens more make 9, --context is 8"
    assert failed(pimlir("run", model, *PROMPT, "--tokens", 7, "--context", 8)) == expected
    assert failed(pimlir("run", model, *PROMPT, "--context", 65)) == (
        "--context is 65, the context length of model 'tiny' is 64"
    )
    assert failed(pimlir("compile", model, "--machine", "tiny", "--context", 65)) == (
        "context 65 exceeds the context length 64 of model 'tiny'"
    )


@pytest.mark.parametrize("arguments", [("--prompt", ""), ("--prompt", " \n"), ("--prompt-ids", "")])
def test_empty_prompt(pimlir, model, arguments):
    assert failed(pimlir("run", model, *arguments)) == "prompt is empty"


def test_token_outside_the_vocabulary(pimlir, model):
    expected = "prompt token 1 is 41, expected 0..40: the vocabulary of model 'tiny'"
    assert failed(pimlir("run", model, "--prompt-ids", "1,41")) == expected


def test_distribution_without_a_number(pimlir):
    options = ("--timing-only", "--no-prefill", "--requests", "alpaca-like")
    assert failed(pimlir("run", "gpt3-7b", *options)) == "alpaca-like: how many requests? alpaca-like:64 draws 64"


def test_head_groups_without_an_xpu(pimlir):
    options = ("--timing-only", "--prompt-length", "5", "--head-groups", "2")
    assert failed(pimlir("run", "gpt3-7b", *options)) == "--head-groups needs a machine with an xPU, neupims has an NPU"


def test_model_without_weights(pimlir):
    expected = (
        "model 'gpt3-7b' has shapes but no weights, so it cannot produce tokens: use --timing-only --prompt-length P"
    )
    assert failed(pimlir("run", "gpt3-7b")) == expected


def test_pass_options(pimlir, model):
    def message(text):
        return failed(pimlir("compile", model, "--machine", "tiny", "--set", text))

    assert message("npu-double-buffer.dept=3") == "pass 'npu-double-buffer' has no option 'dept', it has: depth"
    assert message("npu-double-buffer.depth=x") == "pass 'npu-double-buffer', option 'depth': found x, expected int"
    assert message("llm-place.policy=cpu") == (
        "pass 'llm-place', option 'policy': found cpu, expected one of npu-only, attention-on-pim, all-on-pim"
    )
    assert message("npu-treble-buffer.depth=3").startswith("pass 'npu-treble-buffer' is in no stage, expected one of: ")
    assert message("depth=3") == "pass option 'depth=3', expected PASS.OPTION=VALUE as in npu-double-buffer.depth=3"


def test_ir_that_does_not_parse(pimlir):
    Path("bad.mlir").write_text("builtin.module {\n  llm.bogus\n}\n")
    expected = "bad.mlir:3:1: Operation llm.bogus is not registered"
    assert failed(pimlir("compile", "bad.mlir", "--from", "llm", "--to", "placed")) == expected


def test_ir_that_does_not_verify(pimlir):
    Path("bad.mlir").write_text(
        "builtin.module {\n"
        '  %x, %g = "test.op"() : () -> (tensor<4x8xf16>, tensor<9xf16>)\n'
        "  %y = llm.rms_norm %x, %g {eps = 1.0e-05 : f32} : tensor<4x8xf16>, tensor<9xf16>\n}\n"
    )
    message = failed(pimlir("compile", "bad.mlir", "--from", "llm", "--to", "placed"))
    assert message.startswith("bad.mlir: llm.rms_norm %") and "gain has shape 9" in message


def test_ir_of_another_stage(pimlir, model):
    pimlir("compile", model, "--to", "llm", "-o", "llm.mlir")
    assert failed(pimlir("compile", "llm.mlir", "--from", "kernels")).startswith("llm.mlir: ")


def test_ir_that_is_not_text(pimlir):
    Path("bad.mlir").write_bytes(b"\xff\xfe")
    assert failed(pimlir("compile", "bad.mlir", "--from", "llm")) == "input is not UTF-8 text: byte 0 is 0xff"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "the following arguments are required: COMMAND (see pimlir --help)"),
        (("fly",), "argument COMMAND: invalid choice: 'fly'"),
        (("run",), "the following arguments are required: MODEL (see pimlir run --help)"),
        (("run", "smollm2", "--tokens", "0"), "argument --tokens: found '0', expected a whole number of at least 1"),
        (("run", "smollm2", "--prompt-ids", "1;2"), "argument --prompt-ids: found '1;2', expected whole numbers"),
        (("run", "smollm2", "--prompt", "a", "--prompt-ids", "1"), "--prompt with --prompt-ids"),
        (("run", "smollm2", "--at", "moon"), "argument --at: invalid choice: 'moon'"),
        (("run", "gpt3-7b", "--timing-only"), "--timing-only needs either --prompt-length or --requests"),
        (("run", "gpt3-7b", "--prompt-length", "5"), "--prompt-length needs --timing-only"),
        (
            ("run", "gpt3-7b", "--timing-only", "--prompt-length", "5", "--prompt", "x"),
            "--prompt with --timing-only, which executes no data",
        ),
        (("run", "x.pimg", "--machine", "aim"), "--machine with an image: it was fixed when the image was compiled"),
        (("run", "smollm2", "--weights", "smollm2"), "--weights needs an image (.pimg)"),
        (("compile", "smollm2", "--to", "moon"), "argument --to: invalid choice: 'moon'"),
        (("compile", "x.mlir", "--from", "placed", "--to", "llm"), "--to llm is before --from placed"),
        (("compile", "x.mlir", "--from", "llm", "--batch", "2"), "--batch with --from llm: the module has it already"),
    ],
)
def test_usage(pimlir, arguments, message):
    assert failed(pimlir(*arguments), code=2).startswith(message)


def test_output_that_cannot_be_written(pimlir, model):
    Path("folder").mkdir()
    assert failed(pimlir("import", model, "-o", "no/where.mlir")) == "no/where.mlir: No such file or directory"
    assert failed(pimlir("import", model, "-o", "folder")) == "folder: Is a directory"
    assert not [path for path in Path.cwd().iterdir() if path.name.endswith(".tmp")]


def test_a_mistake_of_ours_leaves_a_reproducer(pimlir, monkeypatch):
    def broken():
        raise KeyError("lost")

    monkeypatch.setattr(machines, "list_machines", broken)
    outcome = pimlir("machines", "--json")
    (crash,) = Path.cwd().glob("pimlir-crash-*.txt")
    assert outcome.code == 70
    assert outcome.error == f"pimlir: error: internal error: KeyError: 'lost' (please report it with {crash.name})"
    text = crash.read_text()
    assert text.startswith("command: pimlir machines --json\n") and "in broken" in text


def test_a_closed_pipe_is_quiet(pimlir, model, monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", closed)
        outcome = pimlir("import", model)
    assert (outcome.code, outcome.err) == (141, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--requests", "no.csv"), "no.csv: No such file or directory"),
        (
            ("--requests", "other-like:8"),
            "no distribution 'other-like', expected alpaca-like, sharegpt-like or fixed-INPUT-OUTPUT as in fixed-480-2:64",
        ),
        (("--requests", "fixed:64,512"), "no distribution 'fixed', expected alpaca-like"),
        (("--requests", "fixed-0-2:4"), "no distribution 'fixed-0-2', expected alpaca-like"),
        (("--requests", "fixed-480-2:0"), "fixed-480-2:0: the number of requests is '0', expected at least 1"),
        (("--requests", "fixed-480-2:x"), "fixed-480-2:x: the number of requests is 'x', expected at least 1"),
        (
            ("--requests", "fixed-4000-2:2"),
            "request 0 of fixed-4000-2:2 has 4001 cached tokens, the context length is 2047",
        ),
        (
            ("--requests", "alpaca-like:8", "--cache-channels", "3"),
            "--cache-channels is 3, expected a divisor of the 32",
        ),
    ],
)
def test_bad_requests(pimlir, arguments, message):
    outcome = pimlir("run", "gpt3-7b", "--timing-only", "--no-prefill", "--tokens", "1", *arguments)
    assert failed(outcome).startswith(message)


def test_a_trace_that_cannot_be_written_leaves_no_file(pimlir, model):
    options = ("--context", 64, "-t", "attacc-trace", "-o", "step.trace")
    assert "(write): no fence orders ordinary accesses" in failed(pimlir("compile", model, *options))
    assert "expected at most 32 of 16" in failed(pimlir("compile", model, "--machine", "tiny", "-t", "aim-trace"))
    assert not list(Path().glob("*.trace*"))


def test_a_step_outside_of_the_bounds(pimlir, model):
    options = ("--machine", "aim", "--context", 64, "-t", "aim-trace{past=64}")
    assert failed(pimlir("compile", model, *options)) == (
        "aim-trace: past + new is 65, expected 1..64: the bounds of the module"
    )


def test_unknown_target(pimlir, model):
    message = failed(pimlir("compile", model, "-t", "vhdl"), 2)
    assert message.startswith("target 'vhdl': expected one of aim-trace, attacc-trace, host-asm")
