// SPDX-License-Identifier: Apache-2.0
//
// HTTP/2's place among the protocols of a connection: its beginning, its deadlines, its end.
#include "server/http2/http2.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "server/bounds.h"
#include "server/conn/conn_tls.h"
#include "server/conn/linger.h"
#include "server/http2/http2_priv.h"
#include "server/request/request.h"
#include "server/worker.h"

const struct location_conf *http2_location(const struct http2 *h)
{
    return h->location != NULL ? h->location : conn_server(h->conn)->location;
}

bool http2_is_over(const struct conn *c)
{
    return c->step == CONN_closing || c->step == CONN_linger;
}

static void set_deadline(struct http2 *h)
{
    struct conn *c = h->conn;
    uint64_t now = clock_mono_ms(), first = h->head_deadline_ms;

    first = min_of(first, h->send_deadline_ms);
    first = min_of(first, h->idle_deadline_ms);
    first = min_of(first, h->drain_deadline_ms);
    if (first == UINT64_MAX)
        conn_no_deadline(c);
    else
        conn_deadline(c, first > now ? (int64_t)(first - now) : 0);
}

// Without a stream it is idle; a first request has client_header_timeout to come.
void http2_settle_step(struct http2 *h)
{
    struct conn *c = h->conn;
    bool busy = h->nstreams != 0;

    if (busy && c->step != CONN_streams) {
        list_remove(&c->idle_node);
        conn_set_step(c, CONN_streams);
        h->idle_deadline_ms = UINT64_MAX;
    } else if (!busy && h->served != c->requests) {
        list_remove(&c->idle_node);
        conn_set_step(c, CONN_idle);
        list_append(&c->worker->idle, &c->idle_node);
        h->idle_deadline_ms = clock_mono_ms() + (uint64_t)http2_location(h)->keepalive_timeout;
        h->served = c->requests;
    }
    set_deadline(h);
}

static nghttp2_option *options(struct worker *w)
{
    nghttp2_option *made;

    if (w->http2.option != NULL)
        return w->http2.option;
    if (nghttp2_option_new(&made) != 0)
        return NULL;
    // A malformed request is answered as nginx answers it (head_in.c).
    nghttp2_option_set_no_http_messaging(made, 1);
    nghttp2_option_set_server_fallback_rfc7540_priorities(made, 1);
    // PRIORITY_UPDATE is read, the others are counted.
    for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++)
        nghttp2_option_set_user_recv_extension_type(made, (uint8_t)type);
    // What there may be too many of is counted by us (floods.h), and answered with GOAWAY.
    nghttp2_option_set_max_continuations(made, SIZE_MAX);
    nghttp2_option_set_stream_reset_rate_limit(made, UINT64_MAX, UINT64_MAX);
    nghttp2_option_set_no_closed_streams(made, 1);
    w->http2.option = made;
    return made;
}

static bool submit_settings(struct http2 *h)
{
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
         (uint32_t)conn_server(h->conn)->http2.max_concurrent_streams},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };

    // Bodies are dropped, so there is always room for more of them.
    return nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
                                   array_len(settings)) == 0 &&
           nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, INT32_MAX) == 0;
}

static bool open_session(struct http2 *h)
{
    struct worker *w = h->conn->worker;
    const nghttp2_session_callbacks *callbacks = http2_callbacks(w);
    nghttp2_option *option = options(w);

    if (callbacks == NULL || option == NULL)
        return false;
    return nghttp2_session_server_new2(&h->session, callbacks, h, option) == 0 &&
           submit_settings(h);
}

void http2_begin(struct conn *c)
{
    struct http2 *h = calloc(1, sizeof(*h));

    c->protocol = &protocol_http2;
    c->http2 = h;
    if (h == NULL) {
        conn_close(c);
        return;
    }
    h->magic = HTTP2_MAGIC;
    h->conn = c;
    list_init(&h->streams);
    http2_priority_init(h);
    h->head_deadline_ms = h->send_deadline_ms = h->drain_deadline_ms = UINT64_MAX;
    h->idle_deadline_ms =
        clock_mono_ms() + (uint64_t)conn_server(h->conn)->client_header_timeout;
    if (!open_session(h)) {
        conn_log(c, LOG_LEVEL_ALERT, ENOMEM, "HTTP/2 could not be begun");
        conn_close(c);
        return;
    }
    if (c->draining)
        protocol_http2.drain(c);
    http2_send(h);
}

// Frames that nghttp2 may keep for a client that does not read: an answer to each stream, and what
// it owes to a thousand frames of other kinds.
static size_t queue_max(const struct http2 *h)
{
    return (size_t)conn_server(h->conn)->http2.max_concurrent_streams + HTTP2_QUEUE_SPARE;
}

static uint32_t code_of(int error)
{
    return error == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
}

static void receive(struct http2 *h, const char *data, size_t n)
{
    ssize_t used = 0;

    if (!h->over && n != 0)
        used = nghttp2_session_mem_recv(h->session, (const uint8_t *)data, n);
    if (used == NGHTTP2_ERR_NOMEM)
        conn_close(h->conn);
    else if (used < 0)
        http2_fault(h, code_of((int)used), nghttp2_strerror((int)used));
    else if (nghttp2_session_get_outbound_queue_size(h->session) > queue_max(h))
        http2_fault(h, NGHTTP2_ENHANCE_YOUR_CALM, "too many answers wait for the client");
}

