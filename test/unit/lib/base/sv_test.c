// SPDX-License-Identifier: Apache-2.0
#include "lib/base/sv.h"

#include <criterion/criterion.h>
#include <errno.h>

Test(sv, case_is_folded_for_ascii_only)
{
    cr_assert(sv_eq_nocase(SV("Content-TYPE"), SV("content-type")));
    cr_assert_not(sv_eq_nocase(SV("\xc4"), SV("\xe4")));
    cr_assert_not(sv_eq_nocase(SV("@"), SV("`")));
    cr_assert(sv_starts_nocase(SV("Bytes=0-"), SV("bytes=")));
    cr_assert_not(sv_starts_nocase(SV("by"), SV("bytes=")));
}

Test(sv, skip_and_take_are_clamped)
{
    cr_assert_eq(sv_skip(SV("abc"), 9).n, 0);
    cr_assert_eq(sv_take(SV("abc"), 9).n, 3);
    cr_assert(sv_eq(sv_skip(SV("abc"), 1), SV("bc")));
    cr_assert(sv_eq(sv_of(NULL, 0), SV("")));
}

Test(sv, trim_takes_spaces_and_tabs_only)
{
    cr_assert(sv_eq(sv_trim(SV(" \t a b\t ")), SV("a b")));
    cr_assert(sv_eq(sv_trim(SV("\na")), SV("\na")));
    cr_assert_eq(sv_trim(SV("  ")).n, 0);
}

Test(sv, numbers_are_digits_only_and_do_not_wrap)
{
    uint64_t v = 7;

    cr_assert_eq(sv_to_u64(SV("18446744073709551615"), &v), 0);
    cr_assert_eq(v, UINT64_MAX);
    cr_assert_eq(sv_to_u64(SV("18446744073709551616"), &v), -ERANGE);
    cr_assert_eq(sv_to_u64(SV(""), &v), -EINVAL);
    cr_assert_eq(sv_to_u64(SV("+1"), &v), -EINVAL);
    cr_assert_eq(sv_to_u64(SV("1 "), &v), -EINVAL);
    cr_assert_eq(v, UINT64_MAX);
}

Test(sv, find_gives_an_index_or_minus_one)
{
    cr_assert_eq(sv_find(SV("a?b"), '?'), 1);
    cr_assert_eq(sv_find(SV("ab"), '?'), -1);
    cr_assert_eq(sv_find(sv_of(NULL, 0), '?'), -1);
}
