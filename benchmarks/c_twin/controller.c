/* The trace controller of sim/timing, written by hand in C: the same algorithm on the same tables, for comparison.
 *
 * Runs one trace for machines whose PIM requests go in order, or that have ordinary requests only; no log. Usage: controller INPUT REPEATS. The input is written by compare.py: 64-bit words, which facts.h numbers.
 * Prints cycles, CPU seconds of the fastest repetition, and the count of every command.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "facts.h"

typedef int64_t word;
enum { ACTIVE, PRIORITY, PIM, READS, WRITES, QUEUES };
enum { UNKNOWN = -3, MIXED = -2, CLOSED = -1, MOST_QUEUED = 512, MEMO = 128, BEHIND = 1024 };
#define FOREVER ((word)1 << 60)
#define FORWARDED FOREVER

static const word *T;                 /* the tables */
static word commands, targets, banks; /* often needed numbers of them */

typedef struct { word bus, opens, closes, hits, latency, register_mode, activate, precharge, one_bank; } Command;
typedef struct { word checks, effects, limits, counted, end[]; } Entry;

typedef struct {
    word command, target, row, column, flags, arrival, count, next, node;
} Request;

typedef struct {
    word runs, size, soon;
    Request *order[MOST_QUEUED];
    word ready[MOST_QUEUED], row_group[MOST_QUEUED], row_seen[MOST_QUEUED];
    Request requests[MOST_QUEUED];
} Queue;

typedef struct {
    word members, next, left, room;
    uint64_t mask[MASK_WORDS_MAX];
    word register_mode, write_mode, served, written, mark_from, behind, due, last, joined;
    word run, period, run_start, refills, issued;
    word behind_done[BEHIND];
    struct { word key, at; } memo[MEMO];
    Queue queue[QUEUES];
    word *bank_row, *group_row, *ready, *rings;
} Channel;

static struct {
    word pc, waits, refused, wake, now, outstanding, finish, changed, groups, only, front_queue;
} S;
static Channel **channel;
static word counts[256];
static const word *trace, *row_;
static word trace_rows, trace_fields;

static inline word max(word a, word b) { return a > b ? a : b; }
static inline word min(word a, word b) { return a < b ? a : b; }
static inline const Command *info(word command) { return (const Command *)(T + T[AT_COMMAND]) + command; }
static inline const Entry *entry_of(word command, word target) {
    return (const Entry *)(T + T[AT_ENTRY] + (command * targets + target) * ENTRY_FIELDS);
}
static inline word group_of(word command, word target) { return T[T[AT_GROUP_OF] + command * targets + target]; }
static inline const word *row_group(word group) { return T + T[AT_GROUP] + group * GROUP_FIELDS; }

/* The engine: from when on a command is legal, and what it forbids. */

static word ready_at(const Channel *ch, word command, word target) {
    const Entry *e = entry_of(command, target);
    word at = 0;
    for (word i = e->checks; i < e->effects; i++) at = max(at, ch->ready[T[i]]);
    for (word i = e->limits; i < e->counted; i += 2) {
        const word *ring = ch->rings + T[i];
        at = max(at, ring[1 + ring[0]] + T[i + 1]);
    }
    return at;
}

static void forbid(Channel *ch, word command, word target, word now) {
    const Entry *e = entry_of(command, target);
    for (word i = e->effects; i < e->limits; i += 3) ch->ready[T[i]] = max(ch->ready[T[i]], now + T[i + 1]);
    for (word i = e->counted; i < e->end[0]; i += 2) {
        word *ring = ch->rings + T[i];
        ring[1 + ring[0]] = now;
        ring[0] = ring[0] + 1 == T[i + 1] ? 0 : ring[0] + 1;
    }
}

/* Queues. */

static Request *append(Channel *ch, word q, word command, word target, word now) {
    Queue *queue = &ch->queue[q];
    word i = queue->runs++;
    Request *r = queue->order[i];
    queue->size++;
    queue->soon = 0;
    queue->ready[i] = 0;
    queue->row_group[i] = T[GROUPS];
    if (command >= 0 && (target >= banks || info(command)->precharge >= 0)) queue->row_group[i] = group_of(command, target);
    r->command = command, r->target = target, r->arrival = now, r->count = 1;
    return r;
}

