// SPDX-License-Identifier: Apache-2.0
//
// Parsing of the Range header. As for nginx, a set that names the bytes unit but is malformed is
// unsatisfiable, not ignored: a client that asks for parts learns that it asked wrongly.
#include "lib/http/range.h"

// nginx's default of max_ranges, which means "no limit but a sensible one".
#define RANGES_UNLIMITED INT32_MAX
// What the parts of a multipart body cost in header bytes, and how much of it is given away, then.
#define PART_OVERHEAD 256
#define OVERHEAD_FREE 4096

struct cursor {
    const char *p, *end;
};

static void skip_spaces(struct cursor *c)
{
    while (c->p < c->end && *c->p == ' ')
        c->p++;
}

static bool at_end_of_spec(const struct cursor *c)
{
    return c->p == c->end || *c->p == ',';
}

static bool take_number(struct cursor *c, uint64_t *n)
{
    const char *first = c->p;
    *n = 0;
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
        uint64_t digit = (uint64_t)(*c->p - '0');
        if (*n > (INT64_MAX - digit) / 10)
            return false;
        *n = *n * 10 + digit;
    }
    return c->p > first;
}

// "-500"; the cursor stands behind the hyphen.
static bool take_suffix(struct cursor *c, uint64_t size, struct range *r)
{
    uint64_t n;
    if (!take_number(c, &n))
        return false;
    *r = (struct range){n < size ? size - n : 0, size};
    return true;
}

// "0-499" or "500-". The end is one past the last byte, and never past the body.
static bool take_first_last(struct cursor *c, uint64_t size, struct range *r)
{
    uint64_t last;
    if (!take_number(c, &r->start))
        return false;
    skip_spaces(c);
    if (c->p == c->end || *c->p++ != '-')
        return false;
    skip_spaces(c);
    r->end = size;
    if (at_end_of_spec(c))
        return true;
    if (!take_number(c, &last))
        return false;
    if (last < size)
        r->end = last + 1;
    return true;
}

static bool take_spec(struct cursor *c, uint64_t size, struct range *r)
{
    skip_spaces(c);
    bool ok;
    if (c->p < c->end && *c->p == '-') {
        c->p++;
        ok = take_suffix(c, size, r);
    } else {
        ok = take_first_last(c, size, r);
    }
    skip_spaces(c);
    return ok && at_end_of_spec(c);
}

// More bytes than the body has, by overlaps or by the headers of many parts, are no saving for
// anybody.
static bool too_costly(uint64_t total, uint64_t size, size_t count, uint64_t max_ranges)
{
    if (count == 1)
        return false;
    return total > size || (max_ranges >= RANGES_UNLIMITED &&
                            total + count * PART_OVERHEAD > size + OVERHEAD_FREE);
}

static size_t specs_in(struct sv set)
{
    size_t n = 1;
    for (size_t i = 0; i < set.n; i++)
        n += set.p[i] == ',';
    return n;
}

static enum range_verdict parse_set(struct cursor c, uint64_t size, uint64_t max_ranges,
                                    struct range *ranges, size_t *count)
{
    uint64_t total = 0;
    for (;;) {
        struct range r;
        if (!take_spec(&c, size, &r))
            return RANGE_UNSATISFIABLE;
        if (r.start < r.end) {
            if (total > INT64_MAX - (r.end - r.start))
                return RANGE_UNSATISFIABLE;
            if (*count == max_ranges)
                return RANGE_IGNORE;
            total += r.end - r.start;
            ranges[(*count)++] = r;
        } else if (r.start == 0) {
            return RANGE_IGNORE; // an empty body has nothing to leave out
        }
        if (c.p == c.end)
            break;
        c.p++; // the comma
    }
    if (*count == 0)
        return RANGE_UNSATISFIABLE;
    return too_costly(total, size, *count, max_ranges) ? RANGE_IGNORE : RANGE_PARTIAL;
}

enum range_verdict range_parse(struct sv header, uint64_t size, uint64_t max_ranges,
                               struct arena *a, struct range **ranges, size_t *count)
{
    *count = 0;
    *ranges = NULL;
    if (max_ranges == 0 || header.n < 7 || !sv_starts_nocase(header, SV("bytes=")))
        return RANGE_IGNORE;
    struct sv set = sv_skip(header, 6);
    size_t specs = specs_in(set);
    struct range *found = arena_alloc(a, min_of(specs, max_ranges) * sizeof(*found));
    if (found == NULL)
        return RANGE_NO_MEMORY;
    enum range_verdict v =
        parse_set((struct cursor){set.p, set.p + set.n}, size, max_ranges, found, count);
    if (v == RANGE_PARTIAL)
        *ranges = found;
    else
        *count = 0;
    return v;
}
