// SPDX-License-Identifier: Apache-2.0
#include "server/locality/placement.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(placement, .timeout = 10);

static const struct placement_key key = {.dev = 5, .ino = 77, .part = 3};

static int ask_at(struct placement *p, const struct placement_key *k, uint64_t now, bool expected)
{
    bool ask = !expected;
    int node = placement_node(p, k, now, &ask);

    cr_assert_eq(ask, expected, "at %llu", (unsigned long long)now);
    return node;
}

Test(placement, an_unknown_part_is_asked_for_once_in_a_while)
{
    struct placement *p = calloc(1, sizeof(*p));

    cr_assert_eq(ask_at(p, &key, 100, true), PLACEMENT_UNKNOWN);
    cr_assert_eq(ask_at(p, &key, 100, false), PLACEMENT_UNKNOWN);
    cr_assert_eq(ask_at(p, &key, 100 + PLACEMENT_ASK_S, true), PLACEMENT_UNKNOWN);
    placement_set(p, &key, PLACEMENT_UNKNOWN, 106);
    cr_assert_eq(ask_at(p, &key, 107, false), PLACEMENT_UNKNOWN);
    cr_assert_eq(ask_at(p, &key, 106 + PLACEMENT_ASK_S, true), PLACEMENT_UNKNOWN);
    free(p);
}

Test(placement, an_answer_stands_and_is_asked_for_anew_when_it_is_old)
{
    struct placement *p = calloc(1, sizeof(*p));

    placement_set(p, &key, 0, 1000);
    cr_assert_eq(ask_at(p, &key, 1001, false), 0);
    cr_assert_eq(ask_at(p, &key, 1000 + PLACEMENT_TRUST_S, true), 0, "the old answer meanwhile");
    cr_assert_eq(ask_at(p, &key, 1000 + PLACEMENT_TRUST_S + 1, false), 0, "asked once");
    cr_assert_eq(ask_at(p, &key, 1000 + PLACEMENT_TRUST_S + PLACEMENT_ASK_S, true), 0);
    placement_set(p, &key, 250, 1100);
    cr_assert_eq(ask_at(p, &key, 1101, false), 250);
    placement_set(p, &key, 251, 1102);
    cr_assert_eq(ask_at(p, &key, 1103, false), PLACEMENT_UNKNOWN);
    free(p);
}

Test(placement, parts_files_and_devices_are_told_apart)
{
    struct placement *p = calloc(1, sizeof(*p));
    struct placement_key other = key;

    placement_set(p, &key, 1, 50);
    other.part++;
    cr_assert_eq(ask_at(p, &other, 51, true), PLACEMENT_UNKNOWN);
    other = key;
    other.ino++;
    cr_assert_eq(ask_at(p, &other, 51, true), PLACEMENT_UNKNOWN);
    other = key;
    other.dev++;
    cr_assert_eq(ask_at(p, &other, 51, true), PLACEMENT_UNKNOWN);
    cr_assert_eq(ask_at(p, &key, 51, false), 1);
    free(p);
}

// Most of a large working set is remembered, and what is not is unknown, never another's node.
Test(placement, a_full_table_forgets_rather_than_lies)
{
    struct placement *p = calloc(1, sizeof(*p));
    unsigned known = 0, n = PLACEMENT_SIZE / 4;
    bool ask;

    for (uint64_t i = 0; i < n; i++)
        placement_set(p, &(struct placement_key){.ino = i, .part = i % 7}, (int)(i % 4), 10);
    for (uint64_t i = 0; i < n; i++) {
        int node = placement_node(p, &(struct placement_key){.ino = i, .part = i % 7}, 11, &ask);
        cr_assert(node == (int)(i % 4) || node == PLACEMENT_UNKNOWN);
        known += node >= 0;
    }
    cr_assert_gt(known, n * 3 / 4, "%u of %u", known, n);
    free(p);
}