static void give_up(Channel *ch, word q, word i, word now) {
    Queue *queue = &ch->queue[q];
    Request *r = queue->order[i];
    ch->last = now;
    S.changed = 1;
    queue->size--;
    r->column++;
    if (--r->count > 0) return;
    word after = --queue->runs - i;
    if (q == PIM && after == 0) ch->joined = 0;
    memmove(queue->order + i, queue->order + i + 1, after * sizeof *queue->order);
    memmove(queue->ready + i, queue->ready + i + 1, after * sizeof(word));
    memmove(queue->row_group + i, queue->row_group + i + 1, after * sizeof(word));
    memmove(queue->row_seen + i, queue->row_seen + i + 1, after * sizeof(word));
    queue->order[i + after] = r;
}

/* Rows: of banks, and of the sets of banks that commands work on. */

static word row_of(Channel *ch, word group) {
    if (ch->group_row[group] == UNKNOWN) {
        const word *g = row_group(group);
        word row = ch->bank_row[T[g[MEMBERS]]];
        for (word i = g[MEMBERS]; i < g[CONTAINED]; i++)
            if (ch->bank_row[T[i]] != row) { row = MIXED; break; }
        ch->group_row[group] = row;
    }
    return ch->group_row[group];
}

static void set_row(Channel *ch, word group, word row) {
    const word *g = row_group(group);
    for (word i = g[MEMBERS]; i < g[CONTAINED]; i++) ch->bank_row[T[i]] = row;
    for (word i = g[CONTAINED]; i < g[OVERLAPPING]; i++) ch->group_row[T[i]] = row;
    for (word i = g[OVERLAPPING]; i < g[GROUP_FIELDS]; i++) ch->group_row[T[i]] = UNKNOWN;
    for (word q = 0; q < QUEUES; q++) {
        Queue *queue = &ch->queue[q];
        for (word i = 0; i < queue->runs; i++) {
            word now = ch->group_row[queue->row_group[i]];
            if (now != queue->row_seen[i] || now == MIXED) queue->ready[i] = queue->soon = 0;
        }
    }
}

static word next_command(Channel *ch, word group, word command, word wanted) {
    const Command *c = info(command);
    word row = row_of(ch, group);
    if (c->precharge < 0) return command;
    if (c->activate < 0) return row == CLOSED ? command : c->precharge;
    if (row == MIXED && T[MIXED_ROWS] != 2) {
        const word *g = row_group(group);
        row = wanted;
        for (word i = g[MEMBERS]; i < g[CONTAINED]; i++) {
            word there = ch->bank_row[T[i]];
            if (there == wanted) continue;
            row = there;
            if (there != CLOSED || T[MIXED_ROWS] == 0) break;
        }
    }
    return row == wanted ? command : row == CLOSED ? c->activate : c->precharge;
}

static word remembered(Channel *ch, word command, word target) {
    word key = (ch->issued * targets + target) * commands + command, line = target & (MEMO - 1);
    if (ch->memo[line].key != key) {
        ch->memo[line].key = key;
        ch->memo[line].at = ready_at(ch, command, target);
    }
    return ch->memo[line].at;
}

static word look_again(Channel *ch, Queue *queue, word i, word now) {
    word ready = queue->ready[i];
    Request *r = queue->order[i];
    if (ready == 0) {
        word group = queue->row_group[i];
        r->next = r->command, r->node = r->target;
        if (group < T[GROUPS]) {
            r->next = next_command(ch, group, r->command, r->row);
            if (r->node >= banks && info(r->next)->one_bank) {
                const word *g = row_group(group);
                for (word j = g[MEMBERS]; j < g[CONTAINED]; j++)
                    if (ch->bank_row[T[j]] != CLOSED) { r->node = T[j]; break; }
            }
        }
        queue->row_seen[i] = ch->group_row[group];
    }
    if (r->node < banks && T[T[AT_SHARED] + r->node] >= 0) ready = remembered(ch, r->next, T[T[AT_SHARED] + r->node]);
    if (ready <= now) ready = remembered(ch, r->next, r->node);
    return queue->ready[i] = max(ready, 1);
}

static inline word look(Channel *ch, Queue *queue, word i, word now) {
    return queue->ready[i] > now ? queue->ready[i] : look_again(ch, queue, i, now);
}

