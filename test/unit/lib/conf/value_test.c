// SPDX-License-Identifier: Apache-2.0
//
// Sizes and times: every unit, the order of units, and overflow at its edge.
#include "lib/conf/value.h"

#include <criterion/criterion.h>
#include <errno.h>

typedef int (*parse_fn)(struct sv, int64_t *);

static void expect(parse_fn parse, const char *text, int64_t want)
{
    int64_t got = -7;

    cr_expect_eq(parse(sv_from(text), &got), 0, "refused: %s", text);
    cr_expect_eq(got, want, "%s: %lld instead of %lld", text, (long long)got, (long long)want);
}

static void refuse(parse_fn parse, const char *text)
{
    int64_t got;

    cr_expect_eq(parse(sv_from(text), &got), -EINVAL, "accepted: \"%s\"", text);
}

Test(conf_value, numbers)
{
    expect(conf_number, "0", 0);
    expect(conf_number, "042", 42);
    expect(conf_number, "9223372036854775807", INT64_MAX);
    refuse(conf_number, "9223372036854775808");
    refuse(conf_number, "");
    refuse(conf_number, "-1");
    refuse(conf_number, "1k");
    refuse(conf_number, " 1");
}

Test(conf_value, sizes)
{
    expect(conf_size, "512", 512);
    expect(conf_size, "8k", 8192);
    expect(conf_size, "8K", 8192);
    expect(conf_size, "2m", 2 << 20);
    expect(conf_size, "2M", 2 << 20);
    refuse(conf_size, "1g");
    refuse(conf_size, "k");
    refuse(conf_size, "");
    refuse(conf_size, "1kk");
    refuse(conf_size, "1.5m");
}

Test(conf_value, offsets_know_gigabytes)
{
    expect(conf_offset, "3g", (int64_t)3 << 30);
    expect(conf_offset, "3G", (int64_t)3 << 30);
    expect(conf_offset, "1k", 1024);
    refuse(conf_offset, "1t");
}

Test(conf_value, sizes_do_not_overflow)
{
    expect(conf_size, "9007199254740991k", INT64_MAX - 1023);
    refuse(conf_size, "9007199254740992k");
    refuse(conf_offset, "8589934592g");
    expect(conf_offset, "8589934591g", (int64_t)8589934591 << 30);
}

Test(conf_value, milliseconds)
{
    expect(conf_msec, "0", 0);
    expect(conf_msec, "15", 15000);
    expect(conf_msec, "15s", 15000);
    expect(conf_msec, "100ms", 100);
    expect(conf_msec, "1s500ms", 1500);
    expect(conf_msec, "1m", 60000);
    expect(conf_msec, "1h 30m", 5400000);
    expect(conf_msec, "1h30m", 5400000);
    expect(conf_msec, "1w2d", 777600000);
    expect(conf_msec, "1m 5", 65000);
}

Test(conf_value, seconds)
{
    expect(conf_sec, "75", 75);
    expect(conf_sec, "1y", 31536000);
    expect(conf_sec, "1M", 2592000);
    expect(conf_sec, "1y1M1w1d1h1m1s", 31536000 + 2592000 + 604800 + 86400 + 3600 + 60 + 1);
    expect(conf_sec, "30d ", 2592000);
    expect(conf_sec, "10 ", 10);
    expect(conf_sec, "1 5", 6);
    refuse(conf_sec, "10ms");
}

Test(conf_value, units_come_in_order)
{
    refuse(conf_sec, "1s1m");
    refuse(conf_sec, "1m1m");
    refuse(conf_msec, "1ms1s");
    refuse(conf_msec, "1ms 1s");
    refuse(conf_msec, "1s 1 1 ");
}

Test(conf_value, months_and_years_are_not_for_milliseconds)
{
    refuse(conf_msec, "1M");
    refuse(conf_msec, "1y");
}

Test(conf_value, malformed_times)
{
    refuse(conf_sec, "");
    refuse(conf_sec, " ");
    refuse(conf_sec, "s");
    refuse(conf_sec, "-1");
    refuse(conf_sec, "1x");
    refuse(conf_sec, "1\t");
    refuse(conf_msec, "1.5s");
}

Test(conf_value, times_do_not_overflow)
{
    expect(conf_sec, "9223372036854775807", INT64_MAX);
    refuse(conf_sec, "9223372036854775808");
    refuse(conf_sec, "1s9223372036854775807");
    refuse(conf_sec, "292471208678y");
    expect(conf_msec, "9223372036854775", INT64_MAX - 807);
    refuse(conf_msec, "9223372036854776");
    refuse(conf_msec, "99999999999999999999ms");
}

Test(conf_value, a_view_is_not_read_behind_its_end)
{
    int64_t n;

    cr_expect_eq(conf_msec(sv_of("5ms", 2), &n), 0);
    cr_expect_eq(n, 300000);
    cr_expect_eq(conf_size(sv_of("5k", 1), &n), 0);
    cr_expect_eq(n, 5);
}
