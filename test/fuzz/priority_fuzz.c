// SPDX-License-Identifier: Apache-2.0
//
// A Priority field value: what comes out is in range; a malformed value changes nothing and neither
// more keys nor more blanks mend it; a good one says the same whatever stood there before, unless
// it is silent on it, and is changed by what is joined to it as one expects.
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/http/priority.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A buffer of its own, so that a step behind its end is seen.
static bool parse(struct sv value, const char *suffix, struct http_priority *p)
{
    size_t n = value.n + strlen(suffix);
    char *copy = malloc(n > 0 ? n : 1);
    check(copy != NULL);
    if (value.n > 0)
        memcpy(copy, value.p, value.n);
    memcpy(copy + value.n, suffix, strlen(suffix));
    bool good = http_priority_parse(sv_of(copy, n), p);
    free(copy);
    return good;
}

static void check_malformed(struct sv value)
{
    struct http_priority p = {6, true};
    check(!parse(value, "", &p) && p.urgency == 6 && p.incremental);
    check(!parse(value, "  ", &p) && p.urgency == 6 && p.incremental);
}

static void check_good(struct sv value)
{
    struct http_priority low = {0, false}, high = {7, true}, joined = {4, false};
    check(parse(value, "", &low) && parse(value, "", &high));
    check(low.urgency <= HTTP_URGENCY_MAX && high.urgency <= HTTP_URGENCY_MAX);
    check(low.urgency == high.urgency || (low.urgency == 0 && high.urgency == 7));
    check(low.incremental == high.incremental || (!low.incremental && high.incremental));
    if (sv_trim(value).n == 0)
        return;
    check(parse(value, ", u=2, i", &joined));
    check(joined.urgency == 2 && joined.incremental);
    joined = (struct http_priority){4, true};
    check(parse(value, " ,\tu=8,i=?0;u=1 ", &joined));
    check(joined.urgency == 4 && !joined.incremental);
    check(!parse(value, ",", &joined));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv value = sv_of((const char *)data, size);
    struct http_priority p = HTTP_PRIORITY_DEFAULT;
    if (parse(value, "", &p))
        check_good(value);
    else
        check_malformed(value);
    return 0;
}
