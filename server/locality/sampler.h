// SPDX-License-Identifier: Apache-2.0
//
// Orders to look where pages lie (lib/file/page_node.h), from workers to their silo's background
// thread. A full queue drops orders: whoever wants to know asks again in a while.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "server/locality/placement.h"

#define SAMPLER_QUEUE 64
#define SAMPLER_PAGES 16 // looked at for one order
#define SAMPLER_TURN 16 // orders in one turn
#define SAMPLER_PAUSE_MS 50 // between turns: an order interrupts each CPU of the silo

struct sampler_order {
    struct placement_key key;
    int fd; // a duplicate
};

struct sampler {
    pthread_mutex_t lock;
    struct sampler_order queue[SAMPLER_QUEUE];
    unsigned first, count;
};

void sampler_init(struct sampler *s);
void sampler_destroy(struct sampler *s);

// Any thread; does not wait. Some of that part of `fd` has just been sent. True: the queue was
// empty, and the thread should be woken.
bool sampler_order(struct sampler *s, const struct placement_key *key, int fd);
// The thread's, of a silo on node `own`: carries some orders out. True: more are waiting.
bool sampler_turn(struct sampler *s, struct placement *placement, int own, uint64_t now_s);
