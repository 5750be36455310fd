// SPDX-License-Identifier: Apache-2.0
//
// Request heads: what is found in good ones, what is refused and how, and that neither depends on
// the pieces in which the bytes arrive.
#include "lib/http/h1.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct h1_limits defaults = {
    .first_buffer = 1024,
    .large_size = 8192,
    .large_count = 4,
    .fields = {.max_headers = 1000, .ignore_invalid = true},
};

static struct arena arena;
static struct http_head description;
static struct h1_parser p;

static void setup(void)
{
    arena_init(&arena, NULL);
}

static void teardown(void)
{
    arena_reset(&arena);
}

TestSuite(h1, .init = setup, .fini = teardown);

static enum h1_result parse_limited(struct sv head, const struct h1_limits *limits)
{
    h1_init(&p, &description, &arena, limits);
    return h1_head(&p, head.p, head.n);
}

static enum h1_result parse(const char *head)
{
    return parse_limited(sv_from(head), &defaults);
}

static struct sv value_of(const char *head, const char *name)
{
    int i = http_head_find(p.head, head, sv_from(name));
    if (i < 0)
        return (struct sv){NULL, 0};
    return sv_of(head + p.head->fields[i].value, p.head->fields[i].value_len);
}

#define ASSERT_SV(view, text) \
    cr_assert(sv_eq((view), sv_from(text)), "got \"%.*s\"", SV_ARG(view))

Test(h1, finds_the_parts_of_a_request)
{
    const char *head = "GET /a/b.m4s?x=1 HTTP/1.1\r\n"
                       "Host: example.com\r\nRange:  bytes=0-1 \t\r\n\r\n";
    cr_assert_eq(parse(head), H1_DONE);
    ASSERT_SV(sv_of(head + p.head->method, p.head->method_len), "GET");
    ASSERT_SV(sv_of(head + p.head->method, p.head->line_len), "GET /a/b.m4s?x=1 HTTP/1.1");
    ASSERT_SV(sv_of(head + p.head->target, p.head->target_len), "/a/b.m4s?x=1");
    ASSERT_SV(value_of(head, "host"), "example.com");
    ASSERT_SV(value_of(head, "RANGE"), "bytes=0-1");
    cr_assert_eq(http_head_find(p.head, head, SV("Rang")), -1);
    cr_assert_eq(p.head->nfields, 2);
    cr_assert_eq(p.head->head_len, strlen(head));
    cr_assert_eq(p.head->llhttp_method, HTTP_GET);
    cr_assert(p.head->http_major == 1 && p.head->http_minor == 1 && p.keep_alive);
    cr_assert(!p.chunked && !p.head->has_length && !p.head->expect_continue && !p.head->http_0_9);
}

Test(h1, leaves_the_bytes_behind_the_head_alone)
{
    const char *head = "GET / HTTP/1.0\r\n\r\nGET /next HTTP/1.1\r\n\x01";
    size_t used;
    cr_assert_eq(parse(head), H1_DONE);
    cr_assert_eq(p.head->head_len, strlen("GET / HTTP/1.0\r\n\r\n"));
    cr_assert_eq(h1_body(&p, head + p.head->head_len, 5, &used), H1_DONE);
    cr_assert_eq(used, 0);
}

Test(h1, accepts_bare_line_feeds_and_empty_lines_before_the_request)
{
    const char *head = "\r\n\n\r\nGET /x HTTP/1.1\nHost: a\nX: y\n\n";
    cr_assert_eq(parse(head), H1_DONE);
    cr_assert_eq(p.head->method, 5);
    cr_assert_eq(p.head->head_len, strlen(head));
    ASSERT_SV(sv_of(head + p.head->method, p.head->line_len), "GET /x HTTP/1.1");
    ASSERT_SV(value_of(head, "X"), "y");
}

Test(h1, empty_lines_without_end_are_refused)
{
    char lines[2048];
    memset(lines, '\n', sizeof(lines));
    cr_assert_eq(parse_limited(sv_of(lines, 1023), &defaults), H1_MORE);
    cr_assert_eq(parse_limited(sv_of(lines, 1024), &defaults), H1_BAD_REQUEST);
}

Test(h1, empty_values_are_empty_not_missing)
{
    const char *head = "GET / HTTP/1.1\r\nHost:\r\nA: \r\nB:x\r\nC:\t \r\n\r\n";
    cr_assert_eq(parse(head), H1_DONE);
    cr_assert_eq(p.head->nfields, 4);
    cr_assert(http_head_find(p.head, head, SV("A")) == 1 && value_of(head, "A").n == 0);
    ASSERT_SV(value_of(head, "B"), "x");
    cr_assert(http_head_find(p.head, head, SV("C")) == 3 && value_of(head, "C").n == 0);
}

