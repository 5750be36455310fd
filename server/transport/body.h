// SPDX-License-Identifier: Apache-2.0
//
// What all transports share: the front of a response (its head and what is small enough to go with
// it), taking bytes off its body, and what a failed call means.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "server/transport/transport.h"

struct request;
struct response;
struct slice;

// The connection is of no more use: TRANSPORT_ERROR, with a line in the log.
enum transport_result transport_failed(struct request *r, int err, const char *call);
// What a send that took nothing means. What passes by itself is no failure.
enum transport_result transport_not_sent(struct request *r, int err, const char *call);
// The same where there may be no request (NULL): the line is the connection's.
enum transport_result conn_not_sent(struct conn *c, struct request *r, int err, const char *call);

// A front in the worker's scratch area: `head` bytes of head and memory slices, then `file` bytes
// of a file which is still to be taken off the body (body_consume) as far as it was sent.
struct front {
    size_t head, file;
};
// Puts it together, with a file's body if it has at most `small` bytes (SMALL_BODY_MAX at most);
// response.header_sent is set then. TRANSPORT_DONE, or TRANSPORT_FILE or TRANSPORT_ERROR.
must_check enum transport_result front_make(struct conn *c, uint64_t small, struct front *f);

// Takes n bytes off the front of the body.
void body_consume(struct response *s, uint64_t n);
// Brings the part of the file that is sent next into the page cache: TRANSPORT_FILE or _ERROR.
must_check enum transport_result body_fetch(struct request *r, const struct slice *s, uint64_t len);
// r->fetch has completed. False, with a line in the log: the file cannot be read.
must_check bool body_fetch_done(struct request *r, int32_t res);
// The next `len` bytes of a slice are about to be fetched; nothing counts as fetched until then.
// With page_cache drop, what was not resident leaves the page cache again behind the response.
void body_will_fetch(struct request *r, const struct slice *s, uint64_t len);
// How many bytes from `off` on were fetched just now.
uint64_t body_fetched(const struct response *s, uint64_t off);
// Bytes that may go before others have their turn.
uint64_t body_quantum(const struct request *r);
// How much of `room` may go at once; where limit_rate_after ends, pacing begins.
uint64_t body_unpaced(struct request *r, uint64_t room);
