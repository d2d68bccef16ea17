"""Semaphores order the queues: no two accesses of different queues to the same bytes race.

The checker here knows nothing of the pass: it runs an emitted program in program order, gives every instruction a vector
clock (how much of each queue is certainly complete when it starts: what its queue waited for so far), and demands that
whatever last touched the same bytes on another queue is within that clock.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from pimlir.backends.emit.module import programs_of
from pimlir.backends.isa.assembly import assemble
from pimlir.backends.isa.image import Program
from pimlir.backends.isa.npu import BROADCASTS, NPU
from pimlir.backends.isa.spec import DTYPE_BYTES, FIRST_FIELD, HEADER, REGISTERS, SCALAR_OPS
from pimlir.dialects import host
from pimlir.frontends import ModelConfig, build_module
from pimlir.passes.pipelines import POLICIES, PipelineOptions
from pimlir.sim.plan import Plan, PlannedLaunch
from pimlir.tools.compiler import Compilation, parse_module

SMOLLM2 = ModelConfig("smollm2", "llama", 2, 576, 9, 3, 64, 1536, 1536, 512, tied_head=True)
"""The shapes of SmolLM2-135M, with fewer layers and a smaller vocabulary: the kernels are the same."""

UNIT = 2
"""All accesses are multiples of this many bytes."""

Block = tuple[int, int, int, int]
"""Address, bytes between rows, rows, bytes a row."""


class Race(AssertionError):
    """Two accesses that the semaphores leave unordered."""


def local_accesses(name: str, f: dict[str, int]) -> tuple[list[Block], list[Block]]:
    """What an instruction reads and writes of local memory, from the definitions in `backends/isa/npu.py`."""

    def rows(key: str, width: int, count: int | None = None) -> Block:
        return f[key], f[f"{key}_stride"], f["rows"] if count is None else count, width

    def size(key: str) -> int:
        return DTYPE_BYTES[f[f"{key}_type"]]

    match name:
        case "load":
            return [], [rows("local", f["row_bytes"])]
        case "store":
            return [rows("local", f["row_bytes"])], []
        case "gather":
            return [(f["index"], 4, f["rows"], 4)], [rows("local", f["row_bytes"])]
        case "preload" | "matmul" | "gemv":
            reads, writes = [], []
            if name != "matmul":
                n, k = (f["k"], f["n"]) if f["transpose"] else (f["n"], f["k"])
                reads.append(rows("weights", 2 * n, k))
            if name != "preload":
                reads += [rows("a", 2 * f["k"], f["m"]), rows("acc", 4 * f["n"], f["m"])]
                writes.append(rows("acc", 4 * f["n"], f["m"]))
            return reads, writes
        case "binary":
            b = {"tile": (f["rows"], f["cols"]), "row": (1, f["cols"]), "column": (f["rows"], 1)}
            count, columns = b[BROADCASTS[f["broadcast"]]]
            reads = [rows("a", size("a") * f["cols"]), rows("b", size("b") * columns, count)]
            return reads, [rows("dst", size("dst") * f["cols"])]
        case "unary":
            return [rows("a", size("a") * f["cols"])], [rows("dst", size("dst") * f["cols"])]
        case "reduce":
            return [rows("a", size("a") * f["cols"])], [rows("dst", 4)]
        case "rope":
            width = 2 * f["heads"] * f["head_dim"]
            return [rows("a", width), rows("table", 4 * f["head_dim"])], [rows("dst", width)]
        case "mask":
            return [rows("dst", 4 * f["cols"])], [rows("dst", 4 * f["cols"])]
        case "argmax":
            return [rows("a", 4 * f["cols"])], [(f["dst"], 4, f["rows"], 4)]
        case "fill":
            return [], [rows("dst", size("dst") * f["cols"])]
        case _:
            return [], []


MATRIX = NPU.queues.index("mx")
PRELOADS = NPU.queues.index("ctl")
"""Preloads complete in a stream of their own: their posts say nothing of the matmuls before them. Nothing else is logged
under the control queue, whose place they take."""


class Queues:
    """Runs one NPU program abstractly; raises Race, or AssertionError where it would hang."""

    def __init__(self, program: Program, local_bytes: int):
        self.program = program
        count = len(NPU.queues)
        cells = local_bytes // UNIT
        self.wrote = np.zeros(
            (count, cells), np.int32
        )  # number of the last access + 1, so that most pages stay untouched
        self.read = np.zeros((count, cells), np.int32)
        self.stored: list[tuple[int, int, int, int]] = []
        self.loaded: list[tuple[int, int, int, int]] = []
        self.stores = bool((program.code[:, 0] == NPU["store"].number).any())
        self.issued = [0] * count
        self.clocks = [np.full(count, -1, np.int64) for _ in range(count)]
        nothing = np.full(count, -1, np.int64)
        self.posts = [deque([nothing] * int(initial)) for initial in program.semaphores]
        self.users: dict[tuple[int, str], int] = {}

    def run(self, arguments: Sequence[int], sequences: Sequence[Sequence[int]] = ()) -> None:
        for index, name, queue, row, fields in instructions(self.program, arguments, sequences):
            self.instruction(f"{self.program.name}, instruction {index} ({name})", name, queue, row, fields)
        for number, (initial, left) in enumerate(zip(self.program.semaphores, self.posts, strict=True)):
            assert len(left) == initial, f"{self.program.name}: semaphore {number} ends at {len(left)}, not {initial}"

    def instruction(self, where: str, name: str, queue: int, row: list[int], fields: dict[str, int]) -> None:
        clock = self.clocks[queue]
        for semaphore, count in header_pairs(row, "wait"):
            assert self.users.setdefault((semaphore, "wait"), queue) == queue
            for _ in range(count):
                assert self.posts[semaphore], f"{where}: nobody posts semaphore {semaphore} before, it would hang"
                np.maximum(clock, self.posts[semaphore].popleft(), out=clock)
        stream = PRELOADS if name == "preload" else queue
        number = self.issued[stream]
        self.issued[stream] += 1
        reads, writes = local_accesses(name, fields)
        for block in reads:
            self.local(where, stream, number, block, writes=False)
        for block in writes:
            self.local(where, stream, number, block, writes=True)
        if name in ("load", "store", "gather"):
            self.dram(where, queue, number, name, fields)
        for semaphore, count in header_pairs(row, "post"):
            assert self.users.setdefault((semaphore, "post"), queue) == queue
            done = clock.copy()
            done[stream] = number
            if stream == MATRIX:
                done[PRELOADS] = self.issued[PRELOADS] - 1
            self.posts[semaphore] += [done] * count

    def local(self, where: str, stream: int, number: int, block: Block, writes: bool) -> None:
        queue = MATRIX if stream == PRELOADS else stream
        address, stride, rows, width = block
        if rows == 0 or width == 0:
            return
        extent = (rows - 1) * stride + width
        assert address >= 0 and address + extent <= self.wrote.shape[1] * UNIT, f"{where}: outside of local memory"
        first, last, step, width = address // UNIT, (address + extent) // UNIT, stride // UNIT, width // UNIT
        for log in (self.wrote, self.read) if writes else (self.wrote,):
            for other in range(len(NPU.queues)):
                if other not in (stream, queue) and (other, queue) != (PRELOADS, MATRIX) and self.issued[other]:
                    latest = int(pieces(log[other, first:last], step, rows, width).max()) - 1
                    if latest > self.clocks[queue][other]:
                        name = "mx (preloads)" if other == PRELOADS else NPU.queues[other]
                        raise Race(f"{where} races with instruction {latest} of queue {name} at {address}")
        pieces((self.wrote if writes else self.read)[stream, first:last], step, rows, width)[:] = number + 1

    def dram(self, where: str, queue: int, number: int, name: str, f: dict[str, int]) -> None:
        """Stores against loads; whole extents, with any row for a gather."""
        low, high = f["dram"], f["dram"] + (f["rows"] - 1) * f["dram_stride"] + f["row_bytes"]
        if name == "gather":
            high = 1 << 62
        for other, latest, start, end in self.loaded if name == "store" else self.stored:
            if other != queue and low < end and start < high and latest > self.clocks[queue][other]:
                raise Race(f"{where} races with instruction {latest} of queue {NPU.queues[other]} in main memory")
        if self.stores:
            (self.stored if name == "store" else self.loaded).append((queue, number, low, high))


def pieces(log: np.ndarray, step: int, rows: int, width: int) -> np.ndarray:
    """The rows of a 2-D access in a stretch of a log."""
    if rows == 1 or step == width:
        return log
    return as_strided(log, (rows, width), (step * log.itemsize, log.itemsize))


def header_pairs(row: list[int], which: str) -> Iterator[tuple[int, int]]:
    for column in (HEADER.index(f"{which}0"), HEADER.index(f"{which}1")):
        if row[column] >= 0:
            yield row[column], row[column + 1]


def instructions(
    program: Program, arguments: Sequence[int], sequences: Sequence[Sequence[int]]
) -> Iterator[tuple[int, str, int, list[int], dict[str, int]]]:
    """The instructions that a program executes, with their fields as numbers, in program order."""
    registers = [*arguments, *[0] * (REGISTERS - len(arguments))]
    code: list[list[int]] = program.code.tolist()
    terms: list[list[int]] = program.terms.tolist()
    opcodes = {opcode.number: opcode for opcode in NPU.opcodes}

    def values(index: int) -> dict[str, int]:
        row = code[index].copy()
        for column, register, coefficient in terms[row[3] : row[3] + row[4]]:
            row[column] += coefficient * registers[register]
        return dict(zip(opcodes[row[0]].fields, row[FIRST_FIELD:], strict=False))

    index = 0
    while True:
        opcode, f = opcodes[code[index][0]], values(index)
        match opcode.name:
            case "halt":
                return
            case "loop":
                registers[f["counter"]] = f["start"]
                index = index + 1 if f["start"] < f["stop"] else f["exit"]
            case "end":
                begin = f["begin"]
                registers[values(begin)["counter"]] += values(begin)["step"]
                loop = values(begin)
                index = begin + 1 if registers[loop["counter"]] < loop["stop"] else index + 1
            case "scalar":
                registers[f["result"]] = scalar(SCALAR_OPS[f["op"]], f["a"], f["b"])
                index += 1
            case "sequence":
                for register, value in zip(list(f.values())[1:], sequences[f["index"]], strict=True):
                    registers[register] = value
                index += 1
            case name:
                yield index, name, code[index][1], code[index], f
                index += 1


def scalar(op: str, a: int, b: int) -> int:
    match op:
        case "set":
            return a
        case "ceildiv":
            return -(-a // b)
        case "div":
            return a // b
        case "rem":
            return a % b
        case "mul":
            return a * b
        case "sub":
            return a - b
        case _:
            return min(a, b) if op == "min" else max(a, b)


def without_semaphore(program: Program, number: int) -> Program:
    """The program with every wait for and post to one semaphore taken out."""
    code = program.code.copy()
    for column in (HEADER.index(name) for name in ("wait0", "wait1", "post0", "post1")):
        gone = code[:, column] == number
        code[gone, column], code[gone, column + 1] = -1, 0
    return Program(program.name, "npu", code, program.terms, program.arguments, program.semaphores)


def launches(config: ModelConfig, tokens: int, past: Sequence[int], **options: Any) -> tuple[list, list, int]:
    """The NPU kernels that one step launches, each with the arguments of its first launch in a layer and in the next;
    the sequence table; bytes of local memory.
    """
    sequences = [(index * tokens, tokens, length, index) for index, length in enumerate(past)]
    context = config.context_length
    choices = PipelineOptions(
        **options, batch=len(past), context=context, new_tokens=tokens * len(past), ignore_capacity=True
    )
    image = Compilation(build_module(config), choices).image()
    found: dict[tuple[int, ...], tuple[Program, list[int]]] = {}

    def launch(planned: PlannedLaunch) -> None:
        if image.programs[planned.kernel].device == "npu":
            key = (planned.kernel, *planned.arguments)
            found.setdefault(key, (image.programs[planned.kernel], planned.arguments))

    Plan(image.plan, image.programs).run((tokens * len(past), len(past)), sequences, launch)
    return list(found.values()), sequences, image.local_bytes


CASES = [
    ("neupims", "npu-only", 1, (300,)),
    ("neupims", "attention-on-pim", 3, (0, 17)),
    ("neupims", "all-on-pim", 1, (64,)),
    ("attacc", "npu-only", 2, (130, 0)),
    ("attacc", "attention-on-pim", 1, (5,)),
    ("aim", "npu-only", 1, (300,)),
    ("aim", "attention-on-pim", 3, (0, 17)),
    ("aim", "all-on-pim", 1, (64,)),
]


@pytest.mark.parametrize(("machine", "policy", "tokens", "past"), CASES)
def test_no_race_in_the_kernels_of_smollm2(machine: str, policy: str, tokens: int, past: tuple[int, ...]):
    assert policy in POLICIES
    found, sequences, local_bytes = launches(SMOLLM2, tokens, past, machine=machine, policy=policy)
    assert found
    for program, arguments in found:
        Queues(program, local_bytes).run(arguments, sequences)


@pytest.mark.parametrize(("machine", "policy"), [("tiny", "npu-only"), ("tiny-dual", "attention-on-pim")])
def test_every_semaphore_is_needed(machine: str, policy: str):
    """In kernels whose loops all go round their slots, taking out a semaphore leaves a race: all but those (one in
    seven) that only repeat what a chain over a third queue, or the credit of a loop inside the one over sequences, says.
    """
    config = ModelConfig("small", "llama", 2, 96, 6, 6, 16, 96, 96, 128, tied_head=True)
    found, sequences, local_bytes = launches(config, 3, (0, 40, 7, 90, 3), machine=machine, policy=policy)
    races: dict[tuple[str, int], bool] = {}
    for program, arguments in found:
        for number in range(len(program.semaphores)):
            key = program.name, number
            try:
                Queues(without_semaphore(program, number), local_bytes).run(arguments, sequences)
            except Race:
                races[key] = True
            races.setdefault(key, False)
    assert len(races) > 30
    assert sum(races.values()) >= 0.85 * len(races)


def emitted(text: str, passes: str, places: random.Random | None = None) -> Program:
    """The program of the one kernel of a module; `places` puts its buffers at random addresses, overlapping or not."""
    module = parse_module(text)
    compilation = Compilation(module, PipelineOptions("tiny"))
    compilation.run(f"attach-machine{{name=tiny}},{passes}")
    for op in module.walk():
        if isinstance(op, host.BufferOp) and places is not None:
            op.address = host.integer(places.randrange(0, LOCAL // 2, 128))
    compilation.run("npu-insert-semaphores,assign-memory,lower-to-machine")
    (program,) = programs_of(module, "npu")
    return program


LOCAL = 16384
WHOLE = "rows = 1, row_bytes = 256"
TEMPLATES = (
    'npu.load(dram = {d}, dram_stride = 256, {whole}, local = {a}, local_stride = 256) {{queue = "ld0"}} : index, {t}',
    'npu.load(dram = {d}, dram_stride = 256, {whole}, local = {a}, local_stride = 256) {{queue = "ld1"}} : index, {t}',
    "npu.store(dram = {d}, dram_stride = 256, {whole}, local = {a}, local_stride = 256) : index, {t}",
    "npu.unary(function = copy, dst = {a}, dst_stride = 256, dst_type = f32, a = {b}, a_stride = 256, a_type = f32, "
    "rows = 1, cols = 64) : {t}, {t}",
    "npu.matmul(array = 0, a = {a}, a_stride = 256, m = 1, k = 16, n = 64, acc = {b}, acc_stride = 256, "
    "accumulate = 0) : {t}, {t}",
    "npu.preload(array = 0, weights = {a}, weights_stride = 256, k = 1, n = 16) : {t}",
)


def random_kernel(choose: random.Random) -> str:
    """A kernel with a random nest of loops over random instructions on a few buffers and two tensors."""
    type_ = "!host.buffer<1x64xf32>"
    buffers = [f"%b{index}" for index in range(choose.randint(2, 5))]
    counters = iter(range(100))

    def block(depth: int) -> list[str]:
        lines: list[str] = []
        for _ in range(choose.randint(1, 4)):
            if depth < 3 and choose.random() < 0.4:
                stop = choose.choice(["%c1", "%c2", "%n", "%n"])
                lines += [f"scf.for %i{next(counters)} = %c0 to {stop} step %c1 {{", *block(depth + 1), "}"]
                continue
            a, b = choose.sample(buffers, 2)
            template = choose.choice(TEMPLATES)
            lines.append(template.format(a=a, b=b, d=choose.choice(["%d0", "%d1"]), t=type_, whole=WHOLE))
        return lines

    memory = "tensor<1x64xf32> layout #npu.row_major<row_bytes = 256>"
    head = [
        *(f"%c{n} = arith.constant {n} : index" for n in range(3)),
        *(f"%d{n} = host.address_of @m{n}" for n in range(2)),
        *(f"{name} = host.buffer : {type_}" for name in buffers),
    ]
    body = "\n".join([*head, *block(0), "func.return"])
    kernel = f'func.func @k(%n: index) attributes {{device = "npu"}} {{\n{body}\n}}'
    return f"host.memory @m0 : {memory}\nhost.memory @m1 : {memory}\n{kernel}"


@pytest.mark.parametrize("seed", range(24))
def test_no_race_in_random_loops(seed: int):
    choose = random.Random(seed)
    text = random_kernel(choose)
    depth = choose.choice([1, 2, 3])
    for places in (None, choose):
        allocate = "" if places else ",npu-allocate-scratchpad"
        program = emitted(text, f"npu-double-buffer{{depth={depth}}}{allocate}", places)
        for trips in (0, 1, 2, 5):
            Queues(program, LOCAL).run([trips])


def test_the_checker_sees_a_race_across_iterations():
    """Without the credit, a load overwrites the tile that the array still reads; the other semaphore is in place."""
    text = """
    .program @k npu (n)
    .semaphore 0 = 0
    .semaphore 1 = 1
      loop %r1 = 0 to %n {
        ld0: load dram=0, dram_stride=256, rows=1, row_bytes=256, local=0, local_stride=256 wait(s1:1) post(s0:1)
        preload array=0, weights=0, weights_stride=32, k=8, n=16 wait(s0:1) post(s1:1)
      }
      halt
    """
    (program,) = assemble(text)
    Queues(program, LOCAL).run([3])
    Queues(without_semaphore(program, 1), LOCAL).run([1])
    with pytest.raises(Race, match=r"queue mx \(preloads\) at 0"):
        Queues(without_semaphore(program, 1), LOCAL).run([2])


def test_the_checker_sees_a_deadlock():
    text = """
    .program @k npu ()
    .semaphore 0 = 0
      sync wait(s0:1)
      vx: sync post(s0:1)
      halt
    """
    with pytest.raises(AssertionError, match="nobody posts semaphore 0 before"):
        Queues(assemble(text)[0], LOCAL).run([])
