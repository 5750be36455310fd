// SPDX-License-Identifier: Apache-2.0
//
// Range headers: what nginx sends for them, as its own tests and its parser have it.
#include "lib/http/range.h"

#include <criterion/criterion.h>

#define UNLIMITED INT32_MAX

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, NULL);
}

static void teardown(void)
{
    arena_reset(&arena);
}

TestSuite(range, .init = setup, .fini = teardown);

static enum range_verdict verdict(const char *header, uint64_t size, uint64_t max_ranges)
{
    struct range *r;
    size_t n;
    enum range_verdict v = range_parse(sv_from(header), size, max_ranges, &arena, &r, &n);
    cr_assert_eq(n > 0, v == RANGE_PARTIAL, "%s", header);
    return v;
}

Test(range, one_range)
{
    static const struct {
        const char *header;
        uint64_t start, end;
    } cases[] = {
        {"bytes=0-8", 0, 9},         {"bytes=-10", 990, 1000},   {"bytes=990-", 990, 1000},
        {"bytes=990-1990", 990, 1000}, {"bytes=0-0", 0, 1},      {"bytes=999-999", 999, 1000},
        {"bytes=-5000", 0, 1000},    {"BYTES=1-2", 1, 3},        {"bytes= 1 - 2 ", 1, 3},
        {"bytes=0-10001", 0, 1000},  {"bytes=5000-,1-1", 1, 2},
        {"bytes=0-9223372036854775807", 0, 1000},
        {"bytes=00001-0002", 1, 3},  {"bytes=5-3,7-7", 7, 8},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct range *r;
        size_t n;
        cr_assert_eq(range_parse(sv_from(cases[i].header), 1000, UNLIMITED, &arena, &r, &n),
                     RANGE_PARTIAL, "%s", cases[i].header);
        cr_assert(n == 1 && r[0].start == cases[i].start && r[0].end == cases[i].end, "%s",
                  cases[i].header);
    }
}

Test(range, several_ranges_keep_their_order)
{
    struct range *r;
    size_t n;
    cr_assert_eq(range_parse(SV("bytes=0-9, -10, 100000-, 10-19"), 1000, UNLIMITED, &arena, &r, &n),
                 RANGE_PARTIAL);
    cr_assert_eq(n, 3);
    cr_assert(r[0].start == 0 && r[0].end == 10);
    cr_assert(r[1].start == 990 && r[1].end == 1000);
    cr_assert(r[2].start == 10 && r[2].end == 20);
}

Test(range, malformed_sets_are_unsatisfiable)
{
    static const char *const headers[] = {
        "bytes=alpha", "bytes=10-alpha", "bytes=10",   "bytes=10-11 12-", "bytes=--1",
        "bytes=-",     "bytes=1-2,",     "bytes=,1-2", "bytes=1-2;3-4",   "bytes=1-2x",
        "bytes=- 5",   "bytes=1--2",     "bytes=1-2,,", "bytes=100000-",  "bytes=1000-1000",
        "bytes=5-3",   "bytes=-0",       "bytes= ",    "bytes=9223372036854775808-",
        "bytes=0-99999999999999999999",  "bytes=0-1,x",
    };
    for (size_t i = 0; i < array_len(headers); i++)
        cr_assert_eq(verdict(headers[i], 1000, UNLIMITED), RANGE_UNSATISFIABLE, "%s", headers[i]);
}

Test(range, what_is_no_bytes_range_is_ignored)
{
    cr_assert_eq(verdict("bytes=", 1000, UNLIMITED), RANGE_IGNORE);
    cr_assert_eq(verdict("items=0-1", 1000, UNLIMITED), RANGE_IGNORE);
    cr_assert_eq(verdict("bytes 0-1", 1000, UNLIMITED), RANGE_IGNORE);
    cr_assert_eq(verdict("", 1000, UNLIMITED), RANGE_IGNORE);
}

Test(range, more_than_the_body_is_ignored)
{
    cr_assert_eq(verdict("bytes=0-10001, 0-0", 1000, UNLIMITED), RANGE_IGNORE);
    cr_assert_eq(verdict("bytes=0-499, 500-999", 1000, 10), RANGE_PARTIAL);
    cr_assert_eq(verdict("bytes=0-499, 499-999", 1000, 10), RANGE_IGNORE);
}

Test(range, many_small_parts_are_ignored_when_unlimited)
{
    char header[400] = "bytes=0-0";
    for (int i = 0; i < 19; i++)
        strcat(header, ",0-0");
    cr_assert_eq(verdict(header, 1000, UNLIMITED), RANGE_IGNORE);
    cr_assert_eq(verdict(header, 1024, UNLIMITED), RANGE_IGNORE);
    cr_assert_eq(verdict(header, 1044, UNLIMITED), RANGE_PARTIAL);
    cr_assert_eq(verdict(header, 1000, 20), RANGE_PARTIAL);
}

Test(range, max_ranges_counts_what_would_be_sent)
{
    cr_assert_eq(verdict("bytes=0-9, -10", 1000, 2), RANGE_PARTIAL);
    cr_assert_eq(verdict("bytes=0-9, -10, 10000-", 1000, 2), RANGE_PARTIAL);
    cr_assert_eq(verdict("bytes=0-9, -10, 10-19", 1000, 2), RANGE_IGNORE);
    cr_assert_eq(verdict("bytes=0-9", 1000, 0), RANGE_IGNORE);
}

Test(range, empty_body_is_sent_whole)
{
    cr_assert_eq(verdict("bytes=0-", 0, UNLIMITED), RANGE_IGNORE);
    cr_assert_eq(verdict("bytes=-1", 0, UNLIMITED), RANGE_IGNORE);
    cr_assert_eq(verdict("bytes=-0", 0, UNLIMITED), RANGE_IGNORE);
    cr_assert_eq(verdict("bytes=1-", 0, UNLIMITED), RANGE_UNSATISFIABLE);
}

Test(range, beyond_4_gib)
{
    struct range *r;
    size_t n;
    uint64_t size = UINT64_C(6) << 30;
    cr_assert_eq(range_parse(SV("bytes=5368709120-"), size, UNLIMITED, &arena, &r, &n),
                 RANGE_PARTIAL);
    cr_assert(n == 1 && r[0].start == UINT64_C(5368709120) && r[0].end == size);
}
