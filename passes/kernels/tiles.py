"""How a matrix is cut into tiles for the NPU, and how it is spread over the rows of a PIM."""

from math import gcd, lcm

from xdsl.utils.exceptions import PassFailedException

from ...dialects.hardware import NpuCore, PimMemory
from ...dialects.npu.types import RowMajorAttr, TilesAttr
from ...dialects.pim.types import HeadKeysAttr, HeadValuesAttr, KeysAttr, MatrixAttr, ValuesAttr
from ..placed.ragged import token_tile
from .linear_cost import choose_linear

PAGE_TILES = 4
"""Tiles of tokens in the smallest page of a cache that the NPU reads, so that a load may bring several."""


def choose_tiles(rows: int, outputs: int, inputs: int, core: NpuCore) -> TilesAttr:
    """Tiles of an outputs x inputs matrix that at most `rows` rows of activations are multiplied by."""
    tiles = choose_linear(rows, outputs, inputs, core)
    sizes = {key: getattr(tiles, key) for key in TilesAttr.keys}
    return TilesAttr.of(**sizes)


def choose_rows(head_dim: int, core: NpuCore, page_tokens: int = 0) -> RowMajorAttr:
    """A cache that the NPU reads.

    With `page_tokens` in pages of at least so many tokens: no load goes over the end of a page, so they hold several tiles.
    """
    whole = PAGE_TILES * token_tile(core)
    return RowMajorAttr.of(row_bytes=head_dim * 2, page_tokens=-(-page_tokens // whole) * whole, pages=0)


def choose_matrix(outputs: int, inputs: int, memory: PimMemory) -> MatrixAttr:
    """Rows of an outputs x inputs matrix over all banks; a chunk is what the global buffer or a row holds."""
    chunk_columns = min(memory.buffer_columns, memory.row_columns)
    chunk = chunk_columns * memory.column_elements
    passes = -(-outputs // memory.units)
    columns, per_row, rows = [], [], []
    for first in range(0, inputs, chunk):
        width = -(-min(chunk, inputs - first) // memory.column_elements)
        columns.append(width)
        per_row.append(1 if memory.mac_operands == "none" else memory.row_columns // width)
        rows.append(-(-passes // per_row[-1]))
    return MatrixAttr.of(
        chunk=chunk,
        columns_of_chunk=tuple(columns),
        passes_per_row=tuple(per_row),
        rows_of_chunk=tuple(rows),
        rows_per_layer=sum(rows),
    )


def choose_keys(
    slots: int, context: int, heads: int, head_dim: int, memory: PimMemory, channels: int, page_tokens: int = 0
) -> KeysAttr:
    """Key cache of `slots` sequences of `context` tokens, each in `channels` channels.

    With `page_tokens` in pages of at least so many tokens: whole row tiles.
    """
    units = channels * memory.banks
    page_tokens = -(-page_tokens // units) * units
    if head_dim > memory.row_elements:
        raise PassFailedException(
            f"a key has {head_dim} elements, expected at most {memory.row_elements}: a row of a bank of {memory.name}"
        )
    per_row = 1 if memory.mac_operands == "none" else min(heads, memory.row_elements // head_dim)
    return KeysAttr.of(
        slots=slots,
        channels=channels,
        groups=-(-(page_tokens or context) // units),
        rows_per_token=-(-heads // per_row),
        heads_per_row=per_row,
        head_dim=head_dim,
        page_tokens=page_tokens,
        pages=0,
    )


def choose_values(
    slots: int,
    context: int,
    heads: int,
    head_dim: int,
    memory: PimMemory,
    channels: int,
    page_tokens: int = 0,
    value_tokens: int = 0,
) -> ValuesAttr:
    """Value cache of `slots` sequences of `context` tokens, each in `channels` channels.

    With `page_tokens` in pages of at least so many tokens: whole chunks, as many tokens as a row holds. With `value_tokens`
    a row holds so many tokens of several dimension groups.
    """
    per_head = -(-head_dim // memory.banks)
    elements = memory.row_elements
    if memory.mac_operands == "none":  # one MAC reads all that a row holds
        elements = min(elements, memory.buffer_columns * memory.column_elements)
    groups = -(-heads * per_head // channels)
    if value_tokens:
        check_value_tokens(value_tokens, memory)
        elements = value_tokens
    shared = memory.row_elements // elements if value_tokens else 1
    page_tokens = -(-page_tokens // elements) * elements
    chunks = -(-(page_tokens or context) // elements)
    return ValuesAttr.of(
        slots=slots,
        channels=channels,
        groups=heads * per_head,
        groups_per_head=per_head,
        rows_per_sequence=chunks * -(-groups // shared),
        row_elements=elements,
        groups_per_row=shared if shared > 1 else 0,
        head_dim=head_dim,
        page_tokens=page_tokens,
        pages=0,
    )


def check_value_tokens(value_tokens: int, memory: PimMemory) -> None:
    """PassFailedException unless rows of the memory can hold `value_tokens` tokens of several dimension groups."""
    if value_tokens % memory.column_elements or memory.row_elements % value_tokens:
        raise PassFailedException(
            f"value-tokens is {value_tokens}, expected a multiple of {memory.column_elements}, a column, that divides "
            f"{memory.row_elements}, a row of a bank of {memory.name}"
        )
    if memory.mac_operands == "none":
        raise PassFailedException(
            f"value-tokens is {value_tokens}, but a MAC of {memory.name} begins with the first column"
        )


def choose_head_keys(
    slots: int, context: int, heads: int, head_dim: int, memory: PimMemory, page_tokens: int = 0
) -> HeadKeysAttr:
    """Key cache of `slots` sequences of `context` tokens with a head in a channel; in pages as `choose_keys`."""
    columns = _columns_of_part(head_dim, memory)
    row_tokens = memory.parts * lcm(columns, memory.row_columns) // columns
    page_tokens = -(-page_tokens // row_tokens) * row_tokens
    return HeadKeysAttr.of(
        slots=slots,
        heads_per_channel=_heads_per_channel(heads, slots, page_tokens > 0, memory),
        parts=memory.parts,
        columns=columns,
        rows_per_head=-(-(-(-(page_tokens or context) // memory.parts) * columns) // memory.row_columns),
        head_dim=head_dim,
        page_tokens=page_tokens,
        pages=0,
    )


def choose_head_values(
    slots: int, context: int, heads: int, head_dim: int, memory: PimMemory, page_tokens: int = 0
) -> HeadValuesAttr:
    """Value cache of `slots` sequences of `context` tokens with a head in a channel; in pages as `choose_values`."""
    tokens = -(-context // memory.parts)
    if tokens > memory.buffer_columns * memory.column_elements:
        raise PassFailedException(
            f"a context of {context} tokens has {tokens} in each of {memory.parts} parts, the buffers of {memory.name} hold "
            f"{memory.buffer_columns * memory.column_elements} probabilities"
        )
    row_tokens = memory.parts * memory.row_columns
    page_tokens = -(-page_tokens // row_tokens) * row_tokens
    tokens = page_tokens // memory.parts or tokens
    return HeadValuesAttr.of(
        slots=slots,
        heads_per_channel=_heads_per_channel(heads, slots, page_tokens > 0, memory),
        parts=memory.parts,
        tokens=tokens,
        rows_per_head=-(-_columns_of_part(head_dim, memory) * tokens // memory.row_columns),
        head_dim=head_dim,
        page_tokens=page_tokens,
        pages=0,
    )


def _columns_of_part(head_dim: int, memory: PimMemory) -> int:
    """Columns that a vector takes in every bank of a part."""
    return -(-head_dim // (memory.banks // memory.parts * memory.column_elements))


def _heads_per_channel(heads: int, slots: int, paged: bool, memory: PimMemory) -> int:
    """Heads of all slots in a channel, or in pages those of one slot."""
    if paged:
        return -(-heads // (memory.channels // gcd(slots, memory.channels)))
    return -(-heads * slots // memory.channels)
