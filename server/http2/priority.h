// SPDX-License-Identifier: Apache-2.0
//
// Which stream of a connection may send next. nghttp2 chooses by a tree of its own, knows nothing
// of urgencies there, and shares by weight where nginx, which clients were tuned on, has a strict
// order. This is a gate in front of its choice: asked by nghttp2 for DATA of a stream whose turn it
// is not, the core answers NGHTTP2_ERR_DEFERRED, and resumes exactly the stream whose turn has
// come. Pure: no session.
//
// Three orders, by what the client has said so far:
//   shared   nothing. nghttp2 divides evenly, and the gate does nothing. A client that asks for
//            several things and names no order (a CDN that fetches for many viewers, a load tester)
//            is served as by nginx: none of them waits for the whole of another. RFC 9218, 10,
//            would have them one after the other, but is about clients that know of it.
//   tree     priorities of RFC 7540, as nginx reads them: depth in the tree, then the product of
//            the weights on the way to it, the same a frame each in turn (priority_tree.h).
//   urgency  RFC 9218: urgency first, strictly. Within one, streams that are not incremental, one
//            after the other as they were opened; then those that are, a frame each in turn. A
//            stream nobody spoke of has the defaults. Its first signal ends what came before.
//
// How the core uses it:
//     data came, or the stream's window was opened       priority_ready
//     the data callback of nghttp2 runs     priority_may_send: false -> return DEFERRED
//         nothing to send now (disk)        priority_defer -> return DEFERRED
//     a frame was made                      priority_sent; and if that was the last, or filled the
//                                           stream's window: priority_remove
//     the stream is closed                  priority_remove
//     after each of these
//         while ((s = priority_resume(l)) != NULL) nghttp2_session_resume_data(session, s->id)
//     nghttp2_session_mem_send gave nothing though the connection's window is open
//         if (priority_stalled(l)) resume as above and ask again
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/list.h"
#include "lib/http/priority.h"

struct priority_node;

enum priority_mode { PRIORITY_SHARED, PRIORITY_TREE, PRIORITY_URGENCY };

// Part of the core's stream.
struct priority_stream {
    struct list link;           // in priority_list.ready, or alone
    uint64_t order;             // within rank and share: less goes first
    double share;               // in the tree: more goes first
    struct priority_node *node; // in the tree; NULL: none
    int32_t id;
    uint16_t rank;              // less goes first; with `share`, of when it was put in
    uint8_t urgency;
    bool incremental : 1;
    bool updated : 1;           // by a frame, which counts for more than the request's field
    bool deferred : 1;          // nghttp2 was told DEFERRED and has not been resumed
};

// Part of the core's connection.
struct priority_list {
    struct list ready;          // streams that have data and window, the first to send first
    uint64_t turn;
    uint8_t mode;               // enum priority_mode
    bool stale;                 // ranks have changed under it
};

void priority_list_init(struct priority_list *l);
void priority_stream_init(struct priority_stream *s, int32_t id);

// Another order from now on. From PRIORITY_SHARED on, the core then says which streams are ready.
void priority_set_mode(struct priority_list *l, enum priority_mode mode);

// The tree has changed. The list is sorted anew when it is next looked at, so that many changes at
// once cost one sorting: O(n log n) at best, O(n^2) with n streams in reverse order.
void priority_tree_changed(struct priority_list *l);

// What RFC 9218 says of a stream has changed; it counts from the next frame on.
void priority_signal(struct priority_list *l, struct priority_stream *s, struct http_priority p);

// There is something to send and the stream's window is open. Harmless when that was known.
void priority_ready(struct priority_list *l, struct priority_stream *s);

// There is nothing to send, no window, or no stream any more. Harmless when it was not ready.
void priority_remove(struct priority_stream *s);

// Has it data and window, so that it is only a matter of its turn? Never while streams share.
static inline bool priority_is_ready(const struct priority_stream *s)
{
    return !list_empty(&s->link);
}

// nghttp2 asks for a frame of `s`, so that it has window (and becomes ready). False: answer
// DEFERRED, which is noted.
must_check bool priority_may_send(struct priority_list *l, struct priority_stream *s);

// The data callback answers DEFERRED for want of data: not ready until priority_ready.
void priority_defer(struct priority_stream *s);

// A frame of `s` was made: its turn is over where streams take turns.
void priority_sent(struct priority_list *l, struct priority_stream *s);

// The stream that may send, if nghttp2 has to be told so; or NULL. Once for each.
must_check struct priority_stream *priority_resume(struct priority_list *l);

// nghttp2 has no frame though the connection has window: whose turn it is has none of its own, and
// we had not noticed. It is no longer ready; true when that may let another one send. A guard, so
// that an error in the books can delay a stream but cannot stop a connection.
must_check bool priority_stalled(struct priority_list *l);
