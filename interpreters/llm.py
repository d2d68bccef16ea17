"""The meaning of every `llm` op in numpy: slow, readable, and what all lower stages are compared with.

`eval_llm_op` evaluates one op, `LlmInterpreter` runs `@step` of a module of stage `model` or `llm`, decomposed or
specialised. Numerics: every op computes in fp32 and rounds its results once. In `fp16` mode it rounds to the element type
that the IR states, in `fp32` mode it does not round, so that the difference of both is the effect of the storage types.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import erf, pi, sqrt
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from xdsl.dialects import arith, func, scf
from xdsl.dialects.builtin import DYNAMIC_INDEX, Float16Type, IntegerAttr, ModuleOp, TensorType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from ..dialects import llm
from ..dialects.llm.attention_ops import ragged_type
from ..dialects.llm.checks import element_of
from .peers import Peers

Array: TypeAlias = NDArray[Any]
Numerics: TypeAlias = Literal["fp16", "fp32"]
Ragged: TypeAlias = list[Array]
"""Per token row a matrix heads x keys."""


class Weights(Protocol):
    """Anything that has the values of weight symbols, as `frontends.WeightStore`."""

    def array(self, symbol: str) -> Array: ...


class SeqEntry(NamedTuple):
    """One sequence of a step: its first row, its new tokens, the tokens already cached, and its cache slot."""

    row: int
    new: int
    past: int
    slot: int


class KVCache:
    """Keys and values of all layers: layers x slots x context x KV heads x head dimension."""

    def __init__(self, kv_type: llm.KVCacheType, slots: int, context: int, numerics: Numerics):
        layers, heads, head_dim = kv_type.shape
        shape = (layers, slots, context, heads, head_dim)
        dtype = storage(kv_type.element_type, numerics)
        self.keys = np.zeros(shape, dtype)
        self.values = np.zeros(shape, dtype)


@dataclass
class LlmState:
    """What ops need besides their operands: the weights, the numerics, the other devices. Keeps the logits of the last
    argmax.
    """

    weights: Weights
    numerics: Numerics = "fp16"
    peers: Peers | None = None
    logits: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def round(self, values: Array, element_type: Attribute) -> Array:
        return values.astype(storage(element_type, self.numerics))


def storage(element_type: Attribute, numerics: Numerics) -> type[np.floating]:
    return np.float16 if numerics == "fp16" and isinstance(element_type, Float16Type) else np.float32


def eval_llm_op(op: Operation, operands: list[Any], state: LlmState) -> list[Any]:
    """The results of one `llm` op. Tensors are arrays, `!llm.seqs` a list of `SeqEntry`, an index an int."""
    evaluate = _EVALUATE.get(type(op))
    if evaluate is None:
        raise NotImplementedError(f"no evaluation of {op.name}")
    return evaluate(op, operands, state)


class LlmInterpreter:
    """Runs `@step` on a KV cache of its own. `logits` are those of the last step, `observe` sees each op's results."""

    def __init__(
        self,
        module: ModuleOp,
        weights: Weights,
        slots: int,
        context: int,
        numerics: Numerics = "fp16",
        observe: Callable[[Operation, list[Any]], None] | None = None,
    ):
        self.step_func = find_step(module)
        kv_type = self.step_func.body.block.args[2].type
        assert isinstance(kv_type, llm.KVCacheType)
        self.bounds = module.attributes.get(llm.BOUNDS)
        self.slots, self.context = slots, context
        self.kv = KVCache(kv_type, slots, context, numerics)
        self.state = LlmState(weights, numerics)
        self.observe = observe

    @property
    def logits(self) -> Array:
        return self.state.logits

    @property
    def peers(self) -> Peers | None:
        """The other devices, if the module is that of one of several."""
        return self.state.peers

    @peers.setter
    def peers(self, peers: Peers | None) -> None:
        self.state.peers = peers

    def step(self, tokens: ArrayLike, seqs: Sequence[tuple[int, int, int, int]]) -> NDArray[np.int32]:
        """One step of a ragged batch: the next token of each sequence."""
        ids = np.asarray(tokens, np.int32)
        table = [SeqEntry(*entry) for entry in seqs]
        check_step(len(ids), table, self.slots, self.context)
        check_bounds(self.step_func, self.bounds, len(ids), table)
        (result,) = self.run(self.step_func.body.block, [ids, table, self.kv], {})
        return result

    def run(self, block: Block, arguments: list[Any], env: dict[SSAValue, Any]) -> list[Any]:
        """Runs the ops of a block; returns the operands of its terminator."""
        env.update(zip(block.args, arguments, strict=True))
        for op in block.ops:
            operands = [env[operand] for operand in op.operands]
            match op:
                case func.ReturnOp() | scf.YieldOp():
                    return operands
                case arith.ConstantOp(value=IntegerAttr(value=value)):
                    results = [value.data]
                case scf.ForOp():
                    start, stop, step, *carried = operands
                    for index in range(start, stop, step):
                        carried = self.run(op.body.block, [index, *carried], env)
                    results = carried
                case _:
                    results = eval_llm_op(op, operands, self.state)
            if self.observe is not None:
                self.observe(op, results)
            env.update(zip(op.results, results, strict=True))
        raise ValueError("the block has no terminator")


