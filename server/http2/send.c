// SPDX-License-Identifier: Apache-2.0
//
// What is said: frames of nghttp2's choice are put together until there are enough for a send, and
// go out through the transport. What a full socket leaves stays as it is; nothing further is made
// then, so that a stream that is more urgent overtakes all but those.
#include <poll.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "server/bounds.h"
#include "server/conn/linger.h"
#include "server/http2/http2.h"
#include "server/http2/http2_priv.h"
#include "server/request/request.h"
#include "server/worker.h"

#define FREE_OUTS_MAX 8

static struct http2_out *out_take(struct worker *w)
{
    struct http2_out *out = w->http2.free_outs;

    if (out != NULL) {
        w->http2.free_outs = out->next_free;
        w->http2.nfree_outs--;
    } else {
        out = malloc(sizeof(*out));
    }
    if (out != NULL) {
        out->first = out->n = 0;
        out->nbytes = 0;
        out->body = 0;
    }
    return out;
}

static void out_give(struct worker *w, struct http2_out *out)
{
    if (w->http2.nfree_outs >= FREE_OUTS_MAX) {
        free(out);
        return;
    }
    out->next_free = w->http2.free_outs;
    w->http2.free_outs = out;
    w->http2.nfree_outs++;
}

void http2_worker_free(struct worker *w)
{
    while (w->http2.free_outs != NULL) {
        struct http2_out *out = w->http2.free_outs;
        w->http2.free_outs = out->next_free;
        free(out);
    }
    nghttp2_session_callbacks_del(w->http2.callbacks);
    nghttp2_option_del(w->http2.option);
}

bool http2_out_has_room(const struct http2 *h)
{
    const struct http2_out *out = h->out;

    return out->n + 2 <= OUT_UNITS && out->nbytes + OUT_BYTES_SPARE <= OUT_BYTES &&
           out->body < HTTP2_BATCH_MAX;
}

struct unit *http2_out_unit(struct http2 *h, struct http2_stream *s)
{
    struct http2_out *out = h->out;
    struct unit *u = &out->units[out->n++];

    check(out->n <= OUT_UNITS);
    *u = (struct unit){.at = FRAME_HEADER};
    if (s != NULL) {
        u->request = s->request;
        s->queued++;
    }
    return u;
}

void http2_out_drop(struct http2 *h)
{
    struct http2_out *out = h->out;

    if (out == NULL)
        return;
    for (unsigned i = out->first; i < out->n; i++) {
        if (out->units[i].request != NULL)
            ((struct http2_stream *)out->units[i].request->stream)->queued--;
    }
    h->out = NULL;
    out_give(h->conn->worker, out);
}

// One frame or several without a body of ours.
static void add_bytes(struct http2 *h, const uint8_t *p, size_t n)
{
    struct http2_out *out = h->out;

    if (h->skip_ack && p[3] == NGHTTP2_SETTINGS && (p[4] & NGHTTP2_FLAG_ACK) != 0) {
        h->skip_ack = false;
        return;
    }
    struct http2_stream *s = h->head_of;
    struct unit *last = out->n != out->first ? &out->units[out->n - 1] : NULL;
    char *at = out->bytes + out->nbytes;

    h->head_of = NULL;
    memcpy(at, p, n);
    out->nbytes += (uint32_t)n;
    if (s != NULL && s->request->response.header_bytes == 0)
        s->request->response.header_bytes = n;
    bool joins = last != NULL && last->len == 0 && last->p + last->n == at && s == NULL &&
                 last->request == NULL;
    if (joins) {
        last->n += (uint32_t)n;
        return;
    }
    struct unit *u = http2_out_unit(h, s);
    u->p = at;
    u->n = (uint32_t)n;
}

