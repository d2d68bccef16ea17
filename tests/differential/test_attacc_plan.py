"""A compiled decode step on AttAcc's system against the formulas of its system model (sim/analytic)."""

from dataclasses import replace

import numpy as np
import pytest

from pimlir.backends.emit.image import build_image
from pimlir.frontends.model import load_model
from pimlir.machines import load_machine
from pimlir.passes.pipelines import PipelineOptions
from pimlir.sim.analytic.decode_step import System, step_ms
from pimlir.sim.analytic.shapes import DecoderShape
from pimlir.sim.system import SimulationError
from pimlir.sim.system import System as Simulated
from pimlir.sim.timing.model import TimingModel
from pimlir.tools.compiler import Compilation

MACHINE = "attacc-dgx"
LAYERS = 2


def image(name: str, batch: int, context: int, head_groups: int = 0):
    model = load_model(name)
    model = replace(model, config=replace(model.config, layers=LAYERS))
    options = PipelineOptions(
        MACHINE,
        "attention-on-pim",
        phase="decode",
        batch=batch,
        context=context,
        attention="heads",
        tensor_parallel=8,
        head_groups=head_groups,
    )
    compilation = Compilation(model.build_module(), options)
    compilation.to("machine")
    return build_image(compilation.module, load_machine(MACHINE).to_dict())


def layer(found, length: int):
    """Milliseconds and joules of a layer on all devices."""
    timing = TimingModel(found)
    batch = found.bounds["sequences"]
    result = Simulated(found, timing, functional=False).step(
        [0] * batch, [(slot, 1, length - 1, slot) for slot in range(batch)]
    )
    spans = [launch for launch in result.launches if launch.layer == LAYERS - 1]
    time_ms = (max(one.finish_ps for one in spans) - min(one.start_ps for one in spans)) / 1e9
    return time_ms, timing.statistics()


def formulas(name: str, batch: int, length: int, pipelined: bool = False):
    shape = replace(DecoderShape.of(load_model(name).config), layers=1)
    return System(load_machine(MACHINE).to_dict(), "pim", pipelined=pipelined).step(shape, batch, length, 2)


@pytest.mark.parametrize(("name", "batch", "length"), [("gpt3-175b", 54, 1024), ("opt-66b", 40, 512)])
def test_a_layer_takes_the_time_of_the_formulas(name, batch, length):
    # 2 to 3 % more: appending keys and values takes time, the link is not hidden, no two heads of a channel overlap.
    found, _ = layer(image(name, batch, length), length)
    assert found == pytest.approx(step_ms(formulas(name, batch, length), 1), rel=0.05)


def test_a_pipelined_layer_takes_the_time_of_the_formulas():
    # 2 % less: twelve products of a head each fill the cores of the xPU better than one of twelve.
    found, _ = layer(image("gpt3-175b", 54, 1024, 12), 1024)
    whole, _ = layer(image("gpt3-175b", 54, 1024), 1024)
    assert found < 0.95 * whole
    assert found == pytest.approx(step_ms(formulas("gpt3-175b", 54, 1024, True), 1), rel=0.05)


def test_what_the_commands_cost_is_what_the_formulas_cost():
    rows = formulas("gpt3-175b", 54, 1024)
    expected = sum(sum(row.energy_pj.values()) for row in rows)
    _, statistics = layer(image("gpt3-175b", 54, 1024), 1024)
    last = 8 * sum(value for name, value in statistics["energy_fj"].items()) / 1000 / LAYERS
    output = 8 * 12288 * 6283 * 2 * 8 * 3.59  # reading the weights of the logits, which the formulas leave out
    assert last - output / LAYERS == pytest.approx(expected, rel=0.1)


def test_programs_of_an_xpu_have_no_data():
    with pytest.raises(SimulationError, match="layer_0_xpu is for an xPU, which has times and no data"):
        Simulated(image("opt-66b", 2, 64))


def test_every_head_of_a_step_is_attended():
    """As many commands as heads, whether cut in groups or not."""
    counts = []
    for groups in (0, 3):
        _, statistics = layer(image("opt-66b", 7, 256, groups), 200)
        counts.append({name: statistics["commands"][name] for name in ("mac", "move_result", "write_gb", "softmax")})
    assert counts[0] == counts[1]
    assert counts[0]["softmax"] == LAYERS * 9 * 7
    assert np.array(list(counts[0].values())).all()
