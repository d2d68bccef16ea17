"""Runs the stage pipelines in one process: from a model to a module of any stage, or to an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.passes import PassPipeline
from xdsl.printer import Printer
from xdsl.universe import Universe
from xdsl.utils.arg_spec import parse_spec
from xdsl.utils.exceptions import ArgSpecParseError
from xdsl.utils.target import Target

from ..backends.isa.image import Image
from ..machines.loader import load_machine
from ..passes.pipelines import STAGES, PipelineOptions, pipeline
from .errors import UsageError


@dataclass
class Compilation:
    """A module on its way through the stages. `stages` keeps the text of each stage that was asked for."""

    module: ModuleOp
    options: PipelineOptions
    stage: str = "model"
    stages: dict[str, str] = field(default_factory=dict)
    keep_text: bool = False
    context: Context = field(default_factory=lambda: make_context())

    def to(self, stage: str) -> ModuleOp:
        """Run the passes up to `stage` and return the module; raises what the passes raise."""
        for name in STAGES[STAGES.index(self.stage) + 1 : STAGES.index(stage) + 1]:
            self.run(pipeline(name, self.options))
            self.stage = name
            if self.keep_text:
                self.stages[name] = module_text(self.module)
        return self.module

    def run(self, passes: str) -> None:
        """Run a pipeline string, verifying after it."""
        PassPipeline.parse_spec(available_passes(), passes).apply(self.context, self.module)
        self.module.verify()

    def image(self) -> Image:
        """The image of the module, with the text of the stages that were kept."""
        from ..backends.emit.image import build_image

        self.to("machine")
        machine = load_machine(self.options.machine)
        return build_image(self.module, machine.to_dict(), self.stages, {"policy": self.options.policy})


def compile_model(module: ModuleOp, options: PipelineOptions, keep_text: bool = False) -> Image:
    """From a model-stage module to an image."""
    compilation = Compilation(module, options, keep_text=keep_text)
    if keep_text:
        compilation.stages["model"] = module_text(module)
    return compilation.image()


def make_context() -> Context:
    """A context with xDSL's dialects and ours, loaded on first use."""
    from xdsl.dialects import get_all_dialects

    context = Context()
    for name, factory in {**get_all_dialects(), **Universe.get_multiverse().all_dialects}.items():
        context.register_dialect(name, factory)
    return context


def available_passes() -> dict[str, Callable]:
    """xDSL's passes and ours."""
    from xdsl.transforms import get_all_passes

    return {**get_all_passes(), **Universe.get_multiverse().all_passes}


def find_target(text: str) -> Target:
    """One of our targets with its options, from a text such as `aim-trace{past=99}`."""
    from pimlir.universe import UNIVERSE

    targets = UNIVERSE.all_targets
    try:
        spec = parse_spec(text)
        if spec.name not in targets:
            raise ValueError(f"expected one of {', '.join(targets)}")
        return targets[spec.name]().from_spec(spec)
    except (ArgSpecParseError, ValueError) as error:
        raise UsageError(f"target '{text}': {str(error).strip().splitlines()[-1].strip()}") from None


def parse_module(text: str, name: str = "<stdin>") -> ModuleOp:
    """A module from text, verified."""
    module = Parser(make_context(), text, name).parse_module()
    module.verify()
    return module


def module_text(module: ModuleOp) -> str:
    """The textual IR of a module."""
    output = StringIO()
    Printer(output).print_op(module)
    return output.getvalue() + "\n"