def find_step(module: ModuleOp) -> func.FuncOp:
    for op in module.ops:
        if isinstance(op, func.FuncOp) and op.sym_name.data == "step":
            return op
    raise ValueError("the module has no function @step")


def check_step(rows: int, table: list[SeqEntry], slots: int, context: int) -> None:
    """Refuses a sequence table that does not cover the rows in order, or that does not fit the cache."""
    next_row = 0
    for index, entry in enumerate(table):
        if entry.row != next_row or entry.new < 1:
            raise ValueError(
                f"sequence {index} has {entry.new} rows from {entry.row}, expected at least 1 from {next_row}"
            )
        if not 0 <= entry.slot < slots or entry.past < 0 or entry.past + entry.new > context:
            raise ValueError(
                f"sequence {index} needs {entry.past} + {entry.new} tokens in slot {entry.slot}, "
                f"the cache has {slots} slots of {context} tokens"
            )
        next_row += entry.new
    if next_row != rows:
        raise ValueError(f"the sequences have {next_row} rows, expected {rows}: one per token")
    if len({entry.slot for entry in table}) != len(table):
        raise ValueError("two sequences of the step have the same slot")


def check_bounds(step: func.FuncOp, bounds: Attribute | None, rows: int, table: list[SeqEntry]) -> None:
    """Refuses a step that the module was not specialised for."""
    tokens_type = step.body.block.args[0].type
    assert isinstance(tokens_type, TensorType)
    (expected,) = tokens_type.get_shape()
    if expected not in (DYNAMIC_INDEX, rows):
        raise ValueError(f"the step has {rows} token rows, expected {expected}: the module is specialised")
    if isinstance(bounds, llm.BoundsAttr):
        if bounds.phase.data == llm.Phase.DECODE:
            sequences = bounds.sequences.data
            each = bounds.new_tokens.data // sequences
            if [entry.new for entry in table] != [each] * sequences:
                raise ValueError(
                    f"the sequences bring {[entry.new for entry in table]} tokens, "
                    f"expected {each} from each of {sequences}: the module is specialised to decode"
                )
        longest = max((entry.past + entry.new for entry in table), default=0)
        for what, found, limit in (
            ("sequences", len(table), bounds.sequences.data),
            ("new tokens", rows, bounds.new_tokens.data),
            ("tokens in a sequence", longest, bounds.context.data),
        ):
            if found > limit:
                raise ValueError(f"the step has {found} {what}, expected at most {limit}: the module is specialised")


def rows_of(seqs: list[SeqEntry]) -> Iterator[tuple[int, int, int]]:
    """Row, position and slot of every token row of a step."""
    for entry in seqs:
        for token in range(entry.new):
            yield entry.row + token, entry.past + token, entry.slot


def _f32(values: Array) -> NDArray[np.float32]:
    return values.astype(np.float32, copy=False)


def _get_weight(op: llm.GetWeightOp, operands: list[Any], state: LlmState) -> list[Any]:
    values = state.weights.array(op.symbol)
    return [values[operands[0]] if operands else values]


def _embed(op: llm.EmbedOp, operands: list[Any], state: LlmState) -> list[Any]:
    tokens, table = operands
    wrong = [int(token) for token in tokens if not 0 <= token < len(table)]
    if wrong:
        raise ValueError(f"token id {wrong[0]} is outside the vocabulary of {len(table)}")
    return [state.round(table[tokens], element_of(op.y))]


def _position_embed(op: llm.PositionEmbedOp, operands: list[Any], state: LlmState) -> list[Any]:
    x, table, seqs = operands
    positions = [position + op.offset.value.data for _, position, _ in rows_of(seqs)]
    return [state.round(_f32(x) + _f32(table[positions]), element_of(op.y))]


