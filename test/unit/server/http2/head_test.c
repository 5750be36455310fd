// SPDX-License-Identifier: Apache-2.0
//
// Requests of nghttp2's client as requests of ours, and our responses as it reads them: fields in,
// every refusal, fields out.
#include "test/unit/server/http2/peer_ask.h"

static struct peer p;

static void setup(void)
{
    host_open("location = /echo { return 200 \"$request|$host|$http_host|$http_a|$scheme|$http2|"
              "$request_length\"; }"
              "location = /made { add_header X-Made \"One Two\"; add_header Empty \"\";"
              " add_trailer X-Last end; return 200 body; }"
              "location = /0 { add_trailer X-Last end; }"
              "location = /away { return 302 http://other/; }"
              "location = /gone { return 410; }"
              "large_client_header_buffers 4 2k; max_headers 12; server_tokens off;"
              "client_max_body_size 100;",
              peer_sizes, array_len(peer_sizes));
    peer_open(&p, NULL, 0);
}

static void teardown(void)
{
    peer_close(&p);
    peer_end();
}

TestSuite(http2_head, .init = setup, .fini = teardown, .timeout = 60);

static struct peer_stream *ask(const char *path, const char *name, const char *value)
{
    nghttp2_nv more = NV(name, value);
    struct peer_stream *s = peer_ask(&p, "GET", path, &more, name[0] != '\0');

    peer_finish(&p);
    return s;
}

Test(http2_head, fields_are_what_phases_and_variables_read)
{
    nghttp2_nv more[] = {NV("a", "one"), NV("user-agent", "test")};
    struct peer_stream *s = peer_ask(&p, "GET", "/echo?x=1", more, 2);

    peer_expect(s, "GET /echo?x=1 HTTP/2.0|example.com|example.com|one|http|h2c|");
    peer_finish(&p);
    cr_assert_eq(s->status, 200);
    cr_assert_eq(s->code, 0);
    cr_assert_gt(s->got, s->ntext);
}

Test(http2_head, the_whole_of_a_described_response)
{
    struct peer_stream *s = ask("/made", "", "");

    cr_assert_eq(s->status, 200);
    cr_assert_eq(s->got, 4);
    cr_assert(peer_has_field(s, "server: millrace"));
    cr_assert(peer_has_field(s, "content-type: text/plain"));
    cr_assert(peer_has_field(s, "content-length: 4"));
    cr_assert(peer_has_field(s, "x-made: One Two"));
    cr_assert(peer_has_field(s, "x-last: end"));
    cr_assert(strstr(s->fields, "\ndate: ") != NULL && strstr(s->fields, " GMT\n") != NULL);
    cr_assert_null(strstr(s->fields, "empty"));
    cr_assert_null(strstr(s->fields, "connection"));
    cr_assert_lt(strstr(s->fields, "server: "), strstr(s->fields, "x-made: "));
    cr_assert_eq(strncmp(s->fields, ":status: 200\n", 13), 0);
}

Test(http2_head, a_head_and_trailers_without_a_body)
{
    struct peer_stream *s = ask("/0", "", "");

    cr_assert_eq(s->status, 200);
    cr_assert(s->ended && s->got == 0 && s->frames == 0);
    cr_assert(peer_has_field(s, "x-last: end"));
    cr_assert(peer_has_field(s, "content-length: 0"));
}

Test(http2_head, a_file_its_etag_and_what_is_conditional)
{
    struct peer_stream *s = peer_get(&p, 1000);
    char etag[64];

    peer_finish(&p);
    cr_assert(s->status == 200 && s->got == 1000);
    cr_assert(peer_has_field(s, "content-length: 1000"));
    cr_assert(peer_has_field(s, "accept-ranges: bytes"));
    cr_assert_not_null(strstr(s->fields, "last-modified: "));
    cr_assert_eq(sscanf(strstr(s->fields, "etag: "), "etag: %63s", etag), 1);
    s = ask("/1000", "if-none-match", etag);
    cr_assert(s->status == 304 && s->got == 0 && s->ended);
    cr_assert_null(strstr(s->fields, "content-length"));
    cr_assert_not_null(strstr(s->fields, "last-modified: "));
}

