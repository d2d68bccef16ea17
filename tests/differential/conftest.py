"""A model at every stage at once: compiled once, given the same tokens and caches, compared step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest

from pimlir.backends.isa.image import Image, Program
from pimlir.backends.isa.npu import NPU
from pimlir.backends.isa.pim import PIM
from pimlir.backends.isa.spec import FIRST_FIELD, HEADER, REGISTERS, SCALAR_OPS
from pimlir.frontends import ModelConfig, random_model
from pimlir.interpreters.kernels import KernelsInterpreter
from pimlir.interpreters.llm import LlmInterpreter
from pimlir.interpreters.machine import MachineInterpreter
from pimlir.interpreters.placed import PlacedInterpreter
from pimlir.interpreters.run import make_interpreter
from pimlir.passes.pipelines import PipelineOptions, pipeline
from pimlir.sim.plan import Plan
from pimlir.sim.system import System
from pimlir.tools.compiler import Compilation

STAGES = ("llm", "placed", "converted", "kernels", "machine")
"""In order. `converted` is stage `kernels` before its optimisations, which move roundings."""

SAME_BITS = (("placed", "converted"), ("machine", "image"))
"""Neighbours between which data only changes its place."""

ROUNDING = 2.0**-7
"""Bound on the difference of logits of two stages that round differently, relative to their root mean square.

Stages differ in the order of fp32 sums, and `llm` keeps probabilities in fp32 where the machine rounds them to f16. Either
moves a stored activation by an f16 unit in the last place at most now and then, 2^-10 of it; a few layers add up to
several times that. Measured: see docs/explanation/stages.md.
"""


@dataclass
class Stages:
    """The interpreters of one compilation and the simulator. `past` is the number of cached tokens of each slot."""

    config: ModelConfig
    options: PipelineOptions
    interpreters: dict[str, Any]
    system: System
    past: dict[int, int] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)

    @staticmethod
    def compile(config: ModelConfig, stages: Sequence[str] = STAGES, seed: int = 0, **options) -> "Stages":
        model = random_model(config, seed)
        compilation = Compilation(model.build_module(), PipelineOptions(**options))
        chosen = compilation.options
        context = chosen.context or config.context_length
        slots = chosen.cache_slots or chosen.batch
        interpreters = {}
        for stage in STAGES:
            if stage == "converted":
                side = Compilation(compilation.module.clone(), chosen, "placed")
                side.run(pipeline("kernels", chosen).replace("npu-fold-copies,", ""))
                module = side.module
            else:
                module = compilation.to(stage)
            if stage in stages:
                interpreters[stage] = make_interpreter(module.clone(), model.store, slots, context)
        system = System(compilation.image())
        system.load(model.store)
        return Stages(config, chosen, interpreters, system)

    def fill_caches(self, past: dict[int, int], seed: int = 0) -> None:
        """Pretend that slots hold so many tokens, with the same random keys and values at every stage."""
        rng = np.random.default_rng(seed)
        shape = next(r.shape for r in self.system.image.regions if r.symbol == "keys")
        seen = np.zeros(shape, bool)
        for slot, length in past.items():
            seen[:, slot, :, :length] = True
        for symbol in ("keys", "values"):
            values = np.where(seen, rng.standard_normal(shape), 0).astype(np.float16)
            region = next(r for r in self.system.image.regions if r.symbol == symbol)
            self.system.memory.load_region(region, values)
            for interpreter in self.interpreters.values():
                match interpreter:
                    case MachineInterpreter():
                        interpreter.main.store(symbol, values)
                    case KernelsInterpreter():
                        interpreter.caches[symbol] = values.copy()
                    case PlacedInterpreter() | LlmInterpreter():
                        logical = getattr(interpreter.kv, symbol)
                        logical[...] = values.transpose(0, 1, 3, 2, 4)[:, :, : logical.shape[2]]
        self.past = dict(past)

    def step(self, *new_tokens: tuple[int, int], seed: int = 0) -> None:
        """One step with (slot, new tokens) of each sequence at all stages; asserts that they agree."""
        table, row = [], 0
        for slot, new in new_tokens:
            table.append((row, new, self.past.get(slot, 0), slot))
            self.past[slot] = self.past.get(slot, 0) + new
            row += new
        tokens = np.random.default_rng((seed, row)).integers(0, self.config.vocabulary, row, np.int32)
        results = {}
        for stage, interpreter in self.interpreters.items():
            results[stage] = (interpreter.step(tokens, table), interpreter.logits)
        simulated = self.system.step(tokens.tolist(), table)
        assert simulated.next is not None and simulated.logits is not None
        results["image"] = (simulated.next[: len(table)], simulated.logits[: len(table)])
        self.compare(results)

    def compare(self, results: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Neighbouring stages: equal bits where numerics are the same, otherwise the bound."""
        names = list(results)
        for first, second in pairwise(names):
            (ids, logits), (other_ids, other_logits) = results[first], results[second]
            assert np.isfinite(logits).all() and np.isfinite(other_logits).all(), f"{first}, {second}: not finite"
            if (first, second) in SAME_BITS:
                assert np.array_equal(logits, other_logits), f"{first} and {second} differ in bits"
                assert np.array_equal(ids, other_ids)
                continue
            size = np.sqrt(np.mean(np.square(logits, dtype=np.float64)))
            difference = float(np.abs(logits.astype(np.float64) - other_logits).max() / size)
            key = f"{first}-{second}"
            self.differences[key] = max(self.differences.get(key, 0.0), difference)
            assert difference < ROUNDING, f"{first} and {second} differ by {difference:.2g} of the size of the logits"
            best = np.sort(logits, axis=-1)
            clear = best[:, -1] - best[:, -2] > 2 * ROUNDING * size
            assert np.array_equal(ids[clear], other_ids[clear])

    def same_caches(self) -> None:
        """The caches of machine stage and image hold the same bytes, read through layouts written twice."""
        for region in self.system.image.regions:
            if region.symbol in ("keys", "values"):
                found = self.interpreters["machine"].main.read(region.symbol)
                assert np.array_equal(found, self.system.memory.read_region(region))


