// SPDX-License-Identifier: Apache-2.0
//
// Receiving: bytes of the ring's buffers become request heads and dropped bodies. What comes while
// a request is being answered (pipelining) is kept pending up to a limit; beyond it receiving
// pauses.
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "server/conn/conn_priv.h"
#include "server/conn/conn_tls.h"
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

// Makes room for at least one more byte. The size follows nginx's buffers: the first small one,
// then large ones.
static bool grow_head(struct request *r)
{
    uint32_t cap = r->head_cap == 0 ? (uint32_t)r->h1.limits.first_buffer : r->head_cap * 2;
    uint64_t most = (uint64_t)r->h1.limits.first_buffer +
                    (uint64_t)r->h1.limits.large_count * r->h1.limits.large_size + 1;

    if (cap > most)
        cap = (uint32_t)most;
    if (cap <= r->head_cap)
        return false;
    char *bigger = arena_alloc(&r->arena, cap);
    if (bigger == NULL)
        return false;
    if (r->head_len != 0)
        memcpy(bigger, r->head, r->head_len);
    r->head = bigger;
    r->head_cap = cap;
    return true;
}

static bool begin_head(struct conn *c)
{
    c->request = request_new(c);
    if (c->request == NULL) {
        conn_close(c);
        return false;
    }
    list_remove(&c->idle_node);
    return true;
}

// Part of the head stays in the buffer: now it is a slow head, with its own timeout from its first
// byte on.
static void wait_for_head(struct conn *c)
{
    char byte;

    // A reset that comes together with the bytes may wake the receive only once for both, and it
    // looks again only where bytes or a FIN are left. Once in some thousand aborted requests such a
    // connection stayed until its timeout (6.18).
    // EIO: the kernel's TLS has something for us that is not data.
    if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != EINTR &&
        errno != EIO) {
        conn_broken(c, errno);
        return;
    }
    if (c->step == CONN_head)
        return;
    conn_set_step(c, CONN_head);
    conn_deadline(c, c->request->server->client_header_timeout);
}


static void begin_handling(struct conn *c)
{
    conn_set_step(c, CONN_handle);
    conn_no_deadline(c);
}

// What follows an unreadable head is of no use: all of it is taken.
static size_t reject(struct conn *c, enum h1_result why, size_t n)
{
    begin_handling(c);
    request_reject(c->request, why);
    return n;
}

static size_t feed_head(struct conn *c, const char *data, size_t n, bool pipelined)
{
    if (c->request == NULL && !begin_head(c))
        return n;
    struct request *r = c->request;
    r->pipelined = r->pipelined || (pipelined && r->head_len == 0);
    if (r->head_len == r->head_cap && !grow_head(r))
        return reject(c, H1_HEADER_TOO_LARGE, n);
    size_t take = min_of(n, (size_t)(r->head_cap - r->head_len));
    memcpy(r->head + r->head_len, data, take);
    r->head_len += (uint32_t)take;
    enum h1_result got = h1_head(&r->h1, r->head, r->head_len);
    if (got == H1_MORE) {
        wait_for_head(c);
        return take;
    }
    if (got != H1_DONE && got != H1_METHOD_UNKNOWN)
        return reject(c, got, n);
    size_t beyond = r->head_len - r->h1.head_len;
    r->head_len = r->h1.head_len;
    begin_handling(c);
    request_begin(r);
    return take - beyond;
}

// Body bytes are read and dropped while the request is answered.
static size_t feed_body(struct conn *c, const char *data, size_t n)
{
    struct request *r = c->request;
    size_t used = 0;
    enum h1_result got = h1_body(&r->h1, data, n, &used);

    r->request_length += used;
    if (got == H1_MORE) {
        if (c->step == CONN_body)
            conn_body_deadline(c);
        return used;
    }
    if (got != H1_DONE)
        r->keep_alive = false;
    r->body_done = true;
    if (c->step == CONN_body)
        conn_response_sent(c);
    return got == H1_DONE ? used : n;
}

// `pipelined`: the bytes came before the answer to the request before them. Returns how many were
// used; fewer than n when a request in progress has to end first.
static size_t feed(struct conn *c, const char *data, size_t n, bool pipelined)
{
    size_t at = 0;

    while (at < n) {
        switch ((enum conn_step)c->step) {
        case CONN_idle:
        case CONN_head:
            at += feed_head(c, data + at, n - at, pipelined || at != 0);
            break;
        case CONN_handle:
        case CONN_send:
        case CONN_body:
            if (c->request->body_done)
                return at;
            at += feed_body(c, data + at, n - at);
            break;
        case CONN_linger:
            conn_linger_on(c);
            return n;
        case CONN_handshake:
        case CONN_closing:
            return n;
        }
    }
    return n;
}

void conn_pump(struct conn *c)
{
    if (c->pumping)
        return;
    c->pumping = true;
    while (c->step != CONN_closing && c->pending_len != c->pending_off) {
        size_t used =
            feed(c, c->pending + c->pending_off, c->pending_len - c->pending_off, true);
        c->pending_off += (uint32_t)used;
        if (used == 0)
            break;
    }
    if (c->pending != NULL && c->pending_off == c->pending_len)
        conn_drop_pending(c);
    c->pumping = false;
    if (c->step == CONN_closing)
        return;
    if (c->read_paused && c->pending_len - c->pending_off < CONN_PENDING_MAX / 2)
        conn_start_receiving(c);
    else if (c->eof && (c->step == CONN_idle || c->step == CONN_head))
        conn_close(c);
}

void conn_take_in(struct conn *c, const char *data, size_t n)
{
    if (c->pending != NULL) {
        conn_keep_pending(c, data, n);
        conn_pump(c);
        return;
    }
    c->pumping = true;
    size_t used = feed(c, data, n, false);
    c->pumping = false;
    if (used < n && c->step != CONN_closing)
        conn_keep_pending(c, data + used, n - used);
}

// The client's FIN. What it has asked for is still answered, as nginx does for clients that close
// their half.
void conn_end_of_stream(struct conn *c)
{
    // Bytes of the handshake, perhaps with a request, still wait for their turn: it is seen again.
    if (c->step == CONN_handshake && c->queued)
        return;
    c->eof = true;
    switch ((enum conn_step)c->step) {
    case CONN_handshake:
        conn_handshake_abandon(c, 0, "client closed the connection");
        break;
    case CONN_head:
        request_note_line(c->request);
        c->request->response.status = 400;
        conn_close(c);
        break;
    case CONN_idle:
    case CONN_linger:
    case CONN_body:
        if (c->pending == NULL)
            conn_close(c);
        break;
    default:
        // One whose turn has not come is not answered: as nginx, which takes it for gone.
        if (c->step == CONN_handle && c->request->limits.delayed)
            conn_broken(c, 0);
        else
            c->keep_alive = c->keep_alive && c->pending != NULL;
        break;
    }
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
    if (c->request != NULL && c->request->response.status == 0)
        c->request->response.status = 499;
    conn_close(c);
}
