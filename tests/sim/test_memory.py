"""Where each layout of a tensor puts its elements, against the formulas of image.py, and back again."""

import numpy as np
import pytest

from pimlir.backends.isa.image import Image, Program, Region
from pimlir.sim.memory import BankMemory, rope_table
from pimlir.sim.system import SimulationError

CHANNELS, BANKS, ROW_BYTES, ROWS, LINEAR_ROWS = 3, 4, 256, 200, 100
UNITS = CHANNELS * BANKS


@pytest.fixture
def memory() -> BankMemory:
    machine = {
        "memory": {
            "channels": CHANNELS,
            "pseudo_channels": 2,
            "ranks": 1,
            "bank_groups": 1,
            "banks_per_group": 2,
            "row_bytes": ROW_BYTES,
        }
    }
    plan = Program("plan", "host", np.zeros((0, 40), np.int64), np.zeros((0, 3), np.int64))
    linear = LINEAR_ROWS * UNITS * ROW_BYTES
    return BankMemory(Image(machine, [], plan, [], {}, {}, 0, 0, linear, LINEAR_ROWS, ROWS))


def halves(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float16)


def element(memory: BankMemory, channel: int, bank: int, row: int, byte: int) -> np.float16:
    return memory.rows[row, bank, channel, byte : byte + 2].view(np.float16)[0]


def round_trip(memory: BankMemory, region: Region, array: np.ndarray) -> None:
    """Loads the region, reads it back, and checks that exactly the tensor's elements were written."""
    memory.load_region(region, array)
    np.testing.assert_array_equal(memory.read_region(region), array)
    assert np.count_nonzero(memory.flat.view(np.float16)) == np.count_nonzero(array)


