"""The page of the machines that come with the package, and of the form of a machine file."""

from typing import Any

from pydantic import BaseModel

from ...machines import known_machines, load_machine
from ...machines.schema import (
    AllBank,
    Command,
    Constraint,
    Energy,
    Instruction,
    Link,
    Machine,
    Memory,
    Npu,
    Pim,
    PimStacks,
    Xpu,
)
from .text import markdown, table, text_of, type_text

_SECTIONS: dict[str, type[BaseModel]] = {
    "top level": Machine,
    "[npu]": Npu,
    "[memory]": Memory,
    "[command.NAME]": Command,
    "[[constraint]]": Constraint,
    "[pim]": Pim,
    "[pim.instruction.NAME]": Instruction,
    "[pim.all_bank]": AllBank,
    "[energy]": Energy,
    "[link]": Link,
    "[xpu], [cpu]": Xpu,
    "[pim_stacks]": PimStacks,
}

_INTRODUCTION = """# Machines

A machine is a TOML file. Those below come with the package and are named without their suffix; a path names any other.
A file may extend others (`extends`): tables are merged key by key, later ones win."""


def page() -> str:
    """The page."""
    machines = [load_machine(name) for name in known_machines()]
    return "\n\n".join(
        [
            _INTRODUCTION,
            table(("machine", "description", "source"), [_summary(machine) for machine in machines]),
            *(_machine(machine) for machine in machines),
            "## The machine file",
            markdown(text_of(Machine)),
            *(_section(title, model) for title, model in _SECTIONS.items()),
            "",
        ]
    )


def _summary(machine: Machine) -> tuple[str, str, str]:
    return f"[`{machine.name}`](#{machine.name})", machine.description, machine.source


def _machine(machine: Machine) -> str:
    memory = machine.memory
    facts = [
        ("memory", f"{memory.standard}, {memory.channels} channels, {memory.clock_ps} ps clock"),
        ("banks of a channel", str(memory.banks)),
        ("rows of a bank", f"{memory.rows} of {memory.row_bytes} bytes, columns of {memory.column_bytes} bytes"),
        *(_pim(machine.pim) if machine.pim.lanes else ()),
        *(_npu(machine.npu) if machine.npu else ()),
        ("timing rules", f"{len(machine.constraint)} between {len(machine.command)} commands"),
    ]
    return f"### {machine.name}\n\n{table(('property', 'value'), facts)}"


def _pim(pim: Pim) -> list[tuple[str, str]]:
    return [
        ("PIM instructions", ", ".join(f"`{name}`" for name in pim.commands)),
        ("PIM row buffer", "beside the ordinary one" if pim.dual_row_buffer else "the ordinary one"),
        ("global buffer", f"{pim.buffer_bytes} bytes"),
        ("softmax buffer", f"{pim.softmax_buffer_bytes} bytes" if pim.softmax_buffer_bytes else "none"),
    ]


def _npu(npu: Npu) -> list[tuple[str, str]]:
    return [
        ("NPU arrays", f"{npu.arrays} of {npu.array_rows} x {npu.array_cols}, {npu.clock_mhz} MHz"),
        ("NPU vector lanes", f"{npu.vector_units} units of {npu.vector_lanes}"),
        ("scratchpad, accumulators", f"{npu.scratchpad_bytes}, {npu.accumulator_bytes} bytes"),
    ]


def _section(title: str, model: type[BaseModel]) -> str:
    about = "" if model is Machine else markdown(text_of(model)) + "\n\n"
    rows = [
        (f"`{name}`", type_text(field.annotation), "required" if field.is_required() else _default_text(field.default))
        for name, field in model.model_fields.items()
        if name != "source" or model is Machine
    ]
    return f"### {title}\n\n{about}{table(('key', 'type', 'default'), rows)}"


def _default_text(default: Any) -> str:
    return "" if default in (None, "", {}, []) or isinstance(default, BaseModel) else f"`{default}`"
