"""A memory controller in the manner of DRAMsim3 with PIM beside it: one channel, a queue for every bank, one for PIM.

PIM commands go first and in order. A row of MACs starts with a header, which opens nothing but must find that the whole row
can finish before the next refresh. With two row buffers ordinary commands use the cycles that PIM leaves; with one they wait
until the PIM queue is empty, and PIM until theirs are. Time jumps to the next cycle in which something may change.
"""

from ..functional.jit import bare
from . import controller_tables as c
from .constraints import numbers
from .controller import group_of
from .engine import forbid_run, ready_at
from .tables import NONE, ZERO

REQUEST = ("kind", "bank", "row", "column", "macs", "results", "last", "line")
(KIND, BANK, ROW, COLUMN, MACS, RESULTS, IS_LAST, LINE) = range(len(REQUEST))

COMMANDS = (
    "act",
    "pre",
    "rd",
    "wr",
    "ref",
    "copy_row",
    "header",
    "act_pim",
    "mac",
    "read_result",
    "mac_read",
    "pre_pim",
)
(ACT, PRE, RD, WR, REF, COPY, HEADER, ACT_PIM, MAC, RESULT, MAC_READ, PRE_PIM) = numbers(0, len(COMMANDS))

OPTIONS = ("dual", "start", "interval", "ranks", "banks", "group_banks", "act_cycles", "pre_cycles", "copy_cycles")
OPTIONS += ("read_cycles", "close_cycles", "window_cycles", "channel_target", "rank_target")
(DUAL, START, INTERVAL, RANKS, BANKS, GROUP_BANKS, ACT_CYCLES, PRE_CYCLES, COPY_CYCLES) = range(9)
(READ_CYCLES, CLOSE_CYCLES, WINDOW_CYCLES, CHANNEL_TARGET, RANK_TARGET) = range(9, len(OPTIONS))
"""Two row buffers; first cycle of the streams; cycles between refreshes; ranks, banks of all, banks of a group; nRCD, nRP,
duration of a row copy, of a read, nRTP, nFAW: what the estimates before a refresh count with; numbers of the channel and of
the first rank as targets of commands."""

TRANSACTIONS, QUEUED, HIT_LIMIT, DRAIN_ABOVE = 32, 128, 4, 8
PIPELINE, MAC_CYCLES, LEAST_SLACK = 6, 2, 10

(COPYING, COPY_DONE, SKIP, PIM_MODE, SLACK, RESERVED, TURN, REFRESHING, DRAIN, FRESH) = range(10)
(SOON, HEAD, MOVED, TAKEN, READS, WRITES, QUEUED_ALL, RESULT_READY, PIM_DONE) = range(10, 19)
(ORDINARY_DONE, ROWS_LOGGED, UNANSWERED, OTHER_TAKEN, DUE, REFRESHED, COPIED, NOW, PIM_MORE, OTHER_MORE, WORDS) = range(
    19, 30
)
"""Words of the controller. A row copy is under way, and until when; PIM waits for a refresh; a row of MACs is under way;
cycles that it leaves before the refresh; its row; the bank queue whose turn it was; the rank being refreshed or -1; writes to
drain; the pipeline is empty; the next cycle in which a rule allows more. Of the PIM stream [HEAD, MOVED) is in the command
queue and [MOVED, TAKEN) before it; ordinary requests before and in the bank queues; when the next result is
allowed; the last completions; rows in the log; reads under way. Ordinary requests taken; refreshes that fell due
and those issued; the bank of a row copy; the cycle; whether more of each stream will come. Then how often each command was
issued."""

FINISHED, PIM_HUNGRY, OTHER_HUNGRY, LOG_FULL = range(4)
"""How a call of the kernel ends: both streams are done, more of one is needed, or the log must be emptied."""


@bare
def _slack(options, now):
    """Cycles to the next refresh."""
    return options[INTERVAL] - (now + 1) % options[INTERVAL]


@bare
def _legal(tables, number, timing, words, command, target, now):
    """Whether the rules allow a command now; if not, when they will is noted."""
    at = ready_at(tables, timing, ZERO, number[command], target)
    if command == RESULT:
        at = max(at, words[RESULT_READY])
    if at > now:
        words[SOON] = min(words[SOON], at)
    return at <= now


@bare
def _needed(options, rows, kind, row, bank):
    """The command that a bank needs next for a request."""
    dual = options[DUAL]
    ordinary, pim = rows[0, bank], rows[dual, bank]
    if kind == HEADER:
        if pim >= 0:
            return HEADER if pim == row else (PRE_PIM if dual else PRE)
        return PRE if ordinary == row else HEADER
    if kind == REF:
        if ordinary >= 0:
            return PRE
        return REF if pim < 0 else PRE_PIM
    if kind in (MAC, RESULT, MAC_READ):
        return ACT_PIM if pim < 0 else kind
    if ordinary == row:
        return kind
    if ordinary >= 0:
        return PRE
    return PRE_PIM if dual and pim == row else ACT


@bare
def of_all(tables, number, options, timing, rows, words, kind, row, first, count, target, now):
    """The first command that some of `count` banks needs and may have, or `kind` if all are ready: (command, bank)."""
    ready = 0
    for bank in range(first, first + count):
        command = _needed(options, rows, kind, row, bank)
        if command == kind:
            ready += 1
        elif _legal(tables, number, timing, words, command, bank, now):
            return command, bank
    if ready < count or (kind != HEADER and not _legal(tables, number, timing, words, kind, target, now)):
        return NONE, first
    return kind, first