Test(h1, keep_alive_follows_version_and_connection)
{
    static const struct {
        const char *version, *connection;
        bool keep_alive;
    } cases[] = {
        {"1.1", "", true},
        {"1.1", "Connection: close\r\n", false},
        {"1.1", "Connection: keep-alive, Close\r\n", false},
        {"1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n", true},
        {"1.0", "", false},
        {"1.0", "Connection: Keep-Alive\r\n", true},
        {"1.0", "Connection: close\r\n", false},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        char head[200];
        snprintf(head, sizeof(head), "GET / HTTP/%s\r\nHost: a\r\n%s\r\n", cases[i].version,
                 cases[i].connection);
        cr_assert_eq(parse(head), H1_DONE, "%s", head);
        cr_assert_eq(p.keep_alive, cases[i].keep_alive, "%s", head);
    }
}

Test(h1, http_0_9_ends_with_its_line)
{
    const char *head = "GET /old \r\nHost: a\r\n\r\n";
    cr_assert_eq(parse(head), H1_DONE);
    cr_assert(p.head->http_0_9 && !p.keep_alive && p.head->nfields == 0);
    cr_assert_eq(p.head->head_len, strlen("GET /old \r\n"));
    cr_assert_eq(parse("HEAD /old\r\n"), H1_BAD_REQUEST);
}

