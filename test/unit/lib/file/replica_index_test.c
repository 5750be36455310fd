// SPDX-License-Identifier: Apache-2.0
//
// The index against a list of what is in it, with hashes that crowd together.
#include <criterion/criterion.h>

#include "lib/file/replica_priv.h"

#define SLOTS 200u

static struct replica_index x;
static uint64_t hashes[SLOTS]; // 0: not in the index
static uint64_t state = 88172645463325252u;

static void setup(void)
{
    cr_assert_eq(replica_index_make(&x, SLOTS), 0);
}

static void teardown(void)
{
    replica_index_free(&x);
}

TestSuite(replica_index, .init = setup, .fini = teardown, .timeout = 30);

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// Few places to be at, some of them at the end, so that runs are long and go round it.
static uint64_t crowded_hash(void)
{
    uint64_t n = next_random() % 40, home = n < 20 ? n * 3 : x.mask - (n - 20);

    return (home | (next_random() % 4) << 20) << 32 | (next_random() & 0xff);
}

static bool finds(uint64_t hash, uint32_t slot)
{
    uint32_t at = 0, found;

    while ((found = replica_index_next(&x, hash, &at)) != REPLICA_INDEX_END) {
        if (found == slot)
            return true;
    }
    return false;
}

static void expect_all(void)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (hashes[i] != 0)
            cr_assert(finds(hashes[i], i), "slot %u is lost", i);
    }
}

Test(replica_index, finds_what_was_put_and_not_what_was_removed)
{
    for (unsigned step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)(next_random() % SLOTS);
        uint64_t hash = hashes[i];

        if (hash == 0) {
            hashes[i] = crowded_hash() | 1ull << 60;
            replica_index_put(&x, hashes[i], i);
        } else {
            hashes[i] = 0;
            replica_index_remove(&x, hash, i);
            cr_assert_not(finds(hash, i));
        }
        if (step % 16 == 0)
            expect_all();
    }
}

Test(replica_index, one_hash_may_lead_to_several_slots)
{
    uint64_t hash = 7ull << 32;

    for (uint32_t i = 0; i < 5; i++)
        replica_index_put(&x, hash, i);
    replica_index_remove(&x, hash, 2);
    for (uint32_t i = 0; i < 5; i++)
        cr_expect_eq(finds(hash, i), i != 2);
    cr_expect_not(finds(8ull << 32, 0));
}

Test(replica_index, looking_ends_in_a_full_index_too)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i <= x.mask; i++)
        replica_index_put(&x, 7ull << 32, i);
    cr_expect_eq(replica_index_next(&x, 8ull << 32, &at), REPLICA_INDEX_END);
}
