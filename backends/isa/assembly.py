"""From assembly text to binary programs.

    .program @name npu (x, tokens)        // arguments are registers %r0, %r1, ...; %x is another name of %r0
    .semaphore 0 = 2                      // initial counts, numbered from 0
    .tag 1 "linear attn_q"                // operations, numbered from 1
      loop %r5 = 0 to 6 step 2 {
        ld0: load dram=4096+18432*%r5, rows=96, ... wait(s0:1) post(s1:1) !tag(1)
      }
      %r6 = ceildiv %tokens, 64
      halt

The queue may be left out where it is the usual one of the instruction, and so may fields that have a default.
"""

import json
import re
from dataclasses import dataclass
from functools import cache

from .check import FILLED_FIELDS, ProgramError, instruction_set
from .disassembly import register_names
from .encode import Affine, Operand, ProgramBuilder
from .image import Program
from .spec import SCALAR_OPS, Opcode

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<number>0x[0-9a-fA-F]+|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
  | (?P<register>%\w+)
  | (?P<word>\.?[A-Za-z_]\w*)
  | (?P<mark>[-+*=,:(){}!@])
  | (?P<bad>\S)
    )""",
    re.VERBOSE,
)


class AssemblyError(ValueError):
    """Text that is not a program: `line` is its number, counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


class _Refused(Exception):
    """What is wrong with the line being read."""


def assemble(text: str) -> list[Program]:
    """All programs in `text`."""
    readers: list[_Reader] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            _read(line, number, readers)
        except (_Refused, ProgramError) as error:
            raise AssemblyError(number, str(error)) from None
    return [reader.finish() for reader in readers]


def _read(line: str, number: int, readers: "list[_Reader]") -> None:
    tokens = _tokens(line)
    if tokens.has("word", ".program"):
        reader = _Reader.of_program(tokens, number)
        if reader.builder.name in [other.builder.name for other in readers]:
            raise _Refused(f"second program with the name {reader.builder.name}")
        readers.append(reader)
    elif not tokens.at_end():
        if not readers:
            raise _Refused("expected .program before anything else")
        readers[-1].line(tokens)


@dataclass
class _Tokens:
    """The tokens of one line, (kind, text) each, and how far they have been read."""

    items: list[tuple[str, str]]
    position: int = 0

    def peek(self) -> tuple[str, str]:
        return self.items[self.position] if self.position < len(self.items) else ("end", "end of line")

    def at_end(self) -> bool:
        return self.position == len(self.items)

    def has(self, kind: str, text: str | None = None) -> bool:
        found, found_text = self.peek()
        return found == kind and (text is None or found_text == text)

    def accept(self, kind: str, text: str | None = None) -> str | None:
        if not self.has(kind, text):
            return None
        self.position += 1
        return self.items[self.position - 1][1]

    def expect(self, kind: str, text: str | None = None, meaning: str = "") -> str:
        found = self.accept(kind, text)
        if found is None:
            raise _Refused(f"expected {meaning or text or kind}, found {self.peek()[1]}")
        return found

    def mark(self, text: str) -> str:
        return self.expect("mark", text)

    def integer(self) -> int:
        negative = self.accept("mark", "-") is not None
        text = self.expect("number", meaning="an integer")
        try:
            value = int(text, 0) if text.startswith("0x") else int(text)
        except ValueError:
            raise _Refused(f"expected an integer, found {text}") from None
        return -value if negative else value

    def string(self) -> str:
        text = self.expect("string", meaning="a string in quotes")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise _Refused(f"string {text} has an escape that JSON does not know") from None


def _tokens(line: str) -> _Tokens:
    items: list[tuple[str, str]] = []
    position = 0
    while position < len(line):
        match = _TOKEN.match(line, position)
        if match is None or line.startswith("//", match.start(match.lastgroup or 0)):
            break
        kind = match.lastgroup or "bad"
        if kind == "bad":
            raise _Refused(f"unexpected character {match[kind]!r}")
        items.append((kind, match[kind]))
        position = match.end()
    return _Tokens(items)


@cache
def _opcodes(device: str) -> dict[str, Opcode]:
    return {opcode.name: opcode for opcode in instruction_set(device).opcodes}


