"""`pimlir compile`, `import`, `machines`, `doctor`: what they write, and where."""

import io
import json
import sys

import pytest

from pimlir.backends.isa.container import load_image
from pimlir.machines import known_machines
from pimlir.passes.pipelines import STAGES
from pimlir.tools.commands import doctor
from pimlir.tools.console import amount

TINY = "--machine", "tiny", "--context", 64


def test_import_prints_the_model_stage(pimlir, model):
    text = pimlir("import", model).out
    assert text.startswith("builtin.module attributes {llm.model")
    assert pimlir("compile", model, "--to", "model").out == text


def test_an_image_is_named_after_model_and_machine(pimlir, model, tmp_path):
    outcome = pimlir("compile", model, *TINY)
    assert (outcome.code, outcome.out) == (0, "")
    image = load_image(tmp_path / "tiny-tiny.pimg")
    assert image.meta["model"] == str(model) and len(image.meta["sha256"]) == 64
    assert list(image.stages) == list(STAGES)
    for stage in (*STAGES, "image"):
        assert f"\n{stage} " in outcome.err


def test_images_of_the_same_input_are_equal(pimlir, model, tmp_path):
    for name in ("a.pimg", "b.pimg"):
        pimlir("compile", model, *TINY, "-o", name)
    assert (tmp_path / "a.pimg").read_bytes() == (tmp_path / "b.pimg").read_bytes()


def test_stages_and_assembly_can_be_dumped(pimlir, model, tmp_path):
    pimlir("compile", model, *TINY, "--dump-stages-to", "stages", "-o", "it.pimg")
    names = {path.name for path in (tmp_path / "stages").iterdir()}
    assert names == {*(f"{i}-{stage}.mlir" for i, stage in enumerate(STAGES)), "npu.asm", "pim.asm", "host.asm"}
    assert "mac " in (tmp_path / "stages/pim.asm").read_text()


@pytest.mark.parametrize("stage", STAGES)
def test_every_dumped_stage_can_be_resumed(pimlir, model, tmp_path, stage):
    whole = pimlir("compile", model, *TINY, "--to", "machine", "--dump-stages-to", "stages").out
    options = TINY if stage == "model" else TINY[:2]
    name = f"stages/{STAGES.index(stage)}-{stage}.mlir"
    assert pimlir("compile", name, "--from", stage, *options, "--to", "machine").out == whole


def test_the_machine_of_a_placed_module_need_not_be_given(pimlir, model, tmp_path):
    pimlir("compile", model, *TINY, "--to", "placed", "-o", "placed.mlir")
    assert pimlir("compile", "placed.mlir", "--from", "placed").code == 0
    assert load_image(tmp_path / "placed-tiny.pimg").machine["name"] == "tiny"


def test_stdin_is_a_file(pimlir, model, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(pimlir("import", model).out))
    assert "host.launch" in pimlir("compile", "-", "--from", "model", *TINY, "--to", "placed", "-o", "-").out


def test_a_pass_option_changes_the_result(pimlir, model):
    arguments = ("compile", model, *TINY, "--to", "machine")
    assert pimlir(*arguments, "--set", "npu-double-buffer.depth=2").out == pimlir(*arguments).out
    assert pimlir(*arguments, "--set", "npu-double-buffer.depth=1").out != pimlir(*arguments).out


def test_a_failed_compilation_leaves_no_file(pimlir, model, tmp_path):
    before = set(tmp_path.iterdir())
    assert pimlir("compile", model, "--machine", "tiny", "--context", 65, "-o", "it.pimg").code == 1
    assert {path for path in tmp_path.iterdir() if path.name != "cache"} == {p for p in before if p.name != "cache"}


def test_machines_are_listed_and_described(pimlir):
    listed = pimlir("machines", "--json").json
    assert [machine["name"] for machine in listed] == known_machines()
    assert all(machine["description"] and machine["source"] for machine in listed)
    text = pimlir("machines", "neupims").out
    assert "34.36 GB" in text and "1.024 TB/s" in text and "NeuPIMs ini" in text
    assert pimlir("machines", "neupims", "--json").json["memory"]["channels"] == 32


def test_doctor_passes_here(pimlir):
    outcome = pimlir("doctor", "--json")
    states = {finding["what"]: finding["state"] for finding in outcome.json}
    assert outcome.code == 0
    assert states["xdsl"] == states["numba"] == states["xdsl-opt"] == "ok"


def test_doctor_fails_when_something_is_missing(pimlir, monkeypatch):
    monkeypatch.setattr(doctor, "requires", lambda name: ["surely-not-installed>=1", 'nor-this ; extra == "models"'])
    outcome = pimlir("doctor")
    assert outcome.code == 1
    assert "surely-not-installed  missing  not installed, pimlir needs surely-not-installed>=1" in outcome.out
    assert "nor-this              note     not installed, pimlir can use nor-this" in outcome.out


def test_help_is_quick_and_complete(pimlir):
    for command in ("run", "compile", "import", "machines", "doctor"):
        outcome = pimlir(command, "--help")
        assert (outcome.code, outcome.err) == (0, "")
        assert command in pimlir("--help").out


@pytest.mark.parametrize(
    "value, text",
    [(0, "0 s"), (1.5e-4, "150.0 us"), (999.96, "1.000 ks"), (12, "12 s"), (3.2e-9, "3.200 ns"), (0.99999, "1.000 s")],
)
def test_amounts_have_four_digits(value, text):
    assert amount(value, "s") == text


def test_json_is_one_object(pimlir, model):
    out = pimlir("run", model, "--machine", "tiny", "--prompt-ids", "1", "--tokens", 1, "--json").out
    assert out.endswith("}\n") and len(out.splitlines()) == 1
    json.loads(out)


AIM = "--machine", "aim", "--phase", "decode", "--context", 64


def test_a_trace_for_another_simulator_is_written(pimlir, model, tmp_path):
    outcome = pimlir("compile", model, *AIM, "--place", "all-on-pim", "-t", "aim-trace", "-o", "step.trace")
    assert (outcome.code, outcome.out) == (0, "") and "wrote step.trace, " in outcome.err
    lines = (tmp_path / "step.trace").read_text().splitlines()
    assert lines[-1] == "AiM EOC" and any(line.startswith("AiM MAC_ABK ") for line in lines)
    assert pimlir("sim", "--trace", "step.trace", "--machine", "aim-head", "--json").json["commands"]["MAC16"] > 0


def test_a_target_without_an_output_goes_to_stdout(pimlir, model):
    assert pimlir("compile", model, *AIM, "-t", "aim-trace{past=3}").out.endswith("AiM SYNC\nAiM EOC\n")
    assert pimlir("compile", model, *TINY, "-t", "pim-asm").out.startswith(".program @")


def test_the_machine_of_a_target_is_its_simulators(pimlir, model):
    text = pimlir("compile", model, "--context", 64, "-t", "attacc-trace{ordinary=skip}").out
    assert {line.split()[0] for line in text.splitlines()} >= {"PIM_WR_GB", "PIM_MAC_AB", "PIM_SFM", "PIM_BARRIER"}


def test_the_same_trace_comes_out_of_xdsl_opt(pimlir, model):
    once = pimlir("compile", model, *AIM, "-t", "aim-trace").out
    set_ = ("--set", "attach-machine.mac-operands=none")
    pimlir("compile", model, *AIM, *set_, "--to", "machine", "-o", "machine.mlir")
    assert pimlir("compile", "machine.mlir", "--from", "machine", "-t", "aim-trace").out == once
