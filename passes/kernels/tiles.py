"""How a matrix is cut into tiles for the NPU, and how it is spread over the rows of a PIM."""

from xdsl.utils.exceptions import PassFailedException

from ...dialects.hardware import NpuCore, PimMemory
from ...dialects.npu.types import TilesAttr
from ...dialects.pim.types import KeysAttr, MatrixAttr, ValuesAttr
from ..placed.ragged import DEFAULT_TILE


def choose_tiles(outputs: int, inputs: int, core: NpuCore) -> TilesAttr:
    """Tiles of an outputs x inputs matrix.

    tile_k is the largest divisor of the inputs that the array takes (a multiple of 16 if that costs less than half of
    it). tile_n and the number of panels minimise the larger of two times per unit of K: rounds of the arrays, and bytes
    read at half the rate at which all arrays together could load weights. Padding above 1/8 is not considered.
    """
    arrays = max(core.arrays, 1)
    rows, columns = (core.array_rows, core.array_cols) if core.arrays else (DEFAULT_TILE, DEFAULT_TILE)
    divisors = [k for k in range(1, rows + 1) if inputs % k == 0]
    aligned = [k for k in divisors if k % 16 == 0]
    tile_k = aligned[-1] if aligned and 2 * aligned[-1] >= divisors[-1] else divisors[-1]
    best: tuple[tuple[float, int, int], TilesAttr] | None = None
    widths = range(8, columns + 1, 8) if outputs > 8 else [8]
    for tile_n in widths:
        exact = -(-outputs // tile_n)
        for panels in {exact, -(-exact // arrays) * arrays}:
            padded = panels * tile_n
            if padded > outputs * 9 / 8 and panels > exact:
                continue
            group = max(g for g in range(1, arrays + 1) if panels % g == 0)
            cost = max(panels / group, 2 * padded / (arrays * columns))
            key = (cost, padded, -tile_n)
            if best is None or key < best[0]:
                best = key, TilesAttr.of(tile_k=tile_k, tile_n=tile_n, padded_k=inputs, padded_n=padded, group=group)
    assert best is not None
    return best[1]


def choose_matrix(outputs: int, inputs: int, memory: PimMemory) -> MatrixAttr:
    """Rows of an outputs x inputs matrix over all banks; a chunk is what the global buffer or a row holds."""
    chunk_columns = min(memory.buffer_columns, memory.row_columns)
    chunk = chunk_columns * memory.column_elements
    passes = -(-outputs // memory.units)
    columns, per_row, rows = [], [], []
    for first in range(0, inputs, chunk):
        width = -(-min(chunk, inputs - first) // memory.column_elements)
        columns.append(width)
        per_row.append(memory.row_columns // width)
        rows.append(-(-passes // per_row[-1]))
    return MatrixAttr.of(
        chunk=chunk,
        columns_of_chunk=tuple(columns),
        passes_per_row=tuple(per_row),
        rows_of_chunk=tuple(rows),
        rows_per_layer=sum(rows),
    )


def choose_keys(slots: int, context: int, heads: int, head_dim: int, memory: PimMemory, channels: int) -> KeysAttr:
    """Key cache of `slots` sequences of `context` tokens, each in `channels` channels."""
    if head_dim > memory.row_elements:
        raise PassFailedException(
            f"a key has {head_dim} elements, expected at most {memory.row_elements}: a row of a bank of {memory.name}"
        )
    per_row = min(heads, memory.row_elements // head_dim)
    return KeysAttr.of(
        slots=slots,
        channels=channels,
        groups=-(-context // (channels * memory.banks)),
        rows_per_token=-(-heads // per_row),
        heads_per_row=per_row,
        head_dim=head_dim,
    )


def choose_values(slots: int, context: int, heads: int, head_dim: int, memory: PimMemory, channels: int) -> ValuesAttr:
    """Value cache of `slots` sequences of `context` tokens, each in `channels` channels."""
    per_head = -(-head_dim // memory.banks)
    chunks = -(-context // memory.row_elements)
    return ValuesAttr.of(
        slots=slots,
        channels=channels,
        groups=heads * per_head,
        groups_per_head=per_head,
        rows_per_sequence=chunks * -(-heads * per_head // channels),
        row_elements=memory.row_elements,
        head_dim=head_dim,
    )
