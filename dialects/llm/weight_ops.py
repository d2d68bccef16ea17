"""Ops of `llm` that declare weights and read them."""

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    FlatSymbolRefAttrConstr,
    IndexType,
    ModuleOp,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    TensorType,
)
from xdsl.ir import SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import HasParent, Pure, SymbolOpInterface
from xdsl.utils.exceptions import VerifyException

from .checks import FLOAT_TENSOR, shape_of, text
from .mesh import SliceAttr


@irdl_op_definition
class WeightOp(IRDLOperation):
    """A weight of the model: a symbol with a type and, optionally, where its values come from. Never the values.

    A weight that exists in each layer is one symbol with the layer as first dimension; its `source` then holds
    `{layer}`. `source` is the key inside the model file, `file` the base name of that file, `sha256` its hash and
    `source_type` the format it is stored in there. On one of several devices `slice` says which part of it this is.

    Example:

        llm.weight @attn_q : tensor<30x576x576xf16> {source = "blk.{layer}.attn_q.weight", source_type = "Q4_1"}
        llm.weight @attn_k : tensor<30x64x576xf16> {slice = #llm.slice<@attn_k, 30, 192 by tensor, 576>}
    """

    name = "llm.weight"

    sym_name = prop_def(SymbolNameConstraint())
    type = prop_def(FLOAT_TENSOR)
    source = opt_prop_def(StringAttr)
    file = opt_prop_def(StringAttr)
    sha256 = opt_prop_def(StringAttr)
    source_type = opt_prop_def(StringAttr)
    slice = opt_prop_def(SliceAttr)

    assembly_format = "$sym_name `:` $type attr-dict"
    traits = traits_def(SymbolOpInterface(), HasParent(ModuleOp))
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(
        self,
        sym_name: str,
        type: TensorType,
        *,
        source: str | None = None,
        file: str | None = None,
        sha256: str | None = None,
        source_type: str | None = None,
    ):
        optional = {"source": source, "file": file, "sha256": sha256, "source_type": source_type}
        texts = {key: StringAttr(value) for key, value in optional.items() if value is not None}
        super().__init__(properties={"sym_name": StringAttr(sym_name), "type": type, **texts})

    @property
    def tensor_type(self) -> TensorType:
        assert isinstance(self.type, TensorType)
        return self.type

    def verify_(self) -> None:
        shape = shape_of(self.type)
        if DYNAMIC_INDEX in shape or 0 in shape:
            raise VerifyException(
                f"weight @{self.sym_name.data} has shape {text(shape)}, expected static sizes of at least 1"
            )
        if self.slice is not None:
            self._check_slice(self.slice, shape)
        if self.sha256 is not None and len(self.sha256.data) != 64:
            raise VerifyException(
                f"weight @{self.sym_name.data} has a sha256 of {len(self.sha256.data)} characters, expected 64"
            )

    def _check_slice(self, part: SliceAttr, shape: tuple[int, ...]) -> None:
        cuts = part.cuts
        if len(cuts) != len(shape) or any(
            size > whole or (size < whole and not axis) for size, (whole, axis) in zip(shape, cuts, strict=True)
        ):
            raise VerifyException(f"weight @{self.sym_name.data} has shape {text(shape)}, which is no slice {part}")


@irdl_op_definition
class GetWeightOp(IRDLOperation):
    """The values of a weight, or with an index those of one layer.

    With an index the first dimension of the symbol's type is dropped. That the symbol exists and that the types agree is
    checked for the whole module at once by the `verify-model` and `verify-llm` passes.

    Example:

        %layer = "test.op"() : () -> index
        %wq = llm.get_weight @attn_q[%layer] : tensor<576x576xf16>
        %gain = llm.get_weight @output_norm : tensor<576xf16>
    """

    name = "llm.get_weight"

    weight = prop_def(FlatSymbolRefAttrConstr)
    layer = opt_operand_def(IndexType)
    result = result_def(FLOAT_TENSOR)

    assembly_format = "$weight (`[` $layer^ `]`)? attr-dict `:` type($result)"
    traits = traits_def(Pure())

    def __init__(self, weight: str, result_type: TensorType, layer: SSAValue | None = None):
        super().__init__(operands=[layer], result_types=[result_type], properties={"weight": SymbolRefAttr(weight)})

    @property
    def symbol(self) -> str:
        assert isinstance(self.weight, SymbolRefAttr)
        return self.weight.root_reference.data
