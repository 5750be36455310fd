// SPDX-License-Identifier: Apache-2.0
#include "server/locality/placement.h"

#include <stddef.h>

// An answer: 32 bits of tag, 24 of seconds, 8 of what is known.
#define TIME_MASK 0xffffffull
#define KNOWN_ASKED 1    // a sample is on its way
#define KNOWN_NOTHING 2  // it gave no answer
#define KNOWN_NODE 3     // this and above: the node, plus this
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

static uint64_t answer_of(uint64_t hash, uint64_t now_s, unsigned known)
{
    return (hash & ~0xffffffffull) | (now_s & TIME_MASK) << 8 | known;
}

static uint64_t age_of(uint64_t answer, uint64_t now_s)
{
    return (now_s - (answer >> 8)) & TIME_MASK;
}

int placement_node(struct placement *p, const struct placement_key *key, uint64_t now_s, bool *ask)
{
    uint64_t hash = hash_of(key);
    _Atomic uint64_t *place = &p->answers[hash % PLACEMENT_SIZE];
    uint64_t answer = atomic_load_explicit(place, memory_order_relaxed);
    unsigned known = answer & 0xff;

    if (answer != 0 && answer >> 32 == hash >> 32) {
        uint64_t trust = known >= KNOWN_NODE ? PLACEMENT_TRUST_S : PLACEMENT_ASK_S;

        *ask = age_of(answer, now_s) >= trust;
    } else {
        known = KNOWN_NOTHING;
        *ask = true;
    }
    // An old answer stands until the new one is there; but it is asked for once.
    if (*ask) {
        uint64_t mark = known >= KNOWN_NODE
                            ? answer_of(hash, now_s - PLACEMENT_TRUST_S + PLACEMENT_ASK_S, known)
                            : answer_of(hash, now_s, KNOWN_ASKED);

        *ask = atomic_compare_exchange_strong(place, &answer, mark);
    }
    return known >= KNOWN_NODE ? (int)known - KNOWN_NODE : PLACEMENT_UNKNOWN;
}

void placement_set(struct placement *p, const struct placement_key *key, int node, uint64_t now_s)
{
    uint64_t hash = hash_of(key);
    unsigned known = node >= 0 && node <= NODE_MAX ? (unsigned)node + KNOWN_NODE : KNOWN_NOTHING;

    atomic_store_explicit(&p->answers[hash % PLACEMENT_SIZE], answer_of(hash, now_s, known),
                          memory_order_relaxed);
}
