// SPDX-License-Identifier: Apache-2.0
#include "lib/base/regex.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct arena arena;

static struct regex *compile(const char *pattern, bool nocase)
{
    struct regex *re = NULL;
    char why[256];

    cr_assert_eq(regex_compile(&arena, sv_from(pattern), nocase, &re, why, sizeof(why)), 0);
    return re;
}

Test(regex, captures_are_offsets_into_the_subject)
{
    struct regex_match m;
    struct regex *re = compile("^/(?<show>[a-z]+)/(x)?(\\d+)$", false);

    cr_assert(regex_exec(re, SV("/news/12"), &m));
    cr_assert_eq(m.count, 4);
    cr_assert_eq(m.at[1][0], 1);
    cr_assert_eq(m.at[1][1], 5);
    cr_assert_eq(m.at[2][0], UINT32_MAX);
    cr_assert_eq(m.at[3][0], 6);
    cr_assert_eq(re->nnamed, 1);
    cr_assert(sv_eq(re->named[0].name, SV("show")));
    cr_assert_eq(re->named[0].number, 1);
}

Test(regex, no_match_leaves_a_count_of_zero)
{
    struct regex_match m = {.count = 9};

    cr_assert_not(regex_exec(compile("a", false), SV("A"), &m));
    cr_assert_eq(m.count, 0);
    cr_assert(regex_exec(compile("a", true), SV("A"), NULL));
    cr_assert(regex_exec(compile("^$", false), sv_of(NULL, 0), NULL));
}

Test(regex, a_bad_pattern_says_where)
{
    struct regex *re;
    char why[256];

    cr_assert_eq(regex_compile(&arena, SV("a(b"), false, &re, why, sizeof(why)), -EINVAL);
    cr_assert(strstr(why, "pcre2_compile() failed") != NULL, "%s", why);
}

Test(regex, exponential_patterns_end_without_a_match, .timeout = 5)
{
    cr_assert_not(regex_exec(compile("^(a+)+$", false),
                             SV("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), NULL));
}

Test(regex, more_groups_than_room_are_cut)
{
    struct regex_match m;
    struct regex *re = compile("(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)",
                               false);

    cr_assert(regex_exec(re, SV("aaaaaaaaaaaaaaaaaaaaaaaaaa"), &m));
    cr_assert_eq(m.count, REGEX_CAPTURES);
}
