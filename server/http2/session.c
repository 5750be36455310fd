// SPDX-License-Identifier: Apache-2.0
//
// What the client says: nghttp2's callbacks become streams, fields and ends of streams. What a
// client may not do, or not so often, ends in GOAWAY with a line in the log.
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "server/http2/http2_priv.h"
#include "server/http2/park.h"
#include "server/request/request.h"
#include "server/worker.h"

void http2_fault(struct http2 *h, uint32_t code, const char *why)
{
    if (h->over)
        return;
    h->over = true;
    conn_log(h->conn, LOG_LEVEL_INFO, 0, "%s", why);
    if (nghttp2_session_terminate_session(h->session, code) != 0)
        conn_close(h->conn);
}

void http2_goaway(struct http2 *h, uint32_t code)
{
    if (h->goaway)
        return;
    h->goaway = true;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);
    if (h->reading != NULL)
        last = max_of(last, h->reading->id);
    if (nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, code, NULL, 0) != 0)
        conn_close(h->conn);
}

static void judge(struct http2 *h, const char *too_much)
{
    if (too_much != NULL)
        http2_fault(h, NGHTTP2_ENHANCE_YOUR_CALM, too_much);
}

static void count(struct http2 *h, enum http2_flood kind)
{
    judge(h, http2_floods_count(&h->floods, &conn_server(h->conn)->http2.floods, kind,
                                clock_mono_ms()));
}

static struct http2_stream *stream_of(struct http2 *h, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h->session, id);
}

// A number is used once, and numbers rise (RFC 9113, 5.1.1). What we have ended ourselves, the
// client may go on with until it hears of it.
static void check_number(struct http2 *h, int32_t id)
{
    if (id > h->last_id || id % 2 == 0 || stream_of(h, id) != NULL)
        return;
    for (size_t i = 0; i < RESETS_KNOWN; i++) {
        if (h->reset_ids[i] == id)
            return;
    }
    http2_fault(h, NGHTTP2_STREAM_CLOSED, "client sent HEADERS on a stream that is closed");
}

