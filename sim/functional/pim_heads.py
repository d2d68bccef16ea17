"""Execute the PIM instructions of attention by heads: buffers and results of every bank, moves, and softmax of a channel."""

from ...backends.isa.pim import PIM, SPACES
from ...backends.isa.pim_heads import HEAD_OPCODES, RESULTS
from .dispatch import ONE, ROW_CLOSED, WORD, ZERO, columns, failed, spans, within
from .half import LANES, axpy16_half, dot_columns, load_half, store_float
from .jit import bare

_write_vector, _move_vector = columns(PIM["write_vector"]), columns(PIM["move_vector"])
_mac_tree, _mac_lanes = columns(PIM["mac_tree"]), columns(PIM["mac_lanes"])
_move_scores, _move_sums = columns(PIM["move_scores"]), columns(PIM["move_sums"])
_fence = columns(PIM["fence"])

_WRITE_VECTOR, _MOVE_VECTOR = PIM["write_vector"].number, PIM["move_vector"].number
_MAC_TREE, _MAC_LANES = PIM["mac_tree"].number, PIM["mac_lanes"].number
_MOVE_SCORES, _MOVE_SUMS = PIM["move_scores"].number, PIM["move_sums"].number
SOFTMAX_HEAD = PIM["softmax_head"].number
FIRST_HEAD, LAST_HEAD = HEAD_OPCODES[0].number, HEAD_OPCODES[-1].number

_LOCAL = SPACES.index("local")
_COLUMN_BYTES = 2 * LANES
_CLOSED = -1
_HALF_BYTES = 2


@bare
def run_head(row, memory, local, softmax_buffer, unit_buffers, results, open_rows, fault):
    """Execute one of these instructions, but for the softmax.

    `unit_buffers` is float32[channels, banks, 2, elements] (the exact values of f16 contents), `results`
    float32[channels, banks, 2, RESULTS].
    """
    opcode = row[0]
    if opcode == _MAC_TREE:
        return _run_mac_tree(row, memory, unit_buffers, results, open_rows, fault)
    if opcode == _MAC_LANES:
        return _run_mac_lanes(row, memory, unit_buffers, results, open_rows, fault)
    if opcode == _WRITE_VECTOR:
        source = local if row[_write_vector.space] == _LOCAL else softmax_buffer
        return _run_write_vector(row, source, unit_buffers, fault)
    if opcode == _MOVE_VECTOR:
        return _run_move_vector(row, softmax_buffer, unit_buffers, fault)
    if opcode == _MOVE_SCORES:
        return _run_move_scores(row, softmax_buffer, results, fault)
    if opcode == _MOVE_SUMS:
        target = local if row[_move_sums.space] == _LOCAL else softmax_buffer
        return _run_move_sums(row, target, results, fault)
    return selects(fault, row, _fence.channel, _fence.channels, len(open_rows))


@bare
def selects(fault, row, channel_column, channels_column, available):
    """Whether [channel, channel + channels) are channels of the machine."""
    return within(fault, row, channel_column, ZERO, available) and within(
        fault, row, channels_column, ZERO, available - row[channel_column]
    )


@bare
def _parted(fault, row, column, banks):
    """Whether the banks of a channel can be cut into so many parts."""
    if not within(fault, row, column, ONE, banks):
        return False
    return banks % row[column] == 0 or within(fault, row, column, ONE, ONE)