static word first_ready(Channel *ch, word q, word now) {
    Queue *queue = &ch->queue[q];
    if (queue->soon > now) return 0;
    word best = -1, arrival = FOREVER, soon = FOREVER;
    for (word i = 0; i < queue->runs; i++) {
        word ready = look(ch, queue, i, now);
        if (ready > now) soon = min(soon, ready);
        else if (q != ACTIVE) return i;
        else if (queue->order[i]->arrival < arrival) best = i, arrival = queue->order[i]->arrival;
    }
    if (best < 0) queue->soon = soon;
    return max(best, 0);
}

/* Runs of equal PIM commands as one step. */

static int plan(Channel *ch, Request *r, word now) {
    word period = T[T[AT_PERIOD] + r->command * targets + r->target], count = r->count - 1;
    if (count < 2 || period == 0 || ch->mark_from >= 0 || r->next != r->command || r->flags != IS_PIM) return 0;
    if (ch->queue[ACTIVE].size + ch->queue[PRIORITY].size + ch->queue[READS].size + ch->queue[WRITES].size > 0) return 0;
    if (T[MODE_COMMAND] >= 0 && info(r->command)->register_mode != ch->register_mode) return 0;
    ch->refills = ch->left > 0 && S.front_queue == PIM;
    if (ch->refills) {
        if (!ch->joined || (T[STRICT] && S.only < 0 && S.groups > 1)) return 0;
        count = ch->queue[PIM].runs == 1 ? ch->left : min(count, ch->left);
    }
    count = min(count, (ch->due - now - 1) / period + 1);
    if (count < 2) return 0;
    ch->run = min(count, LONGEST), ch->period = period, ch->run_start = now;
    return 1;
}

static void carry_out(Channel *ch, word count, word refills) {
    Request *r = ch->queue[PIM].order[0];
    word last = ch->run_start + (count - 1) * ch->period;
    ch->issued += count;
    forbid(ch, r->command, r->node, last);
    counts[r->command] += count * ch->members;
    ch->written = max(ch->written, last + info(r->command)->latency);
    ch->last = last;
    ch->run = 0;
    r->count -= count, r->column += count;
    ch->queue[PIM].size -= count;
    if (ch->refills) {
        ch->queue[PIM].order[ch->queue[PIM].runs - 1]->count += refills;
        ch->queue[PIM].size += refills;
        ch->left -= refills;
    }
}

static void interrupt(Channel *ch, word now) {
    word count = min(ch->run, (now - ch->run_start + ch->period - 1) / ch->period);
    ch->run = 0;
    if (count > 0) carry_out(ch, count, count);
    ch->next = ch->run_start + count * ch->period;
}

/* A cycle of a channel. */

static void answer(Channel *ch, word notifies, word done) {
    if (ch->mark_from >= 0) {
        if (ch->behind == BEHIND) exit(3);
        ch->behind_done[ch->behind++] = done;
        return;
    }
    ch->served = max(done, ch->served + 1);
    if (notifies) S.outstanding -= ch->members, S.finish = max(S.finish, ch->served);
}

static int turns(const Channel *ch) {
    word reads = ch->queue[READS].size, writes = ch->queue[WRITES].size, full = T[ENTRIES] - 1;
    if (ch->write_mode) return 100 * writes < T[WRITE_LOW] * full && reads > 0;
    return 100 * writes > T[WRITE_HIGH] * full || reads == 0;
}

static int is_listed(word q) { return q != PRIORITY && q != PIM; } /* served out of order */

/* Whether a second command may go with the first one of a cycle: one on the row bus, one on the column bus. */
static int fits(word first, word command) { return first >= 0 && command >= 0 && info(first)->bus * info(command)->bus == 2; }

