// SPDX-License-Identifier: Apache-2.0
#include "test/unit/server/request_fixture.h"

#include "server/bounds.h"
#include "server/filters/charset_conf.h"
#include "server/filters/filters.h"

static struct fixture *f;
static struct response *s;
static struct charset_pair single, utf8;
static struct strmap types;

static void set_up(const char *from, const char *to, const char *text)
{
    static char present[] = "";

    f = fixture_new();
    fixture_head(f, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    single = (struct charset_pair){.first = SV("B"), .second = SV("A"), .next = &utf8};
    utf8 = (struct charset_pair){.first = SV("koi8-r"), .second = SV("utf-8")};
    cr_assert_eq(charset_map_init(&single.map, &f->config.arena, false), 0);
    cr_assert_eq(charset_map_init(&utf8.map, &f->config.arena, true), 0);
    cr_assert_eq(charset_map_add(&single.map, &f->config.arena, 'X', SV("Y")), 0);
    cr_assert_eq(charset_map_add(&utf8.map, &f->config.arena, 0xc1, SV("\xd0\xb0")), 0);
    f->http.charset_pairs = &single;
    memset(&types, 0, sizeof(types));
    cr_assert_eq(strmap_init(&types, &f->config.arena, 4, true), 0);
    cr_assert_eq(strmap_put(&types, SV("text/html"), present), 0);
    f->location.charset = (struct charset_conf){
        .name = to != NULL ? fixture_template(f, to) : NULL,
        .source = from != NULL ? fixture_template(f, from) : NULL,
        .types = &types,
    };
    s = &f->r->response;
    s->status = 200;
    s->content_type = SV("text/html");
    s->content_length = (int64_t)strlen(text);
    f->r->allow_ranges = true;
    cr_assert_eq(response_add_memory(f->r, sv_from(text)), 0);
}

static void expect(const char *charset, const char *text)
{
    cr_assert_eq(filter_charset(f->r), 0);
    cr_assert(sv_eq(s->charset, sv_from(charset)), "%.*s", SV_ARG(s->charset));
    cr_assert(sv_eq(sv_of(s->body->p, s->body->len), sv_from(text)));
    cr_assert_eq((size_t)s->content_length, strlen(text));
    fixture_free(f);
}

Test(charset_filter, names_what_is_not_recoded)
{
    set_up(NULL, "utf-8", "X");
    expect("utf-8", "X");
    set_up(NULL, NULL, "X");
    expect("", "X");
    set_up("UTF-8", "utf-8", "X");
    expect("utf-8", "X");
}

Test(charset_filter, recodes_both_ways_and_keeps_ranges_of_single_bytes)
{
    set_up("b", "a", "aX");
    cr_assert(f->r->allow_ranges);
    expect("a", "aY");
    set_up("A", "B", "aY");
    expect("B", "aX");
}

Test(charset_filter, utf8_changes_the_length_and_takes_ranges_away)
{
    set_up("koi8-r", "utf-8", "\xc1");
    cr_assert_eq(filter_charset(f->r), 0);
    cr_assert(!f->r->allow_ranges);
    cr_assert_eq(s->content_length, 2);
    fixture_free(f);
    set_up("utf-8", "koi8-r", "\xd0\xb0");
    expect("koi8-r", "\xc1");
}

Test(charset_filter, redirects_and_other_types_are_left_alone)
{
    set_up("B", "A", "X");
    s->status = 302;
    expect("", "X");
    set_up("B", "A", "X");
    s->content_type = SV("video/mp4");
    expect("", "X");
    set_up("B", "A", "X");
    cr_assert_eq(response_add_header(f->r, SV("content-encoding"), SV("br")), 0);
    expect("", "X");
}

Test(charset_filter, head_of_a_body_that_would_change_has_no_length)
{
    set_up("koi8-r", "utf-8", "\xc1");
    s->body = NULL;
    cr_assert_eq(filter_charset(f->r), 0);
    cr_assert_eq(s->content_length, -1);
    fixture_free(f);
    set_up("B", "A", "X");
    s->body = NULL;
    cr_assert_eq(filter_charset(f->r), 0);
    cr_assert_eq(s->content_length, 1);
    fixture_free(f);
}

// What is sent must be what Content-Type says.
Test(charset_filter, body_that_is_too_large_is_named_by_the_set_it_has)
{
    char *large = calloc(1, BODY_MEMORY_MAX + 2);

    memset(large, 'X', BODY_MEMORY_MAX + 1);
    set_up("B", "A", large);
    expect("B", large);
    free(large);
}
