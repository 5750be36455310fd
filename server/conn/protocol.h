// SPDX-License-Identifier: Apache-2.0
//
// What a connection leaves to the protocol that is spoken on it: HTTP/1 (server/http1) or HTTP/2
// (server/http2). The connection has the socket, TLS, the timer and the operations on the ring; the
// protocol has requests, and decides what is said next. All of these are called between
// conn_enter() and conn_leave(), and not while the handshake is under way.
#pragma once

#include "lib/base/log.h"
#include "server/conn/conn.h"

struct protocol {
    // Plain text of the client's. What is not used at once is kept (conn_keep_pending).
    void (*take_in)(struct conn *c, const char *data, size_t n);
    // The client has sent its last: FIN or close_notify. c->eof is set.
    void (*end_of_stream)(struct conn *c);
    // The socket has an event that conn_wait_for() named, or the wait failed (res < 0).
    void (*writable)(struct conn *c, int32_t res);
    // SEND_RETRY_MS have passed since conn_retry_soon().
    void (*retry_send)(struct conn *c);
    // c->deadline_ms has passed.
    void (*timed_out)(struct conn *c);
    // The error lines that an answer waits for are written, or are waited for no longer.
    void (*log_settled)(struct conn *c);
    // No new requests after those that are there: c->draining is set.
    void (*drain)(struct conn *c);
    // Is an answer half said? Then the connection does not end as if all were well.
    bool (*answering)(const struct conn *c);
    // The client is gone: what was not answered gets 499.
    void (*lost)(struct conn *c);
    // The connection closes: requests end, but for those that have an operation in flight, which
    // is cancelled where it can be. True when none is left. Called again until then.
    bool (*give_up)(struct conn *c);
    // Nothing is in flight, and the connection is about to be freed.
    void (*free)(struct conn *c);
};

extern const struct protocol protocol_http1;

// What a protocol asks of its connection.
void conn_set_step(struct conn *c, enum conn_step step);
// The present step may last this long from now on.
void conn_deadline(struct conn *c, int64_t delay_ms);
void conn_no_deadline(struct conn *c);

void conn_start_receiving(struct conn *c);
// The handshake or the protocol's writable() is called when the socket has one of the events
// (poll(2)); harmless while another wait for it is under way, which calls the same.
void conn_wait_for(struct conn *c, unsigned events);
// Plain text of the client's, in any step but the handshake.
void conn_take_in(struct conn *c, const char *data, size_t n);
// Puts bytes into c->pending. The connection closes when memory is out.
void conn_keep_pending(struct conn *c, const char *data, size_t n);
void conn_drop_pending(struct conn *c);
// The client has sent its last: FIN or close_notify.
void conn_end_of_stream(struct conn *c);
// A line with nginx's suffix: ", client: 192.0.2.1, server: 0.0.0.0:443".
void conn_log(struct conn *c, enum log_level level, int err, const char *fmt, ...)
    printf_like(4, 5);
// The peer is gone (reset and the like): closes, with an [info] line.
void conn_broken(struct conn *c, int err);
// Whoever gets an answer may look for its line in the error log, and with nginx finds it there. The
// line is written by the ring; a log that takes long is not waited for. True when the answer has to
// wait: log_settled() is called.
bool conn_wait_for_log(struct conn *c);
// The kernel had no memory for a send: it is tried again in SEND_RETRY_MS.
void conn_retry_soon(struct conn *c);
