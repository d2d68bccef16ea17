"""A machine-stage module to an image: programs, memory map, buffers and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from xdsl.dialects.builtin import Float16Type, Float32Type, IntegerAttr, ModuleOp, TensorType, i32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm
from ...dialects.hardware import pim_memory
from ...dialects.npu.types import RopeTableAttr
from ...dialects.record import RecordAttr
from ...dialects.structured import buffer_type
from ...passes.machine.assign_memory import linear_bytes, rows_of
from ..isa.image import Buffer, Image, Region
from .module import emit_kernels, emit_plan

_KINDS = {
    "npu.row_major": "row_major",
    "npu.tiles": "tiles",
    "npu.rope_table": "rope_table",
    "pim.matrix": "pim_matrix",
    "pim.keys": "pim_keys",
    "pim.values": "pim_values",
    "pim.head_keys": "pim_head_keys",
    "pim.head_values": "pim_head_values",
    "pim.staging": "pim_staging",
}


def build_image(
    module: ModuleOp,
    machine: Mapping[str, Any],
    stages: Mapping[str, str] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Image:
    """The image of a machine-stage module for `machine` (a resolved machine description)."""
    memory = pim_memory(module)
    regions = [_region(op, memory.channels) for op in module.ops if isinstance(op, host.MemoryOp)]
    linear = max((r.address + r.size_bytes for r in regions if not r.rows), default=0)
    first_row = -(-linear // (memory.units * memory.row_bytes))
    buffers = [op for f in module.ops if isinstance(f, FuncOp) for op in f.walk() if isinstance(op, host.BufferOp)]
    return Image(
        machine=dict(machine),
        programs=emit_kernels(module),
        plan=emit_plan(module),
        regions=regions,
        buffers={op.role.data: _buffer(op) for op in buffers if op.role is not None},
        bounds=_bounds(module),
        local_bytes=_used_bytes(module, "local"),
        softmax_bytes=_used_bytes(module, "softmax"),
        linear_bytes=linear,
        first_pim_row=first_row,
        rows_used=max([first_row, *(r.row + r.rows for r in regions if r.rows)]),
        stages=dict(stages or {}),
        meta={**dict(meta or {}), **_mesh(module)},
    )


def _region(op: host.MemoryOp, channels: int) -> Region:
    assert isinstance(op.type, TensorType)
    layout: dict[str, Any] = {"kind": _KINDS[op.layout.name]}
    if isinstance(op.layout, RecordAttr):
        layout |= op.layout.to_dict()
    if isinstance(op.layout, RopeTableAttr):
        layout["theta"] = op.layout.data
    rows = rows_of(op, channels)
    place = op.address if rows is None else op.row
    if place is None:
        raise PassFailedException(f"host.memory @{op.sym_name.data} has no place: run assign-memory first")
    return Region(
        symbol=op.sym_name.data,
        source="" if op.source is None else op.source.data,
        shape=tuple(op.type.get_shape()),
        dtype=_dtype(op.type.element_type),
        layout=layout,
        address=place.value.data if rows is None else 0,
        row=0 if rows is None else place.value.data,
        size_bytes=linear_bytes(op) if rows is None else prod(op.type.get_shape()) * 2,
        rows=rows or 0,
    )


def _buffer(op: host.BufferOp) -> Buffer:
    type_ = buffer_type(op.result)
    assert op.address is not None
    return Buffer(op.address.value.data, type_.shape, _dtype(type_.element), type_.row_bytes)


def _dtype(element: Attribute) -> str:
    if isinstance(element, Float16Type):
        return "f16"
    if isinstance(element, Float32Type):
        return "f32"
    if element == i32:
        return "i32"
    raise PassFailedException(f"element type {element} has no place in an image, expected f16, f32 or i32")


def _mesh(module: ModuleOp) -> dict[str, int]:
    """The devices that run the image together; nothing if it is one."""
    mesh = module.attributes.get(llm.MESH)
    if not isinstance(mesh, llm.MeshAttr):
        return {}
    return {"tensor_parallel": mesh.tensor.data, "pipeline_stages": mesh.stages.data}


def _used_bytes(module: ModuleOp, space: str) -> int:
    used = module.attributes.get(host.USED_BYTES + space)
    if not isinstance(used, IntegerAttr):
        raise PassFailedException(f"the module has no {host.USED_BYTES}{space}: run npu-allocate-scratchpad first")
    return used.value.data


def _bounds(module: ModuleOp) -> dict[str, Any]:
    bounds = module.attributes.get(llm.BOUNDS)
    if not isinstance(bounds, llm.BoundsAttr):
        raise PassFailedException("the module has no llm.bounds: run llm-specialize first")
    model = module.attributes.get(llm.MODEL)
    vocabulary = {"vocabulary": model.vocabulary.data} if isinstance(model, llm.ModelAttr) else {}
    slots: dict[str, int] = {}
    for op in module.ops:
        if isinstance(op, host.MemoryOp) and op.sym_name.data == "keys" and isinstance(op.type, TensorType):
            slots["slots"] = op.type.get_shape()[1]
    return {
        **vocabulary,
        **slots,
        "phase": bounds.phase.data.value,
        "sequences": bounds.sequences.data,
        "new_tokens": bounds.new_tokens.data,
        "context": bounds.context.data,
    }
