"""Checks on a whole module of `llm` ops, shared by the verify passes: symbols, layers, the shape of `@step`."""

from collections.abc import Collection

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, TensorType, i32
from xdsl.dialects.func import FuncOp
from xdsl.dialects.scf import ForOp
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects import llm

_DIALECTS = ("llm", "func", "scf", "arith", "builtin")


def model_of(module: ModuleOp) -> llm.ModelAttr:
    model = module.attributes.get(llm.MODEL)
    if not isinstance(model, llm.ModelAttr):
        raise PassFailedException(f"the module has no attribute {llm.MODEL}, expected #llm.model<...>")
    return model


def find_step(module: ModuleOp) -> FuncOp:
    """The function `@step`, checked to have the signature of a step."""
    steps = [op for op in module.ops if isinstance(op, FuncOp) and op.sym_name.data == "step"]
    if len(steps) != 1:
        raise PassFailedException(f"the module has {len(steps)} functions @step, expected 1")
    match steps[0].function_type.inputs.data, steps[0].function_type.outputs.data:
        case (TensorType() as tokens, llm.SeqsType(), llm.KVCacheType()), (TensorType() as result,):
            if tokens.element_type == result.element_type == i32:
                return steps[0]
    raise PassFailedException(
        f"@step has type {steps[0].function_type}, "
        "expected (tensor<?xi32>, !llm.seqs, !llm.kv_cache<...>) -> tensor<?xi32>"
    )


def check_ops(module: ModuleOp, stage: str, gone: Collection[type[Operation]]) -> None:
    """Refuses ops that must not be left at a stage, and ops of other dialects."""
    for op in module.walk():
        if isinstance(op, tuple(gone)) or op.name.split(".")[0] not in _DIALECTS:
            raise PassFailedException(f"{op.name} is not allowed at stage {stage}")


def check_weights(module: ModuleOp) -> None:
    """Every `llm.get_weight` names a weight, with the type of its symbol, inside the layers of the symbol."""
    weights: dict[str, llm.WeightOp] = {}
    for op in module.ops:
        if isinstance(op, llm.WeightOp):
            if op.sym_name.data in weights:
                raise PassFailedException(f"weight @{op.sym_name.data} is declared twice")
            weights[op.sym_name.data] = op
    for op in module.walk():
        if isinstance(op, llm.GetWeightOp):
            _check_get_weight(op, weights)


def check_layers(module: ModuleOp) -> None:
    """No op reaches past the layers of the KV cache."""
    for op in module.walk():
        if isinstance(op, llm.KVAppendOp | llm.AttentionOp | llm.ScoresOp | llm.ContextOp):
            assert isinstance(op.kv.type, llm.KVCacheType)
            _check_layer(op, op.layer, op.kv.type.layers.data, "the KV cache")


def _check_get_weight(op: llm.GetWeightOp, weights: dict[str, llm.WeightOp]) -> None:
    weight = weights.get(op.symbol)
    if weight is None:
        raise PassFailedException(f"llm.get_weight names @{op.symbol}, expected one of: {', '.join(weights) or 'none'}")
    declared = weight.tensor_type
    expected = declared
    if op.layer is not None:
        if declared.get_num_dims() == 0:
            raise PassFailedException(f"llm.get_weight @{op.symbol} has an index, the weight has no dimensions")
        layers, *shape = declared.get_shape()
        expected = TensorType(declared.element_type, shape)
        _check_layer(op, op.layer, layers, f"weight @{op.symbol}")
    if op.result.type != expected:
        index = "[layer]" if op.layer is not None else ""
        raise PassFailedException(f"llm.get_weight @{op.symbol}{index} has type {op.result.type}, expected {expected}")


def _check_layer(op: Operation, layer: SSAValue, layers: int, owner: str) -> None:
    largest = _largest(layer)
    if largest is not None and largest >= layers:
        raise PassFailedException(f"{op.name} reaches layer {largest}, {owner} has {layers} layers")


def _largest(index: SSAValue) -> int | None:
    """The largest value of an index: a constant, or the induction variable of a loop with constant bounds."""
    if isinstance(index, BlockArgument):
        loop = index.block.parent_op()
        if isinstance(loop, ForOp) and index.index == 0:
            bounds = [_constant(bound) for bound in (loop.lb, loop.ub, loop.step)]
            if None not in bounds:
                return max(range(*bounds), default=None)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return None
    return _constant(index)


def _constant(value: SSAValue) -> int | None:
    match value.owner:
        case arith.ConstantOp(value=IntegerAttr(value=number)):
            return number.data
    return None
