// SPDX-License-Identifier: Apache-2.0
//
// A stream: a request of HTTP/2 from its first field to its last frame. Stream and request
// are gone when nghttp2 has forgotten the stream, its frames are sent, and nothing of the request
// is in flight.
#include <errno.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "server/bounds.h"
#include "server/http2/http2_priv.h"
#include "server/http2/park.h"
#include "server/limits/limit_conn.h"
#include "server/request/request.h"
#include "server/transport/body.h"
#include "server/worker.h"

static void timer_fired(struct timer *t);

struct http2_stream *http2_stream_new(struct http2 *h, int32_t id)
{
    struct request *r = request_new(h->conn, &http2_owner);
    struct http2_stream *s;

    if (r == NULL)
        return NULL;
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        request_end(r);
        return NULL;
    }
    s->http2 = h;
    s->request = r;
    s->id = id;
    timer_init(&s->timer, timer_fired);
    priority_stream_init(&s->priority, id);
    r->stream = s;
    r->parsed.http_major = 2;
    h->last_id = id;
    list_append(&h->streams, &s->node);
    h->nstreams++;
    return s;
}

void http2_stream_begin(struct http2_stream *s)
{
    struct request *r = s->request;
    const char *why = NULL;
    unsigned refused = http2_head_end(s, &why);

    http2_priority_field(s);
    r->keep_alive = true;
    r->body_done = s->ended;
    if (conn_is_spent(s->http2->conn, r->location))
        http2_goaway(s->http2, NGHTTP2_NO_ERROR);
    if (refused != 0)
        request_reject(r, refused, why);
    else
        request_begin(r);
}

bool http2_stream_release(struct http2_stream *s)
{
    struct http2 *h = s->http2;
    struct request *r = s->request;

    if (!s->closed || s->queued != 0 || (r != NULL && request_in_flight(r)))
        return false;
    if (http2_stream_unpark(s) != 0)
        http2_stream_drop_parked(s);
    r = s->request;
    timer_cancel(&h->conn->worker->ring.wheel, &s->timer);
    http2_priority_closed(s);
    list_remove(&s->node);
    h->nstreams--;
    if (h->reading == s)
        h->reading = NULL;
    if (r != NULL) {
        h->location = r->location;
        request_end(r);
    }
    free(s);
    return true;
}

void http2_stream_gone(struct http2_stream *s)
{
    struct request *r = s->request;

    s->closed = true;
    if (r == NULL)
        return;
    if (r->response.status == 0)
        r->response.status = 499;
    // The next HEADERS may stand in the same buffer, and is not to count this one.
    limit_conn_leave(r);
    ring_cancel(&s->http2->conn->worker->ring, &r->fetch);
}

void http2_stream_reset(struct http2_stream *s, uint32_t code)
{
    if (!s->closed && nghttp2_submit_rst_stream(s->http2->session, NGHTTP2_FLAG_NONE, s->id,
                                                code) != 0)
        conn_close(s->http2->conn);
}

void http2_stream_resume(struct http2_stream *s)
{
    if (!s->deferred || s->closed)
        return;
    s->deferred = false;
    http2_priority_resume(s);
}

void http2_stream_wait(struct http2_stream *s, enum stream_wait what, uint64_t ms)
{
    s->wait = (uint8_t)what;
    timer_arm(&s->http2->conn->worker->ring.wheel, &s->timer, ms);
}

static void begin_progress(struct http2_stream *s)
{
    uint64_t timeout = (uint64_t)s->request->location->send_timeout;

    s->progress_ms = clock_mono_ms();
    s->progress = s->request->response.sent_bytes;
    s->taken = s->http2->conn->taken;
    http2_stream_wait(s, WAIT_PROGRESS, min_of(timeout, (uint64_t)HTTP2_PARK_MS));
}

// A client that opens its window by a few bytes now and then is as good as one that does not. What
// waits for us (a disk), or for its turn while others go on, is not the client's fault.
static bool has_moved(const struct http2_stream *s)
{
    const struct request *r = s->request;
    uint64_t least = r->limit_rate != 0 ? 1 : HTTP2_PROGRESS_MIN;
    uint64_t moved = priority_is_ready(&s->priority) ? s->http2->conn->taken - s->taken
                                                     : r->response.sent_bytes - s->progress;

    return s->deferred || moved >= least;
}

