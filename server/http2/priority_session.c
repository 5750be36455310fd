// SPDX-License-Identifier: Apache-2.0
//
// See the header. We send SETTINGS_NO_RFC7540_PRIORITIES, which asks clients for RFC 9218; where
// the client does not, nghttp2's fallback goes on with RFC 7540 and lets us see what it says. Its
// own tree then has equal weights to share by, or is asked for nothing but one stream at a time.
#include "server/http2/priority_session.h"

#include <stdlib.h>

#include "server/http2/http2.h"
#include "server/http2/http2_priv.h"
#include "server/http2/priority_tree.h"
#include "server/http2/priority_updates.h"
#include "server/request/request.h"

static bool is_shared(const struct http2 *h)
{
    return h->priority.list.mode == PRIORITY_SHARED;
}

static void resume(struct http2_stream *s)
{
    if (nghttp2_session_resume_data(s->http2->session, s->id) != 0)
        http2_stream_reset(s, NGHTTP2_INTERNAL_ERROR);
}

// Lets those go on whose turn it has become.
static void advance(struct http2 *h)
{
    struct priority_stream *p;

    while ((p = priority_resume(&h->priority.list)) != NULL)
        resume(container_of(p, struct http2_stream, priority));
}

// Is it only a matter of its turn?
static void review(struct http2_stream *s)
{
    bool has_body = s->request == NULL || s->request->response.body != NULL; // NULL: parked
    bool has_data = s->responded && !s->closed && !s->deferred && has_body;

    if (has_data && nghttp2_session_get_stream_remote_window_size(s->http2->session, s->id) > 0)
        priority_ready(&s->http2->priority.list, &s->priority);
    else
        priority_remove(&s->priority);
}

static void review_all(struct http2 *h)
{
    if (is_shared(h))
        return;
    list_each (node, &h->streams)
        review(container_of(node, struct http2_stream, node));
    advance(h);
}

static void drop_tree(struct http2 *h)
{
    if (h->priority.tree == NULL)
        return;
    list_each (node, &h->streams)
        container_of(node, struct http2_stream, node)->priority.node = NULL;
    priority_tree_free(h->priority.tree);
    h->priority.tree = NULL;
}

static void set_mode(struct http2 *h, enum priority_mode mode)
{
    if (h->priority.list.mode == mode)
        return;
    priority_set_mode(&h->priority.list, mode);
    review_all(h);
}

// The client knows RFC 9218: what it says or has said by RFC 7540 is void (RFC 9218, 2.1).
static void use_urgencies(struct http2 *h)
{
    drop_tree(h);
    set_mode(h, PRIORITY_URGENCY);
}

static void use_tree(struct http2 *h)
{
    if (h->priority.tree == NULL)
        h->priority.tree = priority_tree_new();
    if (h->priority.tree == NULL)
        return;
    list_each (node, &h->streams) {
        struct http2_stream *s = container_of(node, struct http2_stream, node);
        if (!s->closed)
            s->priority.node = priority_tree_open(h->priority.tree, s->id);
    }
    set_mode(h, PRIORITY_TREE);
}

void http2_priority_init(struct http2 *h)
{
    priority_list_init(&h->priority.list);
}

void http2_priority_free(struct http2 *h)
{
    priority_tree_free(h->priority.tree);
    free(h->priority.updates);
}

// Only the order is changed here: a stream whose turn it was is still asked for, and that is when
// another is found to come first.
static void wish(struct http2 *h, int32_t id, const nghttp2_priority_spec *spec)
{
    struct priority_wish w = {.depends = spec->stream_id, .weight = (uint16_t)spec->weight,
                              .exclusive = spec->exclusive != 0};

    if (h->priority.list.mode == PRIORITY_URGENCY)
        return;
    if (h->priority.tree == NULL)
        use_tree(h);
    if (h->priority.tree == NULL)
        return;
    priority_tree_set(h->priority.tree, id, &w);
    priority_tree_changed(&h->priority.list);
}

static bool is_usual(const nghttp2_priority_spec *spec)
{
    return spec->stream_id == 0 && spec->weight == PRIORITY_WEIGHT_DEFAULT && !spec->exclusive;
}

// The default, said in so many words, is no reason for a tree; in a frame of its own it may be of a
// stream that is still to come and that others are to depend on.
void http2_priority_opened(struct http2_stream *s, const nghttp2_frame *frame)
{
    struct http2 *h = s->http2;
    struct http_priority early;

    if (h->priority.updates != NULL && priority_updates_take(h->priority.updates, s->id, &early)) {
        s->priority.updated = true;
        priority_signal(&h->priority.list, &s->priority, early);
    }
    if (h->priority.tree != NULL)
        s->priority.node = priority_tree_open(h->priority.tree, s->id);
    bool said = (frame->hd.flags & NGHTTP2_FLAG_PRIORITY) != 0;
    if (said && (h->priority.tree != NULL || !is_usual(&frame->headers.pri_spec)))
        wish(h, s->id, &frame->headers.pri_spec);
}

// Several lines are one value (RFC 9110, 5.3).
static struct sv field_of(struct request *r)
{
    struct sv all = sv_of(NULL, 0);

    for (uint32_t i = 0; i < r->parsed.nfields; i++) {
        const struct http_field *f = &r->parsed.fields[i];
        struct sv value = sv_of(r->head + f->value, f->value_len);
        if (f->ignored || !sv_eq(sv_of(r->head + f->name, f->name_len), SV("priority")))
            continue;
        all = all.p == NULL ? value
                            : arena_printf(&r->arena, "%.*s, %.*s", SV_ARG(all), SV_ARG(value));
    }
    return all;
}

