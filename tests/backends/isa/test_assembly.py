"""Assembly text and binary programs determine each other."""

import random

import numpy as np
import pytest

from pimlir.backends.isa.assembly import AssemblyError, assemble
from pimlir.backends.isa.check import FILLED_FIELDS, INSTRUCTION_SETS, check_program, takes_terms
from pimlir.backends.isa.disassembly import disassemble, disassemble_all, float_text
from pimlir.backends.isa.encode import Affine, ProgramBuilder, float_bits
from pimlir.backends.isa.image import Program
from pimlir.backends.isa.spec import REGISTERS, Opcode

NPU_TEXT = """\
.program @qkv npu (x, q, tokens, layer)
.semaphore 0 = 2
.semaphore 1 = 0
.tag 1 "linear attn_q"
  loop %r4 = 0 to 6 {
    ld0: load dram=4096+%layer+18432*%r4, dram_stride=192, rows=96, row_bytes=192, local=0, local_stride=192 wait(s0:1) post(s1:1) !tag(1)
    loop %r5 = %tokens to 2*%tokens step 4 {
      vx: unary function=exp, dst=-8, dst_stride=0, dst_type=f16, a=0, a_stride=0, a_type=f32, rows=-5-%r4, cols=1, scale=0.125, bias=-inf
    } post(s0:1)
  }
  %r6 = ceildiv %tokens, 64
  %r6 = set 5
  vx: sync wait(s0:1, s1:12)
  halt
"""
PIM_TEXT = """\
.program @"two words" pim (row)
  write_buffer src=0, columns=4, buffer_column=0, channel=0, channels=32
  activate row=%row, channel=0, channels=32
  mac column=0, columns=4, buffer_column=0, channel=0, channels=32
  read_acc space=softmax, dst=0, channel_stride=64, banks=16, accumulate=1, channel=0, channels=32
  precharge channel=0, channels=32
  softmax src=0, src_stride=4, dst=8, dst_stride=4, rows=1, cols=1, limit=1, scale=0x7fc00000
  halt
"""
HOST_TEXT = """\
.program @step host (sequences)
  loop %r1 = 0 to %sequences {
    sequence index=%r1, first_row=%r2, new_tokens=%r3, past=%r4, slot=%r5
    launch kernel=0, event=1, after0=0, arguments=2, arg0=%r2, arg1=%r3+%r4
  }
  halt
"""


def assert_same(a: Program, b: Program) -> None:
    assert (a.name, a.device, a.arguments, a.tags) == (b.name, b.device, b.arguments, b.tags)
    for name in ("code", "terms", "semaphores"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)


@pytest.mark.parametrize("text", [NPU_TEXT, PIM_TEXT, HOST_TEXT], ids=["npu", "pim", "host"])
def test_text_comes_back(text: str):
    (program,) = assemble(text)
    check_program(program)
    assert disassemble(program) == text


def test_several_programs_in_one_text():
    text = NPU_TEXT + "\n" + PIM_TEXT
    assert disassemble_all(assemble(text)) == text


def random_program(seed: int, device: str) -> Program:
    """A program of instructions, operands, loops, waits and tags chosen at random."""
    choose = random.Random(seed)
    isa = INSTRUCTION_SETS[device]
    builder = ProgramBuilder(f"p{seed}", device, choose.choice([(), ("x", "r7", "tokens")]))
    semaphores = [builder.semaphore(choose.randrange(3)) for _ in range(3)]
    depth = 0

    def operand(opcode: Opcode, field: str) -> Affine | int | float:
        if field in opcode.registers:
            return choose.randrange(REGISTERS)
        if field in opcode.floats:
            return choose.choice([choose.getrandbits(32), choose.uniform(-2, 2), -0.0, float("inf")])
        if takes_terms(opcode, field) and choose.random() < 0.3:
            terms = {choose.randrange(REGISTERS): choose.randrange(-3, 4) for _ in range(choose.randrange(4))}
            return Affine(choose.randrange(2), terms)
        if field in opcode.enums:
            return choose.randrange(len(opcode.enums[field]))
        return choose.choice([0, 1, -1, choose.randrange(-(2**63), 2**63), opcode.defaults.get(field, 3)])

    def emit(name: str) -> None:
        opcode = isa[name]
        fields = {field: operand(opcode, field) for field in opcode.fields if field not in FILLED_FIELDS}
        queue = choose.choice([None, *isa.queues[1:]]) if opcode.queue != "ctl" else None
        waits = [(s, choose.randrange(1, 9)) for s in choose.sample(semaphores, choose.randrange(3))]
        posts = [(s, choose.randrange(1, 9)) for s in choose.sample(semaphores, choose.randrange(3))]
        tag = choose.choice([None, 'a "b"\n', "linear", "\u2028"])
        builder.emit(name, queue=queue, wait=waits, post=posts, tag=tag, **fields)

    for _ in range(40):
        name = choose.choice(isa.opcodes).name
        if name == "halt" or (name == "end" and not depth):
            continue
        depth += {"loop": 1, "end": -1}.get(name, 0)
        emit(name)
    for _ in range(depth):
        emit("end")
    return builder.finish()


