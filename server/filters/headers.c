// SPDX-License-Identifier: Apache-2.0
//
// expires and add_header.
#include <errno.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/http/cond.h"
#include "server/filters/expires.h"
#include "server/filters/filters.h"
#include "server/filters/filters_priv.h"
#include "server/request/request.h"

bool status_is_plain(unsigned status)
{
    switch (status) {
    case 200:
    case 201:
    case 204:
    case 206:
    case 301:
    case 302:
    case 303:
    case 304:
    case 307:
    case 308:
        return true;
    default:
        return false;
    }
}

// The next time the clock shows that many seconds after midnight, local time.
static int64_t next_daily(int64_t now, int64_t of_day)
{
    time_t t = (time_t)now;
    struct tm tm;

    localtime_r(&t, &tm);
    tm.tm_hour = (int)(of_day / 3600);
    tm.tm_min = (int)(of_day / 60 % 60);
    tm.tm_sec = (int)(of_day % 60);
    int64_t next = mktime(&tm);
    if (next != -1 && next > now)
        return next;
    tm.tm_mday++;
    return mktime(&tm);
}

static int add_pair(struct request *r, struct sv expires, struct sv cache_control)
{
    if (expires.p == NULL || cache_control.p == NULL)
        return 500;
    if (response_add_header(r, SV("Expires"), expires) != 0 ||
        response_add_header(r, SV("Cache-Control"), cache_control) != 0)
        return 500;
    return 0;
}

static int add_dated(struct request *r, enum expires_mode mode, int64_t seconds, bool negative)
{
    int64_t now = clock_now()->real_s, when;
    char *date = arena_alloc(&r->arena, HTTP_DATE_LEN);

    if (date == NULL)
        return 500;
    if (mode == EXPIRES_DAILY)
        when = next_daily(now, seconds);
    else if (mode == EXPIRES_MODIFIED && r->response.last_modified >= 0)
        when = r->response.last_modified + seconds;
    else
        when = now + seconds;
    http_date_format(when, date);
    struct sv age = SV("no-cache");
    if (!negative && when >= now)
        age = arena_printf(&r->arena, "max-age=%lld", (long long)(when - now));
    return add_pair(r, sv_of(date, HTTP_DATE_LEN), age);
}

static int add_expires(struct request *r, const struct expires *e)
{
    enum expires_mode mode = e->mode;
    int64_t seconds = e->seconds;
    const char *why;
    struct sv text;

    if (e->value != NULL) {
        if (request_eval(r, e->value, &text) != 0)
            return 500;
        if (expires_parse(text, &mode, &seconds, &why) != 0)
            return 0;
    }
    switch (mode) {
    case EXPIRES_OFF:
        return 0;
    case EXPIRES_EPOCH:
        return add_pair(r, SV("Thu, 01 Jan 1970 00:00:01 GMT"), SV("no-cache"));
    case EXPIRES_MAX:
        return add_pair(r, SV("Thu, 31 Dec 2037 23:55:55 GMT"), SV("max-age=315360000"));
    default:
        return add_dated(r, mode, seconds, seconds < 0);
    }
}

// Headers that the response has a place of its own for are set there, as nginx does; an empty value
// clears them.
static bool set_known(struct response *s, struct sv name, struct sv value)
{
    if (sv_eq_nocase(name, SV("Last-Modified"))) {
        if (value.n == 0 || http_date_parse(value, &s->last_modified) != 0)
            s->last_modified = -1;
        return value.n == 0 || s->last_modified >= 0;
    }
    if (sv_eq_nocase(name, SV("ETag"))) {
        s->etag = value;
        return true;
    }
    return false;
}

static int add_row(struct request *r, const struct header_row *h)
{
    struct sv value;

    if (request_eval(r, h->value, &value) != 0)
        return 500;
    if (set_known(&r->response, h->name, value) || value.n == 0)
        return 0;
    return response_add_header(r, h->name, value) == 0 ? 0 : 500;
}

int filter_headers(struct request *r)
{
    const struct location_conf *l = r->location;
    bool safe = status_is_plain(r->response.status);
    int rc = 0;

    // A range that cannot be satisfied brings the response here a second time, as 416.
    if (r->headers_added)
        return 0;
    r->headers_added = true;
    if (l->expires != NULL && l->expires->mode != EXPIRES_OFF && safe)
        rc = add_expires(r, l->expires);
    for (const struct header_row *h = l->headers; rc == 0 && h != NULL; h = h->next) {
        if (safe || h->always)
            rc = add_row(r, h);
    }
    return rc;
}
