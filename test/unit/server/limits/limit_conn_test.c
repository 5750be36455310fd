// SPDX-License-Identifier: Apache-2.0
#include "server/limits/limit_conn.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "test/unit/server/limits/table_fixture.h"

#define KEY SV("10.0.0.1")

static uint32_t node;

TestSuite(limit_conn, .init = map, .fini = unmap);

static uint32_t take(uint32_t most, pid_t silo)
{
    cr_assert_eq(limit_conn_take(t, KEY, most, silo, &node), LIMIT_TAKEN);
    return node;
}

Test(limit_conn, counts_up_to_the_limit)
{
    take(2, 100);
    take(2, 100);
    cr_assert_eq(limit_conn_take(t, KEY, 2, 100, &node), LIMIT_TOO_MANY);
    cr_assert_eq(limit_conn_take(t, SV("10.0.0.2"), 2, 100, &node), LIMIT_TAKEN);
}

Test(limit_conn, what_ends_makes_room_and_the_last_frees_the_node)
{
    uint32_t a = take(1, 100);

    cr_assert_eq(limit_conn_take(t, KEY, 1, 100, &node), LIMIT_TOO_MANY);
    limit_conn_give(t, a, 100);
    cr_assert_eq(t->used, 0);
    take(1, 100);
}

Test(limit_conn, silos_count_together)
{
    uint32_t a = take(3, 100);

    take(3, 200);
    take(3, 300);
    cr_assert_eq(limit_conn_take(t, KEY, 3, 100, &node), LIMIT_TOO_MANY);
    cr_assert_eq(limit_conn_take(t, KEY, 3, 400, &node), LIMIT_TOO_MANY);
    limit_conn_give(t, a, 100);
    take(3, 400);
}

Test(limit_conn, what_a_dead_silo_held_is_given_back_and_nothing_else)
{
    take(3, 100);
    take(3, 100);
    uint32_t b = take(3, 200);
    limit_conn_forget(t, 100);
    cr_assert_eq(t->used, 1);
    take(3, 200);
    take(3, 300);
    cr_assert_eq(limit_conn_take(t, KEY, 3, 300, &node), LIMIT_TOO_MANY);
    limit_conn_give(t, b, 200);
    take(3, 300);
}

Test(limit_conn, giving_back_what_was_forgotten_does_not_touch_the_next_owner)
{
    uint32_t a = take(1, 100);

    limit_conn_forget(t, 100);
    limit_conn_give(t, a, 100);
    uint32_t b = take(1, 200);
    cr_assert_eq(a, b, "the test wants the same block");
    limit_conn_give(t, a, 100);
    cr_assert_eq(limit_conn_take(t, KEY, 1, 200, &node), LIMIT_TOO_MANY);
}

Test(limit_conn, a_full_zone_has_no_room_for_another_key_but_for_known_ones)
{
    char text[32];
    enum limit_taken got = LIMIT_TAKEN;

    take(9, 100);
    for (unsigned i = 0; got == LIMIT_TAKEN; i++) {
        int n = snprintf(text, sizeof(text), "client %u", i);
        got = limit_conn_take(t, sv_of(text, (size_t)n), 9, 100, &node);
    }
    cr_assert_eq(got, LIMIT_NO_ROOM);
    take(9, 100);
}
