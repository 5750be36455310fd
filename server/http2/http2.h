// SPDX-License-Identifier: Apache-2.0
//
// HTTP/2 (RFC 9113) on a connection: nghttp2 has the frames and HPACK, we have the requests.
#pragma once

#include <stdbool.h>

struct conn;
struct worker;

// In the clear, the first bytes tell which protocol is spoken: HTTP/2 by prior knowledge (RFC 9113,
// 3.3), else HTTP/1. For a connection on which nothing has been received yet.
void http2_expect_preface(struct conn *c);
// HTTP/2 is spoken from here on: ALPN chose it. Closes the connection when memory is out.
void http2_begin(struct conn *c);
// Frees what the worker keeps for its connections.
void http2_worker_free(struct worker *w);
