// SPDX-License-Identifier: Apache-2.0
//
// Entity tags, dates and the order in which conditions are evaluated.
#include "lib/http/cond.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "lib/base/clock.h"

#define LM "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE_LM "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER_LM "Sun, 06 Nov 1994 08:49:38 GMT"
#define LM_SECONDS INT64_C(784111777)

#define ETAG "\"2ebc9661-5\""

static const struct cond_validators file = {
    .etag = {ETAG, sizeof(ETAG) - 1},
    .mtime_s = LM_SECONDS,
    .mode = IMS_EXACT,
};

Test(cond, etag_has_nginx_form)
{
    char out[ETAG_MAX];
    cr_assert(sv_eq(sv_of(out, etag_format(0x5f3c2a1b, 0xabcdef, out)), SV("\"5f3c2a1b-abcdef\"")));
    cr_assert(sv_eq(sv_of(out, etag_format(0, 0, out)), SV("\"0-0\"")));
    cr_assert_eq(etag_format(-2, UINT64_MAX, out), 35);
    cr_assert(sv_eq(sv_of(out, 35), SV("\"fffffffffffffffe-ffffffffffffffff\"")));
}

Test(cond, etag_lists)
{
    static const struct {
        const char *list;
        bool strong, weak;
    } cases[] = {
        {ETAG, true, true},
        {"*", true, true},
        {"\"foo\"", false, false},
        {"\"foo\", \"bar\", " ETAG " , \"baz\"", true, true},
        {"\"foo\",\t" ETAG, true, true},
        {"W/" ETAG, false, true},
        {"\"foo\", W/" ETAG, false, true},
        {"\"foo," ETAG ",\"", false, false},
        {ETAG "x", false, false},
        {ETAG " x," ETAG, true, true},
        {"2ebc9661-5", false, false},
        {", ," ETAG, true, true},
        {"* ", false, false},
        {"", false, false},
        {"\"", false, false},
        {"W/", false, false},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct sv list = sv_from(cases[i].list);
        cr_assert_eq(etag_list_has(list, file.etag, false), cases[i].strong, "%s", list.p);
        cr_assert_eq(etag_list_has(list, file.etag, true), cases[i].weak, "%s", list.p);
    }
}

Test(cond, weak_etag_of_ours_matches_weakly_only)
{
    cr_assert(etag_list_has(SV("\"a\""), SV("W/\"a\""), true));
    cr_assert(etag_list_has(SV("W/\"a\""), SV("W/\"a\""), true));
    cr_assert_not(etag_list_has(SV("W/\"a\""), SV("W/\"a\""), false));
    cr_assert_not(etag_list_has(SV("\"a\""), (struct sv){NULL, 0}, true));
    cr_assert(etag_list_has(SV("*"), (struct sv){NULL, 0}, false));
}

Test(cond, dates_in_all_forms)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {LM, LM_SECONDS},
        {"Sunday, 06-Nov-94 08:49:37 GMT", LM_SECONDS},
        {"Sun Nov  6 08:49:37 1994", LM_SECONDS},
        {"Sun Nov 16 08:49:37 1994", LM_SECONDS + 10 * 86400},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Mon, 28 Sep 1970 06:00:00 GMT", 23349600},
        {"Tue, 19 Jan 2038 03:14:08 GMT", INT64_C(2147483648)},
        {"Thu, 29 Feb 2024 00:00:00 GMT", 1709164800},
        {"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
        {"Saturday, 01-Jan-00 00:00:00 GMT", 946684800},
        {"Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799)},
        {"Sat, 01 Jan 0000 00:00:00 GMT", INT64_C(-62167219200)},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        int64_t t = 42;
        cr_assert_eq(http_date_parse(sv_from(cases[i].text), &t), 0, "%s", cases[i].text);
        cr_assert_eq(t, cases[i].seconds, "%s: %lld", cases[i].text, (long long)t);
    }
}

Test(cond, what_is_no_date)
{
    static const char *const texts[] = {
        "",
        "wrong",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=5",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Tue, 29 Feb 2100 00:00:00 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Foo, 06 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
    };
    for (size_t i = 0; i < array_len(texts); i++) {
        int64_t t;
        cr_assert_eq(http_date_parse(sv_from(texts[i]), &t), -EINVAL, "%s", texts[i]);
    }
}

Test(cond, every_day_of_800_years_is_read_back)
{
    for (int64_t day = -135140; day < 157000; day++) {
        char text[HTTP_DATE_LEN];
        int64_t t = 0, expected = day * 86400 + (day & 0xffff);
        http_date_format(expected, text);
        cr_assert_eq(http_date_parse(sv_of(text, sizeof(text)), &t), 0);
        cr_assert_eq(t, expected);
    }
}