def _linear(op: llm.LinearOp, operands: list[Any], state: LlmState) -> list[Any]:
    x, weight, *bias = operands
    y = _f32(x) @ _f32(weight).T
    for b in bias:
        y = y + _f32(b)
    return [state.round(y, element_of(op.y))]


def _rms_norm(op: llm.RMSNormOp, operands: list[Any], state: LlmState) -> list[Any]:
    x, gain = (_f32(operand) for operand in operands)
    mean_square = np.mean(x * x, axis=-1, keepdims=True)
    return [state.round(x / np.sqrt(mean_square + np.float32(op.eps.value.data)) * gain, element_of(op.y))]


def _layer_norm(op: llm.LayerNormOp, operands: list[Any], state: LlmState) -> list[Any]:
    x, gain, bias = (_f32(operand) for operand in operands)
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    y = centred / np.sqrt(variance + np.float32(op.eps.value.data)) * gain + bias
    return [state.round(y, element_of(op.y))]


def _rope(op: llm.RopeOp, operands: list[Any], state: LlmState) -> list[Any]:
    x, seqs = operands
    heads, head_dim, theta = op.heads.value.data, op.head_dim.value.data, op.theta.value.data
    positions = np.array([position for _, position, _ in rows_of(seqs)], np.float64)
    angles = positions[:, None, None] * theta ** (-np.arange(0, head_dim, 2) / head_dim)
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    values = _f32(x).reshape(-1, heads, head_dim)
    rotated = np.empty_like(values)
    if op.style.data == llm.RopeStyle.INTERLEAVED:
        first, second = slice(0, None, 2), slice(1, None, 2)
    else:
        first, second = slice(0, head_dim // 2), slice(head_dim // 2, None)
    rotated[..., first] = values[..., first] * cos - values[..., second] * sin
    rotated[..., second] = values[..., first] * sin + values[..., second] * cos
    return [state.round(rotated.reshape(x.shape), element_of(op.y))]


def _kv_append(op: llm.KVAppendOp, operands: list[Any], state: LlmState) -> list[Any]:
    kv, layer, k, v, seqs = operands
    for row, position, slot in rows_of(seqs):
        kv.keys[layer, slot, position] = k[row].reshape(kv.keys.shape[-2:])
        kv.values[layer, slot, position] = v[row].reshape(kv.values.shape[-2:])
    return []


def _score_rows(q: Array, kv: KVCache, layer: int, seqs: list[SeqEntry], scale: float) -> Ragged:
    kv_heads, head_dim = kv.keys.shape[-2:]
    scores: Ragged = []
    for row, position, slot in rows_of(seqs):
        keys = _f32(kv.keys[layer, slot, : position + 1])
        queries = _f32(q[row]).reshape(kv_heads, -1, head_dim)
        products = queries @ keys.transpose(1, 2, 0)
        scores.append(products.reshape(-1, position + 1) * np.float32(scale))
    return scores


def _softmax_rows(scores: Ragged, scale: float = 1.0) -> Ragged:
    factor = np.float32(scale)
    exponentials = [np.exp((_f32(row) - np.max(_f32(row), axis=-1, keepdims=True)) * factor) for row in scores]
    return [row / np.sum(row, axis=-1, keepdims=True) for row in exponentials]


def _context_rows(probabilities: Ragged, kv: KVCache, layer: int, seqs: list[SeqEntry]) -> Array:
    kv_heads = kv.values.shape[-2]
    mixed: list[Array] = []
    for row, position, slot in rows_of(seqs):
        values = _f32(kv.values[layer, slot, : position + 1])
        weights = _f32(probabilities[row]).reshape(kv_heads, -1, position + 1)
        mixed.append((weights @ values.transpose(1, 0, 2)).reshape(-1))
    return np.array(mixed)


def _scores(op: llm.ScoresOp, operands: list[Any], state: LlmState) -> list[Any]:
    q, kv, layer, seqs = operands
    element = ragged_type(op.y).element_type
    return [[state.round(row, element) for row in _score_rows(q, kv, layer, seqs, op.scale.value.data)]]


def _softmax(op: llm.SoftmaxOp, operands: list[Any], state: LlmState) -> list[Any]:
    element = ragged_type(op.y).element_type
    return [[state.round(row, element) for row in _softmax_rows(operands[0], op.scale.value.data)]]


def _context(op: llm.ContextOp, operands: list[Any], state: LlmState) -> list[Any]:
    return [state.round(_context_rows(*operands), element_of(op.y))]


def _attention(op: llm.AttentionOp, operands: list[Any], state: LlmState) -> list[Any]:
    q, kv, layer, seqs = operands
    probabilities = _softmax_rows(_score_rows(q, kv, layer, seqs, op.scale.value.data))
    return [state.round(_context_rows(probabilities, kv, layer, seqs), element_of(op.y))]


def activate(kind: llm.ActivationKind, x: Array) -> Array:
    """An activation function in fp32."""
    match kind:
        case llm.ActivationKind.SILU:
            with np.errstate(over="ignore"):
                return x / (1 + np.exp(-x))
        case llm.ActivationKind.GELU:
            return x * np.float32(0.5) * (1 + np.vectorize(erf, otypes=[np.float32])(x / np.float32(sqrt(2))))
        case llm.ActivationKind.GELU_TANH:
            return x * np.float32(0.5) * (1 + np.tanh(np.float32(sqrt(2 / pi)) * (x + np.float32(0.044715) * x**3)))
        case llm.ActivationKind.RELU:
            return np.maximum(x, 0)


def _activation(op: llm.ActivationOp, operands: list[Any], state: LlmState) -> list[Any]:
    return [state.round(activate(op.kind.data, _f32(operands[0])), element_of(op.y))]


def _bias_add(op: llm.BiasAddOp, operands: list[Any], state: LlmState) -> list[Any]:
    return [state.round(_f32(operands[0]) + _f32(operands[1]), element_of(op.y))]


def _add(op: llm.AddOp, operands: list[Any], state: LlmState) -> list[Any]:
    return [state.round(_f32(operands[0]) + _f32(operands[1]), element_of(op.y))]


def _mul(op: llm.MulOp, operands: list[Any], state: LlmState) -> list[Any]:
    return [state.round(_f32(operands[0]) * _f32(operands[1]), element_of(op.y))]


def _cast(op: llm.CastOp, operands: list[Any], state: LlmState) -> list[Any]:
    return [state.round(operands[0], element_of(op.y))]


def _last_token(op: llm.LastTokenOp, operands: list[Any], state: LlmState) -> list[Any]:
    x, seqs = operands
    return [x[[entry.row + entry.new - 1 for entry in seqs]]]


def _argmax(op: llm.ArgmaxOp, operands: list[Any], state: LlmState) -> list[Any]:
    state.logits = operands[0]
    return [np.argmax(operands[0], axis=-1).astype(np.int32)]


def _all_reduce(op: llm.AllReduceOp, operands: list[Any], state: LlmState) -> list[Any]:
    return [expect_peers(state.peers).all_reduce(operands[0], storage(element_of(op.y), state.numerics))]


def _all_argmax(op: llm.AllArgmaxOp, operands: list[Any], state: LlmState) -> list[Any]:
    ids, logits = operands
    return [expect_peers(state.peers).all_argmax(ids, logits, op.vocabulary.value.data)]


def _receive(op: llm.ReceiveOp, operands: list[Any], state: LlmState) -> list[Any]:
    return [expect_peers(state.peers).receive(operands[0])]


def _send(op: llm.SendOp, operands: list[Any], state: LlmState) -> list[Any]:
    expect_peers(state.peers).send(operands[0])
    return []


def expect_peers(peers: Peers | None) -> Peers:
    if peers is None:
        raise ValueError("the module is that of one of several devices: use ShardedInterpreter")
    return peers


_EVALUATE: dict[type[Operation], Callable[[Any, list[Any], LlmState], list[Any]]] = {
    llm.GetWeightOp: _get_weight,
    llm.EmbedOp: _embed,
    llm.PositionEmbedOp: _position_embed,
    llm.LinearOp: _linear,
    llm.RMSNormOp: _rms_norm,
    llm.LayerNormOp: _layer_norm,
    llm.RopeOp: _rope,
    llm.KVAppendOp: _kv_append,
    llm.AttentionOp: _attention,
    llm.ScoresOp: _scores,
    llm.SoftmaxOp: _softmax,
    llm.BiasAddOp: _bias_add,
    llm.ContextOp: _context,
    llm.ActivationOp: _activation,
    llm.AddOp: _add,
    llm.MulOp: _mul,
    llm.CastOp: _cast,
    llm.LastTokenOp: _last_token,
    llm.ArgmaxOp: _argmax,
    llm.AllReduceOp: _all_reduce,
    llm.AllArgmaxOp: _all_argmax,
    llm.ReceiveOp: _receive,
    llm.SendOp: _send,
}
