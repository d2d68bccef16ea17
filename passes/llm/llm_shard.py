"""Cut a model over devices that run the same program: heads, features and vocabulary, and the layers in stages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects import arith, func, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp, TensorType, i64
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import llm
from ...dialects.llm.attention_ops import ragged_type
from ...dialects.llm.provenance import keep_provenance
from .model_checks import check_weights, find_step

OUTPUTS, INPUTS = 0, 1
"""Dimensions of the weight of a linear layer; a bias has outputs only."""


@dataclass(frozen=True)
class LlmShardPass(ModulePass):
    """Cut the model for `tensor-parallel` x `pipeline-stages` devices; the module becomes the program of each of them.

    Tensor parallel: a linear layer of a whole value is cut by outputs, one of a cut value by inputs, and the sums of the
    latter go through `llm.all_reduce`. So attention is cut by heads, the feed-forward block by its inner features, and the
    output head by vocabulary, whose best logits `llm.all_argmax` compares. Embeddings and norms are whole on every device.
    Heads, KV heads and inner features must be multiples of the devices; slices of a vocabulary that is none overlap.

    Pipeline stages: the module has the layers of the largest stage, between `llm.receive` and `llm.send`. Embedding and
    output head stay in it, as the first and the last stage need them.

    Each cut weight says in `slice` which part of the whole it is; `llm.mesh` on the module is the number of devices.

    Before:

        llm.weight @attn_output : tensor<32x4096x4096xf16>
        %w = llm.get_weight @attn_output[%layer] : tensor<4096x4096xf16>
        %o = llm.linear %mixed, %w : tensor<?x4096xf16>, tensor<4096x4096xf16> -> tensor<?x4096xf16>

    After `llm-shard{tensor-parallel=4 pipeline-stages=2}`:

        llm.weight @attn_output : tensor<16x4096x1024xf16> {slice = #llm.slice<@attn_output, 32 by stage, 4096, 4096 by tensor>}
        %w = llm.get_weight @attn_output[%layer] : tensor<4096x1024xf16>
        %sums = llm.linear %mixed, %w : tensor<?x1024xf16>, tensor<4096x1024xf16> -> tensor<?x4096xf16>
        %o = llm.all_reduce %sums {devices = 4 : i64} : tensor<?x4096xf16>
    """

    name = "llm-shard"

    tensor_parallel: int = 1
    pipeline_stages: int = 1

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for option, count in (("tensor-parallel", self.tensor_parallel), ("pipeline-stages", self.pipeline_stages)):
            if count < 1:
                raise PassFailedException(f"{option} is {count}, expected at least 1")
        if llm.MESH in op.attributes:
            raise PassFailedException(f"the module is cut already: {op.attributes[llm.MESH]}")
        step = find_step(op)
        check_weights(op)
        weights = {weight.sym_name.data: weight for weight in op.ops if isinstance(weight, llm.WeightOp)}
        if self.tensor_parallel > 1:
            _TensorCut(self.tensor_parallel, weights).run(step)
        if self.pipeline_stages > 1:
            _cut_layers(step, weights.values(), self.pipeline_stages)
        step.update_function_type()
        op.attributes[llm.MESH] = llm.MeshAttr(self.tensor_parallel, self.pipeline_stages)


@dataclass
class _TensorCut:
    """Walks the step in order. `cut` are the values of which a device has a part of the features."""

    devices: int
    weights: dict[str, llm.WeightOp]
    cut: set[SSAValue] = field(default_factory=set)
    parts: dict[str, list[tuple[llm.GetWeightOp, int, int]]] = field(default_factory=lambda: defaultdict(list))
    """By symbol: a read of a part, the dimension that is cut, counted without layers, and the size of the part."""

    def run(self, step: func.FuncOp) -> None:
        kv = step.body.block.args[2]
        assert isinstance(kv.type, llm.KVCacheType)
        layers, heads, head_dim = kv.type.shape
        kv_type = llm.KVCacheType(layers, self.part(heads, "KV heads"), head_dim, kv.type.element_type)
        Rewriter.replace_value_with_new_type(kv, kv_type)
        self.block(step.body.block)
        self.cut_weights(step)

    def block(self, block: Block) -> None:
        for op in list(block.ops):
            self.op(op)

    def op(self, op: Operation) -> None:
        match op:
            case arith.ConstantOp() | llm.GetWeightOp() | func.ReturnOp():
                pass
            case scf.ForOp():
                self.whole(op)
                self.block(op.body.block)
            case llm.LinearOp():
                self.by_inputs(op) if op.x in self.cut else self.by_outputs(op)
            case llm.RopeOp():
                self.heads(op, op.x)
                self.same_features(op, op.x)
            case llm.AttentionOp():
                self.heads(op, op.q)
                self.same_features(op, op.q)
            case llm.ScoresOp():
                self.heads(op, op.q)
                self.retype(op.y, llm.RaggedType(op.heads.value.data, ragged_type(op.y).element_type))
            case llm.SoftmaxOp() if op.x in self.cut:
                self.retype(op.y, llm.RaggedType(ragged_type(op.x).heads.data, ragged_type(op.y).element_type))
            case llm.ContextOp() if op.p in self.cut:
                self.retype(op.y, self.narrow(op.y.type, op))
            case llm.KVAppendOp():
                for value in (op.k, op.v):
                    self.expect_cut(op, value)
            case llm.ActivationOp() | llm.MulOp() | llm.AddOp() | llm.CastOp():
                self.elementwise(op)
            case llm.ArgmaxOp():
                self.argmax(op)
            case _:
                self.whole(op)

    def by_outputs(self, op: llm.LinearOp) -> None:
        *_, outputs = _shape(op.y.type)
        only_argmax = all(isinstance(use.operation, llm.ArgmaxOp) for use in op.y.uses)
        size = -(-outputs // self.devices) if only_argmax else self.part(outputs, f"outputs of {_name(op)}")
        self.read_part(op.weight, OUTPUTS, size)
        if op.bias is not None:
            self.read_part(op.bias, OUTPUTS, size)
        self.retype(op.y, TensorType(_element(op.y.type), [*_shape(op.y.type)[:-1], size]))

    def by_inputs(self, op: llm.LinearOp) -> None:
        """Sums over a part of the inputs, then over the devices; the bias is added to the whole sum."""
        self.read_part(op.weight, INPUTS, _shape(op.x.type)[-1])
        bias = op.bias
        if bias is not None:
            without = llm.LinearOp(op.x, op.weight, op.y.type)
            keep_provenance(op, without)
            without.y.name_hint = op.y.name_hint
            Rewriter.replace_op(op, without)
            op = without
        total = llm.AllReduceOp(op.y, self.devices)
        added = [total] if bias is None else [total, llm.BiasAddOp(total.y, bias, op.y.type)]
        keep_provenance(op, *added)
        result = added[-1].results[0]
        total.y.name_hint = result.name_hint = op.y.name_hint
        op.y.name_hint = "sums"
        op.y.replace_uses_with_if(result, lambda use: use.operation is not total)
        Rewriter.insert_op(added, InsertPoint.after(op))

    def heads(self, op: llm.RopeOp | llm.AttentionOp | llm.ScoresOp, x: SSAValue) -> None:
        self.expect_cut(op, x)
        op.heads = IntegerAttr(self.part(op.heads.value.data, "heads"), i64)

    def elementwise(self, op: Operation) -> None:
        if not any(operand in self.cut for operand in op.operands):
            return
        for operand in op.operands:
            self.expect_cut(op, operand)
        self.retype(op.results[0], self.narrow(op.results[0].type, op))

    def argmax(self, op: llm.ArgmaxOp) -> None:
        if op.logits not in self.cut:
            return
        linear = op.logits.owner
        if not isinstance(linear, llm.LinearOp):
            raise PassFailedException("llm.argmax takes logits that are cut, expected those of an llm.linear")
        vocabulary = _shape(linear.weight.type)[OUTPUTS]  # weights are cut last
        best = llm.AllArgmaxOp(op.y, op.logits, self.devices, vocabulary)
        keep_provenance(op, best)
        best.y.name_hint, op.y.name_hint = op.y.name_hint, "local"
        op.y.replace_uses_with_if(best.y, lambda use: use.operation is not best)
        Rewriter.insert_op(best, InsertPoint.after(op))

    def whole(self, op: Operation) -> None:
        for operand in op.operands:
            if operand in self.cut:
                raise PassFailedException(f"{op.name} takes a value that is cut over devices, expected a whole one")

    def expect_cut(self, op: Operation, value: SSAValue) -> None:
        if value not in self.cut:
            raise PassFailedException(f"{op.name} takes a whole value, expected one that is cut over devices")

    def same_features(self, op: Operation, x: SSAValue) -> None:
        self.retype(op.results[0], x.type)

    def narrow(self, type_: Attribute, op: Operation) -> TensorType:
        """The type of a device's part of the features."""
        *rows, features = _shape(type_)
        return TensorType(_element(type_), [*rows, self.part(features, f"features of {op.name}")])

    def retype(self, value: SSAValue, type_: Attribute) -> None:
        self.cut.add(Rewriter.replace_value_with_new_type(value, type_))

    def part(self, whole: int, what: str) -> int:
        if whole % self.devices:
            raise PassFailedException(
                f"tensor-parallel is {self.devices}, expected a divisor of the {what}: there are {whole}"
            )
        return whole // self.devices

    def read_part(self, value: SSAValue, dimension: int, size: int) -> None:
        """Let the op that reads this weight have a read of its own, to be retyped with the weight."""
        self.parts[_weight(value).symbol].append((_weight(value), dimension, size))

    def cut_weights(self, step: func.FuncOp) -> None:
        """Retype weights and their reads. A weight that is also read as a whole gets a second symbol for its part."""
        reads: dict[str, set[llm.GetWeightOp]] = defaultdict(set)
        for op in step.walk():
            if isinstance(op, llm.GetWeightOp):
                reads[op.symbol].add(op)
        for symbol, parts in self.parts.items():
            weight = self.weights[symbol]
            if len({(dimension, size) for _, dimension, size in parts}) > 1:
                raise PassFailedException(f"weight @{symbol} is cut in two ways")
            cut_reads = dict.fromkeys(get for get, _, _ in parts)
            _, dimension, size = parts[0]
            if reads[symbol] != set(cut_reads) or any(
                not isinstance(use.operation, llm.LinearOp) for get in cut_reads for use in get.result.uses
            ):
                weight = self.second_symbol(weight)
            _cut_weight(weight, dimension - len(_shape(parts[0][0].result.type)), size, "tensor", symbol)
            for get in cut_reads:
                shape = list(_shape(get.result.type))
                shape[dimension] = size
                own = llm.GetWeightOp(weight.sym_name.data, TensorType(_element(get.result.type), shape), get.layer)
                own.result.name_hint = get.result.name_hint
                keep_provenance(get, own)
                Rewriter.insert_op(own, InsertPoint.after(get))
                get.result.replace_uses_with_if(own.result, lambda use: isinstance(use.operation, llm.LinearOp))
                if not get.result.uses:
                    Rewriter.erase_op(get)

    def second_symbol(self, weight: llm.WeightOp) -> llm.WeightOp:
        part = weight.clone()
        part.sym_name = type(weight.sym_name)(f"{weight.sym_name.data}_part")
        Rewriter.insert_op(part, InsertPoint.after(weight))
        self.weights[part.sym_name.data] = part
        return part


def _cut_layers(step: func.FuncOp, weights: Iterable[llm.WeightOp], stages: int) -> None:
    """Leave the layers of the largest stage, between receiving their input and sending their output."""
    loops = [op for op in step.body.block.ops if isinstance(op, scf.ForOp)]
    bound = loops[0].ub.owner if len(loops) == 1 else None
    if not isinstance(bound, arith.ConstantOp) or not isinstance(bound.value, IntegerAttr):
        raise PassFailedException("pipeline stages need a step with one layer loop of constant bounds")
    (loop,) = loops
    layers = bound.value.value.data
    if layers < stages:
        raise PassFailedException(f"pipeline-stages is {stages}, expected at most {layers}: the layers of the model")
    if len(loop.iter_args) != 1:
        raise PassFailedException(f"the layer loop carries {len(loop.iter_args)} values, expected 1: the activations")
    mine = -(-layers // stages)
    count = arith.ConstantOp(IntegerAttr(mine, IndexType()))
    count.result.name_hint = f"c{mine}"
    (x,) = loop.iter_args
    received = llm.ReceiveOp(x, stages)
    received.y.name_hint = x.name_hint
    Rewriter.insert_op([count, received], InsertPoint.before(loop))
    loop.operands[1] = count.result
    loop.operands[3] = received.y
    if not bound.result.uses:
        Rewriter.erase_op(bound)
    Rewriter.insert_op(llm.SendOp(loop.results[0], stages), InsertPoint.after(loop))
    kv = step.body.block.args[2]
    assert isinstance(kv.type, llm.KVCacheType)
    _, heads, head_dim = kv.type.shape
    Rewriter.replace_value_with_new_type(kv, llm.KVCacheType(mine, heads, head_dim, kv.type.element_type))
    layered = {get.symbol for get in loop.walk() if isinstance(get, llm.GetWeightOp) and get.layer is not None}
    for weight in weights:
        if weight.sym_name.data in layered:
            _cut_weight(weight, 0, mine, "stage", weight.sym_name.data)


def _cut_weight(weight: llm.WeightOp, dimension: int, size: int, axis: str, whole: str) -> None:
    """Retype a weight to a part of it, and say which in its slice."""
    shape = list(_shape(weight.type))
    cuts = weight.slice.cuts if weight.slice is not None else [(extent, "") for extent in shape]
    whole = weight.slice.whole.data if weight.slice is not None else whole
    cuts[dimension] = (shape[dimension], axis)
    shape[dimension] = size
    weight.type = TensorType(weight.tensor_type.element_type, shape)  # pyright: ignore[reportAttributeAccessIssue]
    weight.slice = llm.SliceAttr(whole, [extent for extent, _ in cuts], [axis for _, axis in cuts])


def _weight(value: SSAValue) -> llm.GetWeightOp:
    if not isinstance(value.owner, llm.GetWeightOp):
        raise PassFailedException("a linear layer has a weight that is no llm.get_weight, which cannot be cut")
    return value.owner


def _name(op: llm.LinearOp) -> str:
    return f"@{_weight(op.weight).symbol}"


def _shape(type_: Attribute) -> tuple[int, ...]:
    assert isinstance(type_, TensorType)
    return type_.get_shape()


def _element(type_: Attribute) -> Attribute:
    assert isinstance(type_, TensorType)
    return type_.element_type
