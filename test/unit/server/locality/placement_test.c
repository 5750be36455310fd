// SPDX-License-Identifier: Apache-2.0
#include "server/locality/placement.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(placement, .timeout = 10);

static const struct placement_key key = {.dev = 5, .ino = 77, .part = 3};
static const struct placed near = {.known = true, .near = PLACEMENT_WHOLE};
static const struct placed nothing = {.known = false};

static struct placed ask_at(struct placement *p, const struct placement_key *k, uint64_t now,
                            bool expected)
{
    bool ask = !expected;
    struct placed placed = placement_of(p, k, now, &ask);

    cr_assert_eq(ask, expected, "at %llu", (unsigned long long)now);
    return placed;
}

Test(placement, an_unknown_part_is_asked_for_once_in_a_while)
{
    struct placement *p = calloc(1, sizeof(*p));

    cr_assert_not(ask_at(p, &key, 100, true).known);
    cr_assert_not(ask_at(p, &key, 100, false).known);
    cr_assert_not(ask_at(p, &key, 100 + PLACEMENT_ASK_S, true).known);
    placement_set(p, &key, &nothing, 106);
    cr_assert_not(ask_at(p, &key, 107, false).known);
    cr_assert_not(ask_at(p, &key, 106 + PLACEMENT_ASK_S, true).known);
    free(p);
}

Test(placement, an_answer_stands_and_is_asked_for_anew_when_it_is_old)
{
    struct placement *p = calloc(1, sizeof(*p));
    struct placed mixed = {.known = true, .near = 100, .far = 250}, got;

    placement_set(p, &key, &near, 1000);
    got = ask_at(p, &key, 1001, false);
    cr_assert(placed_near(&got));
    got = ask_at(p, &key, 1000 + PLACEMENT_TRUST_S, true);
    cr_assert(placed_near(&got), "the old answer meanwhile");
    got = ask_at(p, &key, 1000 + PLACEMENT_TRUST_S + 1, false);
    cr_assert(placed_near(&got), "asked once");
    ask_at(p, &key, 1000 + PLACEMENT_TRUST_S + PLACEMENT_ASK_S, true);
    placement_set(p, &key, &mixed, 1100);
    got = ask_at(p, &key, 1101, false);
    cr_assert(got.known && got.near == 100 && got.far == 250);
    cr_assert_not(placed_near(&got), "a part of it is elsewhere");
    mixed.far = 251;
    placement_set(p, &key, &mixed, 1102);
    cr_assert_not(ask_at(p, &key, 1103, false).known);
    free(p);
}

Test(placement, parts_files_and_devices_are_told_apart)
{
    struct placement *p = calloc(1, sizeof(*p));
    struct placement_key other = key;

    placement_set(p, &key, &near, 50);
    other.part++;
    cr_assert_not(ask_at(p, &other, 51, true).known);
    other = key;
    other.ino++;
    cr_assert_not(ask_at(p, &other, 51, true).known);
    other = key;
    other.dev++;
    cr_assert_not(ask_at(p, &other, 51, true).known);
    cr_assert(ask_at(p, &key, 51, false).known);
    free(p);
}

// Most of a large working set is remembered, and what is not is unknown, never another's node.
Test(placement, a_full_table_forgets_rather_than_lies)
{
    struct placement *p = calloc(1, sizeof(*p));
    unsigned known = 0, n = PLACEMENT_SIZE / 4;
    bool ask;

    for (uint64_t i = 0; i < n; i++) {
        struct placed far = {.known = true, .far = (uint8_t)(i % 4)};
        placement_set(p, &(struct placement_key){.ino = i, .part = i % 7}, &far, 10);
    }
    for (uint64_t i = 0; i < n; i++) {
        struct placement_key k = {.ino = i, .part = i % 7};
        struct placed got = placement_of(p, &k, 11, &ask);
        cr_assert(!got.known || got.far == i % 4);
        known += got.known;
    }
    cr_assert_gt(known, n * 3 / 4, "%u of %u", known, n);
    free(p);
}
