"""Time of a PIM program: one in-order stream of commands per channel, on the banks that ordinary traffic uses too."""

import numpy as np

from ...backends.isa.pim import PIM
from ...backends.isa.spec import HEADER as WORDS
from ..functional.dispatch import FAILED, FAULT_PC, LAST_CONTROL, MAX_INT, columns, control, fetch, within
from ..functional.dispatch import FINISHED as HALTED
from ..functional.jit import bare, bare_entry
from . import pim_heads
from .pim_counters import (
    BUFFER,
    COPIED,
    INSTRUCTIONS,
    MAC_BUSY,
    MAC_COLUMNS,
    MACS,
    READ,
    RESULT,
    SOFTMAX_BUSY,
    SOFTMAX_ELEMENTS,
    WRITTEN,
)
from .pim_streams import (
    ACCESS_READ,
    ACCESS_WRITE,
    ACTIVATE,
    COPY_ROW,
    FIRST,
    FOURTH,
    HANDED,
    KIND,
    MAC,
    MAC_READ,
    PRECHARGE,
    READ_ACC,
    SCATTER,
    SECOND,
    TAG,
    THIRD,
    WRITE_BUFFER,
    advance,
    next_command,
)
from .tables import (
    ACCESS_BYTES,
    BANKS,
    CHANNEL_WORDS,
    CHANNELS,
    COLUMN_BYTES,
    DONE,
    END,
    FAULTED,
    FINISHED,
    HAND_OVER,
    HANDED_FROM,
    HANDED_OVER,
    HEAD,
    HEADER,
    HEADS,
    IDLE,
    JOINED,
    LANES,
    NEXT,
    NONE,
    ONE,
    OPENING,
    PAUSED,
    PC,
    PIM_TAG,
    QUEUE_END,
    RELEASED,
    SOFTMAX_LATENCY,
    SOFTMAX_RATE,
    STREAM,
    TAIL,
    TIME,
    WAITING,
    ZERO,
    numbers,
)

_write_buffer, _copy_row, _activate, _mac, _read_acc, _precharge = (
    columns(PIM[name]) for name in ("write_buffer", "copy_row", "activate", "mac", "read_acc", "precharge")
)
_write, _scatter, _softmax = (columns(PIM[name]) for name in ("write", "scatter", "softmax"))  # read is as write
_OP_WRITE_BUFFER, _OP_COPY_ROW, _OP_ACTIVATE, _OP_MAC, _OP_READ_ACC, _OP_PRECHARGE = (
    np.int64(PIM[name].number) for name in ("write_buffer", "copy_row", "activate", "mac", "read_acc", "precharge")
)
_OP_WRITE, _OP_READ, _OP_SCATTER, _OP_SOFTMAX = (
    np.int64(PIM[name].number) for name in ("write", "read", "scatter", "softmax")
)


def _columns_of(field):
    """For every opcode the column of this field, -1 without one."""
    table = np.full(1 + max(opcode.number for opcode in PIM.opcodes), -1, np.int64)
    for opcode in PIM.opcodes:
        if field in opcode.fields:
            table[opcode.number] = opcode.column(field)
    return table


_CHANNEL, _CHANNELS = (_columns_of(field) for field in ("channel", "channels"))
_BANK, _BANKS = (_columns_of(field) for field in ("bank", "banks"))
_TAG = WORDS.index("tag")

_KIND_OF = {
    "write_buffer": WRITE_BUFFER,
    "copy_row": COPY_ROW,
    "activate": ACTIVATE,
    "mac": MAC,
    "read_acc": READ_ACC,
    "precharge": PRECHARGE,
    "scatter": SCATTER,
    "read": ACCESS_READ,
    "write": ACCESS_WRITE,
}
_KINDS = np.full(1 + max(opcode.number for opcode in PIM.opcodes), -1, np.int64)
for _name, _kind in _KIND_OF.items():
    _KINDS[PIM[_name].number] = _kind
_F16, _F32 = np.int64(2), np.int64(4)  # bytes