// A client may acknowledge our SETTINGS in the place of its own, as those do that were tried with
// nginx alone; nghttp2 insists on RFC 9113, 3.4. So it is told of an empty one.
static void receive_preface(struct http2 *h)
{
    static const char empty[FRAME_HEADER] = {[3] = NGHTTP2_SETTINGS};
    const char *frame = h->preface + NGHTTP2_CLIENT_MAGIC_LEN;

    receive(h, h->preface, NGHTTP2_CLIENT_MAGIC_LEN);
    if (frame[3] == NGHTTP2_SETTINGS && (frame[4] & NGHTTP2_FLAG_ACK) != 0) {
        h->skip_ack = true;
        receive(h, empty, sizeof(empty));
    }
    receive(h, frame, FRAME_HEADER);
}

// How many of the bytes are of the preface.
static size_t take_preface(struct http2 *h, const char *data, size_t n)
{
    size_t part = min_of(n, (size_t)(PREFACE_MAX - h->npreface));
    size_t magic = min_of(h->npreface + part, (size_t)NGHTTP2_CLIENT_MAGIC_LEN);

    memcpy(h->preface + h->npreface, data, part);
    h->npreface = (uint8_t)(h->npreface + part);
    if (memcmp(h->preface, NGHTTP2_CLIENT_MAGIC, magic) != 0)
        http2_fault(h, NGHTTP2_PROTOCOL_ERROR, "client sent an invalid connection preface");
    else if (h->npreface == PREFACE_MAX)
        receive_preface(h);
    return part;
}

static void take_in(struct conn *c, const char *data, size_t n)
{
    struct http2 *h = c->http2;
    size_t preface = 0;

    check_magic(h, HTTP2_MAGIC);
    if (h->npreface < PREFACE_MAX)
        preface = take_preface(h, data, n);
    receive(h, data + preface, n - preface);
    http2_send(h);
}

// There is no half of a connection: windows and acknowledgements come from the client all the time.
static void end_of_stream(struct conn *c)
{
    struct http2 *h = c->http2;

    if (h->nstreams == 0 && h->out == NULL) {
        conn_linger_note(c, http2_location(h));
        conn_end(c);
    } else {
        conn_broken(c, 0);
    }
}

static void writable(struct conn *c, int32_t res)
{
    if (res < 0)
        conn_broken(c, -res);
    else
        http2_send(c->http2);
    if (c->http2->out == NULL)
        conn_tls_flush(c);
}

static void send_again(struct conn *c)
{
    http2_send(c->http2);
}

// The client knows by now that it is not to begin anything, or had its time.
static void leave(struct http2 *h)
{
    h->idle_deadline_ms = h->drain_deadline_ms = UINT64_MAX;
    http2_goaway(h, NGHTTP2_NO_ERROR);
    http2_send(h);
}

static void timed_out(struct conn *c)
{
    struct http2 *h = c->http2;
    uint64_t now = clock_mono_ms();

    if (c->awaits_log) {
        conn_log_settled(c);
    } else if (h->send_deadline_ms <= now) {
        conn_log(c, LOG_LEVEL_INFO, ETIMEDOUT, "client timed out while sending to client");
        c->reset_on_close = http2_location(h)->reset_timedout_connection;
        c->broken = true;
        conn_close(c);
    } else if (h->head_deadline_ms <= now) {
        h->head_deadline_ms = UINT64_MAX;
        http2_fault(h, NGHTTP2_ENHANCE_YOUR_CALM,
                    "client timed out while reading client request headers");
        http2_send(h);
    } else {
        leave(h);
    }
}

// A client with streams is told first that an end is coming, so that what it has on its way is
// still answered (RFC 9113, 6.8); an idle one has as long to begin something.
static void drain(struct conn *c)
{
    struct http2 *h = c->http2;
    int64_t grace = max_of((int64_t)DRAIN_IDLE_GRACE_MS, http2_location(h)->keepalive_min_timeout);

    if (http2_is_over(c) || h->goaway)
        return;
    h->drain_deadline_ms = clock_mono_ms() + (uint64_t)grace;
    if (h->nstreams != 0 && nghttp2_submit_shutdown_notice(h->session) != 0)
        conn_close(c);
    http2_send(h);
}

static bool answering(const struct conn *c)
{
    return c->http2 != NULL && (c->http2->nstreams != 0 || c->http2->out != NULL);
}

// give_up() follows, which answers for all of them.
static void lost(struct conn *c)
{
    (void)c;
}

static bool give_up(struct conn *c)
{
    struct http2 *h = c->http2;

    if (h == NULL)
        return true;
    http2_out_drop(h);
    list_each_safe (node, &h->streams) {
        struct http2_stream *s = container_of(node, struct http2_stream, node);
        if (!s->closed)
            (void)nghttp2_session_set_stream_user_data(h->session, s->id, NULL);
        http2_stream_gone(s);
        (void)http2_stream_release(s);
    }
    return h->nstreams == 0;
}

static void free_session(struct conn *c)
{
    struct http2 *h = c->http2;

    if (h == NULL)
        return;
    nghttp2_session_del(h->session);
    http2_priority_free(h);
    h->magic = 0;
    free(h);
}

const struct protocol protocol_http2 = {
    .take_in = take_in,
    .end_of_stream = end_of_stream,
    .writable = writable,
    .retry_send = send_again,
    .timed_out = timed_out,
    .log_settled = send_again,
    .drain = drain,
    .answering = answering,
    .lost = lost,
    .give_up = give_up,
    .free = free_session,
};
