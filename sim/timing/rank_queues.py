"""A memory controller in the manner of DRAMSim2 with PIM modes of a rank: one queue a rank, in order of arrival.

Each cycle it accepts one request and issues one command: the first of the queue that the rules allow, else a precharge of a
row that no request of the queue wants. A barrier is issued after all requests before it; as long as it is not the oldest
nothing behind it is looked at, and while it is, only activates pass. In all-bank modes a few lead banks stand for all banks.
Time jumps to the next cycle in which something may change.
"""

import numpy as np

from ..functional.jit import entry, inner
from .constraints import numbers
from .engine import forbid, ready_at
from .tables import NONE, ZERO

REQUEST = ("bank", "row", "column", "write", "barrier", "line")
(BANK, ROW, COLUMN, WRITE, BARRIER, LINE) = range(len(REQUEST))

COMMANDS = ("act", "pre", "rd", "wr", "ref")
(ACT, PRE, RD, WR, REF) = numbers(0, len(COMMANDS))

OPTIONS = ("entries", "interval", "ranks", "banks", "rank_target", "read_cycles")
OPTIONS += ("enter_row", "enter_count", "leave_row", "leave_count", "lead_banks")
(ENTRIES, INTERVAL, RANKS, BANKS, RANK_TARGET, READ_CYCLES) = range(6)
(ENTER_ROW, ENTER_COUNT, LEAVE_ROW, LEAVE_COUNT, LEAD_BANKS) = range(6, len(OPTIONS))
"""Entries of a queue; cycles between refreshes of a rank; ranks, banks of a rank; number of the first rank as a target;
cycles until the data of a read are there; the row whose activates switch to the all-bank modes and how many it takes; the
row whose precharges switch back and how many; how many banks all-bank modes address."""

(SOON, TAKEN, SERVED, DONE, ROWS_LOGGED, NEXT_RANK, NEXT_BANK, LAST_COLUMN, WORDS) = range(9)
"""Words of the controller: the next cycle in which a rule allows more; requests accepted, requests served; the cycle in which
the last one was complete; commands issued; the rank and the bank at which the search begins; the last column command. Then
how often each command was issued."""

(SIZE, DUE, WAITING, ALL_BANK, SWITCHES, HELD, RANK_WORDS) = range(7)
"""Words of a rank: requests in its queue; its next refresh; whether a refresh waits; whether it is in an all-bank mode; the
activates or precharges so far that will switch it; whether a refresh that waits for tRP holds everything else."""

FOREVER = 1 << 60
PATIENCE = 16  # refreshes without a column command after which the requests are given up


@inner
def _legal(tables, number, timing, words, command, target, now):
    """Whether the rules allow a command now; if not, when they will is noted."""
    at = ready_at(tables, timing, ZERO, number[command], target)
    if at > now:
        words[SOON] = min(words[SOON], at)
    return at <= now