@bare
def _estimate(options, rows, request):
    """How long a row copy or a row of MACs will take, as the controller estimates it."""
    if request[KIND] == COPY:
        open_row = rows[0, request[BANK]]
        if open_row == request[ROW]:
            return options[COPY_CYCLES]
        opening = options[PRE_CYCLES] + options[ACT_CYCLES] + options[COPY_CYCLES]
        return opening + options[CLOSE_CYCLES] if open_row >= 0 else opening
    closing = opening = 0
    size = options[GROUP_BANKS]
    for first in range(0, options[BANKS], size):
        right = wrong = 0
        for bank in range(first, first + size):
            row = rows[options[DUAL], bank]
            right += row == request[ROW]
            wrong += row >= 0 and row != request[ROW]
        if right < size:
            closing += wrong
            opening += 1
    activates = options[WINDOW_CYCLES] * (opening // options[RANKS] - 1) + options[ACT_CYCLES]
    columns = MAC_CYCLES * (max(request[MACS], PIPELINE) + request[RESULTS] - 1)
    return closing * options[CLOSE_CYCLES] + activates + columns


@bare
def _meets_refresh(options, rows, words, request, now):
    slack = _slack(options, now) - _estimate(options, rows, request)
    words[SLACK] = max(0, slack)
    return slack > 0


@bare
def pim_command(tables, number, options, timing, rows, words, pim, now):
    """What the head of the PIM queue allows: (command, bank)."""
    request = pim[words[HEAD]]
    kind, row, bank = request[KIND], request[ROW], request[BANK]
    if words[COPYING] and kind != COPY:
        words[SOON] = min(words[SOON], words[COPY_DONE])
        return NONE, bank
    starts = kind == HEADER or (kind == COPY and not words[COPYING])
    if starts and not _meets_refresh(options, rows, words, request, now):
        words[SKIP], words[SOON] = 1, now + 1  # ordinary commands may go from then on
        return NONE, bank
    if kind == COPY:
        words[COPYING] = 1
        command = _needed(options, rows, kind, row, bank)
        return (command, bank) if _legal(tables, number, timing, words, command, bank, now) else (NONE, bank)
    if kind == HEADER:
        words[PIM_MODE], words[RESERVED] = 1, row
        words[SOON] = min(words[SOON], now + words[SLACK])
        if words[QUEUED_ALL] > 0:
            words[SOON] = now + 1  # the slack shrinks
    target = options[CHANNEL_TARGET]
    return of_all(tables, number, options, timing, rows, words, kind, row, ZERO, options[BANKS], target, now)


@bare
def _may_close(rows, hits, queue, size, position, bank):
    """Whether a request may close the row of its bank: only the oldest, and after the hits that wait, up to a limit."""
    if position > 0:
        return False
    for other in range(size):
        if queue[other, ROW] == rows[0, bank]:
            return hits[bank] >= HIT_LIMIT
    return True


@bare
def bank_command(tables, number, options, timing, rows, hits, words, queue, size, bank, copied, now):
    """The first command that a bank queue may issue: (command, position)."""
    if words[COPYING] and bank == copied:
        return NONE, ZERO
    refused = 0  # commands that the bank may not have now, whichever request needs them
    for position in range(size):
        kind, row = queue[position, KIND], queue[position, ROW]
        if row == words[RESERVED]:
            continue
        command = _needed(options, rows, kind, row, bank)
        if refused >> command & 1:
            continue
        refused |= 1 << command
        if not _legal(tables, number, timing, words, command, bank, now):
            continue
        if command == PRE and not _may_close(rows, hits, queue, size, position, bank):
            continue
        if words[SLACK] > 0 and words[MOVED] > words[HEAD]:
            if command == PRE:
                if words[SLACK] <= options[PRE_CYCLES] + options[ACT_CYCLES]:
                    continue
                words[SLACK] -= options[PRE_CYCLES]
            elif command == ACT:
                if words[SLACK] <= options[ACT_CYCLES]:
                    continue
                words[SLACK] -= options[ACT_CYCLES]
        return command, position
    return NONE, ZERO


@bare
def issue(tables, number, options, timing, rows, hits, words, log, command, target, request, now):
    """Issue a command: its effects, the rows that it opens or closes, and the log."""
    if command != HEADER:
        more = max(0, request[MACS] - PIPELINE) if command == MAC_READ else 0
        forbid_run(tables, timing, ZERO, number[command], target, now, 1 + more, 0)
    if command == ACT:
        rows[0, target] = request[ROW]
    elif command == PRE:
        rows[0, target], hits[target] = -1, 0
    elif command == PRE_PIM:
        rows[1, target] = -1
    elif command == ACT_PIM:
        group = tables[c.AT_GROUP] + group_of(tables, number[command], target) * c.GROUP_FIELDS
        for index in range(tables[group + c.MEMBERS], tables[group + c.CONTAINED]):
            rows[options[DUAL], tables[index]] = request[ROW]
    elif command in (RD, WR):
        hits[target] += 1
    elif command == MAC and words[FRESH]:
        words[FRESH], words[RESULT_READY] = 0, now + PIPELINE
    elif command == RESULT:
        words[FRESH] = 1
    words[WORDS + command] += 1
    logged = words[ROWS_LOGGED]
    words[ROWS_LOGGED] += 1
    if logged < log.shape[0]:
        log[logged, 0], log[logged, 1], log[logged, 2], log[logged, 3] = now, number[command], 0, target
        log[logged, 4], log[logged, 5], log[logged, 6] = request[ROW], request[COLUMN], request[LINE]
