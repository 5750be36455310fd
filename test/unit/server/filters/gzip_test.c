// SPDX-License-Identifier: Apache-2.0
#include "test/unit/server/request_fixture.h"

#include <stdio.h>

#include "server/filters/filters.h"
#include "server/filters/gzip_conf.h"

static struct fixture *f;
static struct gzip_conf *conf;
static struct response *s;
static const char body[] = "<p>one</p><p>two</p><p>three</p><p>four</p><p>five</p><p>six</p>";

// A request with these header lines, and a response of 200 in memory.
static void set_up(const char *headers)
{
    char head[512];

    f = fixture_new();
    snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", headers);
    fixture_head(f, head);
    conf = &f->location.gzip;
    *conf = (struct gzip_conf){.on = 1, .level = 1, .min_length = 20, .vary = 1,
                               .http_version = 11, .proxied = GZIP_PROXIED_OFF};
    s = &f->r->response;
    s->status = 200;
    s->content_type = SV("text/html");
    s->content_length = sizeof(body) - 1;
    s->etag = SV("\"1-2\"");
    f->r->allow_ranges = true;
    cr_assert_eq(response_add_memory(f->r, SV(body)), 0);
}

#define ACCEPT "Accept-Encoding: gzip\r\n"

static bool compresses(void)
{
    cr_assert_eq(filter_gzip(f->r), 0);
    bool encoded = response_header(s, SV("Content-Encoding")).n != 0;
    cr_assert_eq(encoded, !f->r->allow_ranges);
    cr_assert_eq(encoded, sv_starts(s->etag, SV("W/")));
    return encoded;
}

Test(gzip_filter, body_length_and_validator_change_together)
{
    set_up(ACCEPT);
    cr_assert(compresses());
    cr_assert(sv_eq(s->etag, SV("W/\"1-2\"")));
    cr_assert_eq((uint64_t)s->content_length, s->body->len);
    cr_assert_lt(s->body->len, sizeof(body) - 1);
    cr_assert_eq(memcmp(s->body->p, "\x1f\x8b", 2), 0);
    cr_assert(sv_eq(response_header(s, SV("Vary")), SV("Accept-Encoding")));
    cr_assert_eq(s->gzip_in, sizeof(body) - 1);
    cr_assert_eq(s->gzip_out, s->body->len);
    fixture_free(f);
}

Test(gzip_filter, ratio_is_rounded_to_hundredths)
{
    struct sv value;

    set_up("");
    cr_assert(!fixture_read(f, "gzip_ratio", &value));
    s->gzip_in = 17;
    s->gzip_out = 8; // 2.125
    cr_assert(sv_eq(fixture_eval(f, "$gzip_ratio"), SV("2.13")));
    fixture_free(f);
}

Test(gzip_filter, weak_etag_stays_and_one_without_quotes_goes)
{
    set_up(ACCEPT);
    s->etag = SV("W/\"x\"");
    cr_assert(compresses());
    cr_assert(sv_eq(s->etag, SV("W/\"x\"")));
    fixture_free(f);
    set_up(ACCEPT);
    s->etag = SV("bare");
    cr_assert_eq(filter_gzip(f->r), 0);
    cr_assert_eq(s->etag.n, 0);
    fixture_free(f);
}

Test(gzip_filter, what_is_not_for_it_is_left_as_it_is)
{
    static const struct {
        unsigned status;
        const char *type;
        int64_t min_length;
        bool off;
    } rows[] = {
        {206, "text/html", 20, false}, {301, "text/html", 20, false}, {500, "text/html", 20, false},
        {200, "video/mp4", 20, false}, {200, "", 20, false}, {200, "text/html", 1000, false},
        {200, "text/html", 20, true},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        set_up(ACCEPT);
        s->status = rows[i].status;
        s->content_type = sv_from(rows[i].type);
        conf->min_length = rows[i].min_length;
        conf->on = !rows[i].off;
        cr_expect(!compresses(), "row %zu", i);
        cr_expect_eq(response_header(s, SV("Vary")).n, 0, "row %zu", i);
        fixture_free(f);
    }
}

Test(gzip_filter, whoever_does_not_take_it_is_told_that_others_do)
{
    set_up("");
    cr_assert(!compresses());
    cr_assert(sv_eq(response_header(s, SV("Vary")), SV("Accept-Encoding")));
    cr_assert_eq(s->body->p, body);
    fixture_free(f);
}

Test(gzip_filter, proxies_get_what_they_will_not_keep)
{
    static const struct {
        int64_t allowed;
        const char *name, *value;
        bool wanted;
    } rows[] = {
        {GZIP_PROXIED_OFF, NULL, NULL, false},
        {GZIP_PROXIED_ANY, NULL, NULL, true},
        {GZIP_PROXIED_EXPIRED, "Expires", "Thu, 01 Jan 1970 00:00:01 GMT", true},
        {GZIP_PROXIED_EXPIRED, "Expires", "Thu, 31 Dec 2037 23:55:55 GMT", false},
        {GZIP_PROXIED_EXPIRED, "Expires", "never", false},
        {GZIP_PROXIED_NO_CACHE, "Cache-Control", "private, No-Cache", true},
        {GZIP_PROXIED_NO_STORE, "Cache-Control", "no-cache", false},
        {GZIP_PROXIED_PRIVATE, "Cache-Control", "private", true},
        {GZIP_PROXIED_NO_ETAG, NULL, NULL, false},
        {GZIP_PROXIED_NO_LAST_MODIFIED, NULL, NULL, true},
        {GZIP_PROXIED_AUTH, NULL, NULL, true},
        {GZIP_PROXIED_AUTH, "Cache-Control", "max-age=1", false},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        set_up(ACCEPT "Via: 1.1 x\r\n");
        conf->proxied = rows[i].allowed;
        if (rows[i].name != NULL)
            cr_assert_eq(response_add_header(f->r, sv_from(rows[i].name), sv_from(rows[i].value)),
                         0);
        cr_expect_eq(compresses(), rows[i].wanted, "row %zu", i);
        fixture_free(f);
    }
}

Test(gzip_filter, text_of_the_configuration_is_not_written_to)
{
    static const char copy[] = "<p>one</p><p>two</p><p>three</p><p>four</p><p>five</p><p>six</p>";

    set_up(ACCEPT);
    cr_assert(compresses());
    cr_assert_str_eq(body, copy);
    fixture_free(f);
}
