// SPDX-License-Identifier: Apache-2.0
//
// What one HTTP/2 connection may do too often: bursts, rates, clocks that misbehave, large limits.
#include "server/http2/floods.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct http2_flood_limits defaults = {
    .resets = 200, .control = 1000, .empty = 100, .continuations = 8, .interval_ms = 10000};

// How many of `most` are let through at one moment.
static unsigned burst(struct http2_floods *f, const struct http2_flood_limits *l,
                      enum http2_flood kind, uint64_t now_ms, unsigned most)
{
    unsigned n = 0;
    while (n < most && http2_floods_count(f, l, kind, now_ms) == NULL)
        n++;
    return n;
}

Test(floods, a_burst_of_the_limit_and_not_one_more)
{
    static const struct {
        enum http2_flood kind;
        unsigned limit;
        const char *words;
    } cases[] = {
        {HTTP2_FLOOD_RESET, 200, "too many RST_STREAM frames"},
        {HTTP2_FLOOD_PROVOKED, 200, "too many streams had to be reset"},
        {HTTP2_FLOOD_SETTINGS, 1000, "too many SETTINGS frames"},
        {HTTP2_FLOOD_PING, 1000, "too many PING frames"},
        {HTTP2_FLOOD_PRIORITY, 1000, "too many PRIORITY frames"},
        {HTTP2_FLOOD_WINDOW, 1000, "too many small WINDOW_UPDATE frames"},
        {HTTP2_FLOOD_UNKNOWN, 1000, "too many frames of unknown types"},
        {HTTP2_FLOOD_EMPTY, 100, "too many empty frames"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http2_floods f = {0};
        cr_assert_eq(burst(&f, &defaults, cases[i].kind, 12345, 5000), cases[i].limit);
        cr_assert_str_eq(http2_floods_count(&f, &defaults, cases[i].kind, 12345), cases[i].words);
    }
}

Test(floods, resets_received_and_provoked_are_added_up)
{
    struct http2_floods f = {0};
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 1, 150), 150);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_PROVOKED, 1, 150), 50);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_EMPTY, 1, 150), 100, "of another bucket");
}

Test(floods, the_limit_in_each_interval_lasts)
{
    struct http2_floods f = {0};
    // 200 in 10 s are one in 50 ms.
    for (uint64_t now = 7; now < 600000; now += 50)
        cr_assert_null(http2_floods_count(&f, &defaults, HTTP2_FLOOD_RESET, now));
    // Twice as many are found after about an interval.
    unsigned n = 0;
    for (uint64_t now = 600000; http2_floods_count(&f, &defaults, HTTP2_FLOOD_RESET, now) == NULL;
         now += 25)
        n++;
    cr_assert(n >= 396 && n <= 404, "%u", n);
}

Test(floods, refills_evenly)
{
    struct http2_floods f = {0};
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 1000, 500), 200);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 1049, 500), 0);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 1050, 500), 1);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 6050, 500), 100);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 16050, 500), 200);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 1000000, 500), 200, "and not more");
}

Test(floods, many_small_steps_refill_as_much_as_one_large)
{
    struct http2_flood_limits odd = defaults;
    odd.resets = 7;
    odd.interval_ms = 1000;
    struct http2_floods f = {0};
    cr_assert_eq(burst(&f, &odd, HTTP2_FLOOD_RESET, 0, 500), 7);
    // Another kind is counted each millisecond, so that the level is brought up to date each time.
    for (uint64_t now = 1; now <= 142; now++)
        (void)http2_floods_count(&f, &odd, HTTP2_FLOOD_EMPTY, now);
    cr_assert_eq(burst(&f, &odd, HTTP2_FLOOD_RESET, 142, 500), 0);
    cr_assert_eq(burst(&f, &odd, HTTP2_FLOOD_RESET, 143, 500), 1);
}

Test(floods, a_clock_that_jumps_is_harmless)
{
    struct http2_floods f = {0};
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 1000000, 500), 200);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 0, 500), 0, "back: nothing is refilled");
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 50, 500), 1, "and it goes on from there");
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, UINT64_MAX, 500), 200);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, UINT64_MAX, 500), 0);
}

