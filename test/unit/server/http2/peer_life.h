// SPDX-License-Identifier: Apache-2.0
//
// What a peer (peer.h) does. Included once in each program.
#pragma once

#include "test/unit/server/http2/peer.h"

static const uint64_t peer_sizes[] = {0, 1, 1000, 16384, 16385, 100000, 1 << 20};

void peer_open(struct peer *p, const nghttp2_settings_entry *settings, size_t n)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    memset(p, 0, sizeof(*p));
    p->goaway = -1;
    cr_assert_eq(nghttp2_session_callbacks_new(&callbacks), 0);
    cr_assert_eq(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    // What the server refuses is to be sent all the same.
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, peer_field);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, peer_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, peer_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, peer_closed);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, peer_refuses);
    cr_assert_eq(nghttp2_session_client_new2(&p->session, callbacks, p, option), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    p->conn = host_connect(&p->fd);
    p->number = p->conn->number;
    p->seen = host.nwire;
    cr_assert_eq(nghttp2_submit_settings(p->session, 0, settings, n), 0);
}

// Only AddressSanitizer has it.
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

void peer_end(void)
{
    host_close();
    if (__lsan_do_recoverable_leak_check != NULL)
        cr_assert_eq(__lsan_do_recoverable_leak_check(), 0);
}

void peer_close(struct peer *p)
{
    if (host_has(p->number))
        conn_close(p->conn);
    host_wait(p->number);
    nghttp2_session_del(p->session);
    close(p->fd);
}

// All that the client has to say, as one piece of bytes or in small ones.
static inline bool peer_speak(struct peer *p)
{
    static uint8_t all[1 << 18];
    const uint8_t *bytes;
    size_t n = 0, part;
    ssize_t more;

    while (n < sizeof(all) / 2 && (more = nghttp2_session_mem_send(p->session, &bytes)) > 0) {
        memcpy(all + n, bytes, (size_t)more);
        n += (size_t)more;
    }
    for (size_t at = 0; at < n; at += part) {
        part = p->piece == 0 ? n : host_random(p->piece) + 1;
        part = min_of(part, n - at);
        if (!host_has(p->number) || !host_receive(p->conn, all + at, part))
            return false;
    }
    return n > 0;
}

static inline bool peer_listen(struct peer *p)
{
    size_t n = host.nwire - p->seen;

    if (n == 0)
        return false;
    ssize_t used = nghttp2_session_mem_recv(p->session, (const uint8_t *)host.wire + p->seen, n);
    cr_assert_eq(used, (ssize_t)n, "%s", used < 0 ? nghttp2_strerror((int)used) : "too little");
    host.nwire = p->seen = 0;
    return true;
}

void peer_run(struct peer *p)
{
    bool moved;

    do {
        moved = peer_speak(p);
        host_turn();
        moved = peer_listen(p) || moved;
    } while (moved);
}
