"""Operators on GPUs, host processors and links take the time, traffic and energy that AttAcc's simulator computes."""

import pytest

from pimlir.sim.analytic.energy import COMPUTE, DRAM_PATH, link_pj, total_pj, xpu_pj
from pimlir.sim.analytic.links import all_reduce_ns, transfer_ns
from pimlir.sim.analytic.operators import Kind, Operator, generation_step
from pimlir.sim.analytic.shapes import ATTACC_MODELS
from pimlir.sim.analytic.xpu import AnalyticXpu

KINDS = {
    "FC": Kind.FC,
    "MATMUL": Kind.MATMUL,
    "SOFTMAX": Kind.SOFTMAX,
    "ACT": Kind.ACTIVATION,
    "NORM": Kind.NORM,
    "G2G": Kind.ALL_REDUCE,
    "X2G": Kind.TRANSFER,
}


def operator(row):
    m, n, k = (float(row[key]) for key in "mnk")
    return Operator(row["op"], KINDS[row["type"]], m, n, k, int(row["num_op"]), int(row["dbyte"]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("system", ["a100a", "h100", "cpu"])
def test_operators_are_those_of_the_published_simulator(measured, machine, system, kind):
    model = machine("attacc-bank-h100" if system == "h100" else "attacc-bank")
    device = AnalyticXpu(model["cpu" if system == "cpu" else "xpu"])
    rows = [row for row in measured("operators.csv.gz") if (row["system"], row["type"]) == (system, kind)]
    for row in rows:
        op, devices = operator(row), int(row["devices"])
        expected = float(row["time_us_per_decoder"]) * 1000
        if kind == "G2G":
            assert all_reduce_ns(model["link"], op.payload_bytes, devices) == pytest.approx(expected, rel=1e-9)
        elif kind == "X2G":
            to = "host" if system == "cpu" else "pim"
            assert transfer_ns(model["link"], op.payload_bytes, to) == pytest.approx(expected, rel=1e-9)
        else:
            cost = device.cost(op)
            assert cost.time_ns == pytest.approx(expected, rel=1e-9), row
            assert cost.bound == row["bound"]
        if system == "cpu":
            continue
        if kind in ("G2G", "X2G"):
            assert link_pj(model, op.payload_bytes, devices)["link"] == pytest.approx(float(row["e_comm_pJ"]), rel=1e-9)
            continue
        found = xpu_pj(model, op, device.cost(op), devices, as_published=True)
        levels = {"e_l2_pJ": "l2", "e_l1_pJ": "l1", "e_reg_pJ": "register", "e_alu_pJ": "xpu_alu"}
        for column, level in levels.items():
            assert found[level] == pytest.approx(float(row[column]), rel=1e-9), (row, level)
        assert total_pj(found, DRAM_PATH) == pytest.approx(float(row["e_mem_pJ"]), rel=1e-9)
    assert rows or (system, kind) in {("cpu", "FC"), ("cpu", "ACT"), ("cpu", "NORM"), ("cpu", "G2G"), ("h100", "X2G")}


def test_idle_cores_lower_the_memory_rate_too(machine):
    device = AnalyticXpu(machine("attacc-bank")["xpu"])
    twelve, many = (Operator("score", Kind.MATMUL, 1, 2049, 128, count, 2) for count in (12, 108))
    assert device.cost(twelve).time_ns == pytest.approx(device.cost(many).time_ns)


def test_int8_has_twice_the_arithmetic_and_half_the_bytes(machine):
    device = AnalyticXpu(machine("attacc-bank")["xpu"])
    half, byte = (device.cost(Operator("qkv", Kind.FC, 4096, 4096, 4096, 1, size)) for size in (2, 1))
    assert half.bound == byte.bound == "compute"
    assert half.time_ns == pytest.approx(2 * byte.time_ns, rel=0.2)
    assert half.register_accesses == byte.register_accesses


def test_registers_are_counted_for_every_product_unless_as_published(machine):
    model = machine("attacc-bank")
    op = Operator("score", Kind.MATMUL, 1, 2049, 128, 12, 2)
    cost = AnalyticXpu(model["xpu"]).cost(op)
    right, published = (xpu_pj(model, op, cost, 8, flag)["register"] for flag in (False, True))
    assert right == pytest.approx(12 * published)
    assert right == pytest.approx(8 * 12 * 3 * 2049 * 128 * 0.0675)


def test_a_step_multiplies_as_much_as_its_model(machine):
    shape = ATTACC_MODELS["LLAMA-65B"]
    ops = generation_step(shape, devices=8, batch=3, length=100, element_bytes=2, offloaded=False)
    weights = sum(op.n * op.k for op in ops if op.kind == Kind.FC)
    assert 8 * weights == pytest.approx(shape.layer_weights)
    products = sum(op.flops for op in ops if op.kind == Kind.MATMUL)
    assert 8 * products == 3 * 2 * 2 * 100 * shape.heads * shape.head_dim


def test_compute_levels_and_memory_levels_do_not_overlap():
    assert not set(COMPUTE) & set(DRAM_PATH)
