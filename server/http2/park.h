// SPDX-License-Identifier: Apache-2.0
//
// Parking: a stream that waits for its client holds as little as can be. While it does, its request
// is NULL.
#pragma once

#include <stdbool.h>

#include "lib/base/compiler.h"

struct http2_stream;

// Packs its request. False when that has something under way or of a kind that stays as it is.
// Never from within nghttp2.
bool http2_stream_park(struct http2_stream *s);
// Its request is there again, as it was. Harmless when it is not parked. 0 or -ENOMEM: it stays
// parked then.
must_check int http2_stream_unpark(struct http2_stream *s);
// Without memory for its log line: frees what is parked, which may be nothing.
void http2_stream_drop_parked(struct http2_stream *s);