FULL, _IN_ORDER = numbers(4, 6)
"""More of what walking returns: the queue of a channel is full; an instruction is not for the queues."""


@bare_entry
def run_pim(tables, state, streams, code, terms, registers, sequences, pages, row, walk, horizon, counters, fault):
    """Walk a program on from where it stands, up to memory cycle `horizon`; walk[END] is its end when FINISHED.

    FULL: a channel might go on if its queue were longer.
    """
    while True:
        status = _decode(tables, state, streams, code, terms, registers, sequences, pages, row, walk, counters, fault)
        if status == FAULTED:
            return FAULTED
        for channel in range(tables[CHANNELS]):
            advance(tables, state, streams, channel, horizon)
        counters[MAC_BUSY] += streams.busy[0]
        streams.busy[0] = 0
        following = _next(tables, state, streams)
        if following < IDLE:
            walk[TIME] = following
            return FULL if status == FULL else PAUSED
        if status == FINISHED:
            walk[END] = _latest(tables, state, walk[END])
            return FINISHED
        if status == _IN_ORDER and tables[HEADS] and pim_heads.of_heads(row[0]):
            once = horizon < MAX_INT
            if not _heads(
                tables, state, streams, code, terms, registers, sequences, pages, row, walk, once, counters, fault
            ):
                return FAULTED
            if once:
                walk[TIME] = walk[END]
                return PAUSED
        elif status == _IN_ORDER:
            _execute_in_order(tables, state, row, counters)
            end = _latest(tables, state, walk[END])
            _count(streams, row, counters)
            streams.by_tag[row[_TAG], 1] += end - walk[END]
            walk[END] = end
            walk[PC] += 1
            walk[WAITING] = 0
            if horizon < MAX_INT:
                walk[TIME] = end
                return PAUSED


@bare
def _heads(tables, state, streams, code, terms, registers, sequences, pages, row, walk, once, counters, fault):
    """Execute the instruction of heads in `row`, and those that follow it unless `once`; the queues are empty meanwhile."""
    while True:
        pim_heads.execute(tables, state, row, row[_TAG], counters)
        end = walk[END]
        for channel in range(row[_CHANNEL[row[0]]], row[_CHANNEL[row[0]]] + row[_CHANNELS[row[0]]]):
            base = _base(tables, channel)
            end = max(end, max(state[base + STREAM], state[base + DONE]))
        _count(streams, row, counters)
        streams.by_tag[row[_TAG], 1] += end - walk[END]
        walk[END] = end
        walk[PC] += 1
        walk[WAITING] = 0
        if once:
            return True
        while True:
            fault[FAULT_PC] = walk[PC]
            fetch(code, terms, registers, walk[PC], row)
            if row[0] > LAST_CONTROL:
                break
            following = control(code, terms, registers, sequences, pages, walk[PC], row, fault)
            if following == HALTED:
                return True
            if following == FAILED:
                return False
            walk[PC] = following
        if not pim_heads.of_heads(row[0]):
            return True
        if not _fits(tables, row, fault):
            return False


@bare
def _next(tables, state, streams):
    """When the first channel goes on that has something to do; IDLE: none has."""
    following = IDLE
    for channel in range(tables[CHANNELS]):
        if state[_base(tables, channel) + NEXT] < IDLE:
            following = min(following, next_command(tables, state, streams, channel))
    return following


