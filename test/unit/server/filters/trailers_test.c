// SPDX-License-Identifier: Apache-2.0
//
// add_trailer: when a response has trailers, and how HTTP/1.1 frames a body for their sake.
#include "test/unit/server/request_fixture.h"

#include <stdio.h>

#include "server/filters/filters.h"

static struct fixture *f;
static struct response *s;

static void add(const char *name, const char *value, bool always)
{
    struct header_row *h = arena_new(&f->config.arena, struct header_row);
    struct header_row **tail = &f->location.trailers;

    h->name = sv_from(name);
    h->value = fixture_template(f, value);
    h->always = always;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = h;
}

// A request, and a response of 200 with "0123456789" as its body.
static void set_up(const char *version)
{
    char head[128];

    f = fixture_new();
    snprintf(head, sizeof(head), "GET /x HTTP/%s\r\nHost: a\r\n\r\n", version);
    fixture_head(f, head);
    f->location.chunked_transfer_encoding = 1;
    s = &f->r->response;
    s->status = 200;
    s->content_length = 10;
    cr_assert_eq(response_add_memory(f->r, SV("0123456789")), 0);
}

static void assert_body(const char *expected)
{
    char text[4096];
    size_t n = 0;

    for (const struct slice *b = s->body; b != NULL; b = b->next) {
        cr_assert(b->file == NULL && n + b->len < sizeof(text));
        memcpy(text + n, b->p, b->len);
        n += b->len;
    }
    text[n] = '\0';
    cr_assert_str_eq(text, expected);
}

static void assert_untouched(void)
{
    cr_assert_eq(filter_trailers(f->r), 0);
    assert_body("0123456789");
    cr_assert_eq(s->content_length, 10);
    cr_assert_not(s->chunked);
    cr_assert_null(s->trailers);
}

Test(trailers_filter, a_body_becomes_one_chunk_with_trailers_behind_it)
{
    set_up("1.1");
    add("X-A", "1", false);
    add("X-B", "$uri", true);
    cr_assert_eq(filter_trailers(f->r), 0);
    assert_body("a\r\n0123456789\r\n0\r\nX-A: 1\r\nX-B: /x\r\n\r\n");
    cr_assert(s->chunked);
    cr_assert_eq(s->content_length, -1);
    fixture_free(f);
}

Test(trailers_filter, several_slices_are_one_chunk)
{
    set_up("1.1");
    cr_assert_eq(response_add_memory(f->r, SV("abcdefg")), 0);
    add("X-A", "1", false);
    cr_assert_eq(filter_trailers(f->r), 0);
    assert_body("11\r\n0123456789abcdefg\r\n0\r\nX-A: 1\r\n\r\n");
    fixture_free(f);
}

Test(trailers_filter, a_file_stays_an_extent_between_the_frame)
{
    static struct open_file file;

    set_up("1.1");
    s->body = NULL;
    s->file = &file;
    cr_assert_eq(response_add_extent(f->r, 5, UINT64_C(5) << 30), 0);
    add("X-A", "1", false);
    cr_assert_eq(filter_trailers(f->r), 0);
    const struct slice *b = s->body;
    cr_assert(sv_eq(sv_of(b->p, b->len), SV("140000000\r\n")));
    b = b->next;
    cr_assert(b->file == &file && b->off == 5 && b->len == UINT64_C(5) << 30);
    b = b->next;
    cr_assert(sv_eq(sv_of(b->p, b->len), SV("\r\n0\r\nX-A: 1\r\n\r\n")));
    cr_assert_null(b->next);
    s->file = NULL;
    fixture_free(f);
}

Test(trailers_filter, an_empty_body_is_the_last_chunk_alone)
{
    set_up("1.1");
    s->body = NULL;
    s->content_length = 0;
    add("X-A", "1", false);
    cr_assert_eq(filter_trailers(f->r), 0);
    assert_body("0\r\nX-A: 1\r\n\r\n");
    fixture_free(f);
}

// As in nginx, which decides on chunks before it knows the values.
Test(trailers_filter, empty_values_are_left_out_and_the_body_is_chunked_all_the_same)
{
    set_up("1.1");
    add("X-A", "", false);
    add("X-B", "$arg_none", true);
    cr_assert_eq(filter_trailers(f->r), 0);
    assert_body("a\r\n0123456789\r\n0\r\n\r\n");
    cr_assert_null(s->trailers);
    fixture_free(f);
}

Test(trailers_filter, a_value_can_name_the_trailers_before_it)
{
    set_up("1.1");
    add("X-A", "1", false);
    add("x-a", "2", false);
    add("X-B", "<$sent_trailer_x_a>", false);
    add("X-C", "<$sent_trailer_x_d>", false);
    add("X-D", "3", false);
    cr_assert_eq(filter_trailers(f->r), 0);
    assert_body("a\r\n0123456789\r\n0\r\n"
                "X-A: 1\r\nx-a: 2\r\nX-B: <1, 2>\r\nX-C: <>\r\nX-D: 3\r\n\r\n");
    fixture_free(f);
}

Test(trailers_filter, errors_have_those_alone_that_are_always_added)
{
    set_up("1.1");
    s->status = 404;
    add("X-A", "1", false);
    assert_untouched();
    add("X-B", "2", true);
    cr_assert_eq(filter_trailers(f->r), 0);
    assert_body("a\r\n0123456789\r\n0\r\nX-B: 2\r\n\r\n");
    fixture_free(f);
}

Test(trailers_filter, clients_before_http_1_1_get_none)
{
    set_up("1.0");
    add("X-A", "1", true);
    assert_untouched();
    f->r->parsed.http_0_9 = true;
    assert_untouched();
    fixture_free(f);
}

Test(trailers_filter, there_are_none_where_chunks_are_switched_off)
{
    set_up("1.1");
    f->location.chunked_transfer_encoding = 0;
    add("X-A", "1", true);
    assert_untouched();
    f->r->parsed.http_major = 2; // which has no chunks
    cr_assert_eq(filter_trailers(f->r), 0);
    cr_assert_not_null(s->trailers);
    fixture_free(f);
}

Test(trailers_filter, http_2_has_them_beside_the_body)
{
    set_up("1.1");
    f->r->parsed.http_major = 2;
    f->r->parsed.http_minor = 0;
    add("X-A", "1", false);
    add("X-B", "2", false);
    cr_assert_eq(filter_trailers(f->r), 0);
    assert_body("0123456789");
    cr_assert_eq(s->content_length, 10);
    cr_assert_not(s->chunked);
    cr_assert(sv_eq(s->trailers->name, SV("X-A")) && sv_eq(s->trailers->value, SV("1")));
    cr_assert(sv_eq(s->trailers->next->value, SV("2")));
    cr_assert_null(s->trailers->next->next);
    fixture_free(f);
}

Test(trailers_filter, nothing_follows_a_head_without_body)
{
    static const unsigned statuses[] = {204, 304};

    for (unsigned version = 1; version <= 2; version++) {
        set_up("1.1");
        f->r->parsed.http_major = (uint8_t)version;
        add("X-A", "1", true);
        for (size_t i = 0; i < array_len(statuses); i++) {
            s->status = statuses[i];
            assert_untouched();
        }
        s->status = 200;
        f->r->header_only = true;
        assert_untouched();
        fixture_free(f);
    }
}
