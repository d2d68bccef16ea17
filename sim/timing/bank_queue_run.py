"""The kernel that runs a PIM stream and an ordinary stream through the controller of `bank_queues`."""

from typing import NamedTuple

import numpy as np

from ..functional.jit import bare, bare_entry
from . import bank_queues as q
from .tables import NONE, ZERO

_GOES_ON = -1


class BankQueues(NamedTuple):
    """The state of the controller, in the order in which the kernel takes it."""

    rows: np.ndarray
    hits: np.ndarray
    queues: np.ndarray
    sizes: np.ndarray
    waiting: np.ndarray
    none: np.ndarray  # a request that is none
    chosen: np.ndarray  # a request that was taken out of a queue
    words: np.ndarray


def start_bank_queues(banks: int) -> BankQueues:
    """An idle controller."""
    words = np.zeros(q.WORDS + len(q.COMMANDS), np.int64)
    words[[q.RESERVED, q.REFRESHING, q.FRESH]] = -1, -1, 1
    return BankQueues(
        np.full((2, banks), -1, np.int64),
        np.zeros(banks, np.int64),
        np.zeros((banks, q.QUEUED, len(q.REQUEST)), np.int64),
        np.zeros(banks, np.int64),
        np.zeros((2, q.TRANSACTIONS, len(q.REQUEST)), np.int64),
        np.full(len(q.REQUEST), -1, np.int64),
        np.full(len(q.REQUEST), -1, np.int64),
        words,
    )


@bare
def _copy(source, target):
    for field in range(source.shape[0]):
        target[field] = source[field]


@bare
def _accept(options, pim, other, taken, words, waiting, now):
    """Take one request of each stream into the queues before the command queues; how much of `other` was taken."""
    if words[q.TAKEN] < pim.shape[0]:
        waits = words[q.TAKEN] - words[q.MOVED] if options[q.DUAL] else words[q.READS]
        if waits < q.TRANSACTIONS:
            if not options[q.DUAL]:
                _copy(pim[words[q.TAKEN]], waiting[0, words[q.READS]])
                words[q.READS] += 1
            words[q.TAKEN] += 1
    if taken < other.shape[0]:
        writes = np.int64(other[taken, q.KIND] == q.WR)
        size = q.WRITES if writes else q.READS
        if words[size] < q.TRANSACTIONS:
            _copy(other[taken], waiting[writes, words[size]])
            words[size] += 1
            if writes:
                words[q.ORDINARY_DONE] = max(words[q.ORDINARY_DONE], now + 1)
            else:
                words[q.UNANSWERED] += 1
            return taken + 1
    return taken


@bare
def _schedule(options, words, waiting, queues, sizes):
    """Move one request into the command queues; whether one was moved."""
    if words[q.DRAIN] == 0 and (
        words[q.WRITES] >= q.TRANSACTIONS or (words[q.WRITES] > q.DRAIN_ABOVE and words[q.QUEUED_ALL] == 0)
    ):
        words[q.DRAIN] = words[q.WRITES]
    pim_waits, pim_queued = words[q.TAKEN] - words[q.MOVED], words[q.MOVED] - words[q.HEAD]
    writes = words[q.DRAIN] > 0
    if options[q.DUAL] and pim_waits > 0:
        writes = writes and pim_queued >= 2
        if not writes and (pim_queued < 2 or words[q.READS] == 0):
            if pim_queued >= q.QUEUED:
                return False
            words[q.MOVED] += 1
            return True
    side, size = (1, q.WRITES) if writes else (0, q.READS)
    for position in range(words[size]):
        request = waiting[side, position]
        bank = request[q.BANK]
        if request[q.KIND] != q.RD and request[q.KIND] != q.WR:
            if pim_queued >= q.QUEUED:
                continue
            words[q.MOVED] += 1
        elif sizes[bank] >= q.QUEUED or (pim_queued > 0 and not options[q.DUAL]):
            continue
        else:
            _copy(request, queues[bank, sizes[bank]])
            sizes[bank] += 1
            words[q.QUEUED_ALL] += 1
            if writes:
                words[q.DRAIN] -= 1
        for later in range(position + 1, words[size]):
            _copy(waiting[side, later], waiting[side, later - 1])
        words[size] -= 1
        return True
    return False


@bare
def _take_turns(tables, number, options, timing, rows, hits, words, queues, sizes, copied, now):
    """The command of the next bank queue in turn that may issue one: (command, bank, position)."""
    per_rank = options[q.BANKS] // options[q.RANKS]
    for _ in range(options[q.BANKS]):
        bank = words[q.TURN] + 1 if words[q.TURN] + 1 < options[q.BANKS] else 0
        words[q.TURN] = bank
        if words[q.REFRESHING] >= 0 and bank // per_rank == words[q.REFRESHING]:
            continue
        command, position = q.bank_command(
            tables, number, options, timing, rows, hits, words, queues[bank], sizes[bank], bank, copied, now
        )
        if command >= 0:
            return command, bank, position
        if words[q.PIM_MODE] and not options[q.DUAL]:
            break
    return NONE, ZERO, ZERO


@bare
def _finish_pim(options, words, request, command, now):
    """The head of the PIM queue was issued."""
    words[q.HEAD] += 1
    if command == q.COPY:
        words[q.COPY_DONE] = now + options[q.COPY_CYCLES]
        words[q.PIM_DONE] = max(words[q.PIM_DONE], words[q.COPY_DONE])
    elif command == q.RESULT or command == q.MAC_READ:
        words[q.PIM_DONE] = max(words[q.PIM_DONE], now + options[q.READ_CYCLES])
    elif command == q.MAC:
        words[q.PIM_DONE] = max(words[q.PIM_DONE], now)
    if request[q.IS_LAST] and not options[q.DUAL]:
        words[q.PIM_MODE], words[q.RESERVED], words[q.SLACK] = 0, -1, 0