// False when nghttp2 has failed. h->out is NULL when there is nothing to say.
static bool collect(struct http2 *h)
{
    ssize_t n = 1;

    if (nghttp2_session_want_write(h->session) == 0 && !http2_priority_stalled(h))
        return true;
    h->out = out_take(h->conn->worker);
    if (h->out == NULL)
        return false;
    h->batch++;
    while (n > 0 && http2_out_has_room(h)) {
        const uint8_t *p;
        n = nghttp2_session_mem_send(h->session, &p);
        if (n > 0)
            add_bytes(h, p, (size_t)n);
        else if (n == 0 && http2_out_has_room(h) && http2_priority_stalled(h))
            n = 1;
    }
    if (h->out->n == 0) {
        out_give(h->conn->worker, h->out);
        h->out = NULL;
    }
    return n >= 0;
}

static void count_off(struct http2 *h, size_t sent)
{
    struct http2_out *out = h->out;

    for (size_t i = 0; i < sent; i++) {
        struct request *r = out->units[out->first + i].request;
        if (r != NULL)
            ((struct http2_stream *)r->stream)->queued--;
    }
    out->first += (unsigned)sent;
}

static enum transport_result send_out(struct http2 *h)
{
    struct conn *c = h->conn;
    struct http2_out *out = h->out;
    uint64_t before = c->taken;
    size_t sent = 0;
    enum transport_result rc = units_send(c, out->units + out->first, out->n - out->first, &sent);

    if (c->taken != before)
        h->send_deadline_ms = UINT64_MAX;
    http2_floods_sent(&h->floods, &conn_server(h->conn)->http2.floods, c->taken - before);
    count_off(h, sent);
    if (rc == TRANSPORT_DONE) {
        h->out = NULL;
        out_give(c->worker, out);
    }
    return rc;
}

static enum transport_result pump(struct http2 *h)
{
    uint64_t begin = h->conn->taken;
    enum transport_result rc = TRANSPORT_DONE;

    for (;;) {
        if (h->out == NULL && !collect(h))
            return TRANSPORT_ERROR;
        if (h->out == NULL)
            return TRANSPORT_DONE;
        if (h->conn->taken - begin >= SEND_QUANTUM)
            return TRANSPORT_AGAIN;
        rc = send_out(h);
        if (rc != TRANSPORT_DONE)
            return rc;
    }
}

static void wait_for_room(struct http2 *h)
{
    struct conn *c = h->conn;
    const struct location_conf *l = http2_location(h);

    if (h->send_deadline_ms == UINT64_MAX)
        h->send_deadline_ms = clock_mono_ms() + (uint64_t)l->send_timeout;
    conn_wait_for(c, POLLOUT);
}

static void release_streams(struct http2 *h)
{
    list_each_safe (node, &h->streams)
        (void)http2_stream_release(container_of(node, struct http2_stream, node));
}

// All was said.
static void finish(struct http2 *h)
{
    const struct location_conf *l = http2_location(h);

    conn_linger_note(h->conn, l);
    if (l->lingering_close == LINGER_OFF)
        conn_end(h->conn);
    else
        conn_linger(h->conn);
}

static void settle(struct http2 *h, enum transport_result rc)
{
    struct conn *c = h->conn;

    if (rc == TRANSPORT_ERROR) {
        c->broken = true;
        conn_close(c);
        return;
    }
    release_streams(h);
    if (rc == TRANSPORT_AGAIN)
        wait_for_room(h);
    else if (rc == TRANSPORT_RETRY)
        conn_retry_soon(c);
    else if (rc == TRANSPORT_DONE && !nghttp2_session_want_read(h->session) &&
             !nghttp2_session_want_write(h->session))
        finish(h);
}

void http2_send(struct http2 *h)
{
    struct conn *c = h->conn;

    if (h->sending || c->awaits_log || http2_is_over(c))
        return;
    h->sending = true;
    enum transport_result rc = pump(h);
    h->sending = false;
    if (c->step != CONN_closing)
        settle(h, rc);
    if (!http2_is_over(c))
        http2_settle_step(h);
}