Test(http2_head, ranges_one_and_several)
{
    nghttp2_nv more = NV("range", "bytes=100-299");
    struct peer_stream *s = peer_ask(&p, "GET", "/1000", &more, 1);

    s->size = 1000;
    s->from = 100;
    s->expected = 200;
    peer_finish(&p);
    cr_assert_eq(s->status, 206);
    cr_assert(peer_has_field(s, "content-range: bytes 100-299/1000"));
    s = ask("/1000", "range", "bytes=0-9,100-109");
    cr_assert_eq(s->status, 206);
    cr_assert_not_null(strstr(s->fields, "content-type: multipart/byteranges"));
    cr_assert_gt(s->got, 20);
    s = ask("/1000", "range", "bytes=2000-");
    cr_assert_eq(s->status, 416);
}

Test(http2_head, a_head_request_gets_no_body)
{
    struct peer_stream *s = peer_ask(&p, "HEAD", "/1000", NULL, 0);

    s->expected = 0;
    peer_finish(&p);
    cr_assert(s->status == 200 && s->frames == 0 && s->ended);
    cr_assert(peer_has_field(s, "content-length: 1000"));
}

Test(http2_head, redirects_errors_and_empty_files)
{
    cr_assert(peer_has_field(ask("/away", "", ""), "location: http://other/"));
    cr_assert_eq(ask("/gone", "", "")->status, 410);
    cr_assert_eq(ask("/none", "", "")->status, 404);
    struct peer_stream *s = peer_get(&p, 0);
    peer_finish(&p);
    cr_assert(s->status == 200 && s->ended && s->got == 0);
}

// One field more than a good request has, or one instead.
struct refusal {
    const char *name, *value;
    const char *why; // what the log says
};

static void check_refused(struct peer_stream *s, const char *why)
{
    peer_finish(&p);
    cr_assert_eq(s->status, 400, "%s: %u", why, s->status);
    cr_assert_eq(s->code, 0);
    cr_assert_not_null(strstr(host.log, why), "\"%s\" is not in the log", why);
    host.nlog = 0;
}

Test(http2_head, each_bad_field_is_answered_with_400)
{
    static const struct refusal rows[] = {
        {":unknown", "x", "client sent unknown pseudo-header"},
        {":path", "/", "client sent duplicate pseudo-header"},
        {":method", "GET", "client sent duplicate pseudo-header"},
        {":scheme", "http", "client sent duplicate pseudo-header"},
        {":authority", "a", "client sent duplicate pseudo-header"},
        {"Upper", "x", "client sent invalid header"},
        {"a b", "x", "client sent invalid header"},
        {"a:b", "x", "client sent invalid header"},
        {"a\x7f", "x", "client sent invalid header"},
        {"a", "x\ny", "client sent invalid header"},
        {"a", "x\ry", "client sent invalid header"},
        {"connection", "close", "client sent a header about the connection"},
        {"keep-alive", "1", "client sent a header about the connection"},
        {"proxy-connection", "close", "client sent a header about the connection"},
        {"transfer-encoding", "chunked", "client sent a header about the connection"},
        {"upgrade", "h2c", "client sent a header about the connection"},
        {"te", "gzip", "client sent a header about the connection"},
        {"host", "other", "\":authority\" and \"Host\" headers with different values"},
        {"content-length", "x", "client sent invalid \"Content-Length\" header"},
        {"content-length", "99999999999999999999", "invalid \"Content-Length\" header"},
        {"content-length", "5", "client prematurely closed stream"},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        nghttp2_nv more = NV(rows[i].name, rows[i].value);
        check_refused(peer_ask(&p, "GET", "/echo", &more, 1), rows[i].why);
    }
    // The connection goes on.
    cr_assert_eq(ask("/echo", "te", "Trailers")->status, 200);
    cr_assert_eq(p.goaway, -1);
}