@bare
def _erase(words, queues, sizes, bank, position):
    for later in range(position + 1, sizes[bank]):
        _copy(queues[bank, later], queues[bank, later - 1])
    sizes[bank] -= 1
    words[q.QUEUED_ALL] -= 1


@bare_entry
def run_bank_queues(
    tables, number, options, pim, other, timing, rows, hits, queues, sizes, waiting, none, chosen, words, log
):
    """Run what is there of both streams; how the call ended. PIM_DONE and ORDINARY_DONE of `words` are the result.

    All arrays from `timing` to `words` are the state, which begins as `start_bank_queues` makes it.
    """
    banks = options[q.BANKS]
    taken, due, refreshed, copied, now = (
        words[q.OTHER_TAKEN],
        words[q.DUE],
        words[q.REFRESHED],
        words[q.COPIED],
        words[q.NOW],
    )
    per_rank = banks // options[q.RANKS]
    while True:
        status = _GOES_ON
        if words[q.PIM_MORE] and words[q.TAKEN] == pim.shape[0]:
            status = q.PIM_HUNGRY
        elif words[q.OTHER_MORE] and taken == other.shape[0]:
            status = q.OTHER_HUNGRY
        elif log.shape[0] > 0 and words[q.ROWS_LOGGED] == log.shape[0]:
            status = q.LOG_FULL
        if status != _GOES_ON:
            words[q.OTHER_TAKEN], words[q.DUE], words[q.REFRESHED] = taken, due, refreshed
            words[q.COPIED], words[q.NOW] = copied, now
            return status
        words[q.SOON] = options[q.START] if now < options[q.START] else 1 << 60
        busy = False
        if words[q.COPYING] and 0 < words[q.COPY_DONE] <= now:
            words[q.COPYING] = words[q.COPY_DONE] = 0
        before = taken + words[q.TAKEN]
        if now >= options[q.START]:
            taken = _accept(options, pim, other, taken, words, waiting, now)
        busy = taken + words[q.TAKEN] > before
        if now > 0 and now % options[q.INTERVAL] == 0:
            due += 1

        command, target = NONE, ZERO
        request = none
        if refreshed < due:
            rank = refreshed % options[q.RANKS]
            words[q.REFRESHING] = rank
            command, target = q.of_all(
                tables,
                number,
                options,
                timing,
                rows,
                words,
                q.REF,
                -1,
                rank * per_rank,
                per_rank,
                options[q.RANK_TARGET] + rank,
                now,
            )
            if command == q.REF:
                target = options[q.RANK_TARGET] + rank
                refreshed += 1
                words[q.REFRESHING], words[q.SKIP], words[q.SLACK], words[q.RESERVED] = -1, 0, 0, -1
        from_pim = False
        if command < 0:
            queued = words[q.MOVED] > words[q.HEAD]
            mine = options[q.DUAL] or words[q.QUEUED_ALL] == 0 or words[q.PIM_MODE]
            turns = not (words[q.SKIP] == 0 and mine and not options[q.DUAL])
            if words[q.SKIP] == 0 and mine and queued and words[q.REFRESHING] < 0:
                command, target = q.pim_command(tables, number, options, timing, rows, words, pim, now)
                from_pim = command >= 0
                request = pim[words[q.HEAD]]
                if words[q.COPYING]:
                    copied = request[q.BANK]
                turns = turns and not from_pim and words[q.SLACK] >= q.LEAST_SLACK
            if turns and not from_pim:
                command, target, position = _take_turns(
                    tables, number, options, timing, rows, hits, words, queues, sizes, copied, now
                )
                if command >= 0:
                    request = chosen
                    _copy(queues[target, position], chosen)
                    if command == q.RD or command == q.WR:
                        _erase(words, queues, sizes, target, position)
                        if command == q.RD:
                            words[q.UNANSWERED] -= 1
                            words[q.ORDINARY_DONE] = max(words[q.ORDINARY_DONE], now + options[q.READ_CYCLES])
        if command >= 0:
            busy = True
            if from_pim and command == request[q.KIND]:
                _finish_pim(options, words, request, command, now)
                if command != q.COPY:
                    target = options[q.CHANNEL_TARGET]
            q.issue(tables, number, options, timing, rows, hits, words, log, command, target, request, now)
        if _schedule(options, words, waiting, queues, sizes):
            busy = True
        left = pim.shape[0] - words[q.HEAD] + other.shape[0] - taken + words[q.UNANSWERED]  # writes are done when taken
        left += words[q.PIM_MORE] + words[q.OTHER_MORE]
        if left == 0 and now >= max(words[q.PIM_DONE], words[q.ORDINARY_DONE]):
            return q.FINISHED
        refresh = (now // options[q.INTERVAL] + 1) * options[q.INTERVAL]
        soon = min(words[q.SOON], refresh)
        if words[q.COPYING] and words[q.COPY_DONE] > 0:
            soon = min(soon, words[q.COPY_DONE])
        if left == 0:
            soon = min(soon, max(words[q.PIM_DONE], words[q.ORDINARY_DONE]))
        now = now + 1 if busy else max(soon, now + 1)
