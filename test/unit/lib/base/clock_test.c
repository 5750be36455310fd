// SPDX-License-Identifier: Apache-2.0
#include "lib/base/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void same_as_libc(int64_t t)
{
    char ours[HTTP_DATE_LEN], theirs[64];
    struct tm tm;
    time_t x = (time_t)t;

    http_date_format(t, ours);
    gmtime_r(&x, &tm);
    strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    cr_assert(memcmp(ours, theirs, HTTP_DATE_LEN) == 0, "%.29s instead of %s", ours, theirs);
}

Test(clock, dates_are_those_of_the_c_library)
{
    static const int64_t edges[] = {0, 1, 86399, 86400, 951782399, 951782400, 951868800,
                                    1709164800, 4107542399, 253402300799};

    for (size_t i = 0; i < array_len(edges); i++)
        same_as_libc(edges[i]);
    srand48(7);
    for (int i = 0; i < 20000; i++)
        same_as_libc((int64_t)(drand48() * 253402300799.0));
}

Test(clock, dates_out_of_range_are_the_epoch)
{
    char out[HTTP_DATE_LEN];

    http_date_format(-1, out);
    cr_assert_arr_eq(out, "Wed, 31 Dec 1969 23:59:59 GMT", HTTP_DATE_LEN);
    http_date_format(INT64_MIN, out);
    cr_assert_arr_eq(out, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_LEN);
    http_date_format(INT64_MAX, out);
    cr_assert_arr_eq(out, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_LEN);
}

Test(clock, local_forms_have_their_lengths)
{
    clock_update();
    cr_assert_eq(strlen(clock_now()->log_local), 26);
    cr_assert_eq(strlen(clock_now()->log_iso8601), 25);
    cr_assert_eq(strlen(clock_now()->http_date), 29);
}