@pytest.mark.parametrize("device", INSTRUCTION_SETS)
@pytest.mark.parametrize("seed", range(10))
def test_program_comes_back(seed: int, device: str):
    program = random_program(seed, device)
    check_program(program)
    text = disassemble(program)
    (again,) = assemble(text)
    assert_same(again, program)
    assert disassemble(again) == text


@pytest.mark.parametrize(
    "bits", [0, 1 << 31, 1, 0x3F800000, 0x3E000000, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x3DCCCCCD]
)
def test_floats_are_readable_where_that_is_exact(bits: int):
    assert not float_text(bits).startswith("0x")
    assert float_bits(float(float_text(bits))) == bits


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0xFFC00001])
def test_nans_keep_their_bits(bits: int):
    assert float_text(bits) == f"0x{bits:08x}"


def test_queue_and_defaults_may_be_left_out():
    short = "  loop %r0 = 0 to 1 { // comment\n    load dram=0, dram_stride=0, rows=1, row_bytes=0x10, local=0, local_stride=0\n\n}"
    (program,) = assemble(f".program @p npu ()\n{short}")
    assert "ld0: load dram=0, dram_stride=0, rows=1, row_bytes=16" in disassemble(program)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("jump 3", "unknown instruction jump of device npu"),
        ("load dram=0", "missing field dram_stride, rows, row_bytes, local, local_stride"),
        ("load dran=0", "load has no field dran, it has dram, dram_stride"),
        ("load dram=0, dram=0", "field dram is given twice"),
        ("load dram=0 rows=1", "missing field"),
        ("ld7: sync", "unknown queue 'ld7', expected one of ctl, ld0, ld1, st, mx, vx"),
        ("ctl: sync", "queue ctl cannot execute it"),
        ("sync wait(s0:1)", "wait names semaphore 0, but there are 0"),
        ("sync wait(t)", "expected a semaphore as in s0:1, found t"),
        ("sync !tag(1)", "tag 1 is not declared"),
        ("%r96 = set 0", "register 96 is out of range, there are 96"),
        ("%tokens = set 0", "%tokens is neither a register as in %r5 nor an argument"),
        ("%r0 = pow 2, 3", "field op is 'pow', expected one of set, ceildiv"),
        ("%r0 = set 1.5", "expected an integer, found 1.5"),
        ("%r0 = set 99999999999999999999", "does not fit in 64 bits"),
        ("%r0 = set 1 2", "expected the end of the line, found 2"),
        ("loop %r0 = 0 to 4", "expected {, found end of line"),
        ("}", "no loop is open"),
        (".semaphore 1 = 0", "semaphore 1, expected 0: they are numbered in order"),
        (".semaphore 0 = -1", "semaphore starts at -1, expected at least 0"),
        ('.tag 0 "a"', "tag 0, expected 1"),
        (".tag 1 a", "expected a string in quotes, found a"),
        ("sync ?", "unexpected character '?'"),
        (".program @p npu ()", "second program with the name p"),
        (".program @q gpu ()", "unknown device 'gpu', expected one of npu, pim, xpu, host"),
        (".program @q npu (a, a)", "argument 'a' is not a name of its own"),
    ],
)
def test_error_names_line_and_reason(line: str, message: str):
    with pytest.raises(AssemblyError) as caught:
        assemble(f".program @p npu ()\n\n  {line}\n")
    assert caught.value.line == 3
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_before_the_first_program():
    with pytest.raises(AssemblyError, match=r"line 1: expected \.program before anything else"):
        assemble("halt")


def test_open_loop_is_reported_at_its_program():
    with pytest.raises(AssemblyError, match=r"line 2: program p, instruction 0 \(loop\): no matching end"):
        assemble("\n.program @p pim ()\n  loop %r0 = 0 to 4 {")
