// SPDX-License-Identifier: Apache-2.0
//
// Receiving over HTTP/1: bytes become request heads and dropped bodies. What comes while a request
// is being answered (pipelining) is kept pending.
#include <errno.h>
#include <sys/socket.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/http/h1.h"
#include "server/conn/protocol.h"
#include "server/bounds.h"
#include "server/http1/http1_priv.h"
#include "server/request/request.h"
#include "server/worker.h"

// Makes room for at least one more byte. The size follows nginx's buffers: the first small one,
// then large ones.
static bool grow_head(struct request *r)
{
    uint32_t cap = r->head_cap == 0 ? (uint32_t)r->h1->limits.first_buffer : r->head_cap * 2;
    uint64_t most = (uint64_t)r->h1->limits.first_buffer +
                    (uint64_t)r->h1->limits.large_count * r->h1->limits.large_size + 1;

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

static bool begin_parsing(struct request *r)
{
    const struct server_conf *server = r->server;
    struct h1_limits limits = {
        .first_buffer = (uint32_t)server->client_header_buffer_size,
        .large_size = (uint32_t)server->large_buffer_size,
        .large_count = (uint32_t)server->large_buffer_count,
        .fields = request_field_rules(server),
    };

    r->h1 = arena_alloc(&r->arena, sizeof(*r->h1));
    if (r->h1 == NULL)
        return false;
    h1_init(r->h1, &r->parsed, &r->arena, &limits);
    return true;
}

static bool begin_head(struct conn *c)
{
    c->request = request_new(c, &http1_owner);
    if (c->request == NULL || !begin_parsing(c->request)) {
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

static unsigned status_of(enum h1_result why)
{
    switch (why) {
    case H1_URI_TOO_LONG:
        return 414;
    case H1_HEADER_TOO_LARGE:
        return 494;
    case H1_BAD_VERSION:
        return 505;
    default:
        return 400;
    }
}

static const char *reason_of(const struct h1_parser *p, enum h1_result why)
{
    if (p->host_missing)
        return "client sent HTTP/1.1 request without \"Host\" header";
    switch (why) {
    case H1_URI_TOO_LONG:
        return "client sent too long URI";
    case H1_HEADER_TOO_LARGE:
        return "client sent too long header line or too many of them";
    case H1_BAD_VERSION:
        return "client sent invalid version";
    default:
        return "client sent invalid request";
    }
}

// What follows an unreadable head is of no use: all of it is taken.
static size_t reject(struct conn *c, enum h1_result why, size_t n)
{
    struct request *r = c->request;

    begin_handling(c);
    r->keep_alive = false;
    r->head_excess = true;
    request_reject(r, status_of(why), reason_of(r->h1, why));
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
    enum h1_result got = h1_head(r->h1, r->head, r->head_len);
    if (got == H1_MORE) {
        wait_for_head(c);
        return take;
    }
    if (got != H1_DONE && got != H1_METHOD_UNKNOWN)
        return reject(c, got, n);
    size_t beyond = r->head_len - r->parsed.head_len;
    r->head_len = r->parsed.head_len;
    r->request_length += r->head_len;
    r->keep_alive = r->h1->keep_alive;
    r->body_done = !r->h1->chunked && r->parsed.content_length == 0;
    begin_handling(c);
    request_begin(r);
    return take - beyond;
}

// Body bytes are read and dropped while the request is answered.
static size_t feed_body(struct conn *c, const char *data, size_t n)
{
    struct request *r = c->request;
    size_t used = 0;
    enum h1_result got = h1_body(r->h1, data, n, &used);

    r->request_length += used;
    if (got == H1_MORE) {
        if (c->step == CONN_body)
            http1_body_deadline(c);
        return used;
    }
    if (got != H1_DONE)
        r->keep_alive = false;
    r->body_done = true;
    if (c->step == CONN_body)
        http1_response_sent(c);
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
        case CONN_streams:
        case CONN_linger:
        case CONN_handshake:
        case CONN_closing:
            return n;
        }
    }
    return n;
}

void http1_pump(struct conn *c)
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
    else if (c->eof && c->step == CONN_head)
        conn_close(c);
    else if (c->eof && c->step == CONN_idle)
        http1_end(c);
}

void http1_take_in(struct conn *c, const char *data, size_t n)
{
    if (c->pending != NULL) {
        conn_keep_pending(c, data, n);
        http1_pump(c);
        return;
    }
    c->pumping = true;
    size_t used = feed(c, data, n, false);
    c->pumping = false;
    if (used < n && c->step != CONN_closing)
        conn_keep_pending(c, data + used, n - used);
}

// What the client has asked for is still answered.
void http1_end_of_stream(struct conn *c)
{
    switch ((enum conn_step)c->step) {
    case CONN_head:
        request_note_line(c->request);
        c->request->response.status = 400;
        conn_close(c);
        break;
    case CONN_idle:
    case CONN_linger:
    case CONN_body:
        if (c->pending == NULL)
            http1_end(c);
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
