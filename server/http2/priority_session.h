// SPDX-License-Identifier: Apache-2.0
//
// Priorities between nghttp2, the streams and what orders them: what the client says goes to the
// tree (priority_tree.h) and to the gate (priority.h), and whose turn it is to nghttp2. What a
// connection has of it is nothing but a list head until the client has said something.
#pragma once

#include <nghttp2/nghttp2.h>

#include "server/http2/priority.h"

struct http2;
struct http2_stream;
struct priority_tree;
struct priority_updates;

// Part of struct http2.
struct http2_priority {
    struct priority_list list;
    struct priority_tree *tree;       // NULL: no word of RFC 7540, or of RFC 9218 as well
    struct priority_updates *updates; // NULL: no PRIORITY_UPDATE has come
};

void http2_priority_init(struct http2 *h);
void http2_priority_free(struct http2 *h);

// Callbacks for PRIORITY_UPDATE, which nghttp2 would read itself, but not tell of.
void http2_priority_callbacks(nghttp2_session_callbacks *made);

// Frames came: the first of a header block, whose stream is new; all of its fields; others.
void http2_priority_opened(struct http2_stream *s, const nghttp2_frame *frame);
void http2_priority_field(struct http2_stream *s);
void http2_priority_begin_update(struct http2 *h);
void http2_priority_frame(struct http2 *h, const nghttp2_frame *frame);

// The stream has a body to send, may go on with it, or is over.
void http2_priority_responded(struct http2_stream *s);
void http2_priority_resume(struct http2_stream *s);
void http2_priority_closed(struct http2_stream *s);

// May a frame of it be made now? If not: DEFERRED.
must_check bool http2_priority_may_send(struct http2_stream *s);
// It has nothing to send yet: DEFERRED as well.
void http2_priority_defer(struct http2_stream *s);
// A frame of that length was made.
void http2_priority_sent(struct http2_stream *s, size_t length);
// nghttp2 has nothing to send. True when it is worth another try.
must_check bool http2_priority_stalled(struct http2 *h);
