"""Pages of the four instruction sets and of the binary format that they share."""

from dataclasses import fields

from ...backends.isa import host, npu, pim, xpu
from ...backends.isa.assembly import assemble
from ...backends.isa.check import FILLED_FIELDS
from ...backends.isa.disassembly import float_text
from ...backends.isa.image import Image
from ...backends.isa.spec import FIRST_FIELD, HEADER, MAX_FIELDS, REGISTERS, WIDTH, InstructionSet, Opcode
from .text import first_sentence, markdown, table, text_of

_EXAMPLES = {
    "npu": """
.program @double_rows npu (x, y, tokens)
.semaphore 0 = 1
.semaphore 1 = 0
.semaphore 2 = 0
.tag 1 "double"
  %r3 = ceildiv %tokens, 16
  loop %r4 = 0 to %r3 {
    ld0: load dram=%x+16384*%r4, dram_stride=1024, rows=16, row_bytes=1024, local=0, local_stride=1024 wait(s0:1) post(s1:1) !tag(1)
    vx: unary function=copy, dst=0, dst_stride=1024, dst_type=f16, a=0, a_stride=1024, a_type=f16, rows=16, cols=512, scale=2.0 wait(s1:1) post(s2:1) !tag(1)
    st: store dram=%y+16384*%r4, dram_stride=1024, rows=16, row_bytes=1024, local=0, local_stride=1024 wait(s2:1) post(s0:1) !tag(1)
  }
  halt
""",
    "pim": """
.program @gemv pim (x, y, row)
  write_buffer src=%x, columns=32, buffer_column=0, channel=0, channels=32
  loop %r3 = 0 to 8 {
    activate row=%row+%r3, channel=0, channels=32
    mac column=0, columns=32, buffer_column=0, channel=0, channels=32
    read_acc dst=%y+2048*%r3, channel_stride=64, banks=16, channel=0, channels=32
    precharge channel=0, channels=32
  }
  halt
""",
    "xpu": """
.program @projections xpu (rows)
.tag 1 "qkv"
  norm m=%rows, n=12288
  product m=%rows, n=4608, k=12288 !tag(1)
  halt
""",
    "host": """
.program @step host (sequences, new_tokens)
  launch kernel=0, event=0, arguments=1, arg0=%new_tokens
  loop %r2 = 0 to %sequences {
    sequence index=%r2, first_row=%r3, new_tokens=%r4, past=%r5, slot=%r6
    launch kernel=1, event=1, after0=0, arguments=2, arg0=%r3, arg1=%r4+%r5
  }
  halt
""",
}

_FORMAT = f"""# Binary format of programs

The four instruction sets ([npu](isa-npu.md), [pim](isa-pim.md), [xpu](isa-xpu.md), [host](isa-host.md)) share one form of program. It is
the contract between compiler and simulator: both read it from `backends/isa/spec.py`, from which this page is made.

A program consists of

- `code`, int64 [instructions, {WIDTH}]: one row per instruction;
- `terms`, int64 [terms, 3]: what makes operands depend on registers;
- `semaphores`, int64 [semaphores]: initial counts;
- the names of its arguments and of its tags.

## The row of an instruction

{{columns}}

Column {FIRST_FIELD} and those after it hold the fields of the opcode in the order of its table, at most {MAX_FIELDS};
columns without a field are 0. `queue` is the index of the queue in the list of the instruction set.

## Operands

The value of a field is its column plus the sum of coefficient x register over the terms of that column. A term is a row
`(column, register, coefficient)` of `terms`; those of one instruction are
`terms[term_begin : term_begin + term_count]`, ordered by column and register. The terms of instruction i follow those of
instruction i - 1, and no coefficient is 0: a program has exactly one encoding.

There are {REGISTERS} registers of 64 bits. Registers 0, 1, ... hold the arguments when the program starts; the others hold
loop counters and the results of `scalar`. Fields with names for their values, fp32 fields and fields that name a register
take no terms.

## Assembly text

The text names everything that the columns number, one instruction a line:

- `.program @name device (arguments)` starts a program, `.semaphore n = count` and `.tag n "text"` fill its tables. Tag 0
  is the empty text and is not written.
- Operands are sums such as `4096+18432*%r5-%tokens`. `%r5` is register 5; an argument is written by its name.
- `queue: instruction field=value, ...`: the queue is not written where the device has only one; fields that hold their
  default are left out. Values with names are written by name. fp32 values are decimal where that reads back to the same
  bits, otherwise their bits in hexadecimal.
- `wait(s0:1, s2:4)` and `post(...)` follow the fields: semaphore and count. `!tag(n)` is last.
- `loop %r5 = start to stop step n {{{{` ... `}}}}`, and `%r6 = ceildiv %tokens, 64` for the instruction `scalar`.
- `//` begins a comment.

`assemble(disassemble(program))` is the program, `disassemble(assemble(text))` the text without comments.

## Image files

`pimlir compile` writes programs together with the memory map into one file with the suffix `.pimg`: a zip archive without
compression and with fixed dates, so that equal images are equal files.

| entry | content |
| --- | --- |
| `manifest.json` | format and version, machine, regions, buffers, sizes, SHA-256 of every other entry |
| `programs/<n>/code.npy`, `terms.npy`, `semaphores.npy` | the arrays of program n |
| `programs/<n>/program.s` | the same program as text |
| `plan/...` | the host plan, likewise |
| `stages/<name>.mlir` | the IR that the programs came from |

An image holds:

{{image}}

A reader refuses a file whose version is not its own, an entry whose hash differs, and entries that the manifest does not
name.
"""

