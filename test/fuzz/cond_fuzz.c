// SPDX-License-Identifier: Apache-2.0
//
// A date that can be read is read back the same after it was written; a strong match of an entity
// tag is a weak match too; conditions have three outcomes. The first eight bytes are a time, the
// rest is header text.
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/http/cond.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define YEAR_0 INT64_C(-62167219200)
#define YEAR_10000 INT64_C(253402300800)

static void check_round_trip(int64_t t)
{
    char text[HTTP_DATE_LEN];
    int64_t again;
    http_date_format(t, text);
    check(http_date_parse(sv_of(text, sizeof(text)), &again) == 0);
    check(again == t);
}

static void check_conditions(struct sv text, struct sv other, int64_t mtime)
{
    char out[ETAG_MAX];
    struct cond_validators v = {
        .etag = {out, etag_format(mtime, text.n, out)},
        .mtime_s = mtime,
        .mode = (enum ims_mode)(text.n % 3),
    };
    check(v.etag.n <= ETAG_MAX);
    check(!etag_list_has(text, other, false) || etag_list_has(text, other, true));
    check(etag_list_has(v.etag, v.etag, false));
    struct cond_headers all[] = {
        {.if_match = text},         {.if_none_match = text},
        {.if_modified_since = text}, {.if_unmodified_since = text},
        {.if_match = other, .if_none_match = text, .if_modified_since = other},
    };
    for (size_t i = 0; i < array_len(all); i++) {
        int status = cond_evaluate(&all[i], &v);
        check(status == 0 || status == 304 || status == 412);
    }
    cond_if_range(&(struct cond_headers){.if_range = text}, &v);
    check(cond_if_range(&(struct cond_headers){.if_range = v.etag}, &v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t number;
    int64_t t;
    if (size < 8)
        return 0;
    memcpy(&number, data, 8);
    struct sv text = {(const char *)data + 8, size - 8};
    check_round_trip(YEAR_0 + (int64_t)(number % (uint64_t)(YEAR_10000 - YEAR_0)));
    if (http_date_parse(text, &t) == 0) {
        check(t >= YEAR_0 && t < YEAR_10000);
        check_round_trip(t);
    }
    ptrdiff_t comma = sv_find(text, ',');
    check_conditions(text, comma < 0 ? text : sv_take(text, (size_t)comma), (int64_t)(number >> 8));
    return 0;
}
