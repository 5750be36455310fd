// SPDX-License-Identifier: Apache-2.0
#include "server/process/respawn.h"

#include <criterion/criterion.h>

Test(respawn, at_once_then_doubling_up_to_a_limit)
{
    static const uint64_t expected[] = {0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    struct respawn r = {0};

    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        cr_assert_eq(respawn_delay(&r, 50), expected[i], "death %zu", i);
}

Test(respawn, a_long_life_clears_the_record)
{
    struct respawn r = {0};

    for (int i = 0; i < 6; i++)
        respawn_delay(&r, RESPAWN_YOUNG_MS - 1);
    cr_assert_eq(respawn_delay(&r, RESPAWN_YOUNG_MS), 0);
    cr_assert_eq(respawn_delay(&r, 0), RESPAWN_FIRST_MS);
}

Test(respawn, many_deaths_do_not_overflow)
{
    struct respawn r = {.young_deaths = 1000000};

    cr_assert_eq(respawn_delay(&r, 0), RESPAWN_MAX_MS);
}
