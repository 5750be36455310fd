// SPDX-License-Identifier: Apache-2.0
//
// A stream of HTTP/2: a request between its first field and its last frame. stream.c has its life,
// head_in.c and head_out.c its fields, body.c its DATA, park.h what is left of it while it waits.
#pragma once

#include <nghttp2/nghttp2.h>

#include "lib/base/list.h"
#include "lib/base/sv.h"
#include "lib/ring/timer.h"
#include "server/http2/priority.h"

struct http2;
struct http2_parked;
struct request;

struct http2_stream {
    struct list node;          // http2.streams
    struct http2 *http2;
    struct request *request;   // NULL while it is parked
    struct http2_parked *parked;
    int32_t id;
    uint16_t queued;           // units that are not sent yet
    uint8_t wait;              // enum stream_wait
    bool closed;               // nghttp2 has forgotten it
    bool waited;               // for the end of the request body: no longer
    bool deferred;             // its DATA waits for us
    bool responded;            // a response was submitted
    bool ended;                // the client has sent its last
    const char *malformed;     // why its head is; NULL: it is not
    bool too_large;            // its head has too many fields
    uint8_t pseudo;            // which pseudo fields were there, as bits
    bool regular;              // a regular field was there
    uint64_t body_bytes;       // received
    uint64_t body_seen;        // of them when the timer looked last
    uint64_t hold_until_ms;    // the end of the answer waits for the body until then at most
    uint64_t ready_from, ready_to; // the file is resident there
    uint32_t batch;            // in which its size was looked at last
    uint64_t made;             // bytes of the body that are in frames
    struct priority_stream priority;
    struct timer timer;
    union {
        struct { // until the head is complete: offsets into request.head
            uint32_t method, method_len, path, path_len, authority, authority_len;
        };
        struct { // from the response on
            uint64_t started_ms;  // of sending, for the rate
            uint64_t progress;    // bytes sent when the timer last saw enough of them,
            uint64_t progress_ms; // and when that was,
            uint64_t taken;       // and what conn.taken was
        };
    };
};

// What the stream's timer means.
enum stream_wait {
    WAIT_NOTHING,
    WAIT_TURN,     // limit_req
    WAIT_RATE,     // limit_rate
    WAIT_PROGRESS, // send_timeout
    WAIT_BODY,     // answered: the request body may still come
};

// stream.c
must_check struct http2_stream *http2_stream_new(struct http2 *h, int32_t id);
// The head is complete.
void http2_stream_begin(struct http2_stream *s);
// There will be no more frames of it: what its request still has under way is cancelled.
void http2_stream_gone(struct http2_stream *s);
// Ends what can be ended: true when it is freed.
bool http2_stream_release(struct http2_stream *s);
// Ends it with RST_STREAM.
void http2_stream_reset(struct http2_stream *s, uint32_t code);
// The last of its body waits, for a while, until all of the request's has come and been dropped.
// RFC 9113, 8.1, would allow to cut that off, but clients take it for a failure, and some (curl
// 7.88) stop in their upload when they have the whole of the answer, and wait for ever.
bool http2_stream_holds_end(struct http2_stream *s);
// Its DATA may go on.
void http2_stream_resume(struct http2_stream *s);
void http2_stream_wait(struct http2_stream *s, enum stream_wait what, uint64_t ms);

// head_in.c: a field of the request. 0, or -ENOMEM.
must_check int http2_field(struct http2_stream *s, struct sv name, struct sv value);
// Bytes that one head may have.
uint64_t http2_head_max(const struct http2_stream *s);
// All fields are there: completes request.head and request.parsed. 0 or the status of a refusal,
// with *why for the log.
must_check unsigned http2_head_end(struct http2_stream *s, const char **why);

// head_out.c: submits the described response, and what goes behind its body. 0 or -errno.
must_check int http2_head_submit(struct http2_stream *s);
must_check int http2_trailers_submit(struct http2_stream *s);

// body.c
extern const nghttp2_data_source_read_callback http2_body_read;
ssize_t http2_frame_max(nghttp2_session *session, uint8_t type, int32_t id, int32_t session_window,
                        int32_t stream_window, uint32_t remote_max, void *user_data);
int http2_body_frame(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                     size_t length, nghttp2_data_source *source, void *user_data);
