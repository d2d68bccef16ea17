"""What a compiled program consists of: kernels, host plan, memory map, machine and the IR it came from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Program:
    """One program: `code` is int64[n, WIDTH], `terms` int64[m, 3], `semaphores` the initial counts (int64[k]).

    `device` is "npu", "pim" or "host". `arguments` names registers 0... `tags` maps the tag column to the name of the
    operation that the instruction came from; tag 0 is "", for instructions that came from none.
    """

    name: str
    device: str
    code: np.ndarray
    terms: np.ndarray
    arguments: tuple[str, ...] = ()
    semaphores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    tags: tuple[str, ...] = ("",)


@dataclass
class Region:
    """A tensor in main memory.

    `layout` is a dictionary with `kind`:
      - "row_major": at byte `address` of the linear space;
      - "tiles": linear space; a [layers,] out x in matrix cut into tile_k x tile_n tiles, each stored [k][n]. Tile (nt,
        kt) is number ((nt div group)*(padded_k/tile_k) + kt)*group + nt mod group of its layer: the order in which
        groups of panels are worked on. `padded_n`, `padded_k` are the stored extents (zero filled);
      - "pim_matrix": rows from `row`; output neuron n lives in unit n mod units (unit = channel*banks + bank), pass
        n div units; K is cut into chunks of `chunk` elements, each chunk c takes `rows_of_chunk[c]` rows, which hold
        `passes_per_row[c]` consecutive passes of `columns_of_chunk[c]` columns; `rows_per_layer` rows a layer;
      - "pim_keys": token t in unit t mod units, row ((layer*slots + slot)*groups + t div units)*rows_per_token +
        head div heads_per_row, byte (head mod heads_per_row)*head_dim*2;
      - "pim_values": dimension j of head h in bank j mod banks of dim group g = h*groups_per_head + j div banks; group g in
        channel g mod channels; token chunk q = t div row_elements in row (layer*slots + slot)*rows_per_sequence +
        q*ceil(groups/channels) + g div channels, byte (t mod row_elements)*2;
      - "pim_head_keys": head h in channel h mod channels; token t in part t mod parts, where a channel's bank b is bank b div
        parts of part b mod parts; dimension j in bank (j div 16) div columns of the part, column (t div parts)*columns + (j
        div 16) mod columns of the head, whose columns follow each other from row ((layer*slots + slot)*heads_per_channel + h
        div channels)*rows_per_head on;
      - "pim_head_values": the same but for dimension j, which is in bank (j div 16) mod n of the part, where a part has n
        banks, column (j div 16) div n*tokens + t div parts;
      - "pim_staging": `rows` rows that vectors pass through on the way to the global buffers; holds no tensor between uses;
      - "rope_table": f32 [context, head_dim] row-major, cos then sin, `theta`; linear space.
    `source` is the weight symbol whose data fills it ("" for caches and generated tables).
    """

    symbol: str
    source: str
    shape: tuple[int, ...]
    dtype: str
    layout: dict[str, Any]
    address: int = 0
    row: int = 0
    size_bytes: int = 0
    rows: int = 0


@dataclass
class Buffer:
    """A host-visible tensor in local memory: `tokens`, `next`, `logits`."""

    address: int
    shape: tuple[int, ...]
    dtype: str
    stride_bytes: int


@dataclass
class Image:
    """A compiled model. `machine` is the resolved machine description (plain dict), `stages` the IR text per stage.

    `bounds` holds phase, sequences, new_tokens and context. `linear_bytes` is the size of the linear space, which takes
    rows [0, first_pim_row) of every bank; `rows_used` is the number of rows used in every bank in all.
    """

    machine: dict[str, Any]
    programs: list[Program]
    plan: Program
    regions: list[Region]
    buffers: dict[str, Buffer]
    bounds: dict[str, Any]
    local_bytes: int
    softmax_bytes: int
    linear_bytes: int
    first_pim_row: int
    rows_used: int
    stages: dict[str, str] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
