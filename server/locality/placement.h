// SPDX-License-Identifier: Apache-2.0
//
// On which node the pages of a part of a file lie, as far as a silo knows: from having filled them
// itself, or from a sample that its background thread took. Approximate: two parts may share a
// place in the table, and the younger word stands. Any thread, without locks.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PLACEMENT_PART (1u << 20) // bytes of a file that have one answer
#define PLACEMENT_SIZE (1u << 16) // answers, a power of two: for 64 GiB of hot files
#define PLACEMENT_TRUST_S 60      // then it is asked anew: pages move when they are read anew
#define PLACEMENT_ASK_S 5         // a question without an answer is repeated

#define PLACEMENT_UNKNOWN (-1)

struct placement {
    _Atomic uint64_t answers[PLACEMENT_SIZE]; // tag, time and node; 0: nothing
};

struct placement_key {
    dev_t dev;
    ino_t ino;
    uint64_t part; // offset / PLACEMENT_PART
};

// The node, or PLACEMENT_UNKNOWN. *ask: nobody has asked lately; the caller is to have it sampled.
// `now_s` is CLOCK_MONOTONIC.
int placement_node(struct placement *p, const struct placement_key *key, uint64_t now_s, bool *ask);
// What was found: a node up to 250, or PLACEMENT_UNKNOWN.
void placement_set(struct placement *p, const struct placement_key *key, int node, uint64_t now_s);