@bare
def _run_write_vector(row, source, unit_buffers, fault):
    channels, banks, _, elements = unit_buffers.shape
    width, size = row[_write_vector.columns] * LANES, row[_write_vector.elements]
    if not (
        selects(fault, row, _write_vector.channel, _write_vector.channels, channels)
        and _parted(fault, row, _write_vector.parts, banks)
        and within(fault, row, _write_vector.half, ZERO, ONE)
        and within(fault, row, _write_vector.columns, ZERO, elements // LANES)
        and spans(
            fault,
            row,
            _write_vector.src,
            len(source),
            row[_write_vector.channel_stride],
            row[_write_vector.channels],
            size * _HALF_BYTES,
        )
    ):
        return False
    for i in range(row[_write_vector.channels]):
        start = row[_write_vector.src] + i * row[_write_vector.channel_stride]
        for bank in range(banks):
            first = bank // row[_write_vector.parts] * width
            target = unit_buffers[row[_write_vector.channel] + i, bank, row[_write_vector.half]]
            for e in range(width):
                inside = first + e < size
                target[e] = load_half(source, start + 2 * (first + e)) if inside else 0.0
    return True


@bare
def _run_move_vector(row, source, unit_buffers, fault):
    channels, banks, _, elements = unit_buffers.shape
    parts, limit = row[_move_vector.parts], row[_move_vector.limit]
    if not (
        selects(fault, row, _move_vector.channel, _move_vector.channels, channels)
        and _parted(fault, row, _move_vector.parts, banks)
        and within(fault, row, _move_vector.half, ZERO, ONE)
        and spans(fault, row, _move_vector.first, elements // LANES, ZERO, ONE, row[_move_vector.columns])
        and spans(
            fault,
            row,
            _move_vector.src,
            len(source),
            row[_move_vector.channel_stride],
            row[_move_vector.channels],
            max(ZERO, limit) * _HALF_BYTES,
        )
    ):
        return False
    first = row[_move_vector.first] * LANES
    for i in range(row[_move_vector.channels]):
        start = row[_move_vector.src] + i * row[_move_vector.channel_stride]
        for bank in range(banks):
            target = unit_buffers[row[_move_vector.channel] + i, bank, row[_move_vector.half]]
            for e in range(first, first + row[_move_vector.columns] * LANES):
                token = bank % parts + e * parts
                target[e] = load_half(source, start + 2 * token) if token < limit else 0.0
    return True


@bare
def _opened(fault, row, channel_column, channels, column_column, count, open_rows, row_bytes):
    """Whether the selected channels have a row open, and it has these columns."""
    if not spans(fault, row, column_column, row_bytes // _COLUMN_BYTES, ZERO, ONE, count):
        return False
    for channel in range(row[channel_column], row[channel_column] + channels):
        if open_rows[channel] == _CLOSED:
            return failed(fault, ROW_CLOSED, column_column, channel, ZERO, ZERO)
    return True


@bare
def _run_mac_tree(row, memory, unit_buffers, results, open_rows, fault):
    banks, channels, row_bytes = memory.shape[1:]
    count, depth, first = row[_mac_tree.columns], row[_mac_tree.depth], row[_mac_tree.first]
    if not (
        selects(fault, row, _mac_tree.channel, _mac_tree.channels, channels)
        and _opened(
            fault, row, _mac_tree.channel, row[_mac_tree.channels], _mac_tree.column, count, open_rows, row_bytes
        )
        and within(fault, row, _mac_tree.half, ZERO, ONE)
        and within(fault, row, _mac_tree.result_half, ZERO, ONE)
        and within(fault, row, _mac_tree.depth, ONE, unit_buffers.shape[3] // LANES)
        and spans(fault, row, _mac_tree.first, RESULTS * depth, ZERO, ONE, count)
    ):
        return False
    flat, operands = memory.reshape(memory.size), unit_buffers.reshape(unit_buffers.size)
    for channel in range(row[_mac_tree.channel], row[_mac_tree.channel] + row[_mac_tree.channels]):
        for bank in range(banks):
            sums = results[channel, bank, row[_mac_tree.result_half]]
            weights = ((open_rows[channel] * banks + bank) * channels + channel) * row_bytes
            weights += row[_mac_tree.column] * _COLUMN_BYTES
            operand = ((channel * banks + bank) * 2 + row[_mac_tree.half]) * unit_buffers.shape[3]
            for i in range(count):
                at = 4 * (operand + (first + i) % depth * LANES)
                token = (first + i) // depth
                sums[token] = dot_columns(sums[token], flat, weights + i * _COLUMN_BYTES, operands, at, ONE)
    return True


@bare
def _run_mac_lanes(row, memory, unit_buffers, results, open_rows, fault):
    banks, channels, row_bytes = memory.shape[1:]
    count = row[_mac_lanes.columns]
    if not (
        selects(fault, row, _mac_lanes.channel, _mac_lanes.channels, channels)
        and _opened(
            fault, row, _mac_lanes.channel, row[_mac_lanes.channels], _mac_lanes.column, count, open_rows, row_bytes
        )
        and within(fault, row, _mac_lanes.half, ZERO, ONE)
        and within(fault, row, _mac_lanes.result_half, ZERO, ONE)
        and spans(fault, row, _mac_lanes.first, unit_buffers.shape[3], ZERO, ONE, count)
    ):
        return False
    flat = memory.reshape(memory.size)
    for channel in range(row[_mac_lanes.channel], row[_mac_lanes.channel] + row[_mac_lanes.channels]):
        for bank in range(banks):
            weights = ((open_rows[channel] * banks + bank) * channels + channel) * row_bytes
            weights += row[_mac_lanes.column] * _COLUMN_BYTES
            factors = unit_buffers[channel, bank, row[_mac_lanes.half]]
            sums = results[channel, bank, row[_mac_lanes.result_half]]
            axpy16_half(sums, ZERO, factors, WORD * row[_mac_lanes.first], flat, weights, WORD * 8, count)
    return True


@bare
def _run_move_scores(row, target, results, fault):
    channels, banks = results.shape[:2]
    parts, limit, stride = row[_move_scores.parts], row[_move_scores.limit], row[_move_scores.channel_stride]
    if not (
        selects(fault, row, _move_scores.channel, _move_scores.channels, channels)
        and _parted(fault, row, _move_scores.parts, banks)
        and within(fault, row, _move_scores.result_half, ZERO, ONE)
        and within(fault, row, _move_scores.tokens, ZERO, RESULTS)
        and spans(
            fault,
            row,
            _move_scores.dst,
            len(target),
            stride,
            row[_move_scores.channels],
            WORD * max(ZERO, min(limit, row[_move_scores.tokens] * parts)),
        )
    ):
        return False
    for i in range(row[_move_scores.channels]):
        start = row[_move_scores.dst] + i * stride
        sums = results[row[_move_scores.channel] + i, :, row[_move_scores.result_half]]
        for token in range(row[_move_scores.tokens]):
            for part in range(parts):
                if part + token * parts < limit:
                    value = sums[part, token]
                    for bank in range(part + parts, banks, parts):
                        value += sums[bank, token]
                    store_float(target, start + 4 * (part + token * parts), value)
        sums[:] = 0
    return True


@bare
def _run_move_sums(row, target, results, fault):
    channels, banks = results.shape[:2]
    parts, stride, size = row[_move_sums.parts], row[_move_sums.channel_stride], row[_move_sums.elements]
    if not (
        selects(fault, row, _move_sums.channel, _move_sums.channels, channels)
        and _parted(fault, row, _move_sums.parts, banks)
        and within(fault, row, _move_sums.result_half, ZERO, ONE)
        and within(fault, row, _move_sums.elements, ZERO, banks // parts * RESULTS)
        and spans(fault, row, _move_sums.dst, len(target), stride, row[_move_sums.channels], WORD * size)
    ):
        return False
    for i in range(row[_move_sums.channels]):
        start = row[_move_sums.dst] + i * stride
        sums = results[row[_move_sums.channel] + i, :, row[_move_sums.result_half]]
        for e in range(size):
            first = e // RESULTS * parts
            value = sums[first, e % RESULTS]
            for bank in range(first + 1, first + parts):
                value += sums[bank, e % RESULTS]
            store_float(target, start + 4 * e, value)
        sums[:] = 0
    return True