// A stream that is parked has not moved for all of its time.
static void check_progress(struct http2_stream *s)
{
    const struct request *r = s->request;
    uint64_t now = clock_mono_ms();

    if (r != NULL && has_moved(s)) {
        begin_progress(s);
        return;
    }
    uint64_t end = r != NULL ? s->progress_ms + (uint64_t)r->location->send_timeout : now;
    if (end > now) {
        bool parked = !priority_is_ready(&s->priority) && http2_stream_park(s);
        http2_stream_wait(s, WAIT_PROGRESS,
                          parked ? end - now : min_of(end - now, (uint64_t)HTTP2_PARK_MS));
        return;
    }
    if (http2_stream_unpark(s) == 0)
        request_log(s->request, LOG_LEVEL_INFO, ETIMEDOUT, "client timed out");
    http2_stream_reset(s, NGHTTP2_CANCEL);
    http2_goaway(s->http2, NGHTTP2_ENHANCE_YOUR_CALM);
}

static bool is_too_much(const struct http2_stream *s)
{
    int64_t most = s->request->location->client_max_body_size;

    return most != 0 && max_of(s->body_bytes, s->request->parsed.content_length) > (uint64_t)most;
}

bool http2_stream_holds_end(struct http2_stream *s)
{
    if (s->ended || s->waited || is_too_much(s))
        return false;
    s->body_seen = s->body_bytes;
    s->hold_until_ms = clock_mono_ms() + (uint64_t)s->request->location->lingering_time;
    http2_stream_wait(s, WAIT_BODY, HTTP2_HOLD_MS);
    return true;
}

// For as long as the body comes, and not for ever.
static void check_body(struct http2_stream *s)
{
    if (s->body_bytes != s->body_seen && clock_mono_ms() < s->hold_until_ms) {
        s->body_seen = s->body_bytes;
        http2_stream_wait(s, WAIT_BODY, HTTP2_HOLD_MS);
        return;
    }
    s->waited = true;
    http2_stream_resume(s);
}

static void timer_fired(struct timer *t)
{
    struct http2_stream *s = container_of(t, struct http2_stream, timer);
    struct http2 *h = s->http2;
    struct conn *c = h->conn;
    enum stream_wait what = (enum stream_wait)s->wait;

    s->wait = WAIT_NOTHING;
    if (s->closed || http2_is_over(c))
        return;
    conn_enter(c);
    switch (what) {
    case WAIT_TURN:
        s->request->limits.delayed = false;
        request_resume(s->request);
        break;
    case WAIT_RATE:
        begin_progress(s);
        http2_stream_resume(s);
        break;
    case WAIT_PROGRESS:
        check_progress(s);
        break;
    case WAIT_BODY:
        check_body(s);
        break;
    case WAIT_NOTHING:
        break;
    }
    http2_send(h);
    conn_leave(c);
}

static void respond(struct request *r)
{
    struct http2_stream *s = r->stream;
    struct http2 *h = s->http2;

    if (s->closed || http2_is_over(h->conn))
        return;
    // Frames of all streams wait then (http2_send).
    if (r->logged)
        conn_wait_for_log(h->conn);
    s->responded = true;
    s->started_ms = clock_mono_ms();
    if (http2_head_submit(s) != 0) {
        http2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    http2_priority_responded(s);
    if (s->wait != WAIT_BODY)
        begin_progress(s);
}

static void abandon(struct request *r)
{
    http2_stream_reset(r->stream, NGHTTP2_INTERNAL_ERROR);
}

static void delay(struct request *r, uint64_t delay_ms)
{
    r->limits.delayed = true;
    http2_stream_wait(r->stream, WAIT_TURN, delay_ms);
}

static void ready(struct request *r)
{
    struct http2_stream *s = r->stream;
    struct http2 *h = s->http2;

    if (http2_is_over(h->conn))
        return;
    if (!s->closed)
        request_resume(r);
    http2_send(h);
}

// A unit whose pages have left the memory again is fetched, too (units_send): then all of the
// connection waits for it.
static void fetched(struct request *r, int32_t res)
{
    struct http2_stream *s = r->stream;
    struct http2 *h = s->http2;

    if (http2_is_over(h->conn))
        return;
    if (body_fetch_done(r, res)) {
        http2_stream_resume(s);
    } else if (s->queued != 0) {
        conn_close(h->conn);
        return;
    } else {
        http2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
    }
    http2_send(h);
}

static struct sv doing(const struct request *r)
{
    const struct http2_stream *s = r->stream;

    return s->responded ? SV(" while sending response to client")
           : s->http2->reading == s ? SV(" while reading client request headers")
                                    : sv_of(NULL, 0);
}

const struct request_owner http2_owner = {
    .respond = respond,
    .abandon = abandon,
    .delay = delay,
    .ready = ready,
    .fetched = fetched,
    .doing = doing,
};