Test(floods, extreme_limits_do_not_overflow)
{
    struct http2_flood_limits l = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    struct http2_floods f = {0};
    cr_assert_eq(burst(&f, &l, HTTP2_FLOOD_RESET, UINT64_MAX / 2, 100000), 100000);
    cr_assert_eq(burst(&f, &l, HTTP2_FLOOD_RESET, UINT64_MAX, 100000), 100000);
    l = (struct http2_flood_limits){0, 0, 0, 0, 0};
    f = (struct http2_floods){0};
    cr_assert_eq(burst(&f, &l, HTTP2_FLOOD_RESET, 5, 10), 1, "no limit below one, no division");
    cr_assert_eq(burst(&f, &l, HTTP2_FLOOD_RESET, 6, 10), 1);
    l = (struct http2_flood_limits){-1, -1, -1, INT64_MIN, INT64_MIN};
    cr_assert_eq(burst(&f, &l, HTTP2_FLOOD_EMPTY, 7, 10), 1);
    cr_assert_null(http2_floods_continuation(&f, &l));
    cr_assert_not_null(http2_floods_continuation(&f, &l));
}

Test(floods, smaller_limits_of_another_server_count_from_then_on)
{
    struct http2_floods f = {0};
    struct http2_flood_limits small = defaults;
    small.resets = 10;
    small.interval_ms = 1000;
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_RESET, 1, 100), 100);
    cr_assert_eq(burst(&f, &small, HTTP2_FLOOD_RESET, 1, 100), 0);
}

Test(floods, continuations_are_counted_for_each_header_block)
{
    struct http2_floods f = {0};
    for (int block = 0; block < 100; block++) {
        http2_floods_block(&f);
        for (int i = 0; i < 8; i++)
            cr_assert_null(http2_floods_continuation(&f, &defaults));
    }
    cr_assert_str_eq(http2_floods_continuation(&f, &defaults), "too many CONTINUATION frames");
    cr_assert_not_null(http2_floods_continuation(&f, &defaults), "nor later");
}

Test(floods, data_that_was_sent_pays_for_pings_and_windows)
{
    struct http2_floods f = {0};
    // A PING for each 64 KiB of a fast download, for a minute without the clock going on.
    for (int i = 0; i < 100000; i++) {
        http2_floods_sent(&f, &defaults, 64 * 1024);
        cr_assert_null(http2_floods_count(&f, &defaults, HTTP2_FLOOD_PING, 1));
    }
    // What was earned is bounded: twice the limit in one go, whatever was sent.
    http2_floods_sent(&f, &defaults, 64 * 1024);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_PING, 1, 100000), 2000);
    http2_floods_sent(&f, &defaults, UINT64_MAX);
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_WINDOW, 1, 100000), 1000);
}

Test(floods, small_responses_pay_together)
{
    struct http2_floods f = {0};
    struct http2_flood_limits l = defaults;
    l.control = 1;
    cr_assert_eq(burst(&f, &l, HTTP2_FLOOD_WINDOW, 1, 10), 1);
    http2_floods_sent(&f, &l, 1000);
    cr_assert_eq(burst(&f, &l, HTTP2_FLOOD_WINDOW, 1, 10), 0);
    http2_floods_sent(&f, &l, 24);
    cr_assert_eq(burst(&f, &l, HTTP2_FLOOD_WINDOW, 1, 10), 1);
}

Test(floods, data_that_was_sent_pays_for_nothing_else)
{
    static const enum http2_flood kinds[] = {HTTP2_FLOOD_RESET, HTTP2_FLOOD_PROVOKED,
                                             HTTP2_FLOOD_SETTINGS, HTTP2_FLOOD_PRIORITY,
                                             HTTP2_FLOOD_EMPTY};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct http2_floods f = {0};
        http2_floods_sent(&f, &defaults, UINT64_MAX);
        cr_assert(burst(&f, &defaults, kinds[i], 1, 5000) <= 1000);
    }
}

Test(floods, a_ping_that_data_paid_for_does_not_make_a_bucket_forget_the_time)
{
    struct http2_floods f = {0};
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_PING, 1, 5000), 1000);
    http2_floods_sent(&f, &defaults, 1024);
    cr_assert_null(http2_floods_count(&f, &defaults, HTTP2_FLOOD_PING, 5001));
    cr_assert_eq(burst(&f, &defaults, HTTP2_FLOOD_PING, 5001, 5000), 500);
}