Test(http2_head, each_missing_or_bad_pseudo_field_is_answered_with_400)
{
    static const struct { const char *m, *s, *p, *a, *why; } rows[] = {
        {NULL, "http", "/", "a", "client sent no :method header"},
        {"GET", NULL, "/", "a", "client sent no :scheme header"},
        {"GET", "http", NULL, "a", "client sent no :path header"},
        {"GET", "http", "/", NULL, "client sent neither \":authority\" nor \"Host\" header"},
        {"GET", "http", "/", "", "client sent neither \":authority\" nor \"Host\" header"},
        {"get", "http", "/", "a", "client sent invalid method"},
        {"", "http", "/", "a", "client sent invalid method"},
        {"GET", "1http", "/", "a", "client sent invalid \":scheme\" header"},
        {"GET", "", "/", "a", "client sent invalid \":scheme\" header"},
        {"GET", "http", "x", "a", "client sent invalid \":path\" header"},
        {"GET", "http", "", "a", "client sent invalid \":path\" header"},
        {"GET", "http", "/a b", "a", "client sent invalid \":path\" header"},
        {"GET", "http", "/a\x7f", "a", "client sent invalid \":path\" header"},
    };

    for (size_t i = 0; i < array_len(rows); i++) {
        const char *names[] = {":method", ":scheme", ":path", ":authority"};
        const char *values[] = {rows[i].m, rows[i].s, rows[i].p, rows[i].a};
        nghttp2_nv nv[4];
        size_t n = 0;
        for (size_t k = 0; k < 4; k++) {
            if (values[k] != NULL)
                nv[n++] = (nghttp2_nv)NV(names[k], values[k]);
        }
        check_refused(peer_submit(&p, nv, n, NULL), rows[i].why);
    }
}

Test(http2_head, a_pseudo_field_behind_regular_ones)
{
    nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":authority", "a"),
                       NV("a", "b"), NV(":path", "/")};

    check_refused(peer_submit(&p, nv, array_len(nv), NULL),
                  "client sent a pseudo-header behind regular ones");
}

Test(http2_head, too_many_fields_are_answered_with_494_and_go_on)
{
    nghttp2_nv more[16];

    for (size_t i = 0; i < array_len(more); i++)
        more[i] = (nghttp2_nv)NV("a", "b");
    struct peer_stream *s = peer_ask(&p, "GET", "/echo", more, array_len(more));
    peer_finish(&p);
    cr_assert_eq(s->status, 400); // 494 is the log's
    cr_assert_not_null(strstr(host.log, "client sent too many header lines"));
    cr_assert_eq(ask("/echo", "", "")->status, 200);
}

Test(http2_head, a_head_beyond_the_buffers_ends_the_connection)
{
    static char value[3000];
    nghttp2_nv more[3];

    memset(value, 'x', sizeof(value) - 1);
    for (size_t i = 0; i < array_len(more); i++)
        more[i] = (nghttp2_nv)NV("a", value);
    (void)peer_ask(&p, "GET", "/echo", more, array_len(more));
    peer_run(&p);
    cr_assert_eq(p.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    cr_assert_not_null(strstr(host.log, "client sent too large header"));
}

Test(http2_head, host_alone_names_the_server)
{
    nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":path", "/echo"),
                       NV("host", "Example.com")};
    struct peer_stream *s = peer_submit(&p, nv, array_len(nv), NULL);

    peer_expect(s, "GET /echo HTTP/2.0|example.com|Example.com||http|h2c|");
    peer_finish(&p);
    cr_assert_eq(s->status, 200);
}

// Each split of the bytes of a request at every place it can have.
Test(http2_head, a_head_in_pieces_is_the_same_head)
{
    for (p.piece = 1; p.piece < 12; p.piece++) {
        struct peer_stream *s = ask("/echo", "a", "one");
        cr_assert_eq(s->status, 200, "%u in pieces of %u", s->status, p.piece);
        cr_assert_eq(s->code, 0);
    }
}