Test(h1, methods)
{
    static const struct {
        const char *method;
        enum h1_result result;
        int number;
    } cases[] = {
        {"HEAD", H1_DONE, HTTP_HEAD},
        {"POST", H1_DONE, HTTP_POST},
        {"M-SEARCH", H1_DONE, HTTP_MSEARCH},
        {"TRACE", H1_DONE, HTTP_TRACE},
        {"OPTIONS", H1_DONE, HTTP_OPTIONS},
        {"BREW", H1_METHOD_UNKNOWN, -1},
        {"G_E-T", H1_METHOD_UNKNOWN, -1},
        {"get", H1_BAD_REQUEST, -1},
        {"GeT", H1_BAD_REQUEST, -1},
        {"G3T", H1_BAD_REQUEST, -1},
        {"", H1_BAD_REQUEST, -1},
        {"GET\t", H1_BAD_REQUEST, -1},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        char head[200];
        snprintf(head, sizeof(head), "%s /p HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].method);
        cr_assert_eq(parse(head), cases[i].result, "%s", head);
        if (cases[i].number >= 0)
            cr_assert_eq(p.head->llhttp_method, cases[i].number, "%s", head);
        if (cases[i].result == H1_METHOD_UNKNOWN) {
            ASSERT_SV(sv_of(head + p.head->target, p.head->target_len), "/p");
            ASSERT_SV(sv_of(head + p.head->method, p.head->method_len), cases[i].method);
            ASSERT_SV(value_of(head, "Host"), "a");
        }
    }
}

Test(h1, request_lines_and_versions)
{
    static const struct {
        const char *line;
        enum h1_result result;
    } cases[] = {
        {"GET / HTTP/1.1", H1_DONE},
        {"GET   /   HTTP/1.1  ", H1_DONE},
        {"GET http://a.b:80/c HTTP/1.1", H1_DONE},
        {"GET /\xc3\xa9 HTTP/1.1", H1_DONE},
        {"GET / HTTP/1.2", H1_DONE},
        {"CONNECT a:443 HTTP/1.1", H1_DONE},
        {"CONNECT [::1]:443 HTTP/1.1", H1_DONE},
        {"CONNECT / HTTP/1.1", H1_BAD_REQUEST},
        {"CONNECT a HTTP/1.1", H1_BAD_REQUEST},
        {"CONNECT a: HTTP/1.1", H1_BAD_REQUEST},
        {"GET / HTTP/2.0", H1_BAD_VERSION},
        {"GET / HTTP/9", H1_BAD_VERSION},
        {"GET / HTTP/11.1", H1_BAD_VERSION},
        {"GET / HTTP/0.9", H1_BAD_REQUEST},
        {"GET / HTTP/1", H1_BAD_REQUEST},
        {"GET / HTTP/1.", H1_BAD_REQUEST},
        {"GET / HTTP/1.10", H1_BAD_REQUEST},
        {"GET / HTTP/1.1 x", H1_BAD_REQUEST},
        {"GET / http/1.1", H1_BAD_REQUEST},
        {"GET / HTTPS/1.1", H1_BAD_REQUEST},
        {"GET / / HTTP/1.1", H1_BAD_REQUEST},
        {"GET /\tHTTP/1.1", H1_BAD_REQUEST},
        {"GET /\x02 HTTP/1.1", H1_BAD_REQUEST},
        {"GET /\x7f HTTP/1.1", H1_BAD_REQUEST},
        {"GET /a\rb HTTP/1.1", H1_BAD_REQUEST},
        {"GET / HTTP/1.1\r", H1_BAD_REQUEST},
        {"\rGET / HTTP/1.1", H1_BAD_REQUEST},
        {" GET / HTTP/1.1", H1_BAD_REQUEST},
        {"OPTIONS * HTTP/1.1", H1_BAD_REQUEST},
        {"PRI * HTTP/2.0", H1_BAD_REQUEST},
        {"GET a/b HTTP/1.1", H1_DONE}, // for uri_parse to refuse
        {"GET", H1_BAD_REQUEST},
        {"GET ", H1_BAD_REQUEST},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        char head[200];
        snprintf(head, sizeof(head), "%s\r\nHost: a\r\n\r\n", cases[i].line);
        cr_assert_eq(parse(head), cases[i].result, "%s", cases[i].line);
    }
}

Test(h1, nul_in_the_head_is_refused_everywhere)
{
    static const struct sv heads[] = {
        SV("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
        SV("GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n"),
        SV("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n"),
        SV("\0"),
    };
    for (size_t i = 0; i < array_len(heads); i++)
        cr_assert_eq(parse_limited(heads[i], &defaults), H1_BAD_REQUEST, "%zu", i);
}

Test(h1, noise_without_a_line_end_is_refused_at_once)
{
    cr_assert_eq(parse("\x16\x03\x01"), H1_BAD_REQUEST);
    cr_assert_eq(parse("GE"), H1_MORE);
    cr_assert_eq(parse("GET /a b c"), H1_MORE);
}

Test(h1, ambiguous_framing_is_refused)
{
    static const char *const fields[] = {
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -3\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: 3 3\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length : 3\r\n",
        "Content-Length\r\n",
        "X: a\r\n folded\r\n",
        "X: a\r\n\tfolded\r\n",
        "X:\r\n folded\r\n",
        " X: a\r\n",
        "X : a\r\n",
        "X\t: a\r\n",
        "X: a\rb\r\n",
        "X: a\r\r\n",
        "X: a\x02\r\n",
        ": a\r\n",
        "X y: a\r\n",
        "X\xe9: a\r\n",
        "Host: b\r\n",
        "If-Range: a\r\nif-range: a\r\n",
        "If-None-Match: a\r\nif-none-match: a\r\n",
        "If-Unmodified-Since: a\r\nIf-Unmodified-Since: a\r\n",
        "Expect: a\r\nExpect: b\r\n",
    };
    for (size_t i = 0; i < array_len(fields); i++) {
        char head[200];
        snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields[i]);
        cr_assert_eq(parse(head), H1_BAD_REQUEST, "%s", fields[i]);
        snprintf(head, sizeof(head), "POST / HTTP/1.1\r\n%sHost: a\r\n\r\n", fields[i]);
        cr_assert_eq(parse(head), H1_BAD_REQUEST, "%s", fields[i]);
    }
}

Test(h1, repeated_fields_without_weight_are_accepted)
{
    const char *head = "GET / HTTP/1.0\r\nCookie: a\r\nCookie: b\r\nRange: c\r\nRange: d\r\n\r\n";
    cr_assert_eq(parse(head), H1_DONE);
    ASSERT_SV(value_of(head, "Cookie"), "a");
    ASSERT_SV(value_of(head, "Range"), "c");
}

Test(h1, http_1_0_has_no_transfer_encoding_and_needs_no_host)
{
    cr_assert_eq(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), H1_BAD_REQUEST);
    cr_assert_eq(parse("GET / HTTP/1.0\r\n\r\n"), H1_DONE);
    cr_assert_eq(parse("GET / HTTP/1.1\r\n\r\n"), H1_BAD_REQUEST);
    cr_assert_eq(parse("GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n"), H1_BAD_REQUEST);
}

