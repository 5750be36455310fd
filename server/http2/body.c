// SPDX-License-Identifier: Apache-2.0
//
// Bodies become DATA frames: nghttp2 says whose turn it is and how much its windows allow, and what
// it gets is a length. The bytes stay where they are; a frame is a unit (transport/unit.h) that
// says which they are. A stream that waits for its window, for its turn, or for the disk holds no
// byte of its body.
#include <sys/stat.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/file/extent.h"
#include "server/bounds.h"
#include "server/http2/http2_priv.h"
#include "server/http2/park.h"
#include "server/request/request.h"
#include "server/transport/body.h"
#include "server/worker.h"

// The kernel makes a record of what it is given: header and payload are to fill one.
#define KERNEL_FRAME_MAX (16384 - FRAME_HEADER)

ssize_t http2_frame_max(nghttp2_session *session, uint8_t type, int32_t id, int32_t session_window,
                        int32_t stream_window, uint32_t remote_max, void *user_data)
{
    const struct http2 *h = user_data;
    int64_t n = h->conn->transport == &transport_kernel ? KERNEL_FRAME_MAX : HTTP2_DATA_MAX;

    (void)session;
    (void)type;
    (void)id;
    n = min_of(n, (int64_t)remote_max);
    n = min_of(n, (int64_t)session_window);
    return (ssize_t)min_of(n, (int64_t)stream_window);
}

static ssize_t defer(struct http2_stream *s)
{
    s->deferred = true;
    http2_priority_defer(s);
    return NGHTTP2_ERR_DEFERRED;
}

// limit_rate, of this stream alone: what it may have had by now, and a tenth of a second's more.
static uint64_t allowed(const struct http2_stream *s)
{
    const struct request *r = s->request;
    uint64_t elapsed = clock_mono_ms() - s->started_ms + RATE_AHEAD_MS;

    if (r->limit_rate == 0)
        return UINT64_MAX;
    uint64_t had = r->limit_rate_after + r->limit_rate / 1000 * elapsed +
                   r->limit_rate % 1000 * elapsed / 1000;
    return had > s->made ? had - s->made : 0;
}

// Until there is something for a frame; not for so long that a small rate comes in gusts.
static ssize_t wait_for_rate(struct http2_stream *s)
{
    uint64_t ms = (uint64_t)HTTP2_DATA_MAX * 1000 / s->request->limit_rate;

    http2_stream_wait(s, WAIT_RATE, max_of(min_of(ms, (uint64_t)RATE_WAIT_MAX_MS), (uint64_t)1));
    return defer(s);
}

// What is looked for, or fetched, at once: a number of whole frames, so that none of them is cut
// short where it ends. Through kernel TLS a short frame is a short record.
static uint64_t part_of(const struct slice *slice, size_t frame)
{
    return min_of(slice->len, (uint64_t)RESIDENCY_FETCH_MAX - RESIDENCY_FETCH_MAX % frame);
}

// How much of the file's slice may go without waiting for the disk; 0: it has to be fetched. The
// slices of a body may go backwards (several ranges).
static uint64_t resident(struct http2_stream *s, const struct slice *slice, uint64_t part)
{
    struct request *r = s->request;
    uint64_t ready = body_fetched(&r->response, slice->off);

    if (slice->off >= s->ready_from && slice->off < s->ready_to)
        return s->ready_to - slice->off;
    if (ready == 0 && r->response.fetched_to == 0 &&
        extent_resident(&r->worker->ring.features, slice->file, slice->off, part, clock_mono_ms()))
        ready = part;
    if (ready != 0) {
        s->ready_from = slice->off;
        s->ready_to = slice->off + ready;
        return ready;
    }
    return 0;
}

// A file that has become shorter ends its stream alone, as long as no frame has promised what is no
// longer there: it is looked at once for all the frames that go together.
static bool is_cut_off(struct http2_stream *s, const struct slice *slice)
{
    struct stat st;

    if (s->batch == s->http2->batch)
        return false;
    s->batch = s->http2->batch;
    if (fstat(slice->file->fd, &st) != 0 || (uint64_t)st.st_size >= slice->off + slice->len)
        return false;
    request_log(s->request, LOG_LEVEL_ALERT, 0, "file was truncated while it was being sent");
    return true;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    struct http2_stream *s = source->ptr;

    (void)session;
    (void)id;
    (void)buf;
    if (!http2_out_has_room(user_data))
        return NGHTTP2_ERR_PAUSE;
    if (!http2_priority_may_send(s))
        return NGHTTP2_ERR_DEFERRED;
    if (http2_stream_unpark(s) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    struct response *out = &s->request->response;
    const struct slice *slice = out->body;
    uint64_t n = min_of((uint64_t)length, slice->len), rate = allowed(s);
    int64_t chunk = s->request->location->http2_chunk_size;
    if (chunk > 0)
        n = min_of(n, (uint64_t)chunk);
    if (op_in_flight(&s->request->fetch))
        return defer(s);
    if (rate == 0)
        return wait_for_rate(s);
    n = min_of(n, rate);
    if (slice->file != NULL) {
        if (is_cut_off(s, slice))
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        uint64_t part = part_of(slice, length), ready = resident(s, slice, part);
        if (ready == 0)
            return body_fetch(s->request, slice, part) == TRANSPORT_FILE
                       ? defer(s)
                       : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        n = min_of(n, ready);
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == slice->len && slice->next == NULL) {
        if (http2_stream_holds_end(s))
            return defer(s);
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (out->trailers != NULL)
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return (ssize_t)n;
}

const nghttp2_data_source_read_callback http2_body_read = read_body;

int http2_body_frame(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                     size_t length, nghttp2_data_source *source, void *user_data)
{
    struct http2 *h = user_data;
    struct http2_stream *s = source->ptr;
    struct response *out = &s->request->response;
    const struct slice *slice = out->body;
    struct unit *u = http2_out_unit(h, s);

    (void)session;
    (void)frame;
    memcpy(u->head, header, FRAME_HEADER);
    u->at = 0;
    if (slice->file != NULL) {
        u->off = slice->off;
        u->len = (uint32_t)length;
        h->out->body += length;
    } else {
        u->p = slice->p;
        u->n = (uint32_t)length;
    }
    s->made += length;
    body_consume(out, length);
    http2_priority_sent(s, length);
    if (out->body == NULL && out->trailers != NULL && http2_trailers_submit(s) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return http2_out_has_room(h) ? 0 : NGHTTP2_ERR_PAUSE;
}