@bare
def _decode(tables, state, streams, code, terms, registers, sequences, pages, row, walk, counters, fault):
    """Put instructions in the queues of their channels, up to one that is for all together, or that has no room."""
    status = FINISHED
    while True:
        if not walk[WAITING]:
            fault[FAULT_PC] = walk[PC]
            fetch(code, terms, registers, walk[PC], row)
            if row[0] <= LAST_CONTROL:
                following = control(code, terms, registers, sequences, pages, walk[PC], row, fault)
                if following == HALTED:
                    break
                if following == FAILED:
                    return FAULTED
                walk[PC] = following
                continue
            if not _fits(tables, row, fault):
                return FAULTED
        walk[WAITING] = 1
        if _KINDS[row[0]] < 0 or (tables[HEADS] and pim_heads.of_heads(row[0])):
            status = _IN_ORDER
            break
        first, count = row[_CHANNEL[row[0]]], ONE
        if _CHANNELS[row[0]] >= 0:
            count = row[_CHANNELS[row[0]]]
        if not _have_room(tables, state, streams, first, count):
            return FULL
        for channel in range(first, first + count):
            _push(tables, state, streams, channel, row, walk)
        _count(streams, row, counters)
        _count_work(tables, row, count, counters)
        walk[PC] += 1
        walk[WAITING] = 0
    for channel in range(tables[CHANNELS]):
        _release(tables, state, channel)
    return status


@bare
def _release(tables, state, channel):
    """Let everything in a queue be issued."""
    base = _base(tables, channel)
    if state[base + RELEASED] < state[base + TAIL]:
        state[base + RELEASED] = state[base + TAIL]
        state[base + NEXT] = min(state[base + NEXT], ZERO)


@bare
def _have_room(tables, state, streams, first, count):
    capacity = streams.items.shape[1]
    for channel in range(first, first + count):
        base = _base(tables, channel)
        if state[base + TAIL] - state[base + HEAD] >= capacity:
            if state[base + RELEASED] == state[base + HEAD]:
                _release(tables, state, channel)  # a row longer than the queue: its end is not known in time
            return False
    return True


@bare
def _push(tables, state, streams, channel, row, walk):
    """Put an instruction in the queue of a channel.

    What begins a row is not issued before its end is known, and MACs not before it is known what follows them, where the
    machine has headers or joins MACs and results.
    """
    base, mask = _base(tables, channel), streams.items.shape[1] - 1
    kind, opcode = _KINDS[row[0]], row[0]
    tail = state[base + TAIL]
    if kind == READ_ACC and tables[JOINED] >= 0 and state[base + RELEASED] < tail:
        before = streams.items[channel, (tail - 1) & mask]
        if before[KIND] == MAC:
            before[KIND] = MAC_READ
            _add_to_row(tables, state, streams, channel, ZERO, ONE)
            walk[HANDED_OVER] += 1
            if tables[HEADER] < 0:
                _release(tables, state, channel)
            return
    item = streams.items[channel, tail & mask]
    item[KIND], item[TAG], item[HANDED] = kind, row[_TAG] + PIM_TAG, _hand_over(tables, walk, row)
    if kind == ACTIVATE:
        item[FIRST], item[SECOND], item[THIRD] = row[_activate.row], 0, 0
        state[base + OPENING] = tail
    elif kind == MAC:
        item[FIRST], item[SECOND] = row[_mac.column], row[_mac.columns]
        _add_to_row(tables, state, streams, channel, row[_mac.columns], ZERO)
    elif kind == READ_ACC:
        _add_to_row(tables, state, streams, channel, ZERO, ONE)
    elif kind == PRECHARGE:
        state[base + OPENING] = NONE
    elif kind == WRITE_BUFFER:
        item[FIRST] = row[_write_buffer.columns]
    elif kind == COPY_ROW:
        item[FIRST], item[SECOND] = row[_copy_row.bank], row[_copy_row.row]
        item[THIRD], item[FOURTH] = row[_copy_row.column], row[_copy_row.columns]
    elif kind == SCATTER:
        item[FIRST], item[SECOND], item[THIRD] = row[_scatter.row], row[_scatter.offset], row[_scatter.banks]
    else:
        unit, offset = tables[ACCESS_BYTES], row[_write.offset]
        item[FIRST], item[SECOND] = row[_write.bank], row[_write.row]
        item[THIRD], item[FOURTH] = offset // unit, (offset + row[_write.bytes] - 1) // unit
        if row[_write.bytes] <= 0:
            return
    state[base + TAIL] = tail + 1
    waits = (opcode == _OP_ACTIVATE and tables[HEADER] >= 0) or (kind == MAC and tables[JOINED] >= 0)
    if not waits and (tables[HEADER] < 0 or state[base + OPENING] < 0):
        _release(tables, state, channel)


