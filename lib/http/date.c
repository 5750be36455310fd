// SPDX-License-Identifier: Apache-2.0
//
// HTTP dates (RFC 9110, 5.6.7) in their three forms. The day of the week must be one, but need
// not be the right one; a leap second is refused, as nginx does.
#include <errno.h>

#include "lib/http/cond.h"

struct parts {
    int year, month, day; // month 1-12
    int hour, min, sec;
};

static const char days[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                 "Thursday", "Friday", "Saturday"};

// Takes `n` digits. False when they are not there.
static bool digits(struct sv *s, size_t n, int *value)
{
    if (s->n < n)
        return false;
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        *value = *value * 10 + (s->p[i] - '0');
    }
    *s = sv_skip(*s, n);
    return true;
}

static bool literal(struct sv *s, struct sv text)
{
    if (!sv_starts(*s, text))
        return false;
    *s = sv_skip(*s, text.n);
    return true;
}

static bool month_name(struct sv *s, int *month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++) {
        if (literal(s, sv_of(names + i * 3, 3))) {
            *month = i + 1;
            return true;
        }
    }
    return false;
}

static bool day_name(struct sv *s, bool full)
{
    for (size_t i = 0; i < array_len(days); i++) {
        if (literal(s, full ? sv_from(days[i]) : sv_of(days[i], 3)))
            return true;
    }
    return false;
}

static bool time_of_day(struct sv *s, struct parts *t)
{
    return digits(s, 2, &t->hour) && literal(s, SV(":")) && digits(s, 2, &t->min) &&
           literal(s, SV(":")) && digits(s, 2, &t->sec);
}

// Sun, 06 Nov 1994 08:49:37 GMT
static bool imf_fixdate(struct sv s, struct parts *t)
{
    return day_name(&s, false) && literal(&s, SV(", ")) && digits(&s, 2, &t->day) &&
           literal(&s, SV(" ")) && month_name(&s, &t->month) && literal(&s, SV(" ")) &&
           digits(&s, 4, &t->year) && literal(&s, SV(" ")) && time_of_day(&s, t) &&
           sv_eq(s, SV(" GMT"));
}

// Sunday, 06-Nov-94 08:49:37 GMT
static bool rfc850_date(struct sv s, struct parts *t)
{
    bool ok = day_name(&s, true) && literal(&s, SV(", ")) && digits(&s, 2, &t->day) &&
              literal(&s, SV("-")) && month_name(&s, &t->month) && literal(&s, SV("-")) &&
              digits(&s, 2, &t->year) && literal(&s, SV(" ")) && time_of_day(&s, t) &&
              sv_eq(s, SV(" GMT"));
    t->year += t->year < 70 ? 2000 : 1900;
    return ok;
}

// Sun Nov  6 08:49:37 1994
static bool asctime_date(struct sv s, struct parts *t)
{
    if (!day_name(&s, false) || !literal(&s, SV(" ")) || !month_name(&s, &t->month) ||
        !literal(&s, SV(" ")))
        return false;
    bool day = literal(&s, SV(" ")) ? digits(&s, 1, &t->day) : digits(&s, 2, &t->day);
    return day && literal(&s, SV(" ")) && time_of_day(&s, t) && literal(&s, SV(" ")) &&
           digits(&s, 4, &t->year) && s.n == 0;
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool is_valid(const struct parts *t)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int length = lengths[t->month - 1] + (t->month == 2 && is_leap(t->year));
    return t->day >= 1 && t->day <= length && t->hour < 24 && t->min < 60 && t->sec < 60;
}

// Days from 1970-01-01. The year is begun in March, so that a leap day is its last one.
static int64_t day_number(const struct parts *t)
{
    int64_t y = t->year + (t->month > 2 ? 0 : -1) + 400; // no negative quotients
    int64_t m = (t->month + 9) % 12;
    int64_t day_of_year = (153 * m + 2) / 5 + t->day - 1;
    return 365 * y + y / 4 - y / 100 + y / 400 + day_of_year - 719468 - 146097;
}

int http_date_parse(struct sv text, int64_t *unix_s)
{
    struct parts t = {0};
    if (!imf_fixdate(text, &t) && !rfc850_date(text, &t) && !asctime_date(text, &t))
        return -EINVAL;
    if (!is_valid(&t))
        return -EINVAL;
    *unix_s = day_number(&t) * 86400 + t.hour * 3600 + t.min * 60 + t.sec;
    return 0;
}
