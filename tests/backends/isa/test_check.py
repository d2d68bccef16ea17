"""Well-formedness: every deviation of a binary program is found and named."""

from collections.abc import Callable

import numpy as np
import pytest

from pimlir.backends.isa.check import COLUMN, INSTRUCTION_SETS, ProgramError, check_program
from pimlir.backends.isa.encode import Affine, ProgramBuilder
from pimlir.backends.isa.image import Program
from pimlir.backends.isa.spec import FIRST_FIELD, HEADER, MAX_FIELDS, WIDTH


def small_program() -> Program:
    builder = ProgramBuilder("p", "npu", ("x",))
    semaphore = builder.semaphore()
    with builder.loop(4) as i:
        address = Affine.register(i) * 64
        builder.emit(
            "fill",
            **{"dst": address + builder.argument("x"), "dst_stride": 4, "dst_type": "f32", "rows": 1, "cols": 1},
            post=[(semaphore, 1)],
        )
    return builder.finish()


def set_code(row: int, column: int, value: int) -> Callable[[Program], None]:
    def change(program: Program) -> None:
        program.code[row, column] = value

    return change


def set_term(row: int, column: int, value: int) -> Callable[[Program], None]:
    def change(program: Program) -> None:
        program.terms[row, column] = value

    return change


def set_fact(name: str, value: object) -> Callable[[Program], None]:
    return lambda program: setattr(program, name, value)


def test_what_the_builder_makes_is_well_formed():
    check_program(small_program())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_code(1, 0, 99), r"instruction 1 \(99\): no such opcode in the npu instruction set"),
        (set_code(1, COLUMN["queue"], 0), r"instruction 1 \(fill\): queue 0 cannot execute it"),
        (set_code(1, COLUMN["queue"], 6), "queue 6 cannot execute it"),
        (set_code(1, COLUMN["tag"], 1), "tag 1, but there are 1 tags"),
        (set_code(1, COLUMN["post0"], 1), "post0 is semaphore 1, but there are 1"),
        (set_code(1, COLUMN["post0_count"], 0), "post0 has count 0, expected at least 1"),
        (set_code(1, COLUMN["wait0_count"], 2), "wait0 is unused, but its count is 2"),
        (set_code(1, COLUMN["wait1"], 0), "wait1 is used, but wait0 is not"),
        (set_code(1, COLUMN["term_begin"], 1), "terms 1 to 3 of 2, expected from 0"),
        (set_code(1, COLUMN["term_count"], 1), r"instruction 2 \(end\): terms 2 to 2 of 2, expected from 1"),
        (set_fact("terms", np.concatenate([small_program().terms] * 2)), "program p: 4 terms, instructions use 2"),
        (set_code(1, FIRST_FIELD + 2, 3), "field dst_type holds 3, expected less than 3: f16, f32, i32"),
        (set_code(1, FIRST_FIELD + 5, -1), "field value holds -1, expected the 32 bits of an fp32"),
        (set_code(1, WIDTH - 1, 1), "columns after its fields are not 0"),
        (set_code(0, FIRST_FIELD, 96), r"instruction 0 \(loop\): register 96 is out of range"),
        (set_code(0, FIRST_FIELD + 4, 9), r"instruction 2 \(end\): links begin 0, exit 9, expected begin 0, exit 3"),
        (set_code(1, 0, 0), "instruction 1"),
        (set_code(3, 0, 1), "last instruction is not halt"),
        (set_term(0, 0, FIRST_FIELD + 5), "term for column 18, which takes none"),
        (set_term(0, 0, 3), "term for column 3, which takes none"),
        (set_term(1, 2, 0), "terms are not in order"),
        (set_term(0, 1, 1), "terms are not in order"),
        (set_term(1, 1, -1), "register -1 is out of range"),
        (set_fact("device", "gpu"), "program p: unknown device 'gpu'"),
        (set_fact("name", ""), "no name"),
        (set_fact("tags", ()), 'tag 0 is not ""'),
        (set_fact("tags", ("", "a", "a")), "two tags have the same name"),
        (set_fact("arguments", ("a b",)), "argument 'a b' is not a name of its own"),
        (set_fact("terms", small_program().terms[:, :2]), r"terms is int64\[2, 2\], expected int64\[n, 3\]"),
        (set_fact("semaphores", small_program().semaphores - 1), "semaphores is not"),
    ],
)
def test_deviation_is_named(change: Callable[[Program], None], message: str):
    program = small_program()
    change(program)
    with pytest.raises(ProgramError, match=message):
        check_program(program)


@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS)
def test_instruction_set_tables_are_consistent(isa):
    assert len({opcode.number for opcode in isa.opcodes}) == len(isa.opcodes)
    assert len({opcode.name for opcode in isa.opcodes}) == len(isa.opcodes)
    assert len(set(HEADER)) == FIRST_FIELD
    for opcode in isa.opcodes:
        assert opcode.queue in isa.queues
        assert len(opcode.fields) <= MAX_FIELDS
        assert len(set(opcode.fields)) == len(opcode.fields)
        named = {*opcode.reads, *opcode.writes, *opcode.enums, *opcode.defaults, *opcode.floats, *opcode.registers}
        assert named <= set(opcode.fields), opcode.name
        assert not {"queue", "wait", "post", "tag"} & set(opcode.fields), "taken by the builder"
