// SPDX-License-Identifier: Apache-2.0
//
// A request that was parked is the request that it was: every variable has its value, the body goes
// on where it stopped, and the log line is the one that would have been written.
#include "test/unit/server/http2/peer_ask.h"

static struct peer p;

static void setup(void)
{
    host_open("location /made/ { add_header X-Made \"$request_method One\"; add_header B two;"
              " expires 1h; rewrite ^/made/(.)(.*)$ /$1$2 break; }"
              "location /set/ { set $kept \"$arg_a\"; rewrite ^/set(.*)$ $1 break; }"
              "location = /tail { return 200 body; add_trailer X-Last end; }"
              "location = /text { return 200 \"some text\"; }",
              peer_sizes, array_len(peer_sizes));
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    peer_open(&p, &window, 1);
}

static void teardown(void)
{
    peer_close(&p);
    peer_end();
}

TestSuite(http2_park, .init = setup, .fini = teardown, .timeout = 60);

// Not $request_time and its like.
static const char variables[] =
    "$request|$request_uri|$uri|$document_uri|$args|$arg_a|$is_args|$host|$http_host|"
    "$http_user_agent|$http_referer|$http_x|$cookie_c|$request_method|$request_length|$status|"
    "$sent_http_content_type|$sent_http_etag|$sent_http_x_made|$sent_http_b|$sent_http_expires|"
    "$sent_http_content_range|$sent_http_content_length|$sent_http_last_modified|$bytes_sent|"
    "$body_bytes_sent|$request_filename|$document_root|$server_name|$server_port|$scheme|"
    "$server_protocol|$http2|$remote_addr|$connection|$connection_requests|$content_length|"
    "$limit_rate|$request_id|$1|$2|$request_completion|$remote_user|$content_type|$http_range";

static struct http2_stream *first_stream(void)
{
    cr_assert_neq(p.conn->http2->nstreams, 0);
    return list_first(&p.conn->http2->streams, struct http2_stream, node);
}

static void evaluate(struct http2_stream *s, char *out, size_t size)
{
    struct conf_error error;
    struct template *t;
    struct sv text;

    cr_assert_eq(template_compile(&host.config->http->vars, sv_from(variables), NULL, &t, &error),
                 0, "%s", error.text);
    cr_assert_eq(request_eval(s->request, t, &text), 0);
    snprintf(out, size, "%.*s", SV_ARG(text));
}

// The answer is out up to its body when it is parked; the body follows in several parts.
static void check_request(const char *path, const char *host_name, const char *range, uint64_t size,
                          uint64_t from, uint64_t length)
{
    static char before[4096], after[4096];
    nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":path", path),
                       NV(":authority", host_name), NV("user-agent", "a browser"),
                       NV("cookie", "b=1; c=2"), NV("x", "y"), NV("referer", "http://here/"),
                       NV("range", range)};

    struct peer_stream *s = peer_submit(&p, nv, array_len(nv) - (range == NULL), NULL);
    s->size = size;
    s->from = from;
    s->expected = length;
    peer_run(&p);
    cr_assert(s->headed && s->got == 0);
    struct http2_stream *stream = first_stream();
    evaluate(stream, before, sizeof(before));
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(http2_stream_park(stream), "%s", path);
        cr_assert(stream->request == NULL && !http2_stream_park(stream));
        cr_assert_eq(http2_stream_unpark(stream), 0);
        evaluate(stream, after, sizeof(after));
        cr_assert_eq(strcmp(before, after), 0, "%s\n%s", before, after);
    }
    for (unsigned part = 1; !s->closed; part += 999) {
        if (first_stream()->request != NULL)
            cr_assert(http2_stream_park(first_stream()));
        cr_assert_eq(nghttp2_submit_window_update(p.session, 0, s->id, (int32_t)part), 0);
        peer_run(&p);
        cr_assert(s->closed || s->got > 0);
    }
    cr_assert(s->got == length && s->code == 0);
}

Test(http2_park, all_variables_are_as_they_were)
{
    check_request("/1000", "example.com", "bytes=0-", 1000, 0, 1000);
    check_request("/1000?a=b&c", "example.com", "bytes=10-209", 1000, 10, 200);
    // What is decoded or put in lower case does not lie in the head.
    check_request("/%31000?a=%20", "EXAMPLE.com:80", "bytes=-7", 1000, 993, 7);
    // Further fields of the answer, captures, a path of its own.
    check_request("/made/1000?a=b", "Example.com", "bytes=1-999", 1000, 1, 999);
}

Test(http2_park, what_points_to_its_arena_unknown_to_all_stays)
{
    struct peer_stream *s = peer_ask(&p, "GET", "/set/1000?a=b", NULL, 0);

    peer_run(&p);
    cr_assert(s->headed);
    cr_assert(!http2_stream_park(first_stream()));
    cr_assert_not_null(first_stream()->request);
}

Test(http2_park, memory_and_trailers_stay)
{
    (void)peer_ask(&p, "GET", "/tail", NULL, 0);
    (void)peer_ask(&p, "GET", "/text", NULL, 0);
    peer_run(&p);
    cr_assert_eq(p.conn->http2->nstreams, 2);
    cr_assert_eq(host_park(p.conn), 0);
}

Test(http2_park, a_request_that_still_moves_stays)
{
    host.cold_opens = true;
    (void)peer_get(&p, 1000);
    peer_speak(&p);
    cr_assert_eq(host_park(p.conn), 0); // its name is looked up
    host.room = 5;
    peer_run(&p);
    cr_assert_eq(host_park(p.conn), 0); // its head is not sent
    host.room = SIZE_MAX;
    peer_run(&p);
    cr_assert_eq(host_park(p.conn), 1);
}

Test(http2_park, parked_streams_are_reset_and_closed)
{
    for (unsigned i = 0; i < 20; i++)
        (void)peer_get(&p, 1000);
    peer_run(&p);
    cr_assert_eq(host_park(p.conn), 20);
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(nghttp2_submit_rst_stream(p.session, 0, p.streams[i].id, NGHTTP2_CANCEL), 0);
    peer_run(&p);
    cr_assert_eq(p.conn->http2->nstreams, 10);
    conn_close(p.conn);
    host_wait(p.number);
}

Test(http2_park, the_end_of_a_request_body_finds_its_request)
{
    nghttp2_nv nv[] = {NV(":method", "GET"), NV(":scheme", "http"), NV(":path", "/1000"),
                       NV(":authority", "a"), NV("content-length", "3")};
    int32_t id = nghttp2_submit_headers(p.session, 0, -1, NULL, nv, array_len(nv), NULL);
    struct peer_stream *s = &p.streams[p.nstreams++];

    *s = (struct peer_stream){.id = id, .size = 1000, .expected = 1000};
    peer_run(&p);
    cr_assert(s->headed);
    cr_assert_eq(host_park(p.conn), 1);
    cr_assert(host_receive(p.conn, "\0\0\2\0\0\0\0\0\1ab", 11));
    cr_assert_eq(first_stream()->request, NULL);
    cr_assert(host_receive(p.conn, "\0\0\1\0\1\0\0\0\1c", 10));
    cr_assert_not_null(first_stream()->request);
    cr_assert_eq(nghttp2_submit_window_update(p.session, 0, s->id, 1000), 0);
    peer_run(&p);
    cr_assert(s->ended && s->got == 1000);
}
