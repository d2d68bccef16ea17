"""Compile a model: to a program image, to the IR of any stage, or to what a target makes of the last stage.

Without --to and --target the result is an image file. With --from STAGE, MODEL is IR of that stage (a .mlir file, or - for
stdin). Targets are those of `xdsl-opt -t`: assembly text, and traces for other simulators.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...passes.pipelines import STAGES, PipelineOptions
from ..console import Progress, Table, amount, output_stream, print_tables, read_text, write_output
from ..errors import OK, CommandError, UsageError, user_message
from ..run_options import IMAGE_SUFFIX
from .arguments import DEFAULT_MACHINE, DEFAULT_PLACE, MODEL_HELP, add_devices, add_machine, add_place, positive

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp
    from xdsl.utils.target import Target

    from ..build import Build

HELP = "model or IR to IR of any stage, or to a program image"
IMAGE = "image"
PHASES = ("prefill", "decode", "mixed")


@dataclass(frozen=True)
class CompileOptions:
    """What to compile, for what. None is the default of the passes, or what the module of stage `start` says."""

    model: str
    machine: str | None = None
    place: str | None = None
    sub_batches: bool = False
    phase: str | None = None
    batch: int | None = None
    context: int | None = None
    new_tokens: int | None = None
    start: str = "model"
    to: str = IMAGE
    target: str | None = None
    ignore_capacity: bool = False
    overrides: tuple[str, ...] = ()
    tensor_parallel: int | None = None
    head_groups: int | None = None
    pipeline_stages: int | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=f"{MODEL_HELP}; with --from a .mlir file or -")
    target = parser.add_argument_group("target")
    add_machine(target)
    add_place(target)
    add_devices(target)
    target.add_argument(
        "--sub-batches", action="store_true", help="two halves of the batch, which overlap on NPU and PIM"
    )
    target.add_argument("--ignore-capacity", action="store_true", help="let the model need more rows than a bank has")
    bounds = parser.add_argument_group("what a step may bring")
    bounds.add_argument("--phase", choices=PHASES, help="prefill, decode, or both (default: mixed)")
    bounds.add_argument("--batch", type=positive, metavar="B", help="most sequences (default: 1)")
    bounds.add_argument("--context", type=positive, metavar="L", help="longest sequence (default: the model's)")
    bounds.add_argument("--new-tokens", type=positive, metavar="N", help="most token rows (default: 32; decode: batch)")
    stages = parser.add_argument_group("stages")
    end = stages.add_mutually_exclusive_group()
    end.add_argument("--to", choices=(*STAGES, IMAGE), default=IMAGE, help="where to stop (default: image)")
    end.add_argument(
        "-t",
        "--target",
        metavar="TARGET",
        help="npu-asm, pim-asm, host-asm, or a step for another simulator: aim-trace, attacc-trace; with options aim-trace{past=99}",
    )
    stages.add_argument("--from", dest="start", choices=STAGES, help="MODEL is IR of this stage")
    stages.add_argument("--dump-stages-to", metavar="DIR", help="write the IR of every stage and the assembly there")
    stages.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="PASS.OPTION=VALUE", help="change a pass option"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="default stdout; image: default MODEL-MACHINE.pimg")


def execute(arguments: argparse.Namespace) -> int:
    from ..compiler import find_target

    values = {field.name: getattr(arguments, field.name) for field in fields(CompileOptions)}
    options = CompileOptions(**{**values, "start": arguments.start or "model", "overrides": tuple(arguments.overrides)})
    target = None if options.target is None else find_target(options.target)
    output, size = arguments.output, 0
    with Progress() as progress:
        build = prepare(options, arguments.start is not None, target)
        build.to(STAGES[-1] if options.to == IMAGE else options.to, progress.say)
        result: str | bytes = ""
        if target is None and options.to == IMAGE:
            from ...backends.isa.container import image_bytes

            result = image_bytes(build.image(progress.say))
            output = output or default_name(options.model, build.compilation.options.machine)
        elif target is None:
            result = build.stages[options.to]
    if arguments.dump_stages_to is not None:
        dump_stages(build, Path(arguments.dump_stages_to))
    if target is not None:
        with output_stream(output) as stream:
            target.emit(build.compilation.context, build.module, stream)
            size = stream.tell()
    else:
        write_output(output, result)
        size = len(result)
    rows = [(cost.stage, amount(cost.seconds, "s") if cost.seconds else None, cost.operations) for cost in build.costs]
    print_tables([Table("", ("stage", "time>", "ops>"), rows)], sys.stderr)
    if output not in (None, "-"):
        print(f"wrote {output}, {amount(size, 'B')}", file=sys.stderr)
    return OK


def prepare(options: CompileOptions, from_ir: bool = False, target: Target | None = None) -> Build:
    """The compilation at its first stage; a target for another simulator decides what programs may do."""
    from ...backends.exports.step import StepTarget
    from ...frontends.model import load_model
    from ...machines.loader import load_machine
    from ..build import Build, attention_of, model_meta, parse_overrides

    start, to = options.start, options.to
    if to != IMAGE and STAGES.index(to) < STAGES.index(start):
        raise UsageError(f"--to {to} is before --from {start}")
    _refuse_late(options)
    overrides = parse_overrides(options.overrides)
    meta: dict[str, Any] = {}
    if from_ir:
        module = _read_module(options.model, start)
        attached = _attached_machine(module, start)
    else:
        model = load_model(options.model)
        module, attached, meta = model.build_module(), None, model_meta(model, options.model)
    usual = target.machine if isinstance(target, StepTarget) else DEFAULT_MACHINE
    machine = options.machine or attached or usual
    if to not in ("model", "llm"):
        found = load_machine(machine).name
        if attached not in (None, found):
            raise CommandError(f"the module is placed on machine '{attached}', --machine says '{found}'")
    if STAGES.index(start) >= STAGES.index("placed"):
        meta["policy"] = ""  # decided by whoever made the module
    pipeline_options = PipelineOptions(
        machine=machine,
        policy=options.place or DEFAULT_PLACE,
        sub_batches=options.sub_batches,
        phase=options.phase or "mixed",
        batch=options.batch or 1,
        context=options.context,
        new_tokens=options.new_tokens,
        ignore_capacity=options.ignore_capacity,
        head_groups=options.head_groups or 0,
        tensor_parallel=options.tensor_parallel or 1,
        pipeline_stages=options.pipeline_stages or 1,
        attention="tokens" if to in ("model", "llm") else attention_of(machine),
    )
    if isinstance(target, StepTarget):
        attention = target.attention if pipeline_options.attention == "heads" else "tokens"
        pipeline_options = replace(pipeline_options, mac_operands=target.mac_operands, attention=attention)
    build = Build(module, pipeline_options, start, overrides, meta)
    return build


def default_name(model: str, machine: str) -> str:
    """The file name of an image when none is given."""
    return f"{'module' if model == '-' else Path(model).stem}-{Path(machine).stem}{IMAGE_SUFFIX}"


def dump_stages(build: Build, folder: Path) -> None:
    """Every stage that the compilation passed as `N-stage.mlir`, and the assembly of the machine stage."""
    from xdsl.dialects.builtin import StringAttr

    from ...dialects.xpu import PROCESSOR

    folder.mkdir(parents=True, exist_ok=True)
    for stage, text in build.stages.items():
        write_output(str(folder / f"{STAGES.index(stage)}-{stage}.mlir"), text)
    if build.compilation.stage == STAGES[-1]:
        of_xpu = build.compilation.module.attributes.get(PROCESSOR)
        for device in ("npu", "pim", "host", *((of_xpu.data,) if isinstance(of_xpu, StringAttr) else ())):
            write_output(str(folder / f"{device}.asm"), build.assembly(device))


def _refuse_late(options: CompileOptions) -> None:
    """Options of stages that lie behind: the module has decided already."""
    bounds = ("phase", "batch", "context", "new_tokens", "tensor_parallel", "pipeline_stages")
    late = {"llm": bounds, "placed": ("place", "sub_batches")}
    for stage, names in late.items():
        if STAGES.index(options.start) >= STAGES.index(stage):
            for name in names:
                if getattr(options, name) not in (None, False):
                    raise UsageError(
                        f"--{name.replace('_', '-')} with --from {options.start}: the module has it already"
                    )


def _read_module(path: str, stage: str) -> ModuleOp:
    """The module in a file or in stdin, verified to be of a stage. Errors name the file; a parse error does so already."""
    from xdsl.utils.exceptions import DiagnosticException

    from ..build import verify_stage
    from ..compiler import parse_module

    name = "<stdin>" if path == "-" else path
    try:
        module = parse_module(read_text(path), name)
        verify_stage(module, stage)
    except DiagnosticException as error:
        raise CommandError(f"{name}: {user_message(error)}") from None
    return module


def _attached_machine(module: ModuleOp, start: str) -> str | None:
    """The machine that a module from stage `placed` on names."""
    if STAGES.index(start) < STAGES.index("placed"):
        return None
    name = module.attributes.get("machine.name")
    if name is None:
        raise CommandError(f"the module has no machine.name, expected at stage {start}: attach-machine puts it there")
    return getattr(name, "data", str(name))