/* The request to serve and its next command, -1 for marks; whether it may go. */
static int choose(Channel *ch, word now, int second, word first, word *q, word *position, word *command) {
    *command = -1;
    for (word turn = 0; turn <= READS; turn++) {
        if (turn == READS && turns(ch)) ch->write_mode ^= 1;
        *q = turn == READS ? READS + ch->write_mode : turn;
        Queue *queue = &ch->queue[*q];
        if (queue->size == 0) continue;
        *position = is_listed(*q) ? first_ready(ch, *q, now) : 0;
        Request *r = queue->order[*position];
        if (!(r->flags & IS_MARK)) {
            int ready = look(ch, queue, *position, now) <= now, goes = !second || fits(first, r->next);
            *command = r->next;
            if ((ready && goes) || turn == READS || (goes && turn == PRIORITY)) return ready && goes;
        } else if (!second) {
            return 1;
        }
        *command = -1;
        if (turn == PIM && T[EXCLUSIVE]) return 0;
    }
    return 0;
}

static void issue(Channel *ch, const Request *r, word command, word node, word now) {
    forbid(ch, command, node, now);
    ch->issued++;
    counts[command] += ch->members;
    if (info(command)->opens) set_row(ch, group_of(command, node), r->row);
    else if (info(command)->closes) set_row(ch, group_of(command, node), CLOSED);
}

static void perform(Channel *ch, word q, word position, word now) {
    Request *r = ch->queue[q].order[position];
    if (r->flags & IS_MARK) {
        ch->mark_from = max(now, ch->served) + 1;
        give_up(ch, q, position, now);
        return;
    }
    word register_mode = r->flags & IS_PIM ? info(r->command)->register_mode : 0;
    if (T[MODE_COMMAND] >= 0 && register_mode != ch->register_mode) {
        issue(ch, r, T[MODE_COMMAND], r->target, now);
        ch->register_mode = register_mode;
        return;
    }
    word command = r->next;
    issue(ch, r, command, r->node, now);
    if (command == r->command) {
        word done = now + info(command)->latency;
        if (r->flags & IS_READ) answer(ch, r->flags & NOTIFIES, done);
        else if (command != T[REF]) ch->written = max(ch->written, done);
        give_up(ch, q, position, now);
    } else if (!(r->flags & IS_PIM) && info(command)->opens) {
        give_up(ch, q, position, now);
        if (ch->queue[ACTIVE].size < T[ENTRIES]) {
            Request *moved = append(ch, ACTIVE, r->command, r->target, r->arrival);
            moved->row = r->row, moved->column = r->column - 1, moved->flags = r->flags;
        }
    }
}

static int closes_active(const Channel *ch, const Request *r) {
    if ((r->flags & IS_MARK) || !info(r->next)->closes) return 0;
    for (word i = 0; i < ch->queue[ACTIVE].size; i++)
        if (ch->queue[ACTIVE].order[i]->target == r->target) return 1;
    return 0;
}

static word soonest(Channel *ch, Queue *queue, word now, int busy) {
    if (queue->soon > now) return queue->soon;
    word soon = FOREVER;
    int waiting = 0;
    for (word i = 0; i < queue->runs; i++) {
        word ready = look(ch, queue, i, now);
        if (ready > now) soon = min(soon, ready);
        else if (busy) return now + 1;
        else waiting = 1;
    }
    return waiting ? soon : (queue->soon = soon);
}

static word next_event(Channel *ch, word now, int busy) {
    word soon = ch->due;
    if (ch->mark_from >= 0) soon = min(soon, max(ch->mark_from, ch->written + 1));
    for (word turn = 0; turn <= READS; turn++) {
        word q = turn == READS ? READS + ch->write_mode : turn;
        if (turn == READS && ch->queue[READS].size + ch->queue[WRITES].size > 0 && turns(ch)) return now + 1;
        Queue *queue = &ch->queue[q];
        if (queue->size == 0) continue;
        if (queue->order[0]->flags & IS_MARK) return now + 1;
        word ready = is_listed(q) ? soonest(ch, queue, now, busy) : look(ch, queue, 0, now);
        if (ready > now) soon = min(soon, ready);
        else if (busy) return now + 1;
    }
    return soon;
}

