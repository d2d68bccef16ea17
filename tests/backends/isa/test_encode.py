"""The program builder: columns of the encoding, loop links, registers and errors."""

import re
from typing import Any

import numpy as np
import pytest

from pimlir.backends.isa.check import COLUMN, ProgramError
from pimlir.backends.isa.encode import Affine, ProgramBuilder, float_bits
from pimlir.backends.isa.npu import NPU
from pimlir.backends.isa.pim import PIM
from pimlir.backends.isa.spec import REGISTERS, WIDTH

MAC: dict[str, Any] = {"column": 0, "columns": 1, "buffer_column": 0, "channel": 0, "channels": 1}


def test_columns_hold_what_the_fields_say():
    builder = ProgramBuilder("p", "npu", ("rows",))
    first, second = builder.semaphore(2), builder.semaphore()
    builder.emit(
        "binary",
        op="mul",
        broadcast="column",
        dst_type="f16",
        a_type="f32",
        b_type=1,
        dst=1,
        dst_stride=2,
        a=3,
        a_stride=4,
        b=5,
        b_stride=6,
        rows=builder.argument("rows") * 2 + 7,
        cols=np.int32(8),
        wait=[(first, 3)],
        post=[(second, 1), (first, 2)],
        tag="add",
    )
    program = builder.finish()
    row = program.code[0]
    opcode = NPU["binary"]

    def field(name: str) -> int:
        return row[opcode.column(name)]

    assert program.code.shape == (2, WIDTH)
    assert row[COLUMN["opcode"]] == opcode.number
    assert NPU.queues[row[COLUMN["queue"]]] == "vx"
    assert (field("op"), field("broadcast"), field("a_type"), field("rows"), field("cols")) == (2, 2, 1, 7, 8)
    assert row[COLUMN["wait0"] : COLUMN["post1_count"] + 1].tolist() == [0, 3, -1, 0, 1, 1, 0, 2]
    assert program.terms.tolist() == [[opcode.column("rows"), 0, 2]]
    assert row[COLUMN["term_begin"] : COLUMN["term_count"] + 1].tolist() == [0, 1]
    assert program.semaphores.tolist() == [2, 0]
    assert program.tags[row[COLUMN["tag"]]] == "add"


def test_finish_ends_the_program_once():
    builder = ProgramBuilder("p", "pim")
    builder.emit("halt")
    assert len(builder.finish().code) == 1


def test_loops_are_linked_and_give_their_register_back():
    builder = ProgramBuilder("p", "pim", ("n",))
    with builder.loop(builder.argument("n")) as outer, builder.loop(4, start=1, step=2) as inner:
        builder.emit("mac", **MAC)
    with builder.loop(2) as again:
        pass
    code = builder.finish().code
    loop, end = PIM["loop"], PIM["end"]
    assert (outer, inner, again) == (1, 2, 1)
    assert code[0, loop.column("exit")] == 5
    assert code[1, loop.column("exit")] == 4
    assert code[3, end.column("begin")] == 1
    assert code[4, end.column("begin")] == 0
    assert code[5, loop.column("exit")] == 7


def test_float_fields_take_floats_or_bits():
    builder = ProgramBuilder("p", "npu")
    for value in (0.5, np.float32(0.5), 0x3F000000):
        builder.emit("fill", dst=0, dst_stride=0, dst_type="f32", rows=1, cols=1, value=value)
    column = NPU["fill"].column("value")
    assert builder.finish().code[:3, column].tolist() == [0x3F000000] * 3 == [float_bits(0.5)] * 3


def test_affine_arithmetic():
    i, j = Affine.register(3), Affine.register(4)
    assert 4 * (i + 2) - j - i * 4 == Affine(8, {4: -1})
    assert i * 0 == Affine(0)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("multiply", {}, "no such instruction in the pim instruction set"),
        ("mac", {"column": 0}, "missing field columns, buffer_column, channel, channels"),
        ("mac", {**MAC, "row": 1}, "unknown field row, it has column, columns, buffer_column, channel, channels"),
        ("mac", {**MAC, "column": 1.5}, "field column is the float 1.5, expected an integer"),
        ("mac", {**MAC, "column": None}, "field column is None, expected an integer"),
        ("mac", {**MAC, "column": "one"}, "field column is 'one', expected a number"),
        ("mac", {**MAC, "column": 1 << 63}, "field column holds 9223372036854775808, which does not fit in 64 bits"),
        ("mac", {**MAC, "column": Affine(0, {96: 1})}, "register 96 is out of range, there are 96"),
        ("mac", {**MAC, "wait": [(0, 1), (1, 1), (2, 1)]}, "waits on 3 semaphores, at most 2 fit"),
        ("mac", {**MAC, "post": [(7, 1)]}, "post names semaphore 7, but there are 3"),
        ("mac", {**MAC, "wait": [(0, 0)]}, "wait of semaphore 0 has count 0, expected at least 1"),
        ("mac", {**MAC, "queue": "ctl"}, "queue ctl cannot execute it"),
        ("loop", {"counter": -1, "stop": 4}, "register -1 is out of range, there are 96"),
        ("loop", {"counter": 0, "stop": 4, "exit": 3}, "unknown field exit, it has counter, start, stop, step"),
        ("scalar", {"result": Affine(0, {1: 1}), "op": "set", "a": 0}, "field result depends on a register"),
        ("scalar", {"result": 0, "op": 8, "a": 0}, "field op is 8, expected one of set, ceildiv"),
        ("end", {}, "no loop is open"),
    ],
)
def test_error_names_program_instruction_and_field(name: str, fields: dict[str, Any], message: str):
    builder = ProgramBuilder("p", "pim")
    for _ in range(3):
        builder.semaphore()
    builder.emit("precharge", channel=0, channels=1)
    with pytest.raises(ProgramError, match=re.escape(f"program p, instruction 1 ({name}): {message}")):
        builder.emit(name, **fields)


def test_a_program_has_a_limited_number_of_registers():
    builder = ProgramBuilder("p", "pim", tuple(f"a{i}" for i in range(REGISTERS - 1)))
    assert builder.register() == REGISTERS - 1
    with pytest.raises(ProgramError, match="program p: all 96 registers are in use"):
        builder.register()


def test_open_loop():
    builder = ProgramBuilder("p", "pim")
    builder.emit("loop", counter=0, stop=4)
    with pytest.raises(ProgramError, match=r"program p, instruction 0 \(loop\): no matching end"):
        builder.finish()


def test_nothing_follows_halt():
    builder = ProgramBuilder("p", "pim")
    builder.emit("halt")
    with pytest.raises(ProgramError, match=r"instruction 1 \(mac\): follows halt"):
        builder.emit("mac", **MAC)
