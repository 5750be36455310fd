// SPDX-License-Identifier: Apache-2.0
//
// What a client may do too often on one HTTP/2 connection. Each of these frames costs the server
// more than the client; a few are needed, many are an attack. Pure: no clock, no session.
//
// A bucket for each kind holds `limit` and refills evenly over the interval: a burst of `limit` is
// let through, and `limit` in each interval for good. Why the defaults of http2_flood_limits, in
// 10 s, do not hit the honest:
//
//   resets=200         RST_STREAM that came, or that the client's error or excess made us send.
//                      A player resets what it has in flight when somebody seeks or the quality
//                      changes, a few streams each time; a browser that leaves a page resets what
//                      was loading, 100 at most with 128 streams at once. Opening streams before
//                      our SETTINGS are read (h2load -m 200) costs one reset for each above 128.
//                      Attacks run at thousands a second.
//   control=1000       SETTINGS, PING, PRIORITY, PRIORITY_UPDATE, frames of a type that we do not
//                      know, and WINDOW_UPDATE that opens less than FLOOD_WINDOW_LEAST. Clients
//                      send SETTINGS once or twice, reprioritise a stream a few times in its life,
//                      and PING every few seconds; some put a frame of a reserved type before
//                      others, to see that it is ignored. Two kinds of honest clients send more,
//                      and in step with what they are sent: those that measure the path with a
//                      PING for each read (gRPC), and those that give back the window of each small
//                      response at once. DATA that was sent pays for these, one for each FLOOD_PAYS
//                      bytes. A window that is opened by more than the least is not counted:
//                      browsers open one for each stream, and h2load -m 100 by 32 KiB and more.
//   empty=100          DATA, HEADERS or CONTINUATION without payload that end nothing. Honest
//                      clients send none: an empty DATA frame with END_STREAM is how a body ends,
//                      and does not count.
//   continuations=8    of one header block. With frames of 16 KiB that is 144 KiB of
//                      fields, more than large_client_header_buffers allows (32 KiB).
#pragma once

#include <stdint.h>

#include "server/config/http2_conf.h"

enum http2_flood {
    HTTP2_FLOOD_RESET,    // RST_STREAM that came
    HTTP2_FLOOD_PROVOKED, // RST_STREAM that we had to send; the same bucket
    HTTP2_FLOOD_SETTINGS, // down to UNKNOWN of one bucket: control
    HTTP2_FLOOD_PING,
    HTTP2_FLOOD_PRIORITY, // PRIORITY and PRIORITY_UPDATE
    HTTP2_FLOOD_WINDOW,   // WINDOW_UPDATE that opens less than FLOOD_WINDOW_LEAST
    HTTP2_FLOOD_UNKNOWN,  // a frame of a type that we do not know
    HTTP2_FLOOD_EMPTY,
};

#define FLOOD_WINDOW_LEAST 1024 // bytes; a smaller increment is counted
#define FLOOD_PAYS 1024         // bytes of DATA sent that pay for one frame (floods.c: `paid`)

// All zero at the start of a connection.
struct http2_floods {
    uint64_t level[3];      // of reset, control, empty: events times the interval in ms
    uint64_t last_ms;       // when the levels were true
    uint32_t credit;        // frames that DATA has paid for, see below
    uint32_t sent;          // bytes towards the next
    uint32_t continuations; // of the header block that is coming
};

// Counts one. NULL, or words for a line in the log about what was too much: the connection is to be
// ended with ENHANCE_YOUR_CALM then. `now_ms` may stand still or jump. Limits below 1 count as 1,
// those above UINT32_MAX (the interval: INT32_MAX) as that.
const char *http2_floods_count(struct http2_floods *f, const struct http2_flood_limits *l,
                               enum http2_flood kind, uint64_t now_ms);

// `bytes` of DATA were sent. Without this, PINGs and small WINDOW_UPDATEs that measure or follow a
// transfer would be limited to a rate that is below a fast path's. What is not used up is kept, but
// no more than `control` of it.
void http2_floods_sent(struct http2_floods *f, const struct http2_flood_limits *l, uint64_t bytes);

// A CONTINUATION frame began: NULL, or words as above.
const char *http2_floods_continuation(struct http2_floods *f, const struct http2_flood_limits *l);

// HEADERS began, or a header block is complete.
static inline void http2_floods_block(struct http2_floods *f)
{
    f->continuations = 0;
}
