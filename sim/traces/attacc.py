"""Request traces of AttAcc's Ramulator: `LD address`, `ST address` and `PIM_... address`, one request a line."""

import numpy as np

from ..timing import controller_tables as c
from .text import Source, instruction_array

REQUESTS = {
    "LD": ("rd", c.READS, c.IS_READ),
    "ST": ("wr", c.WRITES, 0),
    "PIM_MAC_AB": ("mac", c.PIM, c.IS_PIM),
    "PIM_MAC_SB": ("mac_same", c.PIM, c.IS_PIM),
    "PIM_MAC_PB": ("mac_each", c.PIM, c.IS_PIM),
    "PIM_WR_GB": ("write_gb", c.PIM, c.IS_PIM),
    "PIM_MV_SB": ("move_result", c.PIM, c.IS_PIM),
    "PIM_MV_GB": ("move_vector", c.PIM, c.IS_PIM),
    "PIM_SFM": ("softmax", c.PIM, c.IS_PIM),
    "PIM_SET_MODEL": ("set_model", c.PIM, c.IS_PIM),
    "PIM_SET_HEAD": ("set_head", c.PIM, c.IS_PIM),
    "PIM_BARRIER": ("", c.PIM, c.IS_PIM | c.IS_FENCE),
}
LOAD_STORE = {word: REQUESTS[word] for word in ("LD", "ST")}


def parse(source: Source, requests: dict[str, tuple[str, int, int]] = REQUESTS) -> np.ndarray:
    """One instruction a line; lines that differ only in a rising channel become one for all of these channels."""
    address = AddressMap(source)
    commands: dict[str, int] = {}
    rows: list[tuple[int, ...]] = []
    key: tuple[int, ...] = ()
    mask = line = count = 0
    merge = source.tables.words[c.WIDTH] == 0  # where the front end takes any number of lines in a cycle
    for words in source.lines():
        if words[0] not in requests:
            raise source.error(f"unknown request {words[0]!r}, expected one of {', '.join(requests)}")
        if len(words) != 2:
            raise source.error(f"{words[0]}: found {len(words) - 1} operands, expected 1: an address")
        name, queue, flags = requests[words[0]]
        if words[0] not in commands:
            commands[words[0]] = source.command(name, words[0]) if name else -1
        channel, target, row, column = address.split(source.integer(words[1], "address", address.limit))
        bit = 1 << channel
        new = (commands[words[0]], target, row, column, flags, queue)
        if not (merge and new == key and bit > mask):
            if count:
                rows.append(_instruction(key, mask, line))
            key, mask, line = new, 0, source.number
        mask |= bit
        count += 1
    if not count:
        raise source.error("the trace has no requests")
    rows.append(_instruction(key, mask, line))
    return instruction_array(rows, source.memory["channels"])


def parse_load_store(source: Source) -> np.ndarray:
    """Loads and stores only."""
    return parse(source, LOAD_STORE)


def _instruction(key: tuple[int, ...], mask: int, line: int) -> tuple[int, ...]:
    command, target, row, column, flags, queue = key
    return (command, mask, target, row, 1, column, line, flags, queue)


class AddressMap:
    """Cuts a byte address into channel, bank, row and column as the controller's `address` says."""

    def __init__(self, source: Source):
        memory, geometry = source.memory, source.tables.geometry
        extents = dict(zip(("pseudo_channel", "rank", "bank_group", "bank"), geometry.extents[1:], strict=True))
        extents |= {"channel": memory["channels"], "row": memory["rows"]}
        extents["column"] = memory["row_bytes"] // memory["access_bytes"]
        self._unit = memory["access_bytes"]
        self._fields = [(name, extents[name]) for name in reversed(source.address)]
        self._geometry = geometry
        self.limit = self._unit
        for _, extent in self._fields:
            self.limit *= extent

    def split(self, address: int) -> tuple[int, int, int, int]:
        """Channel, bank, row and column."""
        place = address // self._unit
        values: dict[str, int] = {}
        for name, extent in self._fields:
            values[name] = place % extent
            place //= extent
        target = self._geometry.target(values[level] for level in ("pseudo_channel", "rank", "bank_group", "bank"))
        return values["channel"], target, values["row"], values["column"]
