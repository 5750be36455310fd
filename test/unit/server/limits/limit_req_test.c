// SPDX-License-Identifier: Apache-2.0
#include "server/limits/limit_req.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "test/unit/server/limits/table_fixture.h"

#define KEY SV("10.0.0.1")
#define START 1000000u // ms

static int64_t excess;

TestSuite(limit_req, .init = map, .fini = unmap);

// Rates and bursts in whole requests.
static enum limit_verdict ask(int64_t rate, int64_t burst, uint64_t now)
{
    return limit_req_check(t, rate * 1000, burst * 1000, KEY, now, true, &excess);
}

Test(limit_req, first_request_is_free)
{
    cr_assert_eq(ask(1, 0, START), LIMIT_PASS);
    cr_assert_eq(excess, 0);
}

Test(limit_req, second_at_once_exceeds_by_one)
{
    cr_assert_eq(ask(1, 0, START), LIMIT_PASS);
    cr_assert_eq(ask(1, 0, START), LIMIT_BUSY);
    cr_assert_eq(excess, 1000);
}

Test(limit_req, refused_requests_are_not_counted)
{
    cr_assert_eq(ask(1, 1, START), LIMIT_PASS);
    cr_assert_eq(ask(1, 1, START), LIMIT_PASS);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(ask(1, 1, START), LIMIT_BUSY);
        cr_assert_eq(excess, 2000);
    }
    cr_assert_eq(ask(1, 1, START + 1000), LIMIT_PASS);
}

Test(limit_req, drains_at_the_rate)
{
    cr_assert_eq(ask(2, 5, START), LIMIT_PASS);
    cr_assert_eq(ask(2, 5, START), LIMIT_PASS);
    cr_assert_eq(ask(2, 5, START), LIMIT_PASS);
    cr_assert_eq(excess, 2000);
    cr_assert_eq(ask(2, 5, START + 250), LIMIT_PASS);
    cr_assert_eq(excess, 2500);
    cr_assert_eq(ask(2, 5, START + 100000), LIMIT_PASS);
    cr_assert_eq(excess, 0);
}

Test(limit_req, negative_excess_is_none_at_high_rates)
{
    cr_assert_eq(ask(1000, 1, START), LIMIT_PASS);
    cr_assert_eq(ask(1000, 1, START + 100), LIMIT_PASS);
    cr_assert_eq(excess, 0);
}

Test(limit_req, a_rate_of_any_size_does_not_overflow)
{
    cr_assert_eq(limit_req_check(t, INT64_MAX, 0, KEY, START, true, &excess), LIMIT_PASS);
    cr_assert_eq(limit_req_check(t, INT64_MAX, 0, KEY, START + 86400000, true, &excess),
                 LIMIT_PASS);
    cr_assert_eq(excess, 0);
}

Test(limit_req, a_clock_that_is_a_little_behind_drains_nothing)
{
    cr_assert_eq(ask(1, 5, START), LIMIT_PASS);
    cr_assert_eq(ask(1, 5, START - 30), LIMIT_PASS);
    cr_assert_eq(excess, 1000);
}

Test(limit_req, keys_do_not_share)
{
    cr_assert_eq(ask(1, 0, START), LIMIT_PASS);
    cr_assert_eq(limit_req_check(t, 1000, 0, SV("10.0.0.2"), START, true, &excess), LIMIT_PASS);
    cr_assert_eq(excess, 0);
}

Test(limit_req, checking_without_counting_leaves_the_first_request_free)
{
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(limit_req_check(t, 1000, 0, KEY, START, false, &excess), LIMIT_PASS);
        cr_assert_eq(excess, 0);
    }
    cr_assert_eq(limit_req_account(t, 1000, KEY, START), 0);
    cr_assert_eq(limit_req_account(t, 1000, KEY, START), 1000);
    cr_assert_eq(limit_req_check(t, 1000, 1000, KEY, START, false, &excess), LIMIT_BUSY);
    cr_assert_eq(excess, 2000);
}

Test(limit_req, counting_works_for_a_key_that_was_forgotten_since)
{
    cr_assert_eq(limit_req_account(t, 1000, KEY, START), 0);
    cr_assert_eq(limit_req_account(t, 1000, KEY, START), 1000);
}

static enum limit_verdict ask_for(unsigned number, uint64_t now)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "client %u", number);

    return limit_req_check(t, 1000, 0, sv_of(text, (size_t)n), now, true, &excess);
}

Test(limit_req, the_oldest_key_makes_room_when_the_zone_is_full)
{
    unsigned room = t->blocks - 1;

    for (unsigned i = 0; i < room; i++)
        cr_assert_eq(ask_for(i, START), LIMIT_PASS);
    cr_assert_eq(t->used, room);
    cr_assert_eq(ask_for(0, START), LIMIT_BUSY);
    cr_assert_eq(ask_for(room, START), LIMIT_PASS);
    cr_assert_eq(t->used, room);
    // Number 0 was asked about lately, so number 1 went.
    cr_assert_eq(ask_for(0, START), LIMIT_BUSY);
    cr_assert_eq(ask_for(1, START), LIMIT_PASS);
}

Test(limit_req, a_new_key_clears_up_to_two_that_have_expired)
{
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(ask_for(i, START), LIMIT_PASS);
    cr_assert_eq(ask_for(100, START + 59000), LIMIT_PASS);
    cr_assert_eq(t->used, 11);
    cr_assert_eq(ask_for(101, START + 60000), LIMIT_PASS);
    cr_assert_eq(t->used, 10);
}

Test(limit_req, a_key_longer_than_the_zone_has_no_room)
{
    static char big[LIMIT_REQ_KEY_MAX];

    memset(big, 'k', sizeof(big));
    cr_assert_eq(limit_req_check(t, 1000, 0, sv_of(big, sizeof(big)), START, true, &excess),
                 LIMIT_FULL);
}

Test(limit_req, delays_what_is_beyond_the_delay_parameter)
{
    cr_assert_eq(limit_req_delay(0, 0, 1000), 0);
    cr_assert_eq(limit_req_delay(1000, 0, 1000), 1000);
    cr_assert_eq(limit_req_delay(1000, 0, 500), 2000);
    cr_assert_eq(limit_req_delay(3000, 2000, 1000), 1000);
    cr_assert_eq(limit_req_delay(2000, 2000, 1000), 0);
    cr_assert_eq(limit_req_delay(1000000, INT64_MAX, 16), 0);
}