void http2_priority_field(struct http2_stream *s)
{
    struct http2 *h = s->http2;
    struct http_priority p = HTTP_PRIORITY_DEFAULT;
    struct sv value = field_of(s->request);

    if (s->closed || value.p == NULL || !http_priority_parse(value, &p))
        return;
    use_urgencies(h);
    if (!s->priority.updated)
        priority_signal(&h->priority.list, &s->priority, p);
}

void http2_priority_begin_update(struct http2 *h)
{
    if (h->priority.updates == NULL)
        h->priority.updates = calloc(1, sizeof(*h->priority.updates));
    if (h->priority.updates != NULL)
        priority_updates_begin(h->priority.updates);
}

// Of a stream that is still to come, and so soon that it may have been sent already.
static bool is_near(const struct http2 *h, int32_t id)
{
    return id > h->last_id &&
           id - h->last_id <= 2 * (int64_t)conn_server(h->conn)->http2.max_concurrent_streams;
}

static void update_stream(struct http2 *h, const struct priority_update *got)
{
    struct http2_stream *s = nghttp2_session_get_stream_user_data(h->session, got->id);

    use_urgencies(h);
    if (s != NULL && !s->closed) {
        s->priority.updated = true;
        priority_signal(&h->priority.list, &s->priority, got->p);
        advance(h);
    } else if (is_near(h, got->id)) {
        priority_updates_keep(h->priority.updates, got->id, got->p);
    }
}

static void update_came(struct http2 *h, const nghttp2_frame_hd *hd)
{
    struct priority_update got;

    if (h->priority.updates == NULL || h->over)
        return;
    got = priority_updates_end(h->priority.updates);
    if (hd->stream_id != 0)
        got.kind = UPDATE_MISPLACED;
    switch (got.kind) {
    case UPDATE_GOOD:
        update_stream(h, &got);
        break;
    case UPDATE_PASSED_OVER:
        break;
    case UPDATE_SHORT:
        http2_fault(h, NGHTTP2_FRAME_SIZE_ERROR, "client sent a PRIORITY_UPDATE frame too short");
        break;
    case UPDATE_MISPLACED:
        http2_fault(h, NGHTTP2_PROTOCOL_ERROR,
                    "client sent PRIORITY_UPDATE frame with incorrect identifier");
        break;
    }
}

static void settings_came(struct http2 *h)
{
    if (nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES) ==
        1)
        use_urgencies(h);
    review_all(h); // windows may be smaller or larger
}

static void window_came(struct http2 *h, int32_t id)
{
    if (is_shared(h) || id == 0)
        return;
    struct http2_stream *s = nghttp2_session_get_stream_user_data(h->session, id);
    if (s != NULL)
        review(s);
    advance(h);
}

void http2_priority_frame(struct http2 *h, const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_PRIORITY:
        wish(h, frame->hd.stream_id, &frame->priority.pri_spec);
        break;
    case NGHTTP2_PRIORITY_UPDATE:
        update_came(h, &frame->hd);
        break;
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
            settings_came(h);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        window_came(h, frame->hd.stream_id);
        break;
    default:
        break;
    }
}

static int update_part(nghttp2_session *session, const nghttp2_frame_hd *hd, const uint8_t *data,
                       size_t n, void *user_data)
{
    struct http2 *h = user_data;

    (void)session;
    if (hd->type == NGHTTP2_PRIORITY_UPDATE && h->priority.updates != NULL)
        priority_updates_part(h->priority.updates, data, n);
    return 0;
}

// Nothing but a condition of nghttp2's for telling of the frame.
static int update_unpack(nghttp2_session *session, void **payload, const nghttp2_frame_hd *hd,
                         void *user_data)
{
    (void)session;
    (void)hd;
    (void)user_data;
    *payload = NULL;
    return 0;
}

void http2_priority_callbacks(nghttp2_session_callbacks *made)
{
    nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(made, update_part);
    nghttp2_session_callbacks_set_unpack_extension_callback(made, update_unpack);
}

// nghttp2 asks for nothing of a stream whose head is not sent, so this may be said before.
void http2_priority_responded(struct http2_stream *s)
{
    if (is_shared(s->http2))
        return;
    review(s);
    advance(s->http2);
}

void http2_priority_resume(struct http2_stream *s)
{
    if (is_shared(s->http2)) {
        s->priority.deferred = false;
        resume(s);
        return;
    }
    review(s);
    advance(s->http2);
}

void http2_priority_closed(struct http2_stream *s)
{
    struct http2 *h = s->http2;

    priority_remove(&s->priority);
    if (h->priority.tree != NULL && priority_tree_close(h->priority.tree, s->priority.node))
        priority_tree_changed(&h->priority.list);
    s->priority.node = NULL;
    if (h->conn->step != CONN_closing)
        advance(h);
}

bool http2_priority_may_send(struct http2_stream *s)
{
    if (priority_may_send(&s->http2->priority.list, &s->priority))
        return true;
    advance(s->http2);
    return false;
}

void http2_priority_defer(struct http2_stream *s)
{
    priority_defer(&s->priority);
    advance(s->http2);
}

// nghttp2 takes the frame from the window afterwards.
void http2_priority_sent(struct http2_stream *s, size_t length)
{
    struct http2 *h = s->http2;

    if (is_shared(h))
        return;
    int32_t window = nghttp2_session_get_stream_remote_window_size(h->session, s->id);
    if (s->request->response.body == NULL || window <= (int64_t)length)
        priority_remove(&s->priority);
    else
        priority_sent(&h->priority.list, &s->priority);
    advance(h);
}

bool http2_priority_stalled(struct http2 *h)
{
    if (is_shared(h) || nghttp2_session_get_remote_window_size(h->session) <= 0)
        return false;
    bool others = priority_stalled(&h->priority.list);
    advance(h);
    return others;
}
