"""Request traces of AttAcc's Ramulator: `LD address`, `ST address` and `PIM_... address`, one request a line."""

from collections.abc import Iterator

import numpy as np

from ..timing import controller_tables as c
from .addresses import AddressMap
from .scan import Names, Words
from .text import Source, instruction_array, shown

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

Requests = dict[str, tuple[str, int, int]]
_FIELDS = ("command", "queue", "flags", "target", "row", "column", "channel", "line")
(_COMMAND, _QUEUE, _FLAGS, _TARGET, _ROW, _COLUMN, _CHANNEL, _LINE) = range(len(_FIELDS))


def parse(source: Source, requests: Requests = REQUESTS) -> Iterator[np.ndarray]:
    """The instructions of each block.

    Where the front end takes any number of lines in a cycle, lines that differ only in a rising channel become one
    instruction for all of these channels, and instructions that differ only in steady steps of column and line become one
    of several requests. In strict order that is the same: the requests are offered in the order of the lines.
    """
    parser = _Parser(source, requests)
    rest = np.zeros((0, len(_FIELDS)), np.int64)
    found = False
    for block in source.blocks():
        lines = np.concatenate([rest, parser.lines(block)])
        found = found or len(lines) > 0
        starts = _starts(source, lines)
        held = starts[-1] if len(starts) else 0  # channels may still follow
        yield _instructions(source, lines[:held], starts[:-1])
        rest = lines[held:]
    if not found:
        raise source.error("the trace has no requests")
    yield _instructions(source, rest, _starts(source, rest))


def parse_load_store(source: Source) -> Iterator[np.ndarray]:
    """Loads and stores only."""
    return parse(source, LOAD_STORE)


class _Parser:
    """Reads blocks into rows of _FIELDS, at once if all lines are as they should be, otherwise one by one."""

    def __init__(self, source: Source, requests: Requests):
        self._source, self._requests = source, requests
        self._address = AddressMap(source)
        self._names = Names(requests)
        self._known = np.zeros((len(requests), 4), np.int64)  # command, queue, flags, whether the machine has it
        for number, (name, queue, flags) in enumerate(requests.values()):
            known = not name or source.has_command(name)
            command = source.command(name, "") if name and known else -1
            self._known[number] = command, queue, flags, known

    def lines(self, block: bytes) -> np.ndarray:
        """All lines of a block."""
        words = Words(block, "")
        kind = words.names(words.first, self._names)
        if not (words.count == 2).all() or not (kind >= 0).all() or not self._known[kind, 3].all():
            return self._one_by_one(block)
        address, valid = words.numbers(words.first + 1)
        if not valid.all() or not (address < self._address.limit).all():
            return self._one_by_one(block)
        return self._rows(kind, address, words.line + self._source.number)

    def _rows(self, kind: np.ndarray, address: np.ndarray, line: np.ndarray) -> np.ndarray:
        channel, target, row, column = self._address.split(address)
        return np.column_stack([self._known[kind, :3], target, row, column, channel, line])

    def _one_by_one(self, block: bytes) -> np.ndarray:
        names = list(self._requests)
        found: list[tuple[int, int, int]] = []
        for words in self._source.block_lines(block):
            if words[0] not in self._requests:
                raise self._source.error(f"unknown request {shown(words[0])}, expected one of {', '.join(names)}")
            if len(words) != 2:
                raise self._source.error(f"{words[0]}: found {len(words) - 1} operands, expected 1: an address")
            if name := self._requests[words[0]][0]:
                self._source.command(name, words[0])
            address = self._source.integer(words[1], "address", self._address.limit)
            found.append((names.index(words[0]), address, self._source.number))
        return self._rows(*np.array(found, np.int64).reshape(len(found), 3).T)


def _starts(source: Source, lines: np.ndarray) -> np.ndarray:
    """The lines that begin an instruction."""
    new = np.ones(len(lines), bool)
    if source.tables.words[c.WIDTH] == 0:
        differs = (lines[1:, :_CHANNEL] != lines[:-1, :_CHANNEL]).any(axis=1)
        new[1:] = differs | (lines[1:, _CHANNEL] <= lines[:-1, _CHANNEL])
    return np.flatnonzero(new)


def _instructions(source: Source, lines: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The instructions of lines."""
    rows = instruction_array(len(starts), source.memory["channels"])
    fields = [c.I_COMMAND, c.I_QUEUE, c.I_FLAGS, c.I_TARGET, c.I_ROW, c.I_COLUMN, c.I_LINE]
    rows[:, fields] = lines[starts][:, [_COMMAND, _QUEUE, _FLAGS, _TARGET, _ROW, _COLUMN, _LINE]]
    if len(starts):
        word, bit = np.divmod(lines[:, _CHANNEL], c.MASK_BITS)
        for index in range(rows.shape[1] - int(c.I_CHANNELS)):
            rows[:, c.I_CHANNELS + index] = np.bitwise_or.reduceat(np.where(word == index, 1 << bit, 0), starts)
    if source.tables.words[c.WIDTH] == 0 and source.tables.words[c.STRICT] and len(rows) > 1:
        rows = _joined(rows)
    return rows


def _joined(rows: np.ndarray) -> np.ndarray:
    """PIM instructions that differ only in steady steps of column and line as one."""
    stepping = [c.I_COLUMN, c.I_LINE]
    others = [index for index in range(rows.shape[1]) if index not in stepping]
    alike = (rows[1:, others] == rows[:-1, others]).all(axis=1)
    alike &= (rows[1:, c.I_QUEUE] == c.PIM) & (rows[1:, c.I_FLAGS] == c.IS_PIM)
    steps = np.diff(rows[:, stepping], axis=0)
    joins = np.zeros(len(rows), bool)
    joins[1:] = alike
    # The second of a run sets its steps; a step that differs from that before begins a run, unless that began one.
    joins[2:] &= (steps[1:] == steps[:-1]).all(axis=1) | ~alike[:-1]
    begins = np.flatnonzero(~joins)
    joined = rows[begins]
    joined[:, c.I_COUNT] = np.diff(begins, append=len(rows))
    several = np.flatnonzero(joined[:, c.I_COUNT] > 1)
    joined[several[:, None], [c.I_COLUMN_STEP, c.I_LINE_STEP]] = steps[begins[several]]
    return joined
