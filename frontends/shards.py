"""The weights of one device of several: parts of whole weights, cut as the IR says."""

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from ..dialects import llm
from ..dialects.llm.mesh import slice_start
from .errors import ModelFileError
from .weights import Values, WeightStore


@dataclass(frozen=True)
class ShardStore:
    """The weights of the device at place `tensor` of those that share each layer of a pipeline `stage`.

    Cut from `store` as the `slice` of each `llm.weight` says.
    """

    store: WeightStore
    weights: dict[str, llm.WeightOp]
    tensor: int
    stage: int = 0

    def array(self, symbol: str) -> Values:
        """The values of a weight symbol; a view of the whole."""
        weight = self.weights[symbol]
        if weight.slice is None:
            return self.store.array(symbol)
        places = {"tensor": self.tensor, "stage": self.stage, "": 0}
        sizes = weight.tensor_type.get_shape()
        begins = [
            slice_start(places[axis], size, whole) for size, (whole, axis) in zip(sizes, weight.slice.cuts, strict=True)
        ]
        values = self.store.array(weight.slice.whole.data)
        return values[tuple(slice(begin, begin + size) for begin, size in zip(begins, sizes, strict=True))]


def shard_stores(module: ModuleOp, store: WeightStore) -> list[ShardStore]:
    """A store for every device of the mesh of a module, those of a stage after each other.

    ModelFileError if the stages are not equally long: then they cannot all run the module.
    """
    mesh = module.attributes.get(llm.MESH)
    tensor, stages = (mesh.tensor.data, mesh.stages.data) if isinstance(mesh, llm.MeshAttr) else (1, 1)
    weights = {op.sym_name.data: op for op in module.ops if isinstance(op, llm.WeightOp)}
    for symbol, weight in weights.items():
        cuts = weight.slice.cuts if weight.slice is not None else []
        for size, (whole, axis) in zip(weight.tensor_type.get_shape(), cuts, strict=bool(cuts)):
            if axis == "stage" and size * stages != whole:
                raise ModelFileError(
                    f"weight @{symbol} has {whole} layers, data needs a multiple of the {stages} pipeline stages"
                )
    return [ShardStore(store, weights, place, stage) for stage in range(stages) for place in range(tensor)]