def test_the_linear_space_runs_through_channels_banks_rows(memory):
    for byte in (0, 255, 256, 3 * 256 + 5, 12345, 100 * UNITS * 256 - 1):
        memory.flat[byte] = 77
        row, bank = byte // (UNITS * ROW_BYTES), byte // (CHANNELS * ROW_BYTES) % BANKS
        assert memory.rows[row, bank, byte // ROW_BYTES % CHANNELS, byte % ROW_BYTES] == 77


@pytest.mark.parametrize("dtype, numpy_type", [("f16", np.float16), ("f32", np.float32), ("i32", np.int32)])
def test_row_major(memory, dtype, numpy_type):
    array = (halves(5, 7) * 100).astype(numpy_type)
    region = Region("x", "w", (5, 7), dtype, {"kind": "row_major"}, address=1030)
    memory.load_region(region, array)
    np.testing.assert_array_equal(memory.flat[1030 : 1030 + array.nbytes].view(numpy_type), array.ravel())
    np.testing.assert_array_equal(memory.read_region(region), array)


@pytest.mark.parametrize("layers, n, k, group", [(1, 32, 24, 2), (3, 33, 17, 3), (3, 33, 17, 1), (2, 5, 40, 1)])
def test_tiles(memory, layers, n, k, group):
    tile_k, tile_n = 8, 16
    padded_n, padded_k = -(-n // tile_n) * tile_n, -(-k // tile_k) * tile_k
    sizes = {"tile_k": tile_k, "tile_n": tile_n, "padded_n": padded_n, "padded_k": padded_k, "group": group}
    layout = {"kind": "tiles", **sizes}
    array = halves(layers, n, k)
    round_trip(memory, Region("x", "w", array.shape, "f16", layout, address=512), array)
    stored = memory.flat.view(np.float16)
    for layer, i, j in np.ndindex(array.shape):
        panel, depth = divmod(i // tile_n, group), padded_k // tile_k
        tile = (layer * (padded_n // tile_n // group) + panel[0]) * depth * group + j // tile_k * group + panel[1]
        at = 512 + tile * tile_k * tile_n * 2 + (j % tile_k * tile_n + i % tile_n) * 2
        assert stored[at // 2] == array[layer, i, j]


def test_tiles_of_a_matrix_without_layers(memory):
    layout = {"kind": "tiles", "tile_k": 8, "tile_n": 16, "padded_n": 16, "padded_k": 16, "group": 1}
    array = halves(11, 9)
    round_trip(memory, Region("x", "w", (11, 9), "f16", layout), array)
    assert memory.flat.view(np.float16)[128 + 7] == array[7, 8]


@pytest.mark.parametrize("layers, n, k", [(1, 12, 64), (2, 29, 130), (3, 7, 33), (1, 61, 64)])
def test_pim_matrix(memory, layers, n, k):
    chunk, passes = 64, -(-n // UNITS)
    lengths = [min(chunk, k - begin) for begin in range(0, k, chunk)]
    columns = [-(-length // 16) for length in lengths]
    passes_per_row = [ROW_BYTES // (32 * c) for c in columns]
    rows_of_chunk = [-(-passes // p) for p in passes_per_row]
    layout = {
        "kind": "pim_matrix",
        "chunk": chunk,
        "columns_of_chunk": columns,
        "passes_per_row": passes_per_row,
        "rows_of_chunk": rows_of_chunk,
        "rows_per_layer": sum(rows_of_chunk),
    }
    array = halves(layers, n, k)
    round_trip(memory, Region("x", "w", array.shape, "f16", layout, row=LINEAR_ROWS), array)
    for layer, i, j in np.ndindex(array.shape):
        c, p, unit = j // chunk, i // UNITS, i % UNITS
        row = LINEAR_ROWS + layer * sum(rows_of_chunk) + sum(rows_of_chunk[:c]) + p // passes_per_row[c]
        byte = (p % passes_per_row[c] * columns[c] * 16 + j - c * chunk) * 2
        assert element(memory, unit // BANKS, unit % BANKS, row, byte) == array[layer, i, j]


def test_pim_keys(memory):
    layers, slots, context, heads, head_dim = 2, 2, 30, 3, 48
    layout = {
        "kind": "pim_keys",
        "slots": 2,
        "channels": CHANNELS,
        "groups": 3,
        "rows_per_token": 2,
        "heads_per_row": 2,
    }
    array = halves(layers, slots, heads, context, head_dim)
    round_trip(memory, Region("k", "", array.shape, "f16", layout, row=120), array)
    for layer, slot, head, token, j in np.ndindex(array.shape):
        unit, group = token % UNITS, token // UNITS
        row = 120 + ((layer * slots + slot) * 3 + group) * 2 + head // 2
        found = element(memory, unit // BANKS, unit % BANKS, row, (head % 2 * head_dim + j) * 2)
        assert found == array[layer, slot, head, token, j]


def test_pim_values(memory):
    layers, slots, context, heads, head_dim = 2, 2, 150, 2, 10
    groups_per_head, row_elements = 3, 128
    groups = heads * groups_per_head
    rows_per_sequence = 2 * -(-groups // CHANNELS)
    layout = {
        "kind": "pim_values",
        "slots": 2,
        "channels": CHANNELS,
        "groups": groups,
        "groups_per_head": groups_per_head,
        "row_elements": row_elements,
        "rows_per_sequence": rows_per_sequence,
    }
    array = halves(layers, slots, heads, context, head_dim)
    round_trip(memory, Region("v", "", array.shape, "f16", layout, row=130), array)
    for layer, slot, head, token, j in np.ndindex(array.shape):
        group = head * groups_per_head + j // BANKS
        row = 130 + (layer * slots + slot) * rows_per_sequence
        row += token // row_elements * -(-groups // CHANNELS) + group // CHANNELS
        found = element(memory, group % CHANNELS, j % BANKS, row, token % row_elements * 2)
        assert found == array[layer, slot, head, token, j]


def test_rope_table_holds_cosines_then_sines():
    table = rope_table(50, 8, 10000.0)
    assert table.dtype == np.float32
    angle = 37 / 10000.0 ** (2 * 3 / 8)
    assert table[37, 3] == np.float32(np.cos(angle))
    assert table[37, 4 + 3] == np.float32(np.sin(angle))


ROW_MAJOR = {"kind": "row_major"}


@pytest.mark.parametrize(
    "region, message",
    [
        (Region("wq", "model.q", (3, 5), "f16", ROW_MAJOR), r"wq: model.q has shape \(3, 4\), expected \(3, 5\)"),
        (Region("wq", "w", (3, 4), "bf16", ROW_MAJOR), r"wq: element type 'bf16' is not one of f16, f32, i32"),
        (Region("wq", "w", (3, 4), "f16", {"kind": "spiral"}), r"wq: unknown layout 'spiral'"),
        (Region("wq", "w", (3, 4), "f16", ROW_MAJOR, address=307190), r"covers bytes \[307190, 307214\), .* 307200"),
    ],
)
def test_a_region_that_does_not_fit_is_refused(memory, region, message):
    with pytest.raises(SimulationError, match=message):
        memory.load_region(region, halves(3, 4))
    assert not memory.flat.any()


def test_rows_beyond_the_image_are_refused(memory):
    layout = {
        "kind": "pim_keys",
        "slots": 1,
        "channels": CHANNELS,
        "groups": 1,
        "rows_per_token": 1,
        "heads_per_row": 1,
    }
    with pytest.raises(SimulationError, match=r"k: covers rows \[199, 201\), the image uses 200"):
        memory.load_region(Region("k", "", (2, 1, 1, 4, 16), "f16", layout, row=199), halves(2, 1, 1, 4, 16))


def test_a_value_too_large_for_the_element_type_is_refused(memory):
    array = np.array([1.0, 70000.0], np.float32)
    with pytest.raises(SimulationError, match=r"wq: 70000.0 does not fit in f16"):
        memory.load_region(Region("wq", "w", (2,), "f16", ROW_MAJOR), array)


def test_a_tensor_of_another_kind_is_refused(memory):
    with pytest.raises(SimulationError, match="wq: w is float64, expected i32"):
        memory.load_region(Region("wq", "w", (2,), "i32", ROW_MAJOR), np.zeros(2))
    memory.load_region(Region("wq", "w", (2,), "f16", ROW_MAJOR), np.array([1e-9, 0.1]))
    np.testing.assert_array_equal(memory.flat[:4].view(np.float16), np.array([0, 0.1], np.float16))
