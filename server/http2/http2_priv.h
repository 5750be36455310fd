// SPDX-License-Identifier: Apache-2.0
//
// What the files of HTTP/2 share about a connection: http2.c (its place among the protocols),
// session.c (what comes), send.c (what goes). What they share about a stream is in stream.h.
#pragma once

#include <nghttp2/nghttp2.h>

#include "lib/base/list.h"
#include "server/conn/protocol.h"
#include "server/http2/floods.h"
#include "server/http2/priority_session.h"
#include "server/http2/stream.h"
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

extern const struct protocol protocol_http2;
extern const struct request_owner http2_owner;

// session.c
// Callbacks and options; kept by the worker. NULL when memory is out.
const nghttp2_session_callbacks *http2_callbacks(struct worker *w);
// Something in the log, GOAWAY with that code, and the connection ends when it is sent.
void http2_fault(struct http2 *h, uint32_t code, const char *why);
// No more streams than those that are there: GOAWAY.
void http2_goaway(struct http2 *h, uint32_t code);

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
// Whose timeouts hold: the last request's, else those of conn_server().
const struct location_conf *http2_location(const struct http2 *h);
// Nothing more is said on it.
bool http2_is_over(const struct conn *c);
// Streams came or went: busy or idle, and which deadline is next.
void http2_settle_step(struct http2 *h);
