// SPDX-License-Identifier: Apache-2.0
#include "server/locality/placement.h"

#include <stddef.h>

// An answer: 32 bits of tag, 16 of seconds, 8 of the share that is near, 8 of what is known.
#define TIME_MASK 0xffffull
#define KNOWN_ASKED 1    // a sample is on its way
#define KNOWN_NOTHING 2  // it gave no answer
#define KNOWN_NODE 3     // this and above: the node that the rest is on, plus this
#define NODE_MAX 250

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    return x ^ x >> 33;
}

static uint64_t hash_of(const struct placement_key *key)
{
    return mix(mix(mix(key->ino) ^ key->dev) ^ key->part);
}

static uint64_t answer_of(uint64_t hash, uint64_t now_s, unsigned near, unsigned known)
{
    return (hash & ~0xffffffffull) | (now_s & TIME_MASK) << 16 | near << 8 | known;
}

static uint64_t age_of(uint64_t answer, uint64_t now_s)
{
    return (now_s - (answer >> 16)) & TIME_MASK;
}

struct placed placement_of(struct placement *p, const struct placement_key *key, uint64_t now_s,
                           bool *ask)
{
    uint64_t hash = hash_of(key);
    _Atomic uint64_t *place = &p->answers[hash % PLACEMENT_SIZE];
    uint64_t answer = atomic_load_explicit(place, memory_order_relaxed);
    unsigned known = answer & 0xff, near = answer >> 8 & 0xff;

    if (answer != 0 && answer >> 32 == hash >> 32) {
        uint64_t trust = known >= KNOWN_NODE ? PLACEMENT_TRUST_S : PLACEMENT_ASK_S;

        *ask = age_of(answer, now_s) >= trust;
    } else {
        known = KNOWN_NOTHING;
        *ask = true;
    }
    // An old answer stands until the new one is there; but it is asked for once.
    if (*ask) {
        uint64_t mark =
            known >= KNOWN_NODE
                ? answer_of(hash, now_s - PLACEMENT_TRUST_S + PLACEMENT_ASK_S, near, known)
                : answer_of(hash, now_s, 0, KNOWN_ASKED);

        *ask = atomic_compare_exchange_strong(place, &answer, mark);
    }
    if (known < KNOWN_NODE)
        return (struct placed){.known = false};
    return (struct placed){.known = true, .near = (uint8_t)near,
                           .far = (uint8_t)(known - KNOWN_NODE)};
}

void placement_set(struct placement *p, const struct placement_key *key,
                   const struct placed *placed, uint64_t now_s)
{
    uint64_t hash = hash_of(key);
    unsigned known = KNOWN_NOTHING;

    if (placed->known && placed->far <= NODE_MAX)
        known = (unsigned)placed->far + KNOWN_NODE;

    atomic_store_explicit(&p->answers[hash % PLACEMENT_SIZE],
                          answer_of(hash, now_s, placed->near, known), memory_order_relaxed);
}
