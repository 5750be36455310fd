// SPDX-License-Identifier: Apache-2.0
//
// The lives of streams: ends at every moment, goodbyes, and many at a time with everything at
// random. Whatever happens, a body that arrives whole is the file's, and nothing is left behind
// (peer_end).
#include "test/unit/server/http2/peer_ask.h"

static struct peer p;

static void setup(void)
{
    host_open("location = /text { return 200 \"some text\"; }"
              "location = /tail { return 200 body; add_trailer X-Last end; }"
              "location /slow/ { rewrite ^/slow(.*)$ $1 break; limit_rate 4m; }"
              "http2_flood_limits resets=1000000 control=1000000 empty=1000000;"
              "keepalive_requests 100000; http2_max_concurrent_streams 1000;",
              peer_sizes, array_len(peer_sizes));
}

static void teardown(void)
{
    peer_close(&p);
    peer_end();
}

TestSuite(http2_streams, .init = setup, .fini = teardown, .timeout = 100);

static void reset(struct peer_stream *s)
{
    s->reset_by_us = true;
    cr_assert_eq(nghttp2_submit_rst_stream(p.session, 0, s->id, NGHTTP2_CANCEL), 0);
}

static void open_with_window(uint32_t window)
{
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
    };

    peer_open(&p, settings, array_len(settings));
    cr_assert_eq(nghttp2_session_set_local_window_size(p.session, 0, 0, INT32_MAX), 0);
    peer_run(&p);
}

static void check_alive(void)
{
    struct peer_stream *s = peer_get(&p, 1);

    peer_run(&p);
    cr_assert(s->closed && s->status == 200 && s->got == 1);
    cr_assert_eq(p.conn->http2->nstreams, 0);
    cr_assert_eq(p.goaway, -1);
}

// HEADERS without END_HEADERS, by hand: nghttp2 gives only whole ones.
static void send_bytes(const char *bytes, size_t n)
{
    cr_assert(host_receive(p.conn, bytes, n));
}

Test(http2_streams, the_client_goes_in_the_middle_of_a_head)
{
    open_with_window(65535);
    send_bytes("\0\0\1\1\1\0\0\0\1\x82", 10);
    cr_assert_eq(p.conn->http2->nstreams, 1);
    conn_close(p.conn);
    host_wait(p.number);
}

Test(http2_streams, a_reset_in_the_middle_of_a_head_is_an_error_of_the_connection)
{
    open_with_window(65535);
    send_bytes("\0\0\1\1\1\0\0\0\1\x82", 10);
    send_bytes("\0\0\4\3\0\0\0\0\1\0\0\0\x8", 13);
    peer_run(&p);
    cr_assert_eq(p.goaway_code, NGHTTP2_PROTOCOL_ERROR);
}

Test(http2_streams, a_reset_while_the_name_is_looked_up)
{
    open_with_window(65535);
    host.cold_opens = true;
    struct peer_stream *s = peer_get(&p, 1000);
    peer_speak(&p);
    cr_assert_eq(host.worker->files.opening, 1);
    reset(s);
    peer_speak(&p);
    // It stays until the look-up comes home.
    cr_assert_eq(p.conn->http2->nstreams, 1);
    peer_run(&p);
    cr_assert_eq(s->got, 0);
    check_alive();
}

Test(http2_streams, the_connection_closes_while_a_name_is_looked_up)
{
    open_with_window(65535);
    host.cold_opens = true;
    for (unsigned i = 0; i < 20; i++)
        (void)peer_get(&p, 1000);
    peer_speak(&p);
    cr_assert_eq(host.worker->files.opening, 20);
    conn_close(p.conn);
    cr_assert(host_has(p.number));
    host_wait(p.number);
}

Test(http2_streams, a_reset_while_pages_are_fetched)
{
    open_with_window(1 << 21);
    host.cold_reads = 100;
    struct peer_stream *s = peer_get(&p, 1 << 20);
    peer_speak(&p);
    cr_assert_eq(host.stats->cold_reads, 1);
    reset(s);
    peer_run(&p);
    host.cold_reads = 0;
    check_alive();
}

