"""One generation step, or a whole generation, of a system of GPUs with or without PIM stacks. Results are analytic.

Systems of AttAcc (ASPLOS 2024): DGX with 8 or 16 devices, attention offloaded to the host's processors, and attention in
PIM stacks. Decoders only: no embedding and no output projection, no prefill in the throughput, as in the paper.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..functional.errors import SimulationError
from .attention import AttentionRun, AttentionTimes, StackAttention, mixed_cycles, one_stack
from .capacity import assign_heads, heads_of_fullest_stack
from .energy import Ledger, add, attention_pj, link_pj, xpu_pj
from .links import all_reduce_ns, transfer_ns
from .operators import Kind, Operator, generation_step, prefill
from .overlap import AttentionStages, feed_forward_share, overlap_attention
from .shapes import DecoderShape
from .xpu import AnalyticXpu

ATTENTION = ("score", "softmax", "context")
AWAY = (Kind.MATMUL, Kind.SOFTMAX, Kind.TRANSFER)
FEED_FORWARD = ("ff_gate", "ff_up", "ff_down")


@dataclass(frozen=True)
class Row:
    """One operator of one decoder: its time after overlap and its energy on all devices."""

    op: Operator
    time_ns: float
    energy_pj: Ledger
    bound: str = ""


@dataclass(frozen=True)
class Generation:
    """Means over the generation steps of a batch, for all layers. `time_ms` and `energy_j` are those of one step."""

    time_ms: float
    tokens_per_s: float
    operator_ms: dict[str, float]
    energy_j: dict[str, float]
    batch: int

    @property
    def joule_per_token(self) -> float:
        """Energy of a step divided by its tokens."""
        return sum(self.energy_j.values()) / self.batch


@dataclass
class System:
    """A machine and where its attention runs: on the xPUs, the host's processors, or PIM stacks.

    `devices` other than the machine's is for xPUs alone. `pipelined` and `co_processing` are AttAcc's two optimisations
    for stacks; `times` says how long a stack takes, by default the simulation of its commands. `as_published` keeps the mistakes of its simulator: energy sums, and a host that attends to the heads of
    one device only.
    """

    machine: dict[str, Any]
    attention: Literal["xpu", "cpu", "pim"] = "xpu"
    times: AttentionTimes | None = None
    devices: int = 0
    pipelined: bool = False
    co_processing: bool = False
    as_published: bool = False
    _xpu: AnalyticXpu = field(init=False)
    _cpu: AnalyticXpu = field(init=False)

    def __post_init__(self) -> None:
        for section in ("xpu", "link", {"xpu": "xpu", "cpu": "cpu", "pim": "pim_stacks"}[self.attention]):
            if section not in self.machine:
                raise SimulationError(
                    f"machine {self.machine['name']} has no [{section}], which its analytic model needs"
                )
        self._xpu = AnalyticXpu(self.machine["xpu"])
        self._cpu = AnalyticXpu(self.machine.get("cpu", self.machine["xpu"]))
        self.devices = self.devices or self.machine["xpu"]["devices"]
        if self.attention == "pim" and self.devices != self.machine["pim_stacks"]["devices"]:
            raise SimulationError(
                f"found {self.devices} xPUs, expected {self.machine['pim_stacks']['devices']}: one for each PIM device"
            )
        if self.attention == "pim" and self.times is None:
            self.times = StackAttention(self.machine)

    def prefill(self, shape: DecoderShape, batch: int, length: int, element_bytes: int) -> list[Row]:
        """The operators of one decoder for prompts; attention runs on the xPUs.

        Published: keys and values for the host travel over the link of the PIM stacks.
        """
        ops = prefill(shape, self.devices, batch, length, element_bytes, self.attention != "xpu")
        away = self._on_host if self.attention == "cpu" and not self.as_published else self._to_stacks
        return [away(op) if op.kind == Kind.TRANSFER else self._on_xpu(op) for op in ops]

    def ragged_step(self, shape: DecoderShape, lengths: Sequence[int], element_bytes: int) -> list[Row]:
        """`step` for sequences of different lengths, of which the xPU and the host see the mean.

        Heads go to the stack with the least work, longest first (AttAcc section 5.1), and to its channels likewise; the
        fullest stack decides (`mixed_cycles`). Equal lengths are those of `step`.
        """
        if not lengths:
            raise SimulationError("found 0 sequences, expected at least 1")
        mean = sum(lengths) / len(lengths)
        length = int(mean) if mean == int(mean) else mean
        return self.step(shape, len(lengths), length, element_bytes, lengths if len(set(lengths)) > 1 else None)

    def step(
        self,
        shape: DecoderShape,
        batch: int,
        length: float,
        element_bytes: int,
        lengths: Sequence[int] | None = None,
    ) -> list[Row]:
        """The operators of one decoder for one token of each sequence; `length` includes the new token, and is the mean of
        `lengths` where these are given.
        """
        ops = generation_step(shape, self.devices, batch, length, element_bytes, self.attention != "xpu")
        if self.attention == "pim":
            return self._with_stacks(shape, batch, ops, lengths)
        if self.attention == "cpu":
            return [self._on_host(op) if op.kind in AWAY else self._on_xpu(op) for op in ops]
        return [self._on_xpu(op) for op in ops]

    def generate(self, shape: DecoderShape, batch: int, prompt: int, output: int, element_bytes: int) -> Generation:
        """All steps after the first token of `output` tokens."""
        if output < 2:
            raise SimulationError(f"found {output} output tokens, expected at least 2: the first comes from the prompt")
        times: dict[str, float] = {}
        ledger: Ledger = {}
        steps = output - 1
        for length in range(prompt + 1, prompt + output):
            for row in self.step(shape, batch, length, element_bytes):
                times[row.op.name] = times.get(row.op.name, 0.0) + row.time_ns
                add(ledger, row.energy_pj)
        operator_ms = {name: time * shape.layers / steps * 1e-6 for name, time in times.items()}
        energy_j = {level: value * shape.layers / steps * 1e-12 for level, value in ledger.items()}
        total = sum(operator_ms.values())
        return Generation(total, batch / total * 1000, operator_ms, energy_j, batch)

    def _on_xpu(self, op: Operator) -> Row:
        if op.kind == Kind.ALL_REDUCE:
            time = all_reduce_ns(self.machine["link"], op.payload_bytes, self.devices)
            return Row(op, time, link_pj(self.machine, op.payload_bytes, self.devices))
        cost = self._xpu.cost(op)
        return Row(op, cost.time_ns, xpu_pj(self.machine, op, cost, self.devices, self.as_published), cost.bound)

    def _to_stacks(self, op: Operator) -> Row:
        time = transfer_ns(self.machine["link"], op.payload_bytes, "pim")
        return Row(op, time, link_pj(self.machine, op.payload_bytes, self.devices))

    def _on_host(self, op: Operator) -> Row:
        """Attention of all devices on the host's processors; it has no published energy."""
        if op.kind == Kind.TRANSFER:
            size = op.payload_bytes * (1 if self.as_published else self.devices)
            return Row(op, transfer_ns(self.machine["link"], size, "host"), {})
        if not self.as_published:
            op = replace(op, count=-(-op.count * self.devices // self.machine["cpu"]["devices"]))
        cost = self._cpu.cost(op)
        return Row(op, cost.time_ns, {}, cost.bound)

    def _with_stacks(
        self, shape: DecoderShape, batch: int, ops: list[Operator], lengths: Sequence[int] | None
    ) -> list[Row]:
        rows = {
            op.name: self._to_stacks(op) if op.kind == Kind.TRANSFER else self._on_xpu(op)
            for op in ops
            if op.name not in ATTENTION
        }
        attention, softmax_ns = self._attention_rows(shape, batch, {op.name: op for op in ops}, lengths)
        rows |= attention
        heads = -(-shape.heads // self.devices)
        stages = AttentionStages(
            rows["qkv"].time_ns,
            rows["score"].time_ns + softmax_ns,
            rows["proj"].time_ns,
            rows["transfer_qkv"].time_ns + rows["transfer_context"].time_ns,
        )
        left = overlap_attention(stages, heads, self.pipelined)
        after = {"qkv": left.qkv, "proj": left.proj}
        after |= {"transfer_qkv": left.transfer / 2, "transfer_context": left.transfer / 2}
        if self.co_processing:
            after |= {name: self._shared(rows[name], batch) for name in FEED_FORWARD if name in rows}
        return [replace(rows[op.name], time_ns=after.get(op.name, rows[op.name].time_ns)) for op in ops]

    def _attention_rows(
        self, shape: DecoderShape, batch: int, ops: dict[str, Operator], lengths: Sequence[int] | None
    ) -> tuple[dict[str, Row], float]:
        """Attention stands in the row `score`. Also the softmax time that the published overlap takes into account."""
        assert self.times is not None
        stacks = self.machine["pim_stacks"]
        score, softmax = ops["score"], ops["softmax"]
        heads = -(-shape.heads // self.devices)
        if lengths is None:
            fullest = heads_of_fullest_stack(heads * batch, stacks["stacks"])
            run = self.times(fullest, int(score.n), shape.head_dim, score.element_bytes)
        else:
            run = self._ragged_run([length for length in lengths for _ in range(heads)], shape, score.element_bytes)
        energy = attention_pj(self.machine, run.commands, score, softmax, self.as_published)
        time = run.cycles * self.machine["memory"]["clock_ps"] / 1000
        rows = {
            "score": Row(score, time, energy, "memory"),
            "softmax": Row(softmax, 0.0, {}),
            "context": Row(ops["context"], 0.0, {}),
        }
        bandwidth = stacks["stack_bytes_per_ns"] * stacks["stacks"]
        operations = softmax.flops / (bandwidth * (2 // softmax.element_bytes))
        return rows, max(operations, softmax.elementwise_bytes / bandwidth)

    def _ragged_run(self, heads: Sequence[int], shape: DecoderShape, element_bytes: int) -> AttentionRun:
        """The run of the stack that takes longest, with the mean commands of all stacks."""
        assert self.times is not None
        stacks, channels = self.machine["pim_stacks"]["stacks"], one_stack(self.machine)["memory"]["channels"]
        cycles = max(
            mixed_cycles(self.times, stack, channels, shape.head_dim, element_bytes)
            for stack in assign_heads(heads, stacks)
        )
        commands: dict[str, float] = {}
        for length, count in Counter(heads).items():
            for name, issued in self.times(1, length, shape.head_dim, element_bytes).commands.items():
                commands[name] = commands.get(name, 0.0) + issued * count / stacks
        return AttentionRun(cycles, commands)

    def _shared(self, row: Row, batch: int) -> float:
        """Time of a feed-forward product of which the stacks take a share."""
        return row.time_ns * (1 - self.feed_forward_share(row.bound, batch, row.op.element_bytes))

    def feed_forward_share(self, bound: str, batch: int, element_bytes: int) -> float:
        """Share of a feed-forward product that goes to the stacks."""
        xpu, stacks = self.machine["xpu"], self.machine["pim_stacks"]
        inside = stacks["stack_bytes_per_ns"] * stacks["stacks"] * stacks["bandwidth_scale"]
        return feed_forward_share(bound, batch, element_bytes, xpu["peak_tflops"], xpu["memory_bytes_per_ns"], inside)


def step_ms(rows: Sequence[Row], layers: int) -> float:
    """Time of a step in all layers."""
    return sum(row.time_ns for row in rows) * layers * 1e-6
