// SPDX-License-Identifier: Apache-2.0
#include "lib/base/clock.h"

#include <stdio.h>

static _Thread_local struct clock_now now;

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void two_digits(char *out, unsigned n)
{
    out[0] = (char)('0' + n / 10);
    out[1] = (char)('0' + n % 10);
}

// Civil date of a day count since 1970-01-01 (Howard Hinnant's days_from_civil, inverted): no
// library call, because a Last-Modified is written for every response.
static void civil_from_days(int64_t days, int *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int)((int64_t)yoe + era * 400) + (*month <= 2);
}

#define DATE_MIN_S (-62167219200) // 0000-01-01 00:00:00
#define DATE_MAX_S 253402300799   // 9999-12-31 23:59:59

void http_date_format(int64_t unix_s, char out[HTTP_DATE_LEN])
{
    int64_t t = unix_s < DATE_MIN_S || unix_s > DATE_MAX_S ? 0 : unix_s;
    int64_t days = (t - DATE_MIN_S) / 86400 + DATE_MIN_S / 86400;
    unsigned rest = (unsigned)(t - days * 86400), month, day;
    int year;

    civil_from_days(days, &year, &month, &day);
    memcpy(out, day_names[(days + 4 + 7 * 200000) % 7], 3);
    memcpy(out + 3, ", ", 2);
    two_digits(out + 5, day);
    out[7] = ' ';
    memcpy(out + 8, month_names[month - 1], 3);
    out[11] = ' ';
    two_digits(out + 12, (unsigned)year / 100);
    two_digits(out + 14, (unsigned)year % 100);
    out[16] = ' ';
    two_digits(out + 17, rest / 3600);
    out[19] = ':';
    two_digits(out + 20, rest / 60 % 60);
    out[22] = ':';
    two_digits(out + 23, rest % 60);
    memcpy(out + 25, " GMT", 4);
}

static void format_local(struct clock_now *c)
{
    struct tm tm;
    time_t t = (time_t)c->real_s;
    char text[96];

    localtime_r(&t, &tm);
    long off = tm.tm_gmtoff / 60;
    char sign = off < 0 ? '-' : '+';
    int oh = (int)((off < 0 ? -off : off) / 60 % 100), om = (int)((off < 0 ? -off : off) % 60);
    snprintf(text, sizeof(text), "%02d/%s/%04d:%02d:%02d:%02d %c%02d%02d", tm.tm_mday,
             month_names[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, sign, oh,
             om);
    memcpy(c->log_local, text, sizeof(c->log_local) - 1);
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, sign, oh, om);
    memcpy(c->log_iso8601, text, sizeof(c->log_iso8601) - 1);
}

void clock_update(void)
{
    struct timespec mono, real;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &real);
    now.mono_ns = (uint64_t)mono.tv_sec * 1000000000 + (uint64_t)mono.tv_nsec;
    now.mono_ms = now.mono_ns / 1000000;
    now.real_ms = (uint32_t)(real.tv_nsec / 1000000);
    if (real.tv_sec != now.real_s) {
        now.real_s = real.tv_sec;
        http_date_format(now.real_s, now.http_date);
        format_local(&now);
    }
}

uint64_t clock_read_ns(void)
{
    struct timespec mono;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    return (uint64_t)mono.tv_sec * 1000000000 + (uint64_t)mono.tv_nsec;
}

const struct clock_now *clock_now(void)
{
    if (unlikely(now.mono_ms == 0))
        clock_update();
    return &now;
}
