// SPDX-License-Identifier: Apache-2.0
//
// Priority field values: RFC 9218 for the two keys, RFC 9651 for everything around them.
#include "lib/http/priority.h"

#include <criterion/criterion.h>

// What stood before, so that one sees what is left alone.
static const struct http_priority before = {5, true};

static void says(const char *value, unsigned urgency, bool incremental)
{
    struct http_priority p = before;
    cr_assert(http_priority_parse(sv_from(value), &p), "%s", value);
    cr_assert_eq(p.urgency, urgency, "%s: u=%u", value, p.urgency);
    cr_assert_eq(p.incremental, incremental, "%s: i=%d", value, p.incremental);
}

static void is_malformed(struct sv value)
{
    struct http_priority p = before;
    cr_assert_not(http_priority_parse(value, &p), "%.*s", SV_ARG(value));
    cr_assert(p.urgency == before.urgency && p.incremental == before.incremental, "%.*s",
              SV_ARG(value));
}

Test(priority, urgency_and_incremental)
{
    says("u=0", 0, true);
    says("u=7, i=?0", 7, false);
    says("i=?0,u=1", 1, false);
    says("i", 5, true);
    says("u=2 ,\t i=?0", 2, false);
    says(" u=2 ", 2, true);
    says("u=-0", 0, true);
    says("u=000000000000004", 4, true);
}

Test(priority, an_empty_value_says_nothing)
{
    says("", 5, true);
    says("  ", 5, true);
    struct http_priority p = before;
    cr_assert(http_priority_parse((struct sv){NULL, 0}, &p));
}

Test(priority, a_value_out_of_range_or_of_another_type_is_passed_over)
{
    static const char *const values[] = {
        "u=8", "u=-1", "u=999999999999999", "u=1.0", "u=?1", "u", "u=abc", "u=\"1\"", "u=(1)",
        "u=:MQ==:", "u=@1", "u=%\"1\"", "i=1", "i=0", "i=no", "i=\"?0\"", "i=()", "i=?0, i=1",
    };
    for (size_t i = 0; i < array_len(values); i++)
        says(values[i], 5, true);
}

Test(priority, parameters_and_unknown_keys_are_passed_over)
{
    says("u=1;u=7;i=?0;x", 1, true);
    says("i;u=3", 5, true);
    says("i=?0; a; b=\"c\"", 5, false);
    says("*a=1, b.c-d_e*=tok/en:1, u=1", 1, true);
}

Test(priority, every_type_is_read_past)
{
    says("a=\"x\\\"y\\\\, u=7\", u=1", 1, true);
    says("a=:aGVsbG8=:, u=1", 1, true);
    says("a=:aGVsbG8:, u=1", 1, true);
    says("a=::, u=1", 1, true);
    says("a=-123456789012.123, u=1", 1, true);
    says("a=@-1659578233, u=1", 1, true);
    says("a=%\"f%c3%bc\", u=1", 1, true);
    says("a=(), u=1", 1, true);
    says("a=( \"x\"  1;y=2 tok );z=?0, u=1", 1, true);
    says("a=*!#$%&'*+-.^_`|~:/, u=1", 1, true);
}

Test(priority, the_last_value_of_a_key_counts_even_when_it_is_worth_nothing)
{
    says("u=1, u=2", 2, true);
    says("u=1, u=9", 5, true);
    says("u=1, u", 5, true);
    says("i=?0, i", 5, true);
    says("i, i=?0", 5, false);
}

Test(priority, an_error_anywhere_makes_the_value_say_nothing)
{
    static const char *const values[] = {
        "u=1,", "u=1, ", ",u=1", "u=1,,i", "u=1 i", "u=1;", "u=1; ", "u=1;=2", "u=", "u=,i", "=1",
        "U=1", "u =1", "u= 1", "u=1;A", "u=1, i=?2", "u=1, i=?", "u=1, i=?00", "u=1, a=1.",
        "u=1, a=.1", "u=1, a=1.2345", "u=1, a=1234567890123.1", "u=1, a=-", "u=1, a=--1",
        "u=1, a=1234567890123456", "u=0000000000000001", "u=1, a=(1234567890123456)",
        "u=+1", "u=1, a=\"", "u=1, a=\"\\x\"", "u=1, a=\"\\",
        "u=1, a=\"\x7f\"", "u=1, a=\"\x01\"", "u=1, a=\"\xc3\xbc\"", "u=1, a=:", "u=1, a=:a:",
        "u=1, a=:aa=a:", "u=1, a=:aa===:", "u=1, a=:aaaa=:", "u=1, a=:a b:", "u=1, a=(",
        "u=1, a=(1", "u=1, a=(1,2)", "u=1, a=(1\t2)", "u=1, a=(\"x\"1)", "u=1, a=((1))",
        "u=1, a=(1;)", "u=1, a=@", "u=1, a=@1.5",
        "u=1, a=%", "u=1, a=%x", "u=1, a=%\"%C3\"", "u=1, a=%\"%c\"", "u=1, a=%\"x",
        "u=1, a={}", "\tu=1\v", "u=1\n", "2, u=1", "u=1 ; i", "u=1;\ti",
    };
    for (size_t i = 0; i < array_len(values); i++)
        is_malformed(sv_from(values[i]));
    is_malformed(SV("u=1\0"));
    is_malformed(SV("u=1, a=\"\0\""));
    is_malformed(SV("u=1, a=x\0"));
    is_malformed(SV("\0"));
}

Test(priority, a_view_ends_where_it_ends)
{
    struct http_priority p = before;
    cr_assert(http_priority_parse(sv_of("u=12", 3), &p));
    cr_assert_eq(p.urgency, 1);
}
