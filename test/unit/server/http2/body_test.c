// SPDX-License-Identifier: Apache-2.0
//
// Bodies as DATA: how they are framed, what windows allow, and what waits for a disk.
#include "test/unit/server/http2/peer_ask.h"

#define WINDOW NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE

static struct peer p;
static char long_text[3001];

static void setup(void)
{
    static char server[6000];

    memset(long_text, 'x', sizeof(long_text) - 1);
    snprintf(server, sizeof(server), "location = /text { return 200 \"%s\"; }"
             "location /chunked/ { rewrite ^/chunked(.*)$ $1 break; http2_chunk_size 1000; }"
             "location = /tail { return 200 body; add_trailer X-Last end; }"
             "location /cold { limit_rate 0; }", long_text);
    host_open(server, peer_sizes, array_len(peer_sizes));
}

static void teardown(void)
{
    peer_close(&p);
    peer_end();
}

TestSuite(http2_body, .init = setup, .fini = teardown, .timeout = 60);

static void open_with_window(uint32_t bytes)
{
    nghttp2_settings_entry window = {WINDOW, bytes};

    peer_open(&p, &window, 1);
    // The connection's window stays out of it.
    cr_assert_eq(nghttp2_session_set_local_window_size(p.session, 0, 0, INT32_MAX), 0);
}

static void set_window(uint32_t bytes)
{
    nghttp2_settings_entry window = {WINDOW, bytes};

    cr_assert_eq(nghttp2_submit_settings(p.session, 0, &window, 1), 0);
    peer_run(&p);
}

static void widen(struct peer_stream *s, int32_t by)
{
    int32_t now = nghttp2_session_get_stream_local_window_size(p.session, s->id);

    cr_assert_eq(nghttp2_submit_window_update(p.session, 0, s->id, by), 0, "%d", now);
    peer_run(&p);
}

Test(http2_body, a_file_is_framed_in_full_frames)
{
    open_with_window(1 << 21);
    for (size_t i = 0; i < array_len(peer_sizes); i++) {
        struct peer_stream *s = peer_get(&p, peer_sizes[i]);
        peer_run(&p);
        cr_assert(s->closed && s->status == 200 && s->code == 0);
        cr_assert_leq(s->frames, peer_sizes[i] / 16384 + 1);
        cr_assert_eq(s->largest, min_of(peer_sizes[i], (uint64_t)16384));
    }
}

Test(http2_body, memory_is_framed_as_files_are)
{
    open_with_window(1 << 20);
    struct peer_stream *s = peer_ask(&p, "GET", "/text", NULL, 0);
    peer_expect(s, long_text);
    s->expected = sizeof(long_text) - 1;
    peer_run(&p);
    cr_assert(s->closed && s->frames == 1 && s->largest == s->expected);
}

// Parts of the file between pieces of memory: no frame has both.
Test(http2_body, ranges_mix_memory_and_file)
{
    nghttp2_nv more = NV("range", "bytes=0-19999,50000-69999");

    open_with_window(1 << 20);
    struct peer_stream *s = peer_ask(&p, "GET", "/100000", &more, 1);
    peer_run(&p);
    cr_assert(s->closed && s->status == 206 && s->got > 40000 && s->frames >= 7);
    char length[64];
    snprintf(length, sizeof(length), "content-length: %llu", (unsigned long long)s->got);
    cr_assert(peer_has_field(s, length));
}

Test(http2_body, http2_chunk_size_is_the_largest_frame)
{
    open_with_window(1 << 20);
    struct peer_stream *s = peer_ask(&p, "GET", "/chunked/16384", NULL, 0);
    peer_run(&p);
    cr_assert(s->closed && s->largest <= 1000);
}

Test(http2_body, trailers_follow_a_body_that_waited_for_windows)
{
    open_with_window(0);
    struct peer_stream *s = peer_ask(&p, "GET", "/tail", NULL, 0);
    peer_run(&p);
    cr_assert(s->headed && !s->ended && s->got == 0);
    for (unsigned i = 1; i <= 4; i++) {
        widen(s, 1);
        cr_assert_eq(s->got, i);
    }
    cr_assert(s->closed && s->ended && s->code == 0);
    cr_assert(peer_has_field(s, "x-last: end"));
}

Test(http2_body, a_window_of_nothing_lets_heads_and_empty_bodies_through)
{
    open_with_window(0);
    struct peer_stream *full = peer_get(&p, 1000), *empty = peer_get(&p, 0);
    peer_run(&p);
    cr_assert(full->headed && !full->ended && full->got == 0);
    cr_assert(empty->closed && empty->code == 0);
    set_window(1000);
    cr_assert(full->closed && full->frames == 1);
}

Test(http2_body, a_window_of_one_byte)
{
    open_with_window(1);
    struct peer_stream *s = peer_get(&p, 1000), *one = peer_get(&p, 1);
    peer_run(&p);
    cr_assert(s->got == 1 && one->closed);
    for (unsigned i = 2; i < 50; i++) {
        widen(s, 1);
        cr_assert_eq(s->got, i);
    }
    widen(s, 2000);
    cr_assert(s->closed && s->code == 0);
}

// SETTINGS change the windows of streams that are open, below zero and up again (RFC 9113, 6.9.2).
Test(http2_body, settings_move_the_windows_of_open_streams)
{
    open_with_window(50000);
    struct peer_stream *s = peer_get(&p, 100000);
    peer_run(&p);
    cr_assert_eq(s->got, 50000);
    set_window(10000);
    widen(s, 39999);
    cr_assert_eq(s->got, 50000);
    widen(s, 2);
    cr_assert_eq(s->got, 50001);
    set_window(20000);
    cr_assert_eq(s->got, 60001);
    set_window(200000);
    cr_assert(s->closed && s->code == 0);
}

Test(http2_body, the_window_of_the_connection_is_shared)
{
    nghttp2_settings_entry window = {WINDOW, 1 << 20};
    struct peer_stream *s[4];
    uint64_t sum = 0;

    peer_open(&p, &window, 1);
    for (unsigned i = 0; i < 4; i++)
        s[i] = peer_get(&p, 100000);
    peer_run(&p);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_gt(s[i]->got, 0);
        sum += s[i]->got;
    }
    cr_assert_eq(sum, 65535);
    peer_finish(&p);
}

// Nothing is looked up in vain and nothing is lost when names and pages have to be waited for.
Test(http2_body, cold_files_come_when_the_disk_has_read_them)
{
    open_with_window(1 << 21);
    host.cold_opens = true;
    for (host.cold_reads = 5; host.cold_reads <= 100; host.cold_reads += 19) {
        for (size_t i = 0; i < array_len(peer_sizes); i++)
            (void)peer_get(&p, peer_sizes[i]);
        peer_finish(&p);
    }
    for (unsigned i = 0; i < p.nstreams; i++)
        cr_assert(p.streams[i].status == 200 && p.streams[i].code == 0);
    cr_assert_gt(host.stats->cold_reads, 20);
}

// A socket that takes a few bytes at a time cuts every frame at every place.
Test(http2_body, a_socket_that_takes_little)
{
    open_with_window(1 << 20);
    for (size_t room = 1; room < 40; room += 3) {
        struct peer_stream *a = peer_get(&p, 1000), *b = peer_ask(&p, "GET", "/tail", NULL, 0);
        for (unsigned i = 0; i < 3000 && !(a->closed && b->closed); i++) {
            host.room = room;
            peer_run(&p);
        }
        cr_assert(a->closed && b->closed && a->code == 0 && b->code == 0);
    }
}