#define H(field, text) (&(struct cond_headers){.field = SV(text)})

Test(cond, if_modified_since_modes)
{
    static const struct {
        enum ims_mode mode;
        int same, older, newer;
    } cases[] = {{IMS_EXACT, 304, 0, 0}, {IMS_BEFORE, 304, 0, 304}, {IMS_OFF, 0, 0, 0}};
    for (size_t i = 0; i < array_len(cases); i++) {
        struct cond_validators v = file;
        v.mode = cases[i].mode;
        cr_assert_eq(cond_evaluate(H(if_modified_since, LM), &v), cases[i].same);
        cr_assert_eq(cond_evaluate(H(if_modified_since, BEFORE_LM), &v), cases[i].older);
        cr_assert_eq(cond_evaluate(H(if_modified_since, AFTER_LM), &v), cases[i].newer);
        cr_assert_eq(cond_evaluate(H(if_modified_since, "wrong"), &v), 0);
        v.mtime_s = -1;
        cr_assert_eq(cond_evaluate(H(if_modified_since, AFTER_LM), &v), 0);
    }
}

Test(cond, etag_conditions)
{
    cr_assert_eq(cond_evaluate(&(struct cond_headers){0}, &file), 0);
    cr_assert_eq(cond_evaluate(H(if_none_match, ETAG), &file), 304);
    cr_assert_eq(cond_evaluate(H(if_none_match, "W/" ETAG), &file), 304);
    cr_assert_eq(cond_evaluate(H(if_none_match, "*"), &file), 304);
    cr_assert_eq(cond_evaluate(H(if_none_match, "\"foo\""), &file), 0);
    cr_assert_eq(cond_evaluate(H(if_match, ETAG), &file), 0);
    cr_assert_eq(cond_evaluate(H(if_match, "*"), &file), 0);
    cr_assert_eq(cond_evaluate(H(if_match, "\"foo\""), &file), 412);
    cr_assert_eq(cond_evaluate(H(if_match, "W/" ETAG), &file), 412);
}

Test(cond, if_unmodified_since)
{
    struct cond_validators unknown = file;
    unknown.mtime_s = -1;
    cr_assert_eq(cond_evaluate(H(if_unmodified_since, LM), &file), 0);
    cr_assert_eq(cond_evaluate(H(if_unmodified_since, AFTER_LM), &file), 0);
    cr_assert_eq(cond_evaluate(H(if_unmodified_since, BEFORE_LM), &file), 412);
    cr_assert_eq(cond_evaluate(H(if_unmodified_since, "wrong"), &file), 412);
    cr_assert_eq(cond_evaluate(H(if_unmodified_since, LM), &unknown), 412);
}

Test(cond, conditions_together)
{
    struct cond_headers h = {.if_modified_since = SV(LM), .if_none_match = SV("\"foo\"")};
    cr_assert_eq(cond_evaluate(&h, &file), 0, "both must say not modified");
    h.if_none_match = file.etag;
    cr_assert_eq(cond_evaluate(&h, &file), 304);
    h.if_modified_since = SV(BEFORE_LM);
    cr_assert_eq(cond_evaluate(&h, &file), 0);
    h.if_modified_since = SV(LM);
    h.if_match = SV("\"foo\"");
    cr_assert_eq(cond_evaluate(&h, &file), 412, "412 comes before 304");
}

Test(cond, if_range)
{
    struct cond_validators weak = file, unknown = file;
    weak.etag = SV("W/\"a\"");
    unknown.etag = (struct sv){NULL, 0};
    unknown.mtime_s = -1;
    cr_assert(cond_if_range(&(struct cond_headers){0}, &file));
    cr_assert(cond_if_range(H(if_range, ETAG), &file));
    cr_assert(cond_if_range(H(if_range, LM), &file));
    cr_assert_not(cond_if_range(H(if_range, "W/" ETAG), &file));
    cr_assert_not(cond_if_range(H(if_range, "\"foo\""), &file));
    cr_assert_not(cond_if_range(H(if_range, ETAG ", \"foo\""), &file));
    cr_assert_not(cond_if_range(H(if_range, AFTER_LM), &file));
    cr_assert_not(cond_if_range(H(if_range, "wrong"), &file));
    cr_assert_not(cond_if_range(H(if_range, ""), &file));
    cr_assert_not(cond_if_range(H(if_range, "W/\"a\""), &weak));
    cr_assert_not(cond_if_range(H(if_range, LM), &unknown));
    cr_assert_not(cond_if_range(H(if_range, "\"\""), &unknown));
}