_COLUMNS = {
    "opcode": "number of the instruction",
    "queue": "index of the in-order queue that executes it",
    "tag": "index into the names of the operations that instructions came from; 0 is none",
    "term_begin": "index of its first term",
    "term_count": "number of its terms",
    "wait0": "semaphore whose count it takes before it starts, or -1",
    "wait0_count": "how much it takes",
    "post0": "semaphore that it increases when it completes, or -1",
    "post0_count": "by how much",
}

_IMAGE = {
    "machine": "resolved description of the machine",
    "programs": "the kernels",
    "plan": "the host plan, which launches them",
    "regions": "tensors in main memory, with their layout",
    "buffers": "host-visible tensors in local memory: `tokens`, `next`, `logits`",
    "bounds": "phase, sequences, new tokens and context that the image was compiled for",
    "local_bytes": "local memory of the NPU in use",
    "softmax_bytes": "softmax buffer in use",
    "linear_bytes": "size of the linear space, which takes rows [0, first_pim_row) of every bank",
    "first_pim_row": "first row after it",
    "rows_used": "rows used in every bank",
    "stages": "IR text of each stage",
    "meta": "facts about the model that the runner needs",
}


def pages() -> dict[str, str]:
    """File name to text."""
    columns = [(str(i), f"`{name}`", _COLUMNS.get(name, "the same, second slot")) for i, name in enumerate(HEADER)]
    image = [(f"`{field.name}`", _IMAGE[field.name]) for field in fields(Image)]
    form = _FORMAT.format(
        columns=table(("column", "name", "content"), columns), image=table(("field", "content"), image)
    )
    return {
        "isa-format.md": form,
        **{
            f"isa-{isa.name}.md": _page(isa, text_of(module))
            for isa, module in ((npu.NPU, npu), (pim.PIM, pim), (xpu.XPU, xpu), (host.HOST, host))
        },
    }


def _page(isa: InstructionSet, about: str) -> str:
    title, *rest = about.split("\n", 1)
    example = _EXAMPLES[isa.name].strip()
    assemble(example)
    rows = [(f"[`{op.name}`](#{op.name})", str(op.number), op.queue, first_sentence(op.summary)) for op in isa.opcodes]
    return "\n\n".join(
        [
            f"# Instruction set `{isa.name}`",
            title,
            markdown("".join(rest).strip()),
            f"Queues: {', '.join(f'`{queue}`' for queue in isa.queues)}; `ctl` sequences and takes no time. The layout "
            "of the binary and the syntax of the text are in [the binary format](isa-format.md).",
            f"```\n{example}\n```",
            "## Instructions",
            table(("name", "number", "queue", "summary"), rows),
            *(_instruction(opcode) for opcode in isa.opcodes),
            "",
        ]
    )


def _instruction(opcode: Opcode) -> str:
    text = f"### {opcode.name}\n\n{opcode.summary}"
    if not opcode.fields:
        return text + "\n\nNo fields."
    rows = [
        (str(opcode.column(name)), f"`{name}`", _kind(opcode, name), _default(opcode, name)) for name in opcode.fields
    ]
    return text + "\n\n" + table(("column", "field", "value", "default"), rows)


def _kind(opcode: Opcode, name: str) -> str:
    if name in opcode.enums:
        return ", ".join(f"{value} `{text}`" for value, text in enumerate(opcode.enums[name]))
    if name in opcode.registers:
        return "register, written"
    if name in opcode.floats:
        return "fp32 bits"
    if name in FILLED_FIELDS:
        return "index of an instruction"
    access = [verb for verb, names in (("read", opcode.reads), ("written", opcode.writes)) if name in names]
    return f"address, {' and '.join(access)}" if access else "number"


def _default(opcode: Opcode, name: str) -> str:
    if name not in opcode.defaults:
        return ""
    value = opcode.defaults[name]
    if name in FILLED_FIELDS:
        return "filled in"
    if name in opcode.enums:
        return f"`{opcode.enums[name][value]}`"
    return float_text(value) if name in opcode.floats else str(value)
