"""The hardware attributes: printed text reads back, wrong values are refused, and the pass takes them from the machine."""

from dataclasses import replace

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.ir import Dialect
from xdsl.parser import Parser
from xdsl.utils.exceptions import PassFailedException, VerifyException

from pimlir.dialects.hardware import NpuCoreAttr, PimMemoryAttr, npu_core, pim_memory
from pimlir.machines import known_machines, load_machine
from pimlir.passes.machine.attach_machine import AttachMachinePass


def attached(name: str) -> ModuleOp:
    module = ModuleOp([])
    AttachMachinePass(machine=name).apply(Context(), module)
    return module


PROGRAMMABLE = [name for name in known_machines() if load_machine(name).npu]


@pytest.mark.parametrize("name", PROGRAMMABLE)
def test_attributes_of_a_machine_print_and_parse(name):
    context = Context()
    for dialect in (Builtin, Dialect("npu", [], [NpuCoreAttr]), Dialect("pim", [], [PimMemoryAttr])):
        context.load_dialect(dialect)
    module = attached(name)
    again = Parser(context, str(module)).parse_module()
    again.verify()
    assert npu_core(again) == npu_core(module)
    assert pim_memory(again) == pim_memory(module)


def test_the_pass_takes_shapes_from_the_machine_file():
    npu, module = load_machine("neupims").npu, attached("neupims")
    assert npu is not None
    memory = pim_memory(module)
    assert (memory.units, memory.row_elements, memory.row_columns, memory.buffer_columns) == (1024, 512, 32, 32)
    assert memory.has("copy_row") and not memory.has("write_buffer")
    assert npu_core(module).vector_lanes == npu.vector_units * npu.vector_lanes


def test_the_option_is_called_name():
    spec = AttachMachinePass(machine="tiny").pipeline_pass_spec()
    assert str(spec) == 'attach-machine{name="tiny"}'
    assert AttachMachinePass.from_pass_spec(spec) == AttachMachinePass(machine="tiny")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 0}, "pim.memory tiny has channels 0, expected at least 1"),
        ({"row_bytes": 100}, "pim.memory tiny has row_bytes 100, expected a power of two"),
        ({"buffer_bytes": 33}, "pim.memory tiny has buffer_bytes 33, expected a multiple of column_bytes 32"),
        ({"buffer_bytes": 16}, "pim.memory tiny has buffer_bytes 16, expected at least 32"),
        ({"commands": ("mac", "fly")}, "pim.memory tiny has the command 'fly', expected one of write_buffer"),
        ({"softmax_buffer_bytes": 0}, "pim.memory tiny has softmax_buffer_bytes 0, expected at least 1"),
    ],
)
def test_a_wrong_memory_names_value_and_limit(change, message):
    with pytest.raises(VerifyException, match=message):
        PimMemoryAttr(replace(pim_memory(attached("tiny")), **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"array_rows": 0}, "npu.core tiny has array_rows 0, expected at least 1"),
        ({"align_bytes": 24}, "npu.core tiny has align_bytes 24, expected a power of two"),
        ({"scratchpad_bytes": 100}, "npu.core tiny has scratchpad_bytes 100, expected a multiple of align_bytes 32"),
    ],
)
def test_a_wrong_core_names_value_and_limit(change, message):
    with pytest.raises(VerifyException, match=message):
        NpuCoreAttr(replace(npu_core(attached("tiny")), **change))


def test_a_module_without_machine_says_what_to_run():
    with pytest.raises(
        PassFailedException, match=r"the module has no pim.memory: run attach-machine\{name=...\} first"
    ):
        pim_memory(ModuleOp([]))


@pytest.mark.parametrize("options", [{}, {"machine": "tiny", "file": "tiny.toml"}])
def test_exactly_one_of_name_and_file_is_needed(options):
    with pytest.raises(PassFailedException, match="either name=<machine> or file=<path>"):
        AttachMachinePass(**options).apply(Context(), ModuleOp([]))
