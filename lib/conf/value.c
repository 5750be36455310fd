// SPDX-License-Identifier: Apache-2.0
//
// Numbers with nginx's units. Every result is checked against overflow, because a directive's value
// is the first thing a typing error touches.
#include "lib/conf/value.h"

#include <errno.h>

int conf_number(struct sv s, int64_t *n)
{
    uint64_t value;

    if (sv_to_u64(s, &value) != 0 || value > INT64_MAX)
        return -EINVAL;
    *n = (int64_t)value;
    return 0;
}

// Bits that a size unit shifts by, or -1.
static int unit_shift(char c)
{
    switch (ascii_lower(c)) {
    case 'k':
        return 10;
    case 'm':
        return 20;
    case 'g':
        return 30;
    default:
        return -1;
    }
}

static int parse_bytes(struct sv s, int max_shift, int64_t *bytes)
{
    int shift = s.n != 0 ? unit_shift(s.p[s.n - 1]) : -1;
    int64_t n;

    if (shift > max_shift)
        return -EINVAL;
    if (shift < 0)
        return conf_number(s, bytes);
    if (conf_number(sv_take(s, s.n - 1), &n) != 0 || n > INT64_MAX >> shift)
        return -EINVAL;
    *bytes = n << shift;
    return 0;
}

int conf_size(struct sv s, int64_t *bytes)
{
    return parse_bytes(s, 20, bytes);
}

int conf_offset(struct sv s, int64_t *bytes)
{
    return parse_bytes(s, 30, bytes);
}

// Units in the order in which they may follow each other. A space behind a number stands for
// seconds and ends the list.
enum time_step {
    TIME_YEAR,
    TIME_MONTH,
    TIME_WEEK,
    TIME_DAY,
    TIME_HOUR,
    TIME_MINUTE,
    TIME_SECOND,
    TIME_MSEC,
    TIME_SPACE,
};

static const struct time_unit {
    char letter;
    int64_t seconds;
} time_units[] = {
    [TIME_YEAR] = {'y', 365 * 86400}, [TIME_MONTH] = {'M', 30 * 86400},
    [TIME_WEEK] = {'w', 7 * 86400},   [TIME_DAY] = {'d', 86400},
    [TIME_HOUR] = {'h', 3600},        [TIME_MINUTE] = {'m', 60},
    [TIME_SECOND] = {'s', 1},         [TIME_MSEC] = {0, 0}, // two letters: see next_unit()
    [TIME_SPACE] = {' ', 1},
};

struct time_scan {
    struct sv rest;
    bool seconds;    // the result is in seconds: years and months are allowed, "ms" is not
    int next;        // first step that may still come
    int64_t pending; // digits that wait for their unit
    int64_t total;
};

static struct sv skip_spaces(struct sv s)
{
    while (s.n != 0 && s.p[0] == ' ')
        s = sv_skip(s, 1);
    return s;
}

// Takes a unit off the front; its step, or -1.
static int take_unit(struct time_scan *t)
{
    if (sv_starts(t->rest, SV("ms"))) {
        t->rest = sv_skip(t->rest, 2);
        return t->seconds ? -1 : TIME_MSEC;
    }
    for (int step = TIME_YEAR; step <= TIME_SPACE; step++) {
        if (time_units[step].letter != t->rest.p[0] || step == TIME_MSEC)
            continue;
        t->rest = sv_skip(t->rest, 1);
        return step;
    }
    return -1;
}

static int64_t step_scale(const struct time_scan *t, int step)
{
    if (step == TIME_MSEC)
        return 1;
    return time_units[step].seconds * (t->seconds ? 1 : 1000);
}

static int add_pending(struct time_scan *t, int64_t scale)
{
    int64_t product;

    if (__builtin_mul_overflow(t->pending, scale, &product) ||
        __builtin_add_overflow(t->total, product, &t->total))
        return -EINVAL;
    t->pending = 0;
    return 0;
}

static int scan_unit(struct time_scan *t)
{
    int step = take_unit(t);

    if (step < t->next || (step == TIME_SPACE && t->next > TIME_SECOND))
        return -EINVAL;
    t->next = step + 1;
    t->rest = skip_spaces(t->rest);
    return add_pending(t, step_scale(t, step));
}

static int scan_digit(struct time_scan *t)
{
    if (__builtin_mul_overflow(t->pending, 10, &t->pending) ||
        __builtin_add_overflow(t->pending, t->rest.p[0] - '0', &t->pending))
        return -EINVAL;
    t->rest = sv_skip(t->rest, 1);
    return 0;
}

static int parse_time(struct sv s, bool seconds, int64_t *out)
{
    struct time_scan t = {
        .rest = s, .seconds = seconds, .next = seconds ? TIME_YEAR : TIME_WEEK};
    bool digits = false;

    while (t.rest.n != 0) {
        bool digit = t.rest.p[0] >= '0' && t.rest.p[0] <= '9';
        int rc = digit ? scan_digit(&t) : scan_unit(&t);
        if (rc != 0)
            return rc;
        digits |= digit;
    }
    if (!digits || add_pending(&t, seconds ? 1 : 1000) != 0)
        return -EINVAL;
    *out = t.total;
    return 0;
}

int conf_msec(struct sv s, int64_t *ms)
{
    return parse_time(s, false, ms);
}

int conf_sec(struct sv s, int64_t *seconds)
{
    return parse_time(s, true, seconds);
}