@pytest.fixture
def stages():
    """`Stages.compile`."""
    return Stages.compile


@pytest.fixture
def instructions():
    """`executed`."""
    return executed


class Executed(NamedTuple):
    """An instruction of an image as it is executed: its program, the op it came from, its name and its fields."""

    program: str
    source: str
    name: str
    fields: dict[str, int]


def executed(image: Image, tokens: int, sequences: Sequence[tuple[int, int, int, int]]) -> Iterator[Executed]:
    """The instructions of one step in program order, decoded from the binary programs of the plan and its kernels."""
    launches: list[tuple[int, list[int]]] = []
    plan = Plan(image.plan, image.programs)
    plan.run((tokens, len(sequences)), sequences, lambda launch: launches.append((launch.kernel, launch.arguments)))
    for kernel, arguments in launches:
        yield from _walk(image.programs[kernel], arguments, sequences)


def _walk(program: Program, arguments: list[int], sequences: Sequence[tuple[int, int, int, int]]) -> Iterator[Executed]:
    isa = {"npu": NPU, "pim": PIM}[program.device]
    registers = [*arguments, *[0] * (REGISTERS - len(arguments))]
    tag = HEADER.index("tag")

    def decode(at: int) -> list[int]:
        row = program.code[at].tolist()
        begin = row[HEADER.index("term_begin")]
        for column, register, factor in program.terms[begin : begin + row[HEADER.index("term_count")]].tolist():
            row[column] += factor * registers[register]
        return row

    at = 0
    while True:
        row = decode(at)
        opcode = isa.by_number(row[0])
        fields = dict(zip(opcode.fields, row[FIRST_FIELD:], strict=False))
        at += 1
        match opcode.name:
            case "halt":
                return
            case "loop":
                registers[fields["counter"]] = fields["start"]
                at = at if fields["start"] < fields["stop"] else fields["exit"]
            case "end":
                begin = fields["begin"]
                counter = program.code[begin][opcode_column("counter")]
                registers[counter] += decode(begin)[opcode_column("step")]
                if registers[counter] < decode(begin)[opcode_column("stop")]:
                    at = begin + 1
            case "scalar":
                a, b = fields["a"], fields["b"]
                registers[fields["result"]] = _SCALARS[SCALAR_OPS[fields["op"]]](a, b)
            case "sequence":
                for register, value in zip(list(fields.values())[1:], sequences[fields["index"]], strict=True):
                    registers[register] = value
            case _:
                yield Executed(program.name, program.tags[row[tag]], opcode.name, fields)


def opcode_column(name: str) -> int:
    """Column of a field of `loop`."""
    return NPU["loop"].column(name)


_SCALARS = {
    "set": lambda a, b: a,
    "ceildiv": lambda a, b: -(-a // b),
    "div": lambda a, b: a // b,
    "rem": lambda a, b: a % b,
    "min": min,
    "max": max,
    "mul": lambda a, b: a * b,
    "sub": lambda a, b: a - b,
}