@bare
def _add_to_row(tables, state, streams, channel, columns, results):
    """Count MAC columns and results for the header of the row that they belong to."""
    base = _base(tables, channel)
    if state[base + OPENING] >= state[base + HEAD]:
        item = streams.items[channel, state[base + OPENING] & (streams.items.shape[1] - 1)]
        item[SECOND] += columns
        item[THIRD] += results


@bare
def _hand_over(tables, walk, row):
    """From which cycle on a channel may issue an instruction, as the front end hands over one after the other."""
    if tables[HAND_OVER] == 0:
        return ZERO
    at = walk[HANDED_FROM] + walk[HANDED_OVER] // tables[HAND_OVER]
    walk[HANDED_OVER] += row[_mac.columns] if row[0] == _OP_MAC else ONE
    return at


@bare
def _count(streams, row, counters):
    counters[INSTRUCTIONS] += 1
    streams.by_tag[row[_TAG], 0] += 1


@bare
def _count_work(tables, row, channels, counters):
    """Count what an instruction does in its channels."""
    opcode, column = row[0], tables[COLUMN_BYTES]
    if opcode == _OP_MAC:
        counters[MAC_COLUMNS] += row[_mac.columns] * channels
        counters[MACS] += row[_mac.columns] * channels * tables[LANES] * tables[BANKS]
    elif opcode == _OP_READ_ACC:
        counters[RESULT] += row[_read_acc.banks] * _F32 * channels
    elif opcode == _OP_WRITE_BUFFER:
        counters[BUFFER] += row[_write_buffer.columns] * column * channels
    elif opcode == _OP_COPY_ROW:
        counters[COPIED] += row[_copy_row.columns] * column * channels
    elif opcode == _OP_WRITE:
        counters[WRITTEN] += row[_write.bytes]
    elif opcode == _OP_READ:
        counters[READ] += row[_write.bytes]
    elif opcode == _OP_SCATTER:
        counters[WRITTEN] += row[_scatter.banks] * _F16


@bare
def _fits(tables, row, fault):
    """Whether the machine has the channels and banks that an instruction names."""
    channel, channels = _CHANNEL[row[0]], _CHANNELS[row[0]]
    bank, banks = _BANK[row[0]], _BANKS[row[0]]
    if banks >= 0 and not within(fault, row, banks, ZERO, tables[BANKS]):
        return False
    if bank >= 0 and not within(fault, row, bank, ZERO, tables[BANKS] - 1):
        return False
    if channel >= 0 and not within(fault, row, channel, ZERO, tables[CHANNELS] - 1):
        return False
    return channels < 0 or within(fault, row, channels, ZERO, tables[CHANNELS] - row[channel])


@bare
def _base(tables, channel):
    """Where the words of a channel begin."""
    return channel * tables[CHANNEL_WORDS]


@bare
def _latest(tables, state, at):
    """When all channels are through with the instructions so far."""
    for channel in range(tables[CHANNELS]):
        base = _base(tables, channel)
        at = max(at, max(state[base + STREAM], max(state[base + DONE], state[base + QUEUE_END])))
    return at


@bare
def _execute_in_order(tables, state, row, counters):
    """Execute an instruction that is for all channels together; all before it are done."""
    if row[0] == _OP_SOFTMAX:
        _barrier(tables, state, row[_softmax.rows] * row[_softmax.cols], counters)


@bare
def _barrier(tables, state, elements, counters):
    """The softmax unit: after everything before it in all channels, before everything after it."""
    at = _latest(tables, state, ZERO)
    cycles = tables[SOFTMAX_LATENCY] + -(-elements // tables[SOFTMAX_RATE])
    for channel in range(tables[CHANNELS]):
        state[_base(tables, channel) + STREAM] = at + cycles
    counters[SOFTMAX_ELEMENTS] += elements
    counters[SOFTMAX_BUSY] += cycles
