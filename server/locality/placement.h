// SPDX-License-Identifier: Apache-2.0
//
// Where the pages of a part of a file lie, as far as a silo knows from a sample that its background
// thread took. Readers of several nodes may have filled one part in turn, so an answer has shares.
// Approximate: two parts may share a place in the table, and the younger word stands. Any thread,
// without locks.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PLACEMENT_PART (1u << 20) // bytes of a file that have one answer
#define PLACEMENT_SIZE (1u << 16) // answers, a power of two: for 64 GiB of hot files
#define PLACEMENT_TRUST_S 60      // then it is asked anew: pages move when they are read anew
#define PLACEMENT_ASK_S 2         // a question without an answer is repeated
#define PLACEMENT_WHOLE 255       // the share of all pages

struct placement {
    _Atomic uint64_t answers[PLACEMENT_SIZE]; // tag, time, share and node; 0: nothing
};

struct placement_key {
    dev_t dev;
    ino_t ino;
    uint64_t part; // offset / PLACEMENT_PART
};

// `near` of PLACEMENT_WHOLE pages are on the silo's own node, the others on `far` (where most of
// them are; up to 250).
struct placed {
    bool known;
    uint8_t near;
    uint8_t far;
};

static inline bool placed_near(const struct placed *p)
{
    return p->known && p->near == PLACEMENT_WHOLE;
}

// *ask: nobody has asked lately; the caller is to have it sampled. `now_s` is CLOCK_MONOTONIC.
struct placed placement_of(struct placement *p, const struct placement_key *key, uint64_t now_s,
                           bool *ask);
// What was found.
void placement_set(struct placement *p, const struct placement_key *key,
                   const struct placed *placed, uint64_t now_s);