static word tick(Channel *ch, word now) {
    if (ch->run > 0) {
        carry_out(ch, ch->run, ch->run - 1);
        S.changed = 1;
        return next_event(ch, now, 1);
    }
    if (ch->mark_from >= 0 && ch->mark_from <= now && ch->written < now) {
        ch->mark_from = -1;
        ch->served = now;
        S.outstanding -= ch->members, S.finish = max(S.finish, now);
        for (word i = 0; i < ch->behind; i++) ch->served = max(ch->behind_done[i], ch->served + 1);
        ch->behind = 0;
    }
    if (ch->due <= now) {
        ch->due += T[REFRESH_INTERVAL];
        for (word node = 0; node < T[REFRESH_NODES]; node++) {
            Request *r = append(ch, PRIORITY, T[REF], T[REFRESH_TARGET] + node, now);
            r->row = -1, r->flags = IS_PIM;
        }
    }
    word q = 0, position = 0, first = -1, command;
    int busy = 0;
    for (int slot = 0; slot < T[SLOTS]; slot++, first = command) {
        if (!choose(ch, now, slot > 0, first, &q, &position, &command)) continue;
        Request *r = ch->queue[q].order[position];
        if (closes_active(ch, r)) continue;
        if (q == PIM && slot == 0 && plan(ch, r, now)) return ch->run_start + (ch->run - 1) * ch->period;
        perform(ch, q, position, now);
        busy = 1;
    }
    return next_event(ch, now, busy);
}

/* Groups of channels. */

static word divide(word group, word limit) {
    Channel *old = channel[group];
    uint64_t inside = 0, outside = 0, part[MASK_WORDS_MAX];
    for (word w = 0; w < T[MASK_WORDS]; w++) {
        word below = min(max(limit - w * MASK_BITS, 0), MASK_BITS);
        part[w] = old->mask[w] & row_[I_CHANNELS + w] & (((uint64_t)1 << below) - 1);
        inside |= part[w], outside |= old->mask[w] ^ part[w];
    }
    if (!inside) return -1;
    if (!outside) return group;
    Channel *new = channel[S.groups], own = *new;
    *new = *old;
    new->bank_row = own.bank_row, new->group_row = own.group_row, new->ready = own.ready, new->rings = own.rings;
    memcpy(new->bank_row, old->bank_row, (T[WORDS] - T[AT_BANK_ROW]) * sizeof(word));
    for (word q = 0; q < QUEUES; q++)
        for (word i = 0; i < MOST_QUEUED; i++)
            new->queue[q].order[i] = new->queue[q].requests + (old->queue[q].order[i] - old->queue[q].requests);
    new->members = 0;
    for (word w = 0; w < T[MASK_WORDS]; w++) {
        new->mask[w] = part[w], old->mask[w] ^= part[w];
        new->members += __builtin_popcountll(part[w]);
    }
    old->members -= new->members;
    return S.groups++;
}

static int alike(const Channel *a, const Channel *b, word now) {
    for (word q = 0; q < QUEUES; q++)
        if (a->queue[q].size || b->queue[q].size) return 0;
    if (a->register_mode != b->register_mode || a->write_mode != b->write_mode || a->mark_from != b->mark_from) return 0;
    if (a->behind != b->behind || a->due != b->due || a->left != b->left) return 0;
    if (max(a->served, now - 1) != max(b->served, now - 1) || max(a->written, now - 1) != max(b->written, now - 1)) return 0;
    if (memcmp(a->bank_row, b->bank_row, banks * sizeof(word))) return 0;
    for (word i = 0; i < targets * commands; i++)
        if (max(a->ready[i], now) != max(b->ready[i], now)) return 0;
    return memcmp(a->rings, b->rings, (T[WORDS] - T[AT_RING]) * sizeof(word)) == 0;
}

static void merge(word now) {
    for (word keep = 0; keep < S.groups; keep++)
        for (word other = keep + 1; other < S.groups;) {
            Channel *a = channel[keep], *b = channel[other];
            if (!alike(a, b, now)) { other++; continue; }
            for (word w = 0; w < T[MASK_WORDS]; w++) a->mask[w] |= b->mask[w];
            a->members += b->members;
            channel[other] = channel[--S.groups];
            channel[S.groups] = b;
        }
}

static word lowest(const Channel *ch) {
    for (word w = 0; w < T[MASK_WORDS]; w++)
        if (ch->mask[w]) return w * MASK_BITS + __builtin_ctzll(ch->mask[w]);
    return FOREVER;
}

/* The front end. */

