// SPDX-License-Identifier: Apache-2.0
//
// What the files of HTTP/2 share: http2.c (its place among the protocols), session.c (what comes),
// stream.c (requests), head_in.c and head_out.c (fields), body.c (DATA), send.c (what goes).
#pragma once

#include <nghttp2/nghttp2.h>

#include "lib/base/list.h"
#include "lib/ring/timer.h"
#include "server/conn/protocol.h"
#include "server/http2/floods.h"
#include "server/http2/priority_session.h"
#include "server/request/owner.h"
#include "server/transport/unit.h"

struct request;
struct location_conf;

#define HTTP2_MAGIC 0x42c0ffe2u

// Frames that were made and are not wholly sent. A connection has one only while it sends.
#define OUT_UNITS 128
#define OUT_BYTES (32u << 10)                   // of frames without a body
#define OUT_BYTES_SPARE (16384 + FRAME_HEADER) // the largest of them

struct http2_out {
    struct http2_out *next_free; // in the worker's pool
    unsigned first, n;           // units[first..n) are left
    uint32_t nbytes;
    uint64_t body;               // bytes of files in the units
    struct unit units[OUT_UNITS];
    char bytes[OUT_BYTES];
};

#define RESETS_KNOWN 16
#define PREFACE_MAX (NGHTTP2_CLIENT_MAGIC_LEN + FRAME_HEADER)

struct http2 {
    uint32_t magic;
    struct conn *conn;
    nghttp2_session *session;
    struct list streams;       // struct http2_stream
    unsigned nstreams;
    struct http2_out *out;     // NULL: nothing is left to be sent
    struct http2_stream *reading; // whose header block is coming; NULL: none
    const struct location_conf *location; // of the last request: its timeouts
    struct http2_floods floods;
    struct http2_priority priority;
    uint64_t head_deadline_ms; // client_header_timeout of that block; UINT64_MAX: none
    uint64_t send_deadline_ms; // send_timeout while something waits for room; UINT64_MAX: none
    uint64_t idle_deadline_ms; // keepalive_timeout; UINT64_MAX: busy
    uint64_t drain_deadline_ms; // when the last GOAWAY of a drain is said; UINT64_MAX: no drain
    char preface[PREFACE_MAX]; // what came, until the first frame's header is there
    uint8_t npreface;          // bytes of it; PREFACE_MAX: done
    int32_t last_id;           // the highest stream that was opened
    int32_t reset_ids[RESETS_KNOWN]; // those that we ended last: the client may not know it yet
    uint8_t reset_next;
    struct http2_stream *head_of; // whose HEADERS nghttp2 is giving out
    uint32_t batch;            // number of the present collection of frames
    bool skip_ack;             // of a SETTINGS frame that the client has not sent
    bool sending;              // http2_send() is on the stack
    bool goaway;               // no stream after those that are there
    bool over;                 // a fault: ends when what stands there is sent
    uint32_t served;           // requests of the connection when it was last found idle
};

struct http2_stream {
    struct list node;          // http2.streams
    struct http2 *http2;
    struct request *request;
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
    uint64_t progress;         // bytes sent at the last look of the timer
    uint64_t taken;            // conn.taken at that time
    struct priority_stream priority;
    uint64_t started_ms;       // of sending, for the rate
    struct timer timer;
    // Offsets into request.head.
    uint32_t method, method_len, path, path_len, authority, authority_len;
};

// What the stream's timer means.
enum stream_wait {
    WAIT_NOTHING,
    WAIT_TURN,     // limit_req
    WAIT_RATE,     // limit_rate
    WAIT_PROGRESS, // send_timeout
    WAIT_BODY,     // answered: the request body may still come
};

extern const struct protocol protocol_http2;
extern const struct request_owner http2_owner;

// session.c
// Callbacks and options; kept by the worker. NULL when memory is out.
const nghttp2_session_callbacks *http2_callbacks(struct worker *w);
// Something in the log, GOAWAY with that code, and the connection ends when it is sent.
void http2_fault(struct http2 *h, uint32_t code, const char *why);
// No more streams than those that are there: GOAWAY.
void http2_goaway(struct http2 *h, uint32_t code);

// stream.c
must_check struct http2_stream *http2_stream_new(struct http2 *h, int32_t id);
// The head is complete.
void http2_stream_begin(struct http2_stream *s);
// Ends what can be ended: true when it is gone.
bool http2_stream_release(struct http2_stream *s);
// Ends it with RST_STREAM.
void http2_stream_reset(struct http2_stream *s, uint32_t code);
// The last of its body waits, for a while, until all of the request's has come and been dropped. RFC
// 9113, 8.1, would allow to cut that off, but clients take it for a failure, and some (curl 7.88)
// stop in their upload when they have the whole of the answer, and wait for ever.
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

// send.c: makes frames and sends them as far as the socket takes them; then ends what is over. The
// connection may be closed afterwards.
void http2_send(struct http2 *h);
// May a further frame be put to those that are made?
bool http2_out_has_room(const struct http2 *h);
// An empty unit behind the others, of a stream or (NULL) of the connection.
struct unit *http2_out_unit(struct http2 *h, struct http2_stream *s);
// What was made and not sent is forgotten.
void http2_out_drop(struct http2 *h);

// http2.c
// The server that TLS named, or the address's default: whose settings hold for the connection.
const struct server_conf *http2_server(const struct http2 *h);
// Whose timeouts hold: the last request's, else that server's.
const struct location_conf *http2_location(const struct http2 *h);
// Nothing more is said on it.
bool http2_is_over(const struct conn *c);
// Streams came or went: busy or idle, and which deadline is next.
void http2_settle_step(struct http2 *h);
