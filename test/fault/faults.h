// SPDX-License-Identifier: Apache-2.0
//
// A table of system calls that fails on order. It takes the place of the real one for the whole
// test process; what was ordered may change while a worker runs.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum fault_call {
    FAULT_OPENAT2 = 1 << 0,
    FAULT_FSTAT = 1 << 1,
    FAULT_PREADV2 = 1 << 2,
    FAULT_CACHESTAT = 1 << 3,
    FAULT_SENDFILE = 1 << 4,
    FAULT_SENDMSG = 1 << 5,
    FAULT_SEND = 1 << 6,
    FAULT_SENDS = FAULT_SENDFILE | FAULT_SENDMSG | FAULT_SEND,
};

// Of the calls named, the first `skip` pass and the next `count` are hit. What happens to one that
// is hit: `act` runs before it on the worker's thread, then it fails with `err`, or, without an
// `err`, moves no more than `most` bytes (at random between one and that, with `dice`).
struct fault {
    unsigned calls;
    unsigned skip;
    unsigned count; // 0: all of them
    int err;
    size_t most;    // 0: as many as asked for
    bool dice;
    void (*act)(void);
};

// Puts the table in. Before a worker starts.
void faults_install(void);
// Replaces what was ordered before. Two orders may stand at one time; the first that hits counts.
void faults_order(const struct fault *first, const struct fault *second);
static inline void fault_order(const struct fault *only)
{
    faults_order(only, NULL);
}
// Everything passes again; how many calls the first order hit.
unsigned faults_end(void);
// How many calls the first order has hit up to now.
unsigned faults_hits(void);