Test(h1, expect_continue_is_for_http_1_1_and_exact)
{
    cr_assert_eq(parse("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n"), H1_DONE);
    cr_assert(p.head->expect_continue);
    cr_assert_eq(parse("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), H1_DONE);
    cr_assert_not(p.head->expect_continue);
    cr_assert_eq(parse("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue2\r\n\r\n"), H1_DONE);
    cr_assert_not(p.head->expect_continue);
}

Test(h1, names_invalid_for_nginx_are_passed_over)
{
    const char *head = "GET / HTTP/1.0\r\nX_A: 1\r\nX.B: 2\r\nX-C: 3\r\n_: 4\r\n\r\n";
    struct h1_limits limits = defaults;
    cr_assert_eq(parse(head), H1_DONE);
    cr_assert(p.head->fields[0].ignored && p.head->fields[1].ignored && !p.head->fields[2].ignored);
    cr_assert_eq(http_head_find(p.head, head, SV("X_A")), -1);

    limits.fields.underscores = true;
    cr_assert_eq(parse_limited(sv_from(head), &limits), H1_DONE);
    cr_assert(!p.head->fields[0].ignored && p.head->fields[1].ignored);
    cr_assert(!p.head->fields[3].ignored);

    limits.fields.ignore_invalid = false;
    cr_assert_eq(parse_limited(sv_from(head), &limits), H1_DONE);
    cr_assert(!p.head->fields[1].ignored);
}

// A head of a request line of `line` bytes and `n` field lines of `field` bytes each, line ends
// included.
static struct sv sized_head(char *out, size_t line, size_t n, size_t field)
{
    size_t at = 0;
    at += (size_t)sprintf(out, "GET /%0*d HTTP/1.0\r\n", (int)line - 16, 0);
    for (size_t i = 0; i < n; i++)
        at += (size_t)sprintf(out + at, "X: %0*d\r\n", (int)field - 5, 0);
    at += (size_t)sprintf(out + at, "\r\n");
    return sv_of(out, at);
}

Test(h1, header_buffers_have_nginx_edges)
{
    static const struct {
        size_t line, fields, field;
        enum h1_result result;
    } cases[] = {
        {256, 0, 0, H1_DONE},                // exactly one large buffer
        {257, 0, 0, H1_URI_TOO_LONG},
        {100, 1, 256, H1_DONE},
        {100, 1, 257, H1_HEADER_TOO_LARGE},
        {100, 5, 200, H1_DONE},              // the first buffer and five large ones
        {100, 6, 200, H1_HEADER_TOO_LARGE},
        {128, 5, 256, H1_HEADER_TOO_LARGE},  // full, but for the empty line
        {128, 5, 254, H1_DONE},
        {128, 10, 128, H1_HEADER_TOO_LARGE}, // lines are not split
        {128, 10, 127, H1_DONE},
    };
    struct h1_limits limits = defaults;
    limits.first_buffer = 128;
    limits.large_size = 256;
    limits.large_count = 5;
    for (size_t i = 0; i < array_len(cases); i++) {
        static char buf[8192];
        struct sv head = sized_head(buf, cases[i].line, cases[i].fields, cases[i].field);
        cr_assert_eq(parse_limited(head, &limits), cases[i].result, "case %zu", i);
    }
}

Test(h1, too_long_lines_are_refused_before_they_end)
{
    static char buf[40000];
    struct h1_limits limits = defaults;
    memset(buf, 'A', sizeof(buf));
    memcpy(buf, "GET /", 5);
    cr_assert_eq(parse_limited(sv_of(buf, 8191), &limits), H1_MORE);
    cr_assert_eq(parse_limited(sv_of(buf, 8192), &limits), H1_URI_TOO_LONG);
    cr_assert_eq(p.head->line_len, 8192);
    memcpy(buf, "GET / HTTP/1.0\r\nX:", 18);
    cr_assert_eq(parse_limited(sv_of(buf, 16 + 8191), &limits), H1_MORE);
    cr_assert_eq(parse_limited(sv_of(buf, 16 + 8192), &limits), H1_HEADER_TOO_LARGE);
    cr_assert_eq(h1_head(&p, buf, sizeof(buf)), H1_HEADER_TOO_LARGE, "a failure stays");
}

Test(h1, max_headers_counts_what_is_not_ignored)
{
    struct h1_limits limits = defaults;
    limits.fields.max_headers = 5;
    cr_assert_eq(parse_limited(SV("GET / HTTP/1.0\na:\nb:\nc:\nd:\n_:\ne:\n\n"), &limits), H1_DONE);
    cr_assert_eq(parse_limited(SV("GET / HTTP/1.0\na:\nb:\nc:\nd:\ne:\nf:\n\n"), &limits),
                 H1_HEADER_TOO_LARGE);
}

Test(h1, more_fields_than_the_first_array_holds)
{
    static char buf[2000];
    size_t at = (size_t)sprintf(buf, "GET / HTTP/1.0\r\n");
    for (int i = 0; i < 40; i++)
        at += (size_t)sprintf(buf + at, "F%d: v%d\r\n", i, i);
    at += (size_t)sprintf(buf + at, "\r\n");
    cr_assert_eq(parse_limited(sv_of(buf, at), &defaults), H1_DONE);
    cr_assert_eq(p.head->nfields, 40);
    ASSERT_SV(value_of(buf, "F0"), "v0");
    ASSERT_SV(value_of(buf, "F15"), "v15");
    ASSERT_SV(value_of(buf, "F39"), "v39");
}

Test(h1, pieces_in_moving_buffers_give_the_same_result)
{
    const char *head = "\r\nPOST /x HTTP/1.1\r\n"
                       "Host: example.com\r\nA:\r\nContent-Length: 5\r\n\r\n";
    size_t n = strlen(head);
    h1_init(&p, &description, &arena, &defaults);
    for (size_t i = 0; i <= n; i++) {
        char *copy = malloc(i + 1);
        memcpy(copy, head, i);
        cr_assert_eq(h1_head(&p, copy, i), i < n ? H1_MORE : H1_DONE, "%zu bytes", i);
        free(copy);
    }
    ASSERT_SV(value_of(head, "host"), "example.com");
    ASSERT_SV(sv_of(head + p.head->target, p.head->target_len), "/x");
    cr_assert(p.head->has_length && p.head->content_length == 5);
    cr_assert(p.head->head_len == n && p.head->nfields == 3);
}

static enum h1_result read_body(const char *head, struct sv body, size_t *used)
{
    cr_assert_eq(parse(head), H1_DONE);
    return h1_body(&p, body.p, body.n, used);
}

Test(h1, body_with_a_length_ends_where_it_says)
{
    size_t used;
    const char *head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    cr_assert_eq(read_body(head, SV("abc"), &used), H1_MORE);
    cr_assert_eq(used, 3);
    cr_assert_eq(h1_body(&p, "deGET", 5, &used), H1_DONE);
    cr_assert_eq(used, 2);
    cr_assert_eq(p.body_bytes, 5);
    cr_assert_eq(h1_body(&p, "GET", 3, &used), H1_DONE);
    cr_assert_eq(used, 0);
}

#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n"

Test(h1, chunked_body_ends_behind_its_trailers)
{
    size_t used;
    struct sv body = SV("3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\nT: v\r\nHost: b\r\n\r\nGET");
    cr_assert_eq(read_body(CHUNKED "\r\n", body, &used), H1_DONE);
    cr_assert(p.chunked);
    cr_assert_eq(used, body.n - 3);
    cr_assert_eq(p.body_bytes, 13);
    cr_assert_eq(p.head->nfields, 2, "trailers are no header fields");
}

Test(h1, upgrade_does_not_hide_a_body)
{
    size_t used;
    cr_assert_eq(read_body(CHUNKED "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
                           SV("1\r\nx\r\n0\r\n\r\nGET"), &used),
                 H1_DONE);
    cr_assert_eq(used, 11);
    cr_assert_eq(p.body_bytes, 1);
}

Test(h1, bad_chunks_are_refused)
{
    static const char *const bodies[] = {
        "g\r\n",          "\r\n",           "-1\r\n",        "0x1\r\n",
        " 1\r\nx\r\n",    "1 \r\nx\r\n",    "1\nx\n0\n\n",   "1\r\nxy\r\n",
        "1\r\nx\n0\r\n",  "1\rx",           "1\r\nx0\r\n",   "fffffffffffffffff\r\n",
        "0\r\nT : v\r\n", "0\r\nT: v\r\n w\r\n", "1;a\nx\r\n", "0\r\n\n",
    };
    for (size_t i = 0; i < array_len(bodies); i++) {
        size_t used;
        cr_assert_eq(read_body(CHUNKED "\r\n", sv_from(bodies[i]), &used), H1_BAD_REQUEST, "%s",
                     bodies[i]);
        cr_assert_leq(used, strlen(bodies[i]));
        cr_assert_eq(h1_body(&p, "0\r\n\r\n", 5, &used), H1_BAD_REQUEST, "a failure stays");
    }
}

// Otherwise a client could send such bytes for ever without a payload that a limit counts.
Test(h1, framing_without_payload_is_bounded)
{
    static char noise[40000];
    size_t used;
    memset(noise, '0', sizeof(noise));
    cr_assert_eq(read_body(CHUNKED "\r\n", sv_of(noise, sizeof(noise)), &used), H1_BAD_REQUEST);
    memcpy(noise, "1;", 2);
    cr_assert_eq(read_body(CHUNKED "\r\n", sv_of(noise, sizeof(noise)), &used), H1_BAD_REQUEST);
    cr_assert_eq(read_body(CHUNKED "\r\n", sv_of(noise, 30000), &used), H1_MORE);
}
