// SPDX-License-Identifier: Apache-2.0
//
// The timing wheel. A timer sits at the level of the highest group of six bits in which its expiry
// differs from `now`, in the slot that those bits name. So every slot in use lies ahead of `now`,
// a lower level is always due before a higher one, and when `now` reaches a slot its timers either
// are due or move down. Only the top level wraps around.
#include "lib/ring/timer.h"

#include <stddef.h>

#define LEVEL_BITS 6
#define REACH (UINT64_C(1) << (LEVEL_BITS * WHEEL_LEVELS)) // ms, about two years

_Static_assert(WHEEL_SLOTS == 1 << LEVEL_BITS, "a level is one group of bits");

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    w->now = now_ms;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        w->occupied[level] = 0;
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&w->slot[level][slot]);
    }
}

void timer_init(struct timer *t, timer_fn fired)
{
    *t = (struct timer){.fired = fired};
    list_init(&t->node);
}

static unsigned level_of(uint64_t now, uint64_t when)
{
    unsigned highest = 63 - (unsigned)__builtin_clzll(now ^ when);

    return min_of(highest / LEVEL_BITS, WHEEL_LEVELS - 1);
}

// A timer beyond the reach waits in the farthest slot and is placed again from there.
static void place(struct wheel *w, struct timer *t)
{
    uint64_t when = min_of(t->expires, w->now + REACH - 1);
    unsigned level = level_of(w->now, when);
    unsigned slot = (when >> (level * LEVEL_BITS)) & (WHEEL_SLOTS - 1);

    list_append(&w->slot[level][slot], &t->node);
    w->occupied[level] |= UINT64_C(1) << slot;
}

// `head` was the only neighbour of a timer just removed. When it is a slot of the wheel, and not a
// list of due timers or the timer itself, that slot is empty now.
static void slot_emptied(struct wheel *w, const struct list *head)
{
    uintptr_t offset = (uintptr_t)head - (uintptr_t)w->slot;

    if (offset >= sizeof(w->slot))
        return;
    size_t index = offset / sizeof(struct list);
    w->occupied[index / WHEEL_SLOTS] &= ~(UINT64_C(1) << (index % WHEEL_SLOTS));
}

void timer_cancel(struct wheel *w, struct timer *t)
{
    const struct list *neighbour = t->node.next;
    bool last = t->node.prev == neighbour;

    list_remove(&t->node);
    if (last)
        slot_emptied(w, neighbour);
}

void timer_arm(struct wheel *w, struct timer *t, uint64_t delay_ms)
{
    uint64_t delay = max_of(delay_ms, 1);

    timer_cancel(w, t);
    t->expires = delay > UINT64_MAX - w->now ? UINT64_MAX : w->now + delay;
    place(w, t);
}

static inline uint64_t rotate_right(uint64_t bits, unsigned n)
{
    return bits >> n | bits << (-n & 63);
}

// The start of the first slot in use at `level`, which must have one. Slots count from the one
// after the current, because the current slot of the top level is a whole round ahead.
static uint64_t level_next(const struct wheel *w, unsigned level)
{
    unsigned shift = level * LEVEL_BITS;
    uint64_t first = (w->now >> shift) + 1;
    uint64_t ahead = rotate_right(w->occupied[level], first & (WHEEL_SLOTS - 1));

    return (first + (uint64_t)__builtin_ctzll(ahead)) << shift;
}

// The lowest level in use, or WHEEL_LEVELS.
static unsigned lowest_level(const struct wheel *w)
{
    unsigned level = 0;

    while (level < WHEEL_LEVELS && w->occupied[level] == 0)
        level++;
    return level;
}

int64_t wheel_next(const struct wheel *w)
{
    unsigned level = lowest_level(w);

    return level == WHEEL_LEVELS ? -1 : (int64_t)(level_next(w, level) - w->now);
}

// Empties the slot of `level` at which `now` has arrived.
static void sort_slot(struct wheel *w, unsigned level, struct list *due)
{
    unsigned slot = (w->now >> (level * LEVEL_BITS)) & (WHEEL_SLOTS - 1);
    struct list arrived;

    list_init(&arrived);
    list_splice(&arrived, &w->slot[level][slot]);
    w->occupied[level] &= ~(UINT64_C(1) << slot);
    list_each_safe(node, &arrived)
    {
        struct timer *t = container_of(node, struct timer, node);

        list_remove(node);
        if (t->expires <= w->now)
            list_append(due, node);
        else
            place(w, t);
    }
}

void wheel_collect(struct wheel *w, uint64_t now_ms, struct list *due)
{
    unsigned level;

    while ((level = lowest_level(w)) < WHEEL_LEVELS) {
        uint64_t next = level_next(w, level);
        if (next > now_ms)
            break;
        w->now = next;
        sort_slot(w, level, due);
    }
    w->now = max_of(w->now, now_ms);
}

// One at a time, because a callback may cancel or move any other timer of the list.
void wheel_fire(struct list *due)
{
    while (!list_empty(due)) {
        struct timer *t = list_first(due, struct timer, node);

        list_remove(&t->node);
        t->fired(t);
    }
}

void wheel_advance(struct wheel *w, uint64_t now_ms)
{
    struct list due;

    list_init(&due);
    wheel_collect(w, now_ms, &due);
    wheel_fire(&due);
}