static int forwards(const Channel *ch) {
    const Queue *writes = &ch->queue[WRITES];
    if (row_[I_QUEUE] != READS || T[FORWARD] == 0) return 0;
    if (T[FORWARD] == 2) return writes->size > 0;
    for (word i = 0; i < writes->size; i++) {
        const Request *r = writes->order[i];
        if (r->target == row_[I_TARGET] && r->row == row_[I_ROW] && r->column == row_[I_COLUMN]) return 1;
    }
    return 0;
}

static word room(const Channel *ch) {
    const Queue *queue = ch->queue;
    if (T[EXCLUSIVE]) {
        word others = queue[PIM].size;
        if (row_[I_QUEUE] == PIM) others = queue[READS].size + queue[WRITES].size + (T[OVERTAKE] ? 0 : queue[ACTIVE].size);
        if (others > 0) return 0;
    }
    return forwards(ch) ? FORWARDED : T[ENTRIES] - queue[row_[I_QUEUE]].size;
}

static void push(Channel *ch, word count, word now) {
    word q = row_[I_QUEUE], flags = row_[I_FLAGS], size = ch->queue[q].size, left = ch->left;
    ch->left -= count;
    if (ch->room == FORWARDED) {
        answer(ch, flags & NOTIFIES, now);
    } else if (q == PIM && ch->joined) {
        ch->queue[q].order[ch->queue[q].runs - 1]->count += count;
        ch->queue[q].size += count;
    } else {
        Request *r = append(ch, q, row_[I_COMMAND], row_[I_TARGET], now);
        r->column = row_[I_COLUMN] + (row_[I_COUNT] - left) * row_[I_COLUMN_STEP];
        r->row = row_[I_ROW], r->flags = flags, r->count = count;
        ch->queue[q].size += count - 1;
        ch->joined = q == PIM;
        if (q != PIM || size == 0) ch->next = min(ch->next, now);
    }
}

static int offer(word now) {
    int strict = T[STRICT] && S.only < 0;
    for (;;) {
        word first = S.only >= 0 ? S.only : 0, end = S.only >= 0 ? S.only + 1 : S.groups;
        word top = 0, refusal = FOREVER, left = 0;
        for (word g = first; g < end; g++) top = max(top, channel[g]->left);
        word most = top;
        for (word g = first; g < end; g++) {
            Channel *ch = channel[g];
            if (ch->left == 0) continue;
            if (ch->run > 0) interrupt(ch, now);
            ch->room = room(ch);
            if (!strict) continue;
            most = min(most, ch->left < top ? 1 : ch->room);
            if (ch->left == top && ch->room <= 0) refusal = min(refusal, lowest(ch));
        }
        if (refusal < FOREVER) most = 1;
        for (word g = first; g < end; g++) {
            word part = g;
            if (strict && (channel[g]->left < top || refusal < FOREVER)) part = channel[g]->left == top ? divide(g, refusal) : -1;
            if (part < 0) continue;
            word count = min(min(channel[part]->left, most), channel[part]->room);
            if (count > 0) push(channel[part], count, now);
        }
        for (word g = first; g < (strict ? S.groups : end); g++) left = max(left, channel[g]->left);
        if (left == 0 || !strict || refusal < FOREVER) return left == 0;
    }
}

static int start(word now) {
    word matches = 0;
    row_ = trace + S.pc * trace_fields;
    S.front_queue = row_[I_QUEUE];
    S.only = -1;
    for (word g = 0, groups = S.groups; g < groups; g++) {
        word part = divide(g, FOREVER);
        if (part < 0) continue;
        Channel *ch = channel[part];
        ch->left = row_[I_COUNT], ch->joined = 0;
        if (row_[I_FLAGS] & NOTIFIES) S.outstanding += row_[I_COUNT] * ch->members;
        S.only = part, matches++;
    }
    if (matches != 1) S.only = -1;
    return offer(now);
}

static void front_end(word now) {
    if (S.refused) {
        S.refused = !offer(now);
        if (S.waits || S.refused) return;
        S.pc++;
        if (T[WIDTH] > 0) return;
    }
    for (word taken = 0; S.pc < trace_rows && (T[WIDTH] == 0 || taken < T[WIDTH]); taken++) {
        S.refused = !start(now);
        S.waits = row_[I_FLAGS] & NOTIFIES;
        if (S.waits || S.refused) return;
        S.pc++;
    }
}

