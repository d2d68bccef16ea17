"""One run of a model: open it, compile it, execute it step by step, and report. The body of `pimlir run`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..backends.isa.container import load_image
from ..frontends.errors import ModelFileError
from ..frontends.gguf import read_gguf
from ..frontends.model import SMOLLM2, Model, find_smollm2, load_model
from ..frontends.shards import ShardStore, shard_stores
from ..frontends.weights import WeightStore
from ..machines.loader import load_machine
from ..passes.pipelines import PipelineOptions
from .batch import Batch, head_batch, lengths_of, make_batch
from .build import Build, attention_of, model_meta
from .commands.arguments import DEFAULT_MACHINE, DEFAULT_PLACE, DEFAULT_PROMPT
from .errors import CommandError
from .generation import Engine, Simulator, TextStream, generate, generate_batch, time_decode, time_prefill
from .log_file import save_log
from .report import Phase, Report, cost_report, phase_report
from .run_options import Listener, RunOptions, check_options
from .serve_run import DEFAULT_BATCH, Requests, read_served, serve, serving_phase, serving_report, write_steps

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ..sim.timing.model import TimingModel
    from ..sim.timing.program_log import ProgramLog

CONTEXT_STEP = 128
"""The default context is a multiple of this."""

CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


def run(options: RunOptions, listener: Listener | None = None) -> Report:
    """Run a model and return the report; its keys are described in docs/how-to/run-a-model.md."""
    check_options(options)
    return _Session(options, listener or Listener()).run()


class _Session:
    """The state of a run. Methods are called in the order in which they stand here."""

    def __init__(self, options: RunOptions, listener: Listener):
        self.options = options
        self.listener = listener
        self.seconds: dict[str, float] = {}
        self.timing: TimingModel | None = None
        self.log: ProgramLog | None = None
        self.served: Requests | None = None

    def run(self) -> Report:
        for path in (self.options.log, self.options.step_log):
            if path is not None and not Path(path).parent.is_dir():
                raise CommandError(f"{path}: its folder does not exist")
        report = self.execute()
        if self.log is not None and self.options.log is not None:
            self.listener.stage("writing the command log")
            save_log(self.log.finish(), self.options.log)
        return report

    def execute(self) -> Report:
        options = self.options
        with self.clock("load"):
            self.image = load_image(options.model) if options.is_image else None
            self.model = self.open_model()
            self.tokenizer, self.ids, self.prompts = None, [], []
            if options.prompts is not None:
                self.prompts = self.read_prompts(options.prompts)
            elif options.serve:
                assert self.model is not None
                self.served = read_served(options, self.model)
            elif not options.timing_only:
                self.tokenizer, self.ids = self.read_prompt()
        self.batch = self.make_batch() if self.prompts or (options.requests and not options.serve) else None
        self.length = max(self.batch.past) if self.batch else options.prompt_length or len(self.ids)
        self.context = self.choose_context(self.served.longest if self.served else self.length + options.tokens)
        with self.clock("compile"):
            if self.image is None:
                self.compile()
        with self.clock("set up"):
            self.engine = self.make_engine()
        if self.served is not None:
            return self.serve(self.served)
        if options.timing_only:
            return self.time_only()
        return self.produce_batch(self.batch) if self.batch else self.produce()

    @contextmanager
    def clock(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begin

    def open_model(self) -> Model | None:
        """The model with its weights; None for an image that runs without data."""
        options, image = self.options, self.image
        self.listener.stage("loading the model")
        if image is None:
            model = load_model(options.model)
        elif options.timing_only:
            return None
        else:
            spec = options.weights or image.meta.get("model")
            if not spec:
                raise CommandError(f"{options.model}: does not say where its weights come from: use --weights MODEL")
            model = load_model(spec)
            found = model.store.origin.sha256 if model.store.origin else ""
            if image.meta.get("sha256") and found != image.meta["sha256"]:
                raise CommandError(f"{options.model}: was compiled for other weights than those of {spec}")
            if image.bounds["sequences"] > 1 and image.bounds["phase"] == "decode":
                raise CommandError(
                    f"{options.model}: every step has {image.bounds['sequences']} sequences, a run has one: use --timing-only"
                )
        if not options.timing_only and not model.store.has_data:
            raise CommandError(
                f"model '{model.config.name}' has shapes but no weights, so it cannot produce tokens: "
                "use --timing-only --prompt-length P"
            )
        return model

    def make_batch(self) -> Batch:
        """The batch of --requests or of --prompts."""
        options = self.options
        model = self.model or load_model(options.model)
        machine = load_machine(options.machine or DEFAULT_MACHINE).to_dict()
        longest = (options.context or model.config.context_length) - options.tokens
        if options.requests is not None:
            lengths = lengths_of(options.requests, options.seed, longest, not options.no_prefill)
        else:
            lengths = [len(prompt) for prompt in self.prompts]
        how, tensor = options.assign or "min-load", options.tensor_parallel or 1
        channels = self.cache_channels(machine)
        if self.attention == "heads":
            return head_batch(lengths, -(-model.config.kv_heads // tensor), machine["memory"]["channels"], how)
        return make_batch(lengths, model.config, machine, channels, how, tensor, options.value_tokens or 0)

    def cache_channels(self, machine: dict[str, Any]) -> int:
        """Channels that the cache of a sequence is spread over; 0 where its heads are in channels of their own."""
        options = self.options
        if self.attention == "heads":
            if options.cache_channels is not None:
                raise CommandError(f"--cache-channels on {machine['name']}, which keeps heads in channels of their own")
            return 0
        channels = options.cache_channels or 1
        if machine["memory"]["channels"] % channels:
            raise CommandError(
                f"--cache-channels is {channels}, expected a divisor of the {machine['memory']['channels']} channels of "
                f"{machine['name']}"
            )
        return channels

    @property
    def attention(self) -> Literal["heads", "tokens"]:
        """The layout of caches: a head in a channel where the machine has commands for that."""
        return attention_of(self.options.machine or DEFAULT_MACHINE)

    def read_prompts(self, path: str) -> list[list[int]]:
        """Token ids of every line of a file."""
        assert self.model is not None
        try:
            lines = [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
        except UnicodeDecodeError as error:
            raise CommandError(f"{path}: not a text file: byte {error.start}") from None
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        if not lines:
            raise CommandError(f"{path}: no prompts")
        self.tokenizer = self.model.tokenizer()
        return [self.tokenizer.encode(line).ids for line in lines]

    def read_prompt(self) -> tuple[Tokenizer | None, list[int]]:
        """Tokenizer, if there is one, and token ids of the prompt."""
        options, model = self.options, self.model
        assert model is not None
        if options.prompt_ids is not None:
            try:
                tokenizer = model.tokenizer()
            except ModelFileError:
                tokenizer = None
            ids = list(options.prompt_ids)
        else:
            text = DEFAULT_PROMPT if options.prompt is None else options.prompt
            if not text.strip():
                raise CommandError("prompt is empty")
            tokenizer = model.tokenizer()
            if options.chat:
                if tokenizer.token_to_id("<|im_start|>") is None:
                    raise CommandError(f"model '{model.config.name}' has no token <|im_start|>, which --chat needs")
                text = CHAT.format(text)
            ids = tokenizer.encode(text).ids
        if not ids:
            raise CommandError("prompt is empty")
        for position, token in enumerate(ids):
            if not 0 <= token < model.config.vocabulary:
                raise CommandError(
                    f"prompt token {position} is {token}, expected 0..{model.config.vocabulary - 1}: "
                    f"the vocabulary of model '{model.config.name}'"
                )
        return tokenizer, ids

    def choose_context(self, need: int) -> int:
        """The longest sequence that the program must be ready for, at least `need`."""
        options = self.options
        if self.image is not None:
            limit, whose = self.image.bounds["context"], f"the context of {options.model}"
        else:
            assert self.model is not None
            config = self.model.config
            limit, whose = config.context_length, f"the context length of model '{config.name}'"
        context = options.context or limit
        if context > limit:
            raise CommandError(f"--context is {context}, {whose} is {limit}")
        if need > context:
            whose = whose if context == limit else "--context"
            raise CommandError(
                f"a prompt of {self.length} tokens and {options.tokens} tokens more make {need}, {whose} is {context}"
            )
        return context if options.context or self.image else min(limit, -(-need // CONTEXT_STEP) * CONTEXT_STEP)

    def compile(self) -> None:
        """Make the image, or the module of the stage that is to be interpreted."""
        options, model = self.options, self.model
        assert model is not None
        machine = options.machine or DEFAULT_MACHINE
        self.machine = load_machine(machine).to_dict()
        self.place = options.place or DEFAULT_PLACE
        chunk = 0 if options.no_prefill else options.chunk or 32
        stages = options.pipeline_stages or 1
        sequences = len(self.batch.past) if self.batch else options.batch or 1
        if options.timing_only and sequences < stages:
            raise CommandError(
                f"--pipeline-stages is {stages}, expected at most the {sequences} sequences: each stage works on some"
            )
        if options.head_groups and self.machine.get("processor", "npu") != "xpu":
            raise CommandError(f"--head-groups needs a machine with an xPU, {self.machine['name']} has an NPU")
        pipeline_options = PipelineOptions(
            machine,
            self.place,
            phase="decode" if options.no_prefill else "mixed",
            batch=sequences,
            context=self.context,
            new_tokens=max(chunk, sequences) if chunk else None,
            ignore_capacity=options.ignore_capacity,
            sub_batches=options.sub_batches,
            head_groups=options.head_groups or 0,
            value_tokens=options.value_tokens or 0,
            tensor_parallel=options.tensor_parallel or 1,
            pipeline_stages=stages,
            attention=self.attention,
        )
        if self.batch or self.served:
            channels = self.cache_channels(self.machine)
            pipeline_options = replace(pipeline_options, cache_channels=channels, page_tokens=1)
        if self.batch:
            pipeline_options = replace(pipeline_options, cache_slots=self.batch.slot_count)
        if self.served:
            # A step has any number of sequences, so it cannot be of phase decode, and any of them may meet in one channel.
            batch = self.served_batch = options.batch or min(len(self.served.requests), DEFAULT_BATCH)
            spread = self.machine["memory"]["channels"] // channels if channels and self.place != "npu-only" else 1
            slots = batch * spread
            sizes = {"batch": batch, "new_tokens": batch + chunk, "cache_slots": slots}
            pipeline_options = replace(pipeline_options, phase="mixed", **sizes)
        build = Build(model.build_module(), pipeline_options, meta=model_meta(model, options.model))

        def tell(stage: str) -> None:
            self.listener.stage(f"compiling to stage {stage}")

        if options.at is None:
            self.image = build.image(tell)
            self.module = build.module
        else:
            self.module = build.to(options.at, tell)

    def make_engine(self) -> Engine:
        """What executes steps: the simulator, or the interpreter of a stage."""
        options, model, image = self.options, self.model, self.image
        self.listener.stage("filling the memory")
        if image is None:
            assert model is not None
            self.chunk = options.chunk or 32
            return self.interpreter(model)
        self.chunk = image.bounds["new_tokens"]
        self.machine, self.place = image.machine, image.meta.get("policy") or "as in the module"
        from ..sim import kernel_cache
        from ..sim.system import System

        if not any(kernel_cache.FOLDER.rglob("*.nbi")):
            self.listener.stage("compiling the simulator's kernels, which are then kept: about 20 seconds", slow=True)
        if not options.no_timing:
            from ..sim.timing.model import TimingModel
            from ..sim.timing.program_log import ROWS, ProgramLog

            if options.log is not None:
                self.log = ProgramLog(image.machine)
            self.timing = TimingModel(image, ROWS, self.log.add) if self.log else TimingModel(image)
        self.stages = image.meta.get("pipeline_stages", 1)
        devices = image.meta.get("tensor_parallel", 1)
        system = System(image, self.timing, functional=not options.timing_only, devices=devices)
        if model is not None and not options.timing_only:
            system.load(*self.stores(model, devices))
        return Simulator(system)

    def interpreter(self, model: Model) -> Engine:
        """That of the stage that the module is at; of a module for several devices, on all of them."""
        from ..interpreters.run import make_interpreter
        from ..interpreters.sharded import ShardedInterpreter

        stages = self.options.pipeline_stages or 1
        if stages == (self.options.tensor_parallel or 1) == 1:
            return make_interpreter(self.module, model.store, 1, self.context)
        return ShardedInterpreter(self.module, self.stores(model, 0), 1, self.context)

    def stores(self, model: Model, devices: int) -> Sequence[ShardStore | WeightStore]:
        """The weights of each device."""
        if devices == 1:
            return [model.store]
        if self.options.is_image:
            raise CommandError(f"{self.options.model}: is for {devices} devices, expected one: use --timing-only")
        return shard_stores(self.module, model.store)

    def produce(self) -> Report:
        """Tokens, one after another."""
        options = self.options
        spec = options.weights or (options.model if self.image is None else self.image.meta["model"])
        stop = _end_of_sequence(spec) if options.stop_at_eos else None
        stream = _TextOrIds(self.tokenizer, self.listener)
        self.listener.stage(f"prefill of {self.length} tokens")
        if self.tokenizer is not None:
            self.listener.prompt(self.tokenizer.decode(self.ids, skip_special_tokens=False))
        begin, middle, prefill = time.perf_counter(), 0.0, None
        for token in generate(self.engine, self.ids, options.tokens, self.chunk, stop):
            if not stream.tokens:
                middle, prefill = time.perf_counter(), self.statistics()
            stream.add(token)
        end, final = time.perf_counter(), self.statistics()
        steps = -(-self.length // self.chunk)
        count = len(stream.tokens) - 1
        phases = [
            Phase("prefill", self.length, steps, middle - begin, None, prefill),
            Phase("decode", count, count, end - middle, prefill, final),
        ]
        return self.report(phases, stream.tokens, stream.finish())

    def time_only(self) -> Report:
        """Steps without data."""
        options = self.options
        image = self.image
        assert image is not None
        if self.batch is not None:
            return self.time_batch(self.batch)
        assert options.prompt_length is not None
        most = image.bounds["sequences"] if self.stages == 1 else image.bounds["slots"]
        batch = options.batch or (most if options.is_image else 1)
        if batch > most:
            raise CommandError(f"--batch is {batch}, {options.model} takes {most} sequences")
        length, phases, before = options.prompt_length, [], None
        if not options.no_prefill:
            self.listener.stage(f"timing the prefill of {length} tokens")
            begin = time.perf_counter()
            steps = time_prefill(self.engine, [length] * batch, range(batch), self.chunk, image.bounds["sequences"])
            before = self.statistics()
            phases.append(Phase("prefill", length * batch, steps, time.perf_counter() - begin, None, before))
        begin = time.perf_counter()
        for past in range(length, length + options.tokens):
            self.listener.stage(f"timing the decoding of token {past - length + 1} of {options.tokens}")
            time_decode(self.engine, past, batch, self.stages)
        seconds = time.perf_counter() - begin
        phases.append(Phase("decode", options.tokens * batch, options.tokens, seconds, before, self.statistics()))
        return self.report(phases, [], None, batch)

    def produce_batch(self, batch: Batch) -> Report:
        """Tokens of every sequence of a batch."""
        options, tokenizer = self.options, self.tokenizer
        assert isinstance(self.engine, Simulator) and tokenizer is not None
        begin, middle, prefill = time.perf_counter(), 0.0, None
        outputs: list[list[int]] = [[] for _ in batch.past]
        for tokens in generate_batch(self.engine, self.prompts, batch, options.tokens, self.chunk):
            if not outputs[0]:
                middle, prefill = time.perf_counter(), self.statistics()
            self.listener.stage(f"decoding token {len(outputs[0]) + 1} of {options.tokens} of {len(tokens)} sequences")
            for request, token in zip(batch.requests, tokens, strict=True):
                outputs[request].append(token)
        end, final = time.perf_counter(), self.statistics()
        steps = -(-sum(map(len, self.prompts)) // self.chunk)
        decoded = (options.tokens - 1) * len(outputs)
        phases = [
            Phase("prefill", sum(map(len, self.prompts)), steps, middle - begin, None, prefill),
            Phase("decode", decoded, options.tokens - 1, end - middle, prefill, final),
        ]
        report = self.report(phases, [], None, len(outputs))
        report["outputs"] = [
            {"prompt_ids": prompt, "output_ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)}
            for prompt, ids in zip(self.prompts, outputs, strict=True)
        ]
        return report

    def time_batch(self, batch: Batch) -> Report:
        """Prefill of a batch of requests, unless it is to be left out, and decode steps."""
        tokens, phases, before = self.options.tokens, [], None
        assert isinstance(self.engine, Simulator)
        if not self.options.no_prefill:
            self.listener.stage(f"timing the prefill of {sum(batch.past)} tokens of {len(batch.past)} sequences")
            begin = time.perf_counter()
            most = self.engine.system.image.bounds["sequences"]
            steps = time_prefill(self.engine, batch.past, batch.slots, self.chunk, most)
            before = self.statistics()
            phases.append(Phase("prefill", sum(batch.past), steps, time.perf_counter() - begin, None, before))
        begin = time.perf_counter()
        for step in range(tokens):
            self.listener.stage(f"timing the decoding of token {step + 1} of {tokens}")
            for part in batch.micro_batches(self.stages) if self.stages > 1 else [batch]:
                self.engine.step([0] * len(part.past), part.table(step), part.first_half)
        seconds = time.perf_counter() - begin
        phases.append(Phase("decode", tokens * len(batch.past), tokens, seconds, before, self.statistics()))
        report = self.report(phases, [], None, len(batch.past))
        assert isinstance(self.engine, Simulator)
        report["pages"] = self.engine.system.pages.usage()
        return report

    def serve(self, served: Requests) -> Report:
        """Requests as they arrive."""
        options, model = self.options, self.model
        assert isinstance(self.engine, Simulator) and model is not None
        system, batch = self.engine.system, self.served_batch
        server, steps, seconds = serve(system, served, options, model, batch, self.listener.stage)
        phase = serving_phase(steps, server.requests, seconds, self.statistics())
        report = self.report([phase], [], None, batch)
        report["serving"] = serving_report(server, steps)
        report["tokens_in"] = report["serving"]["prompt_tokens"]
        if options.step_log is not None:
            write_steps(options.step_log, steps)
        if served.prompts is not None:
            decode = model.tokenizer().decode
            report["outputs"] = [
                {
                    "prompt_ids": prompt,
                    "output_ids": one.output,
                    "text": decode(one.output, skip_special_tokens=False),
                }
                for prompt, one in zip(served.prompts, server.requests, strict=True)
            ]
        return report

    def statistics(self) -> dict[str, Any] | None:
        return self.timing.statistics() if self.timing else None

    def report(self, phases: Sequence[Phase], tokens: list[int], text: str | None, batch: int = 1) -> Report:
        options, machine = self.options, self.machine
        name = self.model.config.name if self.model else (self.image.meta.get("model_name") if self.image else None)
        decode = phases[-1]
        layers = self.engine.last_layers() if isinstance(self.engine, Simulator) and self.timing else []
        return {
            "model": name or options.model,
            "machine": machine["name"],
            "machine_description": machine.get("description", ""),
            "machine_source": machine.get("source", ""),
            "place": self.place,
            "context": self.context,
            "batch": batch,
            "tensor_parallel": options.tensor_parallel
            or (self.image.meta.get("tensor_parallel", 1) if self.image else 1),
            "pipeline_stages": options.pipeline_stages
            or (self.image.meta.get("pipeline_stages", 1) if self.image else 1),
            "at": options.at,
            "timing_only": options.timing_only,
            "clock_ps": machine["memory"]["clock_ps"],
            "prompt_ids": self.ids,
            "output_ids": tokens,
            "text": text,
            "tokens_in": sum(phase.tokens for phase in phases if phase.name == "prefill"),
            "tokens_out": len(tokens) or decode.tokens,
            "phases": [phase_report(phase, machine) for phase in phases],
            **cost_report(phases[-1].after, machine),
            "per_layer": layers,
            "host": {
                "seconds": {
                    **{part: round(seconds, 3) for part, seconds in self.seconds.items()},
                    **{phase.name: round(phase.host_seconds, 3) for phase in phases},
                },
                "tokens_per_second": decode.tokens / decode.host_seconds if decode.tokens else None,
            },
        }


class _TextOrIds:
    """Shows tokens as text, or as ids where there is no tokenizer."""

    def __init__(self, tokenizer: Tokenizer | None, listener: Listener):
        self.tokens: list[int] = []
        self.listener = listener
        self.stream = TextStream(tokenizer, listener.text) if tokenizer is not None else None

    def add(self, token: int) -> None:
        self.tokens.append(token)
        if self.stream is not None:
            self.stream.add(token)
        else:
            self.listener.text(f"{token} ")

    def finish(self) -> str | None:
        return self.stream.finish() if self.stream is not None else None


def _end_of_sequence(spec: str) -> int:
    """The token of a model file that ends a sequence."""
    file = read_gguf(find_smollm2() if spec == SMOLLM2 else Path(spec))
    return file.get("tokenizer.ggml.eos_token_id", int)