static int begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user_data)
{
    struct http2 *h = user_data;

    (void)session;
    switch (hd->type) {
    case NGHTTP2_HEADERS:
        check_number(h, hd->stream_id);
        break;
    case NGHTTP2_CONTINUATION:
        judge(h, http2_floods_continuation(&h->floods, &conn_server(h->conn)->http2.floods));
        if (h->reading != NULL)
            h->reading->request->request_length += hd->length;
        break;
    case NGHTTP2_SETTINGS:
        if ((hd->flags & NGHTTP2_FLAG_ACK) == 0)
            count(h, HTTP2_FLOOD_SETTINGS);
        break;
    case NGHTTP2_PING:
        if ((hd->flags & NGHTTP2_FLAG_ACK) == 0)
            count(h, HTTP2_FLOOD_PING);
        break;
    case NGHTTP2_PRIORITY:
    case NGHTTP2_PRIORITY_UPDATE:
        count(h, HTTP2_FLOOD_PRIORITY);
        if (hd->type == NGHTTP2_PRIORITY_UPDATE)
            http2_priority_begin_update(h);
        break;
    case NGHTTP2_RST_STREAM:
        count(h, HTTP2_FLOOD_RESET);
        break;
    default:
        if (hd->type > NGHTTP2_CONTINUATION)
            count(h, HTTP2_FLOOD_UNKNOWN);
        break;
    }
    bool bare = hd->length == 0 && (hd->flags & (NGHTTP2_FLAG_END_STREAM |
                                                 NGHTTP2_FLAG_END_HEADERS)) == 0;
    if (bare && (hd->type == NGHTTP2_DATA || hd->type == NGHTTP2_HEADERS ||
                 hd->type == NGHTTP2_CONTINUATION))
        count(h, HTTP2_FLOOD_EMPTY);
    // The rest of what came is not worth the work of reading it.
    return h->over ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int refuse_stream(struct http2 *h, int32_t id)
{
    h->last_id = id;
    if (nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h = user_data;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    http2_floods_block(&h->floods);
    if (h->over)
        return 0;
    // Work for streams that were reset goes on for a while: it counts.
    if (h->nstreams >= (uint64_t)conn_server(h->conn)->http2.max_concurrent_streams)
        return refuse_stream(h, frame->hd.stream_id);
    struct http2_stream *s = http2_stream_new(h, frame->hd.stream_id);
    if (s == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    s->request->request_length = frame->hd.length;
    http2_priority_opened(s, frame);
    h->reading = s;
    h->head_deadline_ms =
        clock_mono_ms() + (uint64_t)s->request->server->client_header_timeout;
    return nghttp2_session_set_stream_user_data(session, s->id, s);
}

static int field(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                 size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                 void *user_data)
{
    struct http2 *h = user_data;
    struct http2_stream *s = h->reading;

    (void)session;
    (void)flags;
    if (h->over || s == NULL || s->id != frame->hd.stream_id)
        return 0; // a trailer, discarded with the body
    if (s->request->head_len + name_len + value_len > http2_head_max(s)) {
        // A frame of 16 KiB may unfold to many MiB: nghttp2 is to leave the rest alone.
        http2_fault(h, NGHTTP2_ENHANCE_YOUR_CALM, "client sent too large header");
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    int rc = http2_field(s, sv_of((const char *)name, name_len),
                         sv_of((const char *)value, value_len));
    return rc == 0 ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void stream_ended(struct http2_stream *s)
{
    s->ended = true;
    if (http2_stream_unpark(s) != 0) {
        http2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    const struct http_head *head = &s->request->parsed;
    s->request->body_done = true;
    if (head->has_length && head->content_length != s->body_bytes && !s->closed)
        http2_stream_reset(s, NGHTTP2_PROTOCOL_ERROR);
    else
        http2_stream_resume(s);
}

static void headers_came(struct http2 *h, const nghttp2_frame *frame)
{
    struct http2_stream *s = h->reading;
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    if (s == NULL || s->id != frame->hd.stream_id) {
        s = stream_of(h, frame->hd.stream_id);
        if (s != NULL && end)
            stream_ended(s);
        return;
    }
    s->ended = end;
    h->head_deadline_ms = UINT64_MAX;
    if (!h->over)
        http2_stream_begin(s);
    h->reading = NULL;
}

// Windows that are opened by a few bytes at a time make as many frames of ours.
static void window_came(struct http2 *h, const nghttp2_frame *frame)
{
    if (frame->window_update.window_size_increment < FLOOD_WINDOW_LEAST)
        count(h, HTTP2_FLOOD_WINDOW);
}

static int frame_came(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h = user_data;
    struct http2_stream *s;

    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        headers_came(h, frame);
        break;
    case NGHTTP2_DATA:
        s = stream_of(h, frame->hd.stream_id);
        if (s != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
            stream_ended(s);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        window_came(h, frame);
        break;
    default:
        break;
    }
    http2_priority_frame(h, frame);
    return 0;
}

// Bodies are read to be dropped; nghttp2 opens the windows again.
static int data_came(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                     size_t n, void *user_data)
{
    struct http2_stream *s = stream_of(user_data, id);

    (void)session;
    (void)flags;
    (void)data;
    if (s != NULL)
        s->body_bytes += n;
    return 0;
}

static int stream_closed(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct http2 *h = user_data;
    struct http2_stream *s = stream_of(h, id);

    (void)session;
    (void)code;
    if (s == NULL)
        return 0;
    http2_stream_gone(s);
    http2_priority_closed(s);
    return 0;
}

static int frame_refused(nghttp2_session *session, const nghttp2_frame *frame, int error,
                         void *user_data)
{
    struct http2 *h = user_data;

    (void)session;
    conn_log(h->conn, LOG_LEVEL_INFO, 0, "client sent an invalid frame of type %u on stream %d: %s",
             frame->hd.type, frame->hd.stream_id, nghttp2_strerror(error));
    return 0;
}

// What the client made us end counts as if it had ended it.
static void reset_went(struct http2 *h, const nghttp2_frame *frame)
{
    uint32_t code = frame->rst_stream.error_code;

    h->reset_ids[h->reset_next++ % RESETS_KNOWN] = frame->hd.stream_id;
    if (code != NGHTTP2_NO_ERROR && code != NGHTTP2_CANCEL && code != NGHTTP2_INTERNAL_ERROR)
        count(h, HTTP2_FLOOD_PROVOKED);
}

static int frame_went(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h = user_data;
    struct http2_stream *s;

    (void)session;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        reset_went(h, frame);
    s = stream_of(h, frame->hd.stream_id);
    h->head_of = frame->hd.type == NGHTTP2_HEADERS ? s : NULL;
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    if (s != NULL && !s->ended)
        http2_stream_reset(s, NGHTTP2_NO_ERROR);
    return 0;
}

static int frame_did_not_go(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *user_data)
{
    struct http2 *h = user_data;
    struct http2_stream *s = stream_of(h, frame->hd.stream_id);

    (void)session;
    if (frame->hd.type != NGHTTP2_HEADERS || s == NULL || s->closed)
        return 0;
    conn_log(h->conn, LOG_LEVEL_ERROR, 0, "response head could not be sent: %s",
             nghttp2_strerror(error));
    http2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

const nghttp2_session_callbacks *http2_callbacks(struct worker *w)
{
    nghttp2_session_callbacks *made;

    if (w->http2.callbacks != NULL)
        return w->http2.callbacks;
    if (nghttp2_session_callbacks_new(&made) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, field);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, frame_came);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, data_came);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, stream_closed);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, frame_refused);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, frame_went);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, frame_did_not_go);
    nghttp2_session_callbacks_set_send_data_callback(made, http2_body_frame);
    nghttp2_session_callbacks_set_data_source_read_length_callback(made, http2_frame_max);
    http2_priority_callbacks(made);
    w->http2.callbacks = made;
    return made;
}