Test(http2_streams, a_reset_while_frames_are_queued)
{
    open_with_window(1 << 21);
    for (size_t room = 0; room < 60000; room += 1999) {
        host.room = room;
        struct peer_stream *s = peer_get(&p, 1 << 20);
        peer_speak(&p);
        host_turn();
        cr_assert_not_null(p.conn->http2->out);
        reset(s);
        peer_speak(&p);
        // What was begun is ended: frames are not torn.
        host.room = SIZE_MAX;
        peer_run(&p);
        cr_assert_lt(s->got, 1 << 20);
        check_alive();
    }
}

Test(http2_streams, resets_of_blocked_streams)
{
    open_with_window(0);
    for (unsigned i = 0; i < 100; i++)
        (void)peer_get(&p, 1000);
    peer_run(&p);
    cr_assert_eq(p.conn->http2->nstreams, 100);
    for (unsigned i = 0; i < 100; i++)
        reset(&p.streams[(i * 37) % 100]);
    peer_run(&p);
    cr_assert_eq(p.conn->http2->nstreams, 0);
    cr_assert_eq(p.goaway, -1);
}

static struct peer_stream *post(const nghttp2_nv *more)
{
    nghttp2_nv nv[] = {NV(":method", "POST"), NV(":scheme", "http"), NV(":path", "/text"),
                       NV(":authority", "a"), *more};
    struct peer_stream *s = &p.streams[p.nstreams++];

    *s = (struct peer_stream){.expected = UINT64_MAX};
    s->id = nghttp2_submit_headers(p.session, 0, -1, NULL, nv, array_len(nv), NULL);
    peer_run(&p);
    return s;
}

static ssize_t nothing(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t n,
                       uint32_t *flags, nghttp2_data_source *source, void *data)
{
    (void)session;
    (void)id;
    (void)bytes;
    (void)n;
    (void)source;
    (void)data;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 0;
}

Test(http2_streams, an_answer_ends_when_the_request_body_has)
{
    nghttp2_nv more = NV("a", "b");
    nghttp2_data_provider end = {.read_callback = nothing};

    open_with_window(65535);
    struct peer_stream *s = post(&more);
    cr_assert(s->headed && s->status == 200 && !s->ended);
    cr_assert_eq(nghttp2_submit_data(p.session, NGHTTP2_FLAG_END_STREAM, s->id, &end), 0);
    peer_run(&p);
    cr_assert(s->closed && s->ended && s->got == 9 && s->code == 0);
    check_alive();
}

Test(http2_streams, a_request_body_that_nobody_wants_is_called_off)
{
    nghttp2_nv more = NV("content-length", "2000000");

    open_with_window(65535);
    struct peer_stream *s = post(&more);
    cr_assert(s->closed && s->status == 413 && s->ended);
    cr_assert_eq(s->code, NGHTTP2_NO_ERROR);
    check_alive();
}

Test(http2_streams, goaway_of_a_drain_lets_streams_end)
{
    open_with_window(10);
    struct peer_stream *s = peer_get(&p, 1000);
    peer_run(&p);
    conn_enter(p.conn);
    conn_drain(p.conn);
    conn_leave(p.conn);
    peer_run(&p);
    cr_assert_eq(p.goaway, INT32_MAX); // first a notice (RFC 9113, 6.8)
    cr_assert_eq(p.goaway_code, NGHTTP2_NO_ERROR);
    cr_assert(!s->closed && host_has(p.number));
    peer_finish(&p);
    cr_assert(s->closed && s->code == 0);
}

Test(http2_streams, goaway_of_the_client_does_not_stop_what_is_there)
{
    open_with_window(10);
    struct peer_stream *s = peer_get(&p, 1000);
    peer_run(&p);
    cr_assert_eq(nghttp2_submit_goaway(p.session, 0, 0, NGHTTP2_NO_ERROR, NULL, 0), 0);
    peer_finish(&p);
    cr_assert(s->closed && s->code == 0 && s->got == 1000);
}

Test(http2_streams, nothing_is_begun_behind_a_fault)
{
    open_with_window(65535);
    for (unsigned i = 0; i < 10; i++)
        (void)peer_get(&p, 1000);
    host.room = 0;
    peer_speak(&p);
    send_bytes("\0\0\0\0\0\0\0\0\0", 9); // DATA on stream 0
    host.room = SIZE_MAX;
    peer_run(&p);
    cr_assert_eq(p.goaway_code, NGHTTP2_PROTOCOL_ERROR);
    cr_assert(!host_has(p.number) || p.conn->step == CONN_linger);
}
