// SPDX-License-Identifier: Apache-2.0
//
// A hierarchical timing wheel: arm and cancel are O(1) (io_uring(7) knows nothing of it; the loop
// turns the next expiry into the one timeout of its wait). Ticks are milliseconds of
// CLOCK_MONOTONIC. A timer never fires before its tick, and fires in the first wheel_advance() that
// reaches it. Single thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/list.h"

struct timer;
typedef void (*timer_fn)(struct timer *t);

struct timer {
    struct list node; // in a slot of the wheel, on a list of due timers, or on itself
    uint64_t expires; // ms, CLOCK_MONOTONIC
    timer_fn fired;   // called once, after the timer has left the wheel; may arm it again
};

#define WHEEL_LEVELS 6
#define WHEEL_SLOTS 64

struct wheel {
    uint64_t now;                   // ms; all that expired before it has fired
    uint64_t occupied[WHEEL_LEVELS]; // a bit for each slot that is not empty
    struct list slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

// Empty. Nothing to take down: what is armed belongs to others.
void wheel_init(struct wheel *w, uint64_t now_ms);
// Before any other use of it. A timer is its owner's, and must be cancelled or have fired before it
// is freed.
void timer_init(struct timer *t, timer_fn fired);

static inline bool timer_armed(const struct timer *t)
{
    return t->node.next != &t->node;
}

// Arms, or moves when armed already. `delay_ms` counts from the wheel's `now`; 0 counts as 1, so
// that a callback which arms its own timer again never runs twice in one turn.
void timer_arm(struct wheel *w, struct timer *t, uint64_t delay_ms);
void timer_cancel(struct wheel *w, struct timer *t); // harmless when not armed

// Moves to `now_ms` and fires what is due, in order of slots.
void wheel_advance(struct wheel *w, uint64_t now_ms);

// The two halves of wheel_advance(), for a loop that dispatches completions between them: delays
// armed there count from the new `now`, and a completion may still cancel a timer that is due.
void wheel_collect(struct wheel *w, uint64_t now_ms, struct list *due); // onto the end of `due`
void wheel_fire(struct list *due);

// Milliseconds until something may be due, or -1 when the wheel is empty. May be early (a slot of a
// higher level has to be sorted into lower ones), never late.
int64_t wheel_next(const struct wheel *w);
