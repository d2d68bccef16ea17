"""`npu.gemm` computes the product, to the bit, whatever its tiles and the order of its loops."""

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import PassPipeline
from xdsl.utils.exceptions import PassFailedException

from pimlir.backends.emit.image import build_image
from pimlir.dialects import host
from pimlir.dialects.npu import structured as npu
from pimlir.dialects.npu.types import TilesAttr
from pimlir.machines import load_machine
from pimlir.sim.functional.devices import Devices
from pimlir.sim.memory import BankMemory
from pimlir.tools.compiler import available_passes, make_context

from ..gemm import gemm_module

REST = "npu-tile,npu-double-buffer,npu-allocate-scratchpad,npu-insert-semaphores,assign-memory,lower-to-machine,verify-machine"


def apply(module: ModuleOp, passes: str) -> None:
    PassPipeline.parse_spec(available_passes(), passes).apply(make_context(), module)
    module.verify()


def planned(machine: str, m: int, k: int, n: int) -> ModuleOp:
    module = gemm_module(m, k, n)
    apply(module, f"attach-machine{{name={machine}}},npu-plan-tiles")
    return module


def product(module: ModuleOp, machine: str, a: np.ndarray, w: np.ndarray) -> np.ndarray:
    apply(module, REST)
    image = build_image(module, load_machine(machine).to_dict())
    memory = BankMemory(image)
    regions = {region.symbol: region for region in image.regions}
    memory.load_region(regions["a"], a)
    memory.load_region(regions["w"], w)
    Devices(image, memory).run(0, [])
    return memory.read_region(regions["c"])


def expected(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    """One f32 addition per product, k ascending."""
    total = np.zeros((len(a), len(w)), np.float32)
    for left, right in zip(a.T.astype(np.float32), w.T.astype(np.float32), strict=True):
        total += left[:, None] * right
    return total.astype(np.float16)


def operands(m: int, k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng((m, k, n))
    return rng.standard_normal((m, k)).astype(np.float16), rng.standard_normal((n, k)).astype(np.float16)


@pytest.mark.parametrize(
    ("machine", "shape"), [("tiny", (70, 100, 50)), ("tiny", (1, 33, 7)), ("onnxim", (130, 300, 200))]
)
def test_the_chosen_tiles(machine, shape):
    a, w = operands(*shape)
    np.testing.assert_array_equal(product(planned(machine, *shape), machine, a, w), expected(a, w))


@pytest.mark.parametrize(
    ("order", "keep"), [("mn", "tile"), ("nm", "tile"), ("mn", "rows"), ("mn", "all"), ("nm", "all")]
)
@pytest.mark.parametrize("depths", [1, 2, 4])
def test_every_order_and_store(order, keep, depths):
    shape = (70, 64, 96)
    module = planned("tiny", *shape)
    for op in module.walk():
        if isinstance(op, npu.GemmOp):
            op.order, op.keep = StringAttr(order), StringAttr(keep)
            op.tile_m, op.depths, op.sum_slots = host.integer(32), host.integer(depths), host.integer(2)
        if isinstance(op, host.MemoryOp) and op.sym_name.data == "w":
            op.layout = TilesAttr.of(tile_k=16, tile_n=16, padded_k=64, padded_n=96, group=3)
    a, w = operands(*shape)
    np.testing.assert_array_equal(product(module, "tiny", a, w), expected(a, w))


def test_a_machine_without_array_is_refused():
    with pytest.raises(PassFailedException, match=r"npu\.gemm needs a systolic array, machine aim has none"):
        planned("aim", 4, 64, 64)
