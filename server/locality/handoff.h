// SPDX-License-Identifier: Apache-2.0
//
// Hand-off: a connection that was accepted elsewhere than where it belongs goes there before
// anything is read from it; to a worker of the same silo as a message between rings, to another
// silo as a descriptor (lib/net/handoff.h). What is refused is served where it is.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/ring/op.h"
#include "lib/ring/timer.h"

struct board_row;
struct listener;
struct locality;
struct worker;

// What a worker is given for it.
struct handoff_setup {
    struct locality *locality;  // NULL: connections stay where they are accepted
    unsigned first;             // index, over all silos, of the silo's first worker
    struct worker *const *crew; // the silo's workers; they outlive each other
};

struct handoff_port {
    struct handoff_setup setup;
    struct board_row *row;
    int inbox;           // -1: none
    struct op poll;      // of the inbox
    struct timer leave;  // looks whether all has come
    uint64_t leave_by_ms; // monotonic: it is not waited for longer
    bool leaving, quiet, left;
};

// Takes connections on from now on.
void handoff_begin(struct worker *w, const struct handoff_setup *setup);
// Takes none on any more, once those on their way have come; worker_may_end() is called then.
void handoff_leave(struct worker *w);
// Nothing is on its way to this worker, nor will be.
bool handoff_has_left(const struct worker *w);
// As leaving, but at once, when the loop has ended: what still comes is closed.
void handoff_end(struct worker *w);

// A connection was accepted: it is opened here, or handed over.
void handoff_accepted(struct worker *w, const struct listener *from, int fd);
// The number of the worker's connections has changed.
void handoff_count(struct worker *w);
