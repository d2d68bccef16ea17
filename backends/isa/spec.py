"""The shape of an instruction word and the description of one opcode, shared by the four instruction sets.

A program is an `int64[n, WIDTH]` array, one row per instruction, and an `int64[m, 3]` array of affine terms.
Columns 0..12 of a row are the header below, columns 13.. are the opcode's fields in the order of its description.
The value of a column is its immediate plus `sum(coefficient * register)` over the row's terms
`(column, register, coefficient)`, which are `terms[term_begin : term_begin + term_count]`. Registers 0.. hold the
program's arguments (run-time scalars), the others loop counters and the results of `scalar` instructions.
"""

from dataclasses import dataclass, field

HEADER = (
    "opcode",
    "queue",
    "tag",
    "term_begin",
    "term_count",
    "wait0",
    "wait0_count",
    "wait1",
    "wait1_count",
    "post0",
    "post0_count",
    "post1",
    "post1_count",
)
"""Header columns. `wait*`/`post*` hold a semaphore number or -1; the counts are taken from or added to it."""

FIRST_FIELD = len(HEADER)
MAX_FIELDS = 27  # of the host launch
WIDTH = FIRST_FIELD + MAX_FIELDS
REGISTERS = 96

F16, F32, I32 = 0, 1, 2
DTYPE_NAMES = ("f16", "f32", "i32")
DTYPE_BYTES = (2, 4, 4)

PAGE_TABLES = ("keys", "values")
"""The caches that have page tables, in the order of the tables."""

SCALAR_OPS = ("set", "ceildiv", "div", "rem", "min", "max", "mul", "sub")


@dataclass(frozen=True)
class Opcode:
    """One instruction: its number, name, field names, and which address fields it reads and writes.

    `queue` is the in-order queue that executes it (`ctl` for sequencing, which takes no time).
    `reads` and `writes` name address fields; `enums` gives field values symbolic names in assembly text;
    `defaults` are values of fields that the text may leave out; `floats` are fields that hold fp32 bits;
    `registers` are fields that name a register which the instruction writes.
    """

    number: int
    name: str
    queue: str
    fields: tuple[str, ...]
    summary: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: dict[str, int] = field(default_factory=dict)
    floats: tuple[str, ...] = ()
    registers: tuple[str, ...] = ()

    def column(self, name: str) -> int:
        """Column of field `name` in the instruction row."""
        return FIRST_FIELD + self.fields.index(name)


@dataclass(frozen=True)
class InstructionSet:
    """The opcodes of one device and the names of its queues (the queue column holds the index)."""

    name: str
    queues: tuple[str, ...]
    opcodes: tuple[Opcode, ...]

    def __getitem__(self, name: str) -> Opcode:
        for opcode in self.opcodes:
            if opcode.name == name:
                return opcode
        raise KeyError(name)

    def by_number(self, number: int) -> Opcode:
        """The opcode with this number, KeyError if there is none."""
        for opcode in self.opcodes:
            if opcode.number == number:
                return opcode
        raise KeyError(number)


CONTROL = (
    Opcode(0, "halt", "ctl", (), "End of the program."),
    Opcode(
        1,
        "loop",
        "ctl",
        ("counter", "start", "stop", "step", "exit"),
        "Set register `counter` to `start`; run up to the matching `end` while counter < stop, adding `step` each time. "
        "`exit` is the index of the instruction after the matching `end` (filled by the assembler).",
        registers=("counter",),
        defaults={"start": 0, "step": 1, "exit": 0},
    ),
    Opcode(
        2,
        "end",
        "ctl",
        ("begin",),
        "Close the innermost loop; `begin` is the index of its `loop` instruction (filled by the assembler).",
        defaults={"begin": 0},
    ),
    Opcode(
        3,
        "scalar",
        "ctl",
        ("result", "op", "a", "b"),
        "Register `result` = a op b on int64; `set` takes a. Division rounds down, ceildiv up (operands are >= 0).",
        enums={"op": SCALAR_OPS},
        registers=("result",),
        defaults={"b": 0},
    ),
    Opcode(
        4,
        "sequence",
        "ctl",
        ("index", "first_row", "new_tokens", "past", "slot"),
        "Registers named by the last four fields = row `index` of the sequence table of the step.",
        registers=("first_row", "new_tokens", "past", "slot"),
    ),
    Opcode(
        5,
        "page",
        "ctl",
        ("result", "table", "slot", "index"),
        "Register `result` = page `index` of cache slot `slot` in the page table of the keys or of the values. A page that "
        "the slot has not been given is a fault.",
        enums={"table": PAGE_TABLES},
        registers=("result",),
    ),
)
"""Sequencing instructions, the same in all sets."""
