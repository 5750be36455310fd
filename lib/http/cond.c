// SPDX-License-Identifier: Apache-2.0
//
// Entity tags and the evaluation of conditional requests, in the order of nginx's not_modified
// filter.
#include "lib/http/cond.h"

static size_t put_hex(char *out, uint64_t n)
{
    static const char digits[] = "0123456789abcdef";
    char reversed[16];
    size_t len = 0;
    do {
        reversed[len++] = digits[n & 15];
        n >>= 4;
    } while (n != 0);
    for (size_t i = 0; i < len; i++)
        out[i] = reversed[len - 1 - i];
    return len;
}

size_t etag_format(int64_t mtime_s, uint64_t size, char out[ETAG_MAX])
{
    size_t n = 0;
    out[n++] = '"';
    n += put_hex(out + n, (uint64_t)mtime_s);
    out[n++] = '-';
    n += put_hex(out + n, size);
    out[n++] = '"';
    return n;
}

static bool is_weak(struct sv etag)
{
    return sv_starts(etag, SV("W/"));
}

static struct sv skip_ows(struct sv s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = sv_skip(s, 1);
    return s;
}

// From the start of one list entry behind the comma that ends it. A comma within quotes ends
// nothing.
static struct sv skip_entry(struct sv s)
{
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            quoted = !quoted;
        else if (s.p[i] == ',' && !quoted)
            return sv_skip(s, i + 1);
    }
    return (struct sv){NULL, 0};
}

bool etag_list_has(struct sv list, struct sv etag, bool weak)
{
    if (sv_eq(list, SV("*")))
        return true;
    if (etag.n == 0 || (!weak && is_weak(etag)))
        return false;
    if (is_weak(etag))
        etag = sv_skip(etag, 2);
    for (list = skip_ows(list); list.n > 0; list = skip_ows(skip_entry(list))) {
        struct sv entry = weak && is_weak(list) ? sv_skip(list, 2) : list;
        if (!sv_starts(entry, etag))
            continue;
        struct sv after = skip_ows(sv_skip(entry, etag.n));
        if (after.n == 0 || after.p[0] == ',')
            return true;
    }
    return false;
}

// A date that cannot be read is older than any file for nginx, and the precondition fails; RFC
// 9110 would ignore the header. The client that cares for its condition is better off with 412.
static bool unmodified_since(struct sv date, const struct cond_validators *v)
{
    int64_t t;
    return v->mtime_s != -1 && http_date_parse(date, &t) == 0 && t >= v->mtime_s;
}

static bool modified_since(struct sv date, const struct cond_validators *v)
{
    int64_t t;
    if (v->mtime_s == -1 || v->mode == IMS_OFF || http_date_parse(date, &t) != 0)
        return true;
    return v->mode == IMS_EXACT ? t != v->mtime_s : t < v->mtime_s;
}

int cond_evaluate(const struct cond_headers *h, const struct cond_validators *v)
{
    if (h->if_unmodified_since.p != NULL && !unmodified_since(h->if_unmodified_since, v))
        return 412;
    if (h->if_match.p != NULL && !etag_list_has(h->if_match, v->etag, false))
        return 412;
    if (h->if_modified_since.p == NULL && h->if_none_match.p == NULL)
        return 0;
    // nginx answers 304 only when every condition that is there says "not modified".
    if (h->if_modified_since.p != NULL && modified_since(h->if_modified_since, v))
        return 0;
    if (h->if_none_match.p != NULL && !etag_list_has(h->if_none_match, v->etag, true))
        return 0;
    return 304;
}

bool cond_if_range(const struct cond_headers *h, const struct cond_validators *v)
{
    struct sv condition = h->if_range;
    int64_t t;
    if (condition.p == NULL)
        return true;
    if (condition.n >= 2 && sv_ends(condition, SV("\"")))
        return v->etag.n > 0 && !is_weak(v->etag) && sv_eq(condition, v->etag);
    return v->mtime_s != -1 && http_date_parse(condition, &t) == 0 && t == v->mtime_s;
}
