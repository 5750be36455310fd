// SPDX-License-Identifier: Apache-2.0
//
// What the files of the connection share: conn.c (life), conn_input.c (receiving), conn_send.c
// (sending).
#pragma once

#include "lib/base/log.h"
#include "server/conn/conn.h"

void conn_set_step(struct conn *c, enum conn_step step);
// The present step may last this long from now on.
void conn_deadline(struct conn *c, int64_t delay_ms);
void conn_no_deadline(struct conn *c);
void conn_body_deadline(struct conn *c);
// The deadline has passed.
void conn_timed_out(struct conn *c);

void conn_start_receiving(struct conn *c);
// conn_writable() is called when the socket has one of the events (poll(2)); harmless while another
// wait for it is under way, which calls the same.
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
// Logs and frees the request.
void conn_end_request(struct conn *c);
// The peer is gone (reset and the like): closes, with an [info] line.
void conn_broken(struct conn *c, int err);
// The response is with the kernel: next request, discard of a body, linger, or close.
void conn_response_sent(struct conn *c);
// Something came, or still goes out, while the connection lingers.
void conn_linger_on(struct conn *c);
// The kernel had no memory for a send: it is tried again in SEND_RETRY_MS.
void conn_retry_soon(struct conn *c);
// That pause is over.
void conn_retry_send(struct conn *c);

// Completions.
void conn_received(struct op *op, int32_t res, uint32_t flags);
void conn_writable(struct op *op, int32_t res, uint32_t flags);
void conn_fetched(struct op *op, int32_t res, uint32_t flags);
