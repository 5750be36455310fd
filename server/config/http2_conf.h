// SPDX-License-Identifier: Apache-2.0
//
// What the configuration says of HTTP/2 in one server, after merging. On a connection whose server
// no name has chosen yet, the address's default server counts (ngx_http_v2_module.c).
#pragma once

#include <stdint.h>

// The largest payload that a frame can have (RFC 9113, 4.2).
#define HTTP2_FRAME_MAX ((INT64_C(1) << 24) - 1)
// How far a flow control window can open (RFC 9113, 6.9.1).
#define HTTP2_WINDOW_MAX ((INT64_C(1) << 31) - 1)

// The least http2_recv_buffer_size: more than nginx keeps of a frame that has not come whole.
#define HTTP2_RECV_BUFFER_MIN 17

// http2_flood_limits: the most that one connection may send within each interval before it is an
// attack. All are at least 1.
struct http2_flood_limits {
    int64_t resets;  // RST_STREAM that came, or that the client has provoked
    int64_t control; // SETTINGS, PING, PRIORITY, PRIORITY_UPDATE, and WINDOW_UPDATE without need
    int64_t empty;   // DATA, HEADERS and CONTINUATION without payload that end nothing
    int64_t continuations; // CONTINUATION frames of one header block; the interval does not count
    int64_t interval_ms;
};

struct http2_conf {
    int64_t on;
    int64_t max_concurrent_streams; // 0 to INT32_MAX
    struct http2_flood_limits floods;
    int64_t pool_size, body_preread_size, streams_index_size; // read and checked, no meaning
};
