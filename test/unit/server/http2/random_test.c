// SPDX-License-Identifier: Apache-2.0
//
// Several hundred streams of one connection with everything at random: what is asked for, windows,
// resets, priorities, what is parked, how much the socket takes, what the page cache has, and in
// which pieces the client's bytes come. What arrives whole is compared byte by byte.
#include "test/unit/server/http2/peer_ask.h"

#define STREAMS 600

static struct peer p;
static unsigned parked;

static void setup(void)
{
    host_open("location = /text { return 200 \"some text\"; }"
              "location = /tail { return 200 body; add_trailer X-Last end; }"
              "location /chunked/ { rewrite ^/chunked(.*)$ $1 break; http2_chunk_size 700; }"
              "location /rated/ { rewrite ^/rated(.*)$ $1 break; limit_rate 40m; }"
              "http2_flood_limits resets=1000000 control=1000000 empty=1000000;"
              "keepalive_requests 100000; http2_max_concurrent_streams 150;",
              peer_sizes, array_len(peer_sizes));
    host.cold_opens = true;
}

static void teardown(void)
{
    peer_close(&p);
    peer_end();
}

TestSuite(http2_random, .init = setup, .fini = teardown, .timeout = 100);

static void ask_for_a_range(uint64_t size)
{
    uint64_t from = host_random((unsigned)size), to = from + host_random((unsigned)(size - from));
    char path[32], range[64];
    nghttp2_nv more = NV("range", range);

    more.valuelen = (size_t)snprintf(range, sizeof(range), "bytes=%llu-%llu",
                                     (unsigned long long)from, (unsigned long long)to);
    snprintf(path, sizeof(path), "/%llu", (unsigned long long)size);
    struct peer_stream *s = peer_ask(&p, "GET", path, &more, 1);
    s->size = size;
    s->from = from;
    s->expected = to - from + 1;
}

static void ask(void)
{
    uint64_t size = peer_sizes[1 + host_random(array_len(peer_sizes) - 1)];
    static const char *const folders[] = {"", "", "/chunked", "/rated"};
    char path[32];
    struct peer_stream *s;

    switch (host_random(8)) {
    case 0:
        ask_for_a_range(size);
        return;
    case 1:
        s = peer_ask(&p, "GET", "/tail", NULL, 0);
        peer_expect(s, "body");
        s->expected = 4;
        return;
    case 2:
        s = peer_ask(&p, "HEAD", "/text", NULL, 0);
        s->expected = 0;
        return;
    case 3:
        (void)peer_ask(&p, "GET", host_random(2) ? "/none" : "bad", NULL, 0);
        return;
    default:
        snprintf(path, sizeof(path), "%s/%llu", folders[host_random(4)],
                 (unsigned long long)size);
        s = peer_ask(&p, "GET", path, NULL, 0);
        s->size = s->expected = size;
    }
}

static void change_something(void)
{
    struct peer_stream *s = &p.streams[host_random(p.nstreams)];
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    nghttp2_priority_spec spec;

    switch (host_random(30)) {
    case 0:
        window.value = host_random(3) == 0 ? host_random(100) : host_random(200000);
        cr_assert_eq(nghttp2_submit_settings(p.session, 0, &window, 1), 0);
        break;
    case 1:
        s->reset_by_us = true;
        if (!s->closed)
            cr_assert_eq(nghttp2_submit_rst_stream(p.session, 0, s->id, NGHTTP2_CANCEL), 0);
        break;
    case 2:
        nghttp2_priority_spec_init(&spec, p.streams[host_random(p.nstreams)].id,
                                   (int32_t)host_random(256) + 1, (int)host_random(2));
        if (spec.stream_id != s->id)
            (void)nghttp2_submit_priority(p.session, 0, s->id, &spec);
        break;
    case 3:
        cr_assert_eq(nghttp2_submit_ping(p.session, 0, NULL), 0);
        break;
    default:
        if (!s->closed)
            peer_consume(&p, s);
    }
}

static void turn(void)
{
    if (p.nstreams < STREAMS && p.nstreams - p.nclosed < 120 && host_random(3) != 0)
        ask();
    if (p.nstreams != 0)
        change_something();
    if (host_random(4) == 0)
        host.room = host_random(5) == 0 ? SIZE_MAX : host_random(1u << host_random(20));
    host.cold_reads = host_random(4) == 0 ? host_random(101) : host.cold_reads;
    if (host_random(8) == 0)
        parked += host_park(p.conn);
    peer_speak(&p);
    check(ring_turn(&host.worker->ring, false) == 0);
    peer_listen(&p);
}

static void play(unsigned seed, unsigned piece)
{
    unsigned whole = 0;

    parked = 0;
    peer_open(&p, NULL, 0);
    host.seed = seed;
    p.piece = piece;
    while (p.nstreams < STREAMS || (p.nclosed < p.nstreams && host_random(500) != 0))
        turn();
    host.room = SIZE_MAX;
    host.cold_reads = 0;
    nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 21};
    cr_assert_eq(nghttp2_submit_settings(p.session, 0, &window, 1), 0);
    peer_finish(&p);
    for (unsigned i = 0; i < p.nstreams; i++) {
        const struct peer_stream *s = &p.streams[i];
        cr_assert(s->reset_by_us || (s->ended && s->code == 0 && s->status != 0));
        whole += s->ended;
    }
    cr_assert_gt(whole, STREAMS / 2);
    cr_assert_gt(parked, STREAMS / 2);
    cr_assert_eq(p.goaway, -1);
    cr_assert_eq(p.conn->http2->nstreams, 0);
}

Test(http2_random, as_it_comes)
{
    play(1, 0);
}

Test(http2_random, in_small_pieces)
{
    play(2, 7);
}

Test(http2_random, in_large_pieces)
{
    for (unsigned i = 0; i < 3; i++) {
        play(100 + i, 300);
        if (i < 2)
            peer_close(&p);
    }
}
