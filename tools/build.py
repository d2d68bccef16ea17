"""The stages of a compilation one by one, with what each took, and with options of single passes changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import PassPipeline
from xdsl.utils.arg_spec import ArgSpec, parse_pipeline
from xdsl.utils.exceptions import ArgSpecParseError

from ..backends.isa.image import Image
from ..frontends.model import Model
from ..machines import load_machine
from ..passes.pipelines import STAGES, PipelineOptions, pipeline
from .compiler import Compilation, available_passes, make_context, module_text
from .errors import CommandError

Overrides = Mapping[str, Mapping[str, str]]
"""Pass name -> option -> value as text."""


@dataclass(frozen=True)
class StageCost:
    """What it took to get to a stage, and how large the module is there."""

    stage: str
    seconds: float
    operations: int


class Build:
    """A compilation on its way; `stages` keeps the text of every stage that it passed, `meta` goes into the image."""

    def __init__(
        self,
        module: ModuleOp,
        options: PipelineOptions,
        stage: str = "model",
        overrides: Overrides | None = None,
        meta: Mapping[str, Any] | None = None,
    ):
        self.compilation = Compilation(module, options, stage=stage)
        self.overrides = _checked(overrides or {})
        self.meta = dict(meta or {})
        self.stages = {stage: module_text(module)}
        self.costs = [StageCost(stage, 0.0, count_operations(module))]

    @property
    def module(self) -> ModuleOp:
        return self.compilation.module

    def to(self, stage: str, tell: Callable[[str], None] = lambda stage: None) -> ModuleOp:
        """Go on to `stage`, telling the name of each stage before it is entered."""
        for name in STAGES[STAGES.index(self.compilation.stage) + 1 : STAGES.index(stage) + 1]:
            tell(name)
            begin = time.perf_counter()
            self.compilation.run(self._passes(name))
            self.compilation.stage = name
            self.costs.append(StageCost(name, time.perf_counter() - begin, count_operations(self.module)))
            self.stages[name] = module_text(self.module)
        return self.module

    def image(self, tell: Callable[[str], None] = lambda stage: None) -> Image:
        """The image, which carries the text of the stages."""
        self.to("machine", tell)
        tell("image")
        begin = time.perf_counter()
        self.compilation.stages = dict(self.stages)
        image = self.compilation.image()
        image.meta = {**image.meta, **self.meta}
        instructions = sum(len(program.code) for program in (*image.programs, image.plan))
        self.costs.append(StageCost("image", time.perf_counter() - begin, instructions))
        return image

    def assembly(self, device: str) -> str:
        """The programs of `npu`, `pim` or `host` of a machine-stage module as text."""
        from ..backends.emit.module import programs_of
        from ..backends.isa.disassembly import disassemble_all

        return disassemble_all(programs_of(self.module, device))

    def _passes(self, stage: str) -> str:
        specs = parse_pipeline(pipeline(stage, self.compilation.options))
        return ",".join(str(_changed(spec, self.overrides.get(spec.name, {}))) for spec in specs)


def attention_of(machine: str) -> Literal["heads", "tokens"]:
    """The layout of caches on the PIM: a head in a channel where the machine has commands for that."""
    return "heads" if "mac_tree" in load_machine(machine).pim.commands else "tokens"


def verify_stage(module: ModuleOp, stage: str) -> None:
    """Refuse a module that is not of the stage that it is said to be of."""
    PassPipeline.parse_spec(available_passes(), f"verify-{stage}").apply(make_context(), module)


def count_operations(module: ModuleOp) -> int:
    return sum(1 for _ in module.walk())


def model_meta(model: Model, spec: str) -> dict[str, Any]:
    """What an image says about the model that it was made from, enough to find its weights again."""
    origin = model.store.origin
    return {"model": spec, "model_name": model.config.name, "sha256": origin.sha256 if origin else ""}


def parse_overrides(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """From `pass.option=value` texts."""
    overrides: dict[str, dict[str, str]] = {}
    for text in texts:
        place, equals, value = text.partition("=")
        name, dot, option = place.partition(".")
        if not (equals and dot and name and option):
            raise CommandError(f"pass option {text!r}, expected PASS.OPTION=VALUE as in npu-double-buffer.depth=3")
        overrides.setdefault(name, {})[option] = value
    return overrides


def _checked(overrides: Overrides) -> dict[str, dict[str, Any]]:
    """The options as values of their types; they belong to passes of the pipelines."""
    passes = [spec.name for stage in STAGES for spec in parse_pipeline(pipeline(stage, PipelineOptions("tiny")))]
    checked: dict[str, dict[str, Any]] = {}
    for name, options in overrides.items():
        if name not in passes:
            raise CommandError(f"pass '{name}' is in no stage, expected one of: {', '.join(dict.fromkeys(passes))}")
        cls = available_passes()[name]()
        known = [field.name.replace("_", "-") for field in fields(cls)]
        for option, value in options.items():
            if option.replace("_", "-") not in known:
                raise CommandError(f"pass '{name}' has no option '{option}', it has: {', '.join(known) or 'none'}")
            try:
                (spec,) = parse_pipeline(f"{name}{{{option}={value}}}")
            except ArgSpecParseError:
                raise CommandError(f"pass '{name}', option '{option}': cannot read the value {value!r}") from None
            checked.setdefault(name, {}).update(spec.parameters)
    return checked


def _changed(spec: ArgSpec, options: Mapping[str, Any]) -> ArgSpec:
    """The spec with options replaced; a value of the wrong type is an error here, where the pass is known."""
    for option, value in options.items():
        spec = ArgSpec(spec.name, {**spec.parameters, option: value})
        cls = available_passes()[spec.name]()
        try:
            cls.from_spec(spec)
        except ValueError:
            expected = _type_name(get_type_hints(cls)[option.replace("-", "_")])
            found = ",".join(map(str, value))
            raise CommandError(f"pass '{spec.name}', option '{option}': found {found}, expected {expected}") from None
    return spec


def _type_name(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    return hint.__name__ if isinstance(hint, type) else str(hint)