static int drained(void) {
    for (word g = 0; g < S.groups; g++)
        for (word q = 0; q < QUEUES; q++)
            if (channel[g]->queue[q].size > 0) return 0;
    return 1;
}

static word simulate(void) {
    int marked = trace_rows > 0 && trace[(trace_rows - 1) * trace_fields + I_FLAGS] & IS_MARK;
    word last = 0;
    for (;;) {
        word now = S.wake;
        for (word g = 0; g < S.groups; g++) now = min(now, channel[g]->next);
        if (now >= FOREVER || (S.pc >= trace_rows && !S.waits && drained())) break;
        if (S.wake == now) {
            if (S.waits && S.outstanding == 0) {
                S.waits = 0;
                if (++S.pc >= trace_rows && marked) break;
                if (S.groups > 1) merge(now);
            }
            front_end(now);
        }
        S.changed = 0;
        for (word g = 0; g < S.groups; g++)
            if (channel[g]->next <= now) channel[g]->next = tick(channel[g], now);
        if (S.refused) S.wake = S.changed ? now + 1 : FOREVER;
        else if (S.waits) S.wake = S.outstanding == 0 ? S.finish + 1 : FOREVER;
        else S.wake = S.pc < trace_rows ? now + 1 : FOREVER;
    }
    if (S.pc < trace_rows || S.waits) exit(2);
    for (word g = 0; g < S.groups; g++) last = max(last, max(channel[g]->last, channel[g]->served));
    return marked ? S.finish : last;
}

static void reset(const word *initial) {
    memset(&S, 0, sizeof S);
    memset(counts, 0, sizeof counts);
    S.wake = S.groups = 1;
    for (word g = 0; g < T[CHANNELS]; g++) {
        Channel *ch = channel[g];
        word *words = ch->bank_row;
        memset(ch, 0, sizeof *ch);
        ch->bank_row = words;
        memcpy(words, initial + T[AT_BANK_ROW], (T[WORDS] - T[AT_BANK_ROW]) * sizeof(word));
        ch->group_row = words + T[AT_ROW] - T[AT_BANK_ROW];
        ch->ready = words + T[AT_READY] - T[AT_BANK_ROW];
        ch->rings = words + T[AT_RING] - T[AT_BANK_ROW];
        ch->next = ch->issued = 1;
        ch->mark_from = -1;
        ch->due = T[REFRESH_INTERVAL] ? T[REFRESH_INTERVAL] : FOREVER;
        ch->members = g ? 0 : T[CHANNELS];
        for (word i = 0; i < ch->members; i++) ch->mask[i / MASK_BITS] |= (uint64_t)1 << i % MASK_BITS;
        for (word q = 0; q < QUEUES; q++)
            for (word i = 0; i < MOST_QUEUED; i++) ch->queue[q].order[i] = ch->queue[q].requests + i;
    }
}

static const word *read_words(FILE *file, word *count) {
    if (fread(count, sizeof(word), 1, file) != 1) exit(1);
    word *words = malloc(*count * sizeof(word));
    if (fread(words, sizeof(word), *count, file) != (size_t)*count) exit(1);
    return words;
}

int main(int argc, char **argv) {
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!file) return 1;
    word size, cycles = 0;
    T = read_words(file, &size);
    const word *initial = read_words(file, &size);
    trace = read_words(file, &size);
    trace_fields = I_CHANNELS + T[MASK_WORDS];
    trace_rows = size / trace_fields;
    commands = T[COMMANDS], targets = T[TARGETS], banks = T[BANKS];
    channel = malloc(T[CHANNELS] * sizeof *channel);
    for (word g = 0; g < T[CHANNELS]; g++) {
        channel[g] = calloc(1, sizeof(Channel));
        channel[g]->bank_row = malloc((T[WORDS] - T[AT_BANK_ROW]) * sizeof(word));
    }
    double best = 1e9;
    for (int i = 0; i < atoi(argv[2]); i++) {
        reset(initial);
        clock_t begin = clock();
        cycles = simulate();
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        best = seconds < best ? seconds : best;
    }
    printf("%lld %.6f", (long long)cycles, best);
    for (word i = 0; i < commands; i++) printf(" %lld", (long long)counts[i]);
    printf("\n");
    return 0;
}
