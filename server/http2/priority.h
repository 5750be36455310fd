// SPDX-License-Identifier: Apache-2.0
//
// Which stream of a connection may send next (RFC 9218, 10). nghttp2 chooses by the RFC 7540 tree
// where the client has not turned that off, and then knows nothing of urgencies. This is a gate in
// front of its choice: asked by nghttp2 for DATA of a stream whose turn it is not, the core answers
// NGHTTP2_ERR_DEFERRED, and resumes exactly the stream whose turn has come. Pure: no session.
//
// Order: urgency first, strictly. Within one, streams that are signalled as not incremental, one
// after the other as they were opened. Then those that are incremental, a frame each in turn.
// Streams that nobody said anything about stand at urgency 3 and share; while they are alone
// there, all may send and nghttp2's tree divides between them. A connection on which nothing was
// ever signalled is therefore the tree's alone, and costs a list operation per stream.
//
// How the core uses it:
//     data came, or a WINDOW_UPDATE opened the stream's window  priority_ready
//     the data callback of nghttp2 runs     priority_may_send: false -> return DEFERRED
//         nothing to send now (disk)        priority_defer -> return DEFERRED
//         a frame was taken                 priority_sent; and if that was the last, or filled the
//                                           stream's window: priority_remove
//     the stream is closed                  priority_remove
//     a Priority field or PRIORITY_UPDATE   priority_signal
//     after each of these, outside of loops over the streams
//         while ((s = priority_resume(l)) != NULL) nghttp2_session_resume_data(session, s->id)
//     nghttp2_session_mem_send gave nothing though the connection's window is open
//         if (priority_stalled(l)) resume as above and ask again
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/list.h"
#include "lib/http/priority.h"

// Part of the core's stream.
struct priority_stream {
    struct list link;  // in priority_list.ready, or alone
    uint64_t order;    // within the rank: less goes first
    int32_t id;
    uint8_t urgency;
    bool incremental;
    bool signalled;    // the client said something
    bool deferred;     // nghttp2 was told DEFERRED and has not been resumed
};

// Part of the core's connection.
struct priority_list {
    struct list ready;      // streams that have data and window, the first to send first
    uint64_t turn;
    uint32_t shared;        // signalled ones in `ready` of the rank of the unsignalled
    uint32_t tree_deferred; // unsignalled ones in `ready` that are deferred
};

void priority_list_init(struct priority_list *l);
void priority_stream_init(struct priority_stream *s, int32_t id);

// There is something to send and the stream's window is open. Harmless when that was known.
void priority_ready(struct priority_list *l, struct priority_stream *s);

// There is nothing to send, no window, or no stream any more. Harmless when it was not ready.
void priority_remove(struct priority_list *l, struct priority_stream *s);

// The client's word; it counts from the next frame on.
void priority_signal(struct priority_list *l, struct priority_stream *s, struct http_priority p);

// nghttp2 asks for a frame of `s`, so that it has window (and becomes ready). False: answer
// DEFERRED, which is noted.
must_check bool priority_may_send(struct priority_list *l, struct priority_stream *s);

// The data callback answers DEFERRED for want of data: not ready until priority_ready.
void priority_defer(struct priority_list *l, struct priority_stream *s);

// A frame of `s` goes out: its turn is over where streams take turns.
void priority_sent(struct priority_list *l, struct priority_stream *s);

// A stream that may send and that nghttp2 has to be told about, or NULL. Once for each.
must_check struct priority_stream *priority_resume(struct priority_list *l);

// nghttp2 has no frame though the connection has window: whose turn it is has none of its own, and
// we had not noticed. It is no longer ready; true when that may let another one send. A guard, so
// that an error in the books can delay a stream but cannot stop a connection.
must_check bool priority_stalled(struct priority_list *l);
