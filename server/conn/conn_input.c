// SPDX-License-Identifier: Apache-2.0
//
// Receiving: bytes of the ring's buffers go to the handshake, to TLS, or to the protocol. What the
// protocol cannot use yet is kept pending up to a limit; beyond it receiving pauses.
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "server/conn/conn_priv.h"
#include "server/conn/conn_tls.h"
#include "server/conn/linger.h"
#include "server/bounds.h"
#include "server/request/request.h"
#include "server/worker.h"

void conn_keep_pending(struct conn *c, const char *data, size_t n)
{
    if (c->pending_off != 0 && c->pending_off == c->pending_len)
        c->pending_off = c->pending_len = 0;
    if (c->pending_len + n > c->pending_cap) {
        uint32_t cap = c->pending_cap != 0 ? c->pending_cap * 2 : 1024;
        while (cap < c->pending_len + n)
            cap *= 2;
        char *bigger = realloc(c->pending, cap);
        if (bigger == NULL) {
            conn_close(c);
            return;
        }
        c->pending = bigger;
        c->pending_cap = cap;
    }
    memcpy(c->pending + c->pending_len, data, n);
    c->pending_len += (uint32_t)n;
    if (c->pending_len - c->pending_off > CONN_PENDING_MAX && !c->read_paused) {
        c->read_paused = true;
        ring_cancel(&c->worker->ring, &c->recv);
    }
}

void conn_drop_pending(struct conn *c)
{
    free(c->pending);
    c->pending = NULL;
    c->pending_off = c->pending_len = c->pending_cap = 0;
}

void conn_take_in(struct conn *c, const char *data, size_t n)
{
    if (c->step == CONN_linger)
        conn_linger_on(c);
    else
        c->protocol->take_in(c, data, n);
}

// What the client has asked for is still answered, as nginx does for clients that close their half.
void conn_end_of_stream(struct conn *c)
{
    // Bytes of the handshake, perhaps with a request, still wait for their turn: it is seen again.
    if (c->step == CONN_handshake && c->queued)
        return;
    c->eof = true;
    if (c->step == CONN_handshake)
        conn_handshake_abandon(c, 0, "client closed the connection");
    else
        c->protocol->end_of_stream(c);
}

static void received(struct conn *c, const char *bytes, size_t n)
{
    if (c->step == CONN_handshake)
        conn_handshake_received(c, bytes, n);
    else if (c->records)
        conn_tls_received(c, bytes, n);
    else
        conn_take_in(c, bytes, n);
}

static void receive_ended(struct conn *c, int32_t res)
{
    if (c->eof)
        return;
    switch (res) {
    case -EIO:
        if (c->security == CONN_SECURITY_plain || c->records)
            conn_broken(c, EIO);
        else if (conn_tls_control(c))
            conn_start_receiving(c);
        break;
    case -EBADMSG:
    case -EMSGSIZE:
        if (c->security != CONN_SECURITY_plain && !c->records)
            conn_tls_refused(c, -res);
        else
            conn_broken(c, -res);
        break;
    case 0:
        conn_end_of_stream(c);
        break;
    case -ECANCELED:
        // Paused. Meanwhile there may be room again.
        if (c->pending_len - c->pending_off < CONN_PENDING_MAX / 2)
            conn_start_receiving(c);
        break;
    default:
        if (res > 0 || res == -ENOBUFS || res == -EINTR || res == -EAGAIN)
            conn_start_receiving(c);
        else
            conn_broken(c, -res);
        break;
    }
}

void conn_received(struct op *op, int32_t res, uint32_t flags)
{
    struct conn *c = container_of(op, struct conn, recv);

    conn_enter(c);
    if (flags & IORING_CQE_F_BUFFER) {
        if (res > 0 && c->step != CONN_closing)
            received(c, ring_buffer(&c->worker->ring, flags), (size_t)res);
        ring_buffer_return(&c->worker->ring, flags);
    }
    if (c->step != CONN_closing && !op_in_flight(op))
        receive_ended(c, res);
    conn_leave(c);
}

void conn_broken(struct conn *c, int err)
{
    if (c->step == CONN_handshake) {
        conn_handshake_abandon(c, err, "client closed the connection");
        return;
    }
    log_write(LOG_LEVEL_INFO, c->number, err, "client closed the connection prematurely");
    c->broken = true;
    c->protocol->lost(c);
    conn_close(c);
}