class _Reader:
    """Reads the lines of one program into its builder."""

    def __init__(self, builder: ProgramBuilder, number: int) -> None:
        self.builder = builder
        self.first_line = number
        self.registers = {name: number for number, name in register_names(builder.arguments).items()}
        self.semaphores = 0
        self.tags = [""]

    @staticmethod
    def of_program(tokens: _Tokens, number: int) -> "_Reader":
        tokens.expect("word", ".program")
        tokens.mark("@")
        name = tokens.string() if tokens.has("string") else tokens.expect("word", meaning="a program name")
        device = tokens.expect("word", meaning="npu, pim or host")
        arguments: list[str] = []
        tokens.mark("(")
        while not tokens.accept("mark", ")"):
            if arguments:
                tokens.mark(",")
            arguments.append(tokens.expect("word", meaning="an argument name"))
        _expect_end(tokens)
        return _Reader(ProgramBuilder(name, device, arguments), number)

    def finish(self) -> Program:
        try:
            return self.builder.finish()
        except ProgramError as error:
            raise AssemblyError(self.first_line, str(error)) from None

    def line(self, tokens: _Tokens) -> None:
        if tokens.accept("word", ".semaphore"):
            self._number_in_order("semaphore", tokens.integer(), self.semaphores)
            tokens.mark("=")
            self.builder.semaphore(tokens.integer())
            self.semaphores += 1
        elif tokens.accept("word", ".tag"):
            self._number_in_order("tag", tokens.integer(), len(self.tags))
            tag = tokens.string()
            if tag in self.tags:
                raise _Refused(f"tag {tag!r} is known already")
            self.builder.tag(tag)
            self.tags.append(tag)
        elif tokens.accept("mark", "}"):
            self._emit("end", tokens, {})
        elif tokens.accept("word", "loop"):
            self._loop(tokens)
        elif tokens.has("register"):
            self._scalar(tokens)
        else:
            self._instruction(tokens)
        _expect_end(tokens)

    @staticmethod
    def _number_in_order(what: str, number: int, expected: int) -> None:
        if number != expected:
            raise _Refused(f"{what} {number}, expected {expected}: they are numbered in order")

    def _loop(self, tokens: _Tokens) -> None:
        fields: dict[str, Operand] = {"counter": self._register(tokens)}
        tokens.mark("=")
        fields["start"] = self._affine(tokens)
        tokens.expect("word", "to")
        fields["stop"] = self._affine(tokens)
        if tokens.accept("word", "step"):
            fields["step"] = self._affine(tokens)
        self._emit("loop", tokens, fields)
        tokens.mark("{")

    def _scalar(self, tokens: _Tokens) -> None:
        fields: dict[str, Operand] = {"result": self._register(tokens)}
        tokens.mark("=")
        fields["op"] = tokens.expect("word", meaning=f"one of {', '.join(SCALAR_OPS)}")
        fields["a"] = self._affine(tokens)
        if tokens.accept("mark", ","):
            fields["b"] = self._affine(tokens)
        self._emit("scalar", tokens, fields)

    def _instruction(self, tokens: _Tokens) -> None:
        name = tokens.expect("word", meaning="an instruction")
        queue = None
        if tokens.accept("mark", ":"):
            queue, name = name, tokens.expect("word", meaning="an instruction")
        opcode = _opcodes(self.builder.device).get(name)
        if opcode is None or name in ("loop", "end", "scalar"):
            raise _Refused(f"unknown instruction {name} of device {self.builder.device}")
        fields: dict[str, Operand] = {}
        while tokens.has("word") and not tokens.has("word", "wait") and not tokens.has("word", "post"):
            field = tokens.expect("word")
            tokens.mark("=")
            if field in fields:
                raise _Refused(f"field {field} is given twice")
            fields[field] = self._field(opcode, field, tokens)
            if not tokens.accept("mark", ","):
                break
        self._emit(name, tokens, fields, queue)

    def _field(self, opcode: Opcode, field: str, tokens: _Tokens) -> Operand:
        if field not in opcode.fields or field in FILLED_FIELDS:
            raise _Refused(f"{opcode.name} has no field {field}, it has {', '.join(opcode.fields) or 'none'}")
        if field in opcode.registers:
            return self._register(tokens)
        if field in opcode.floats:
            return self._float(tokens)
        if field in opcode.enums:
            return tokens.expect("word", meaning=f"one of {', '.join(opcode.enums[field])}")
        return self._affine(tokens)

    def _emit(self, name: str, tokens: _Tokens, fields: dict[str, Operand], queue: str | None = None) -> None:
        waits = self._semaphores(tokens, "wait")
        posts = self._semaphores(tokens, "post")
        tag = ""
        if tokens.accept("mark", "!"):
            tokens.expect("word", "tag")
            tokens.mark("(")
            number = tokens.integer()
            if not 0 <= number < len(self.tags):
                raise _Refused(f"tag {number} is not declared")
            tag = self.tags[number]
            tokens.mark(")")
        self.builder.emit(name, queue=queue, wait=waits, post=posts, tag=tag, **fields)

    def _semaphores(self, tokens: _Tokens, what: str) -> list[tuple[int, int]]:
        pairs: list[tuple[int, int]] = []
        if not tokens.accept("word", what):
            return pairs
        tokens.mark("(")
        while True:
            name = tokens.expect("word", meaning="a semaphore as in s0:1")
            if not re.fullmatch(r"s\d+", name):
                raise _Refused(f"expected a semaphore as in s0:1, found {name}")
            tokens.mark(":")
            pairs.append((int(name[1:]), tokens.integer()))
            if tokens.accept("mark", ")"):
                return pairs
            tokens.mark(",")

    def _register(self, tokens: _Tokens) -> int:
        name = tokens.expect("register", meaning="a register as in %r5")[1:]
        if name in self.registers:
            return self.registers[name]
        if not re.fullmatch(r"r\d+", name):
            raise _Refused(f"%{name} is neither a register as in %r5 nor an argument")
        return int(name[1:])

    def _affine(self, tokens: _Tokens) -> Affine:
        total = Affine()
        sign = -1 if tokens.accept("mark", "-") else 1
        while True:
            if tokens.has("number"):
                factor = sign * tokens.integer()
                term = Affine.register(self._register(tokens)) if tokens.accept("mark", "*") else Affine(1)
                total += term * factor
            else:
                total += Affine.register(self._register(tokens)) * sign
            if tokens.accept("mark", "+"):
                sign = 1
            elif tokens.accept("mark", "-"):
                sign = -1
            else:
                return total

    @staticmethod
    def _float(tokens: _Tokens) -> Operand:
        sign = "-" if tokens.accept("mark", "-") else ""
        text = tokens.accept("number") or tokens.accept("word", "inf")
        if text is None:
            raise _Refused(f"expected a number, found {tokens.peek()[1]}")
        if text.startswith("0x"):
            return int(sign + text, 16)
        return float(sign + text)


def _expect_end(tokens: _Tokens) -> None:
    if not tokens.at_end():
        raise _Refused(f"expected the end of the line, found {tokens.peek()[1]}")