@inner
def _issue(tables, number, options, timing, rows, words, ranks, log, command, target, request, now):
    """Issue a command: what it forbids, the row that it opens or closes, the mode that it switches, and the log."""
    forbid(tables, timing, ZERO, number[command], target, now)
    rank = ranks[(target - options[RANK_TARGET]) if command == REF else target // options[BANKS]]
    if command == ACT:
        rows[target] = request[ROW]
        _switch(rank, rows[target], options[ENTER_ROW], options[ENTER_COUNT], 0)
    elif command == PRE:
        _switch(rank, rows[target], options[LEAVE_ROW], options[LEAVE_COUNT], 1)
        rows[target] = -1
    elif command == REF:
        rank[WAITING] = 0
    else:
        words[LAST_COLUMN] = now
        words[SERVED] += 1
        words[DONE] = max(words[DONE], now + options[READ_CYCLES] if command == RD else now)
    words[WORDS + command] += 1
    logged = words[ROWS_LOGGED]
    words[ROWS_LOGGED] += 1
    if logged < log.shape[0]:
        log[logged, 0], log[logged, 1], log[logged, 3] = now, number[command], target
        log[logged, 4], log[logged, 5], log[logged, 6] = request[ROW], request[COLUMN], request[LINE]


@inner
def _switch(rank, row, wanted, count, mode):
    """Count a row command towards the switch of a rank that is in `mode`."""
    if row == wanted and rank[ALL_BANK] == mode:
        rank[SWITCHES] += 1
        if rank[SWITCHES] == count:
            rank[ALL_BANK], rank[SWITCHES] = 1 - mode, 0


@inner
def _refresh(tables, number, options, timing, rows, words, ranks, index, now):
    """What a refresh that waits does: (command, target). It closes open rows one by one, whoever wants them.

    In an all-bank mode it does not wait for tRP (a defect); else it holds everything once all rows are closed.
    """
    rank, first = ranks[index], index * options[BANKS]
    for bank in range(first, first + options[BANKS]):
        if rows[bank] >= 0:
            return (PRE, bank) if _legal(tables, number, timing, words, PRE, bank, now) else (NONE, bank)
    target = options[RANK_TARGET] + index
    if rank[ALL_BANK] or _legal(tables, number, timing, words, REF, target, now):
        return REF, target
    rank[HELD] = 1
    return NONE, target


@inner
def _first_ready(tables, number, options, timing, rows, words, rank, requests, queue, now):
    """The first request of a queue with a legal command: (command, position, banks whose open row is wanted)."""
    wanted = tried_column = tried_activate = fenced = 0
    for position in range(rank[SIZE]):
        request = requests[queue[position]]
        bank, barrier = request[BANK], request[BARRIER]
        if position > 0 and barrier:
            return NONE, position, wanted | (1 << bank if rows[bank] == request[ROW] else 0)
        bit = 1 << (2 * (bank % options[BANKS]) + request[WRITE])
        if rows[bank] == request[ROW]:
            wanted |= 1 << bank
            if not fenced and not tried_column & bit:
                command = WR if request[WRITE] else RD
                if _legal(tables, number, timing, words, command, bank, now):
                    return command, position, wanted
                tried_column |= bit
        elif rows[bank] < 0 and not tried_activate & bit:
            usable = not rank[ALL_BANK] or bank % options[BANKS] < options[LEAD_BANKS]
            if usable and _legal(tables, number, timing, words, ACT, bank, now):
                return ACT, position, wanted
            tried_activate |= bit
        fenced |= barrier
    return NONE, -1, wanted


@inner
def _unwanted(tables, number, options, timing, rows, words, ranks, wanted, now):
    """A bank whose row may be closed because no request wants it, or -1."""
    banks = options[RANKS] * options[BANKS]
    for step in range(banks):
        bank = (words[NEXT_BANK] + step) % banks
        if rows[bank] < 0 or wanted >> bank & 1 or ranks[bank // options[BANKS], HELD]:
            continue
        if _legal(tables, number, timing, words, PRE, bank, now):
            words[NEXT_BANK] = bank
            return bank
    return -1


@inner
def _choose(tables, number, options, timing, rows, words, ranks, requests, queues, now):
    """The command of this cycle: (command, target, rank whose request it is for or -1, position in its queue)."""
    for index in range(options[RANKS]):
        ranks[index, HELD] = 0
        if ranks[index, WAITING]:
            command, target = _refresh(tables, number, options, timing, rows, words, ranks, index, now)
            if command >= 0:
                return command, target, -1, -1
    all_wanted = 0
    for step in range(options[RANKS]):
        index = (words[NEXT_RANK] + step) % options[RANKS]
        if ranks[index, HELD]:
            continue
        command, position, wanted = _first_ready(
            tables, number, options, timing, rows, words, ranks[index], requests, queues[index], now
        )
        all_wanted |= wanted
        if command >= 0:
            words[NEXT_RANK] = index + 1
            return command, requests[queues[index, position], BANK], index, position
    bank = _unwanted(tables, number, options, timing, rows, words, ranks, all_wanted, now)
    return (PRE if bank >= 0 else NONE), bank, -1, -1


@inner
def _accept(options, words, ranks, requests, queues):
    """Take the next request into the queue of its rank; whether there was one and room for it."""
    if words[TAKEN] == requests.shape[0]:
        return False
    index = requests[words[TAKEN], BANK] // options[BANKS]
    if ranks[index, SIZE] == options[ENTRIES]:
        return False
    queues[index, ranks[index, SIZE]] = words[TAKEN]
    ranks[index, SIZE] += 1
    words[TAKEN] += 1
    return True


@entry
def run_rank_queues(tables, number, options, requests, timing, log):
    """Run the requests of a channel to their end, or until none can be served; words of the controller, DONE and SERVED."""
    banks = options[RANKS] * options[BANKS]
    rows = np.full(banks, -1, np.int64)
    queues = np.zeros((options[RANKS], options[ENTRIES]), np.int64)
    ranks = np.zeros((options[RANKS], RANK_WORDS), np.int64)
    words = np.zeros(WORDS + len(COMMANDS), np.int64)
    none = np.full(len(REQUEST), -1, np.int64)
    for index in range(options[RANKS]):  # refreshes of the ranks are spread over the interval
        step = options[INTERVAL] // options[RANKS]
        ranks[index, DUE] = step * (index + 1) + 1 if options[INTERVAL] else FOREVER
    now = 1
    while True:
        words[SOON] = FOREVER
        for index in range(options[RANKS]):
            if ranks[index, DUE] == now:
                ranks[index, WAITING] = 1
                ranks[index, DUE] += options[INTERVAL]
            words[SOON] = min(words[SOON], ranks[index, DUE])
        command, target, owner, position = _choose(
            tables, number, options, timing, rows, words, ranks, requests, queues, now
        )
        if command >= 0:
            request = requests[queues[owner, position]] if owner >= 0 else none
            _issue(tables, number, options, timing, rows, words, ranks, log, command, target, request, now)
            if command in (RD, WR):
                for later in range(position + 1, ranks[owner, SIZE]):
                    queues[owner, later - 1] = queues[owner, later]
                ranks[owner, SIZE] -= 1
        accepted = _accept(options, words, ranks, requests, queues)
        served = words[SERVED] == requests.shape[0]
        if served and now >= words[DONE]:
            return words
        if command >= 0 or accepted:
            now += 1
            continue
        now = min(words[SOON], words[DONE]) if served else words[SOON]
        if now == FOREVER or (options[INTERVAL] and now - words[LAST_COLUMN] > PATIENCE * options[INTERVAL]):
            return words
