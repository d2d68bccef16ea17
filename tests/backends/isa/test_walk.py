"""Walking a program: loops, scalars, and what a program must not do."""

import pytest

from pimlir.backends.isa.assembly import assemble
from pimlir.backends.isa.check import ProgramError
from pimlir.backends.isa.spec import FIRST_FIELD
from pimlir.backends.isa.walk import Walk


def rows_of(text: str, *arguments: int) -> list[int]:
    """The rows that a PIM program opens."""
    walk = Walk(assemble(text)[0])
    return [fields[0] for _, _, fields in walk.run(walk.registers([*arguments]), [], [])]


def test_loops_nest_and_take_their_bounds_from_registers():
    text = """
    .program @p pim (n)
      loop %r1 = 0 to %n {
        %r3 = ceildiv 5*%r1, 4
        loop %r2 = %r1 to %r3 {
          activate row=10*%r1+%r2, channel=0, channels=1
        }
      }
      activate row=99, channel=0, channels=1
      halt
    """
    assert rows_of(text, 4) == [11, 22, 33, 99]
    assert rows_of(text, 0) == [99]


def test_counters_of_open_loops_are_known():
    text = """
    .program @p pim ()
      loop %r1 = 0 to 2 {
        loop %r2 = 0 to 1 {
          precharge channel=0, channels=1
        }
        precharge channel=0, channels=1
      }
      precharge channel=0, channels=1
      halt
    """
    walk, counters = Walk(assemble(text)[0]), []
    seen = [[*counters] for _ in walk.run(walk.registers([]), counters, [])]
    assert seen == [[1, 2], [1], [1, 2], [1], []]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("loop %r1 = 0 to 2 step %n { \n }", r"program p, instruction 0 \(loop\): step 0, expected at least 1"),
        ("sequence index=1+%n, first_row=%r1, new_tokens=%r2, past=%r3, slot=%r4", "row 1, the step has 1 sequences"),
        ("%r1 = div 1, %n", r"program p, instruction 0 \(scalar\): division by zero"),
    ],
)
def test_what_has_no_meaning_is_named(line, message):
    walk = Walk(assemble(f".program @p pim (n)\n{line}\nhalt\n")[0])
    with pytest.raises(ProgramError, match=message):
        list(walk.run(walk.registers([0]), [], [(0, 1, 7, 2)]))


def test_fields_are_immediates_plus_terms():
    program = assemble(
        ".program @p pim (a, b)\nwrite src=4+%a+3*%b, channel=0, bank=0, row=0, offset=0, bytes=2\nhalt"
    )[0]
    walk = Walk(program)
    ((_, _, fields),) = walk.run(walk.registers([10, 100]), [], [])
    assert fields[0] == 314 and program.code[0, FIRST_FIELD] == 4


def test_the_sequence_table_comes_into_registers():
    text = """
    .program @p pim ()
      sequence index=1, first_row=%r1, new_tokens=%r2, past=%r3, slot=%r4
      write src=%r1, channel=%r2, bank=%r3, row=%r4, offset=0, bytes=2
      halt
    """
    walk = Walk(assemble(text)[0])
    ((_, _, fields),) = walk.run(walk.registers([]), [], [(9, 9, 9, 9), (1, 2, 3, 4)])
    assert fields[:4] == [1, 2, 3, 4]
