"""Turn the `llm` ops of xPU kernels into operators of its analytic model."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from ...dialects import host, llm, xpu
from ...dialects.instruction import InstructionOp
from .buffers import KernelBuffers, kernels

_RIDES_ALONG = (
    *(llm.EmbedOp, llm.PositionEmbedOp, llm.RopeOp, llm.AddOp, llm.MulOp, llm.BiasAddOp, llm.CastOp),
    *(llm.LastTokenOp, llm.ArgmaxOp),
)


@dataclass(frozen=True)
class ConvertLlmToXpuPass(ModulePass):
    """Convert the kernels with `device = "xpu"` from `llm` ops on values to operators without data.

    Products that read the same input are one product, as for queries, keys and values, unless they make up a gated
    activation. Residuals, biases, rotary embeddings, casts, the embedding and the choice of a token take no operator of
    their own, as in AttAcc's system model; a kernel of nothing else is dropped with its launches.

    Before:

        %q = llm.linear %h, %wq : tensor<?x12288xf16>, tensor<1536x12288xf16> -> tensor<?x1536xf16>
        %k = llm.linear %h, %wk : tensor<?x12288xf16>, tensor<1536x12288xf16> -> tensor<?x1536xf16>

    After:

        xpu.product(m = %rows, n = 3072, k = 12288) : index
    """

    name = "convert-llm-to-xpu"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        empty: set[str] = set()
        for function in kernels(op, "xpu"):
            _Conversion(KernelBuffers(function, op)).run(function)
            if isinstance(function.body.block.first_op, func.ReturnOp):
                empty.add(function.sym_name.data)
                Rewriter.erase_op(function)
        for launch in [inner for inner in op.walk() if isinstance(inner, host.LaunchOp) and inner.symbol in empty]:
            if len(launch.after) != 1:
                raise PassFailedException(
                    f"launch of @{launch.symbol}, which has no operator, waits for {len(launch.after)} events, expected 1"
                )
            launch.event.replace_all_uses_with(launch.after[0])
            Rewriter.erase_op(launch)


@dataclass
class _Conversion:
    buffers: KernelBuffers

    def run(self, function: func.FuncOp) -> None:
        operators = self.operators([op for op in function.walk() if op.name.startswith("llm.")])
        block = function.body.block
        last = block.last_op
        assert last is not None
        for op in reversed([op for op in block.ops if op is not last]):
            Rewriter.erase_op(op)
        Rewriter.insert_op(operators, InsertPoint.before(last))

    def operators(self, ops: list[Operation]) -> list[InstructionOp]:
        found: list[InstructionOp] = []
        merged: set[Operation] = set()
        for op in ops:
            match op:
                case llm.LinearOp() if op not in merged:
                    alike = [op, *(other for other in ops if other is not op and _beside(op, other))]
                    merged.update(alike)
                    found.append(self.product([one for one in alike if isinstance(one, llm.LinearOp)]))
                case llm.RMSNormOp() | llm.LayerNormOp():
                    found.append(xpu.NormOp({"m": self.rows, "n": _width(op.y)}, source=_source([op])))
                case llm.ActivationOp():
                    found.append(self.activation(op))
                case llm.LinearOp() | llm.GetWeightOp():
                    pass
                case _:
                    if not isinstance(op, _RIDES_ALONG):
                        raise PassFailedException(
                            f"{op.name} has no operator on the xPU: place attention on the PIM (llm-place)"
                        )
        return found

    def product(self, alike: list[llm.LinearOp]) -> InstructionOp:
        fields = {"m": self.rows, "n": sum(_width(op.y) for op in alike), "k": _width(alike[0].x)}
        return xpu.ProductOp(fields, source=_source(alike))

    def activation(self, op: llm.ActivationOp) -> InstructionOp:
        gated = any(isinstance(use.operation, llm.MulOp) for use in op.y.uses)
        kind = "glu" if gated else "relu" if op.kind.data.value == "relu" else "gelu"
        kinds = xpu.ActivationOp.OPCODE.enums["kind"]
        return xpu.ActivationOp({"kind": kinds.index(kind), "m": self.rows, "n": _width(op.y)}, source=_source([op]))

    @property
    def rows(self) -> SSAValue:
        return self.buffers.row_count


def _beside(op: llm.LinearOp, other: Operation) -> bool:
    """Whether two products read the same input and none makes up an activation."""
    return isinstance(other, llm.LinearOp) and other.x is op.x and not (_of_activation(op) or _of_activation(other))


def _of_activation(op: llm.LinearOp) -> bool:
    return any(isinstance(use.operation, llm.ActivationOp | llm.MulOp) for use in op.y.uses)


def _width(value: SSAValue) -> int:
    assert isinstance(value.type, TensorType)
    return value.type.get_shape()[-1]


def _source(ops: list) -> StringAttr:
    names = (op.attributes.get("source") for op in ops)
    return StringAttr("+".join(name.data for name in names if isinstance(name, StringAttr)))
