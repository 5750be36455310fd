// SPDX-License-Identifier: Apache-2.0
//
// Memory for records that OpenSSL makes, and sending them. Buffers are the worker's: a connection
// has one only while something in it waits to be sent, and what a slow client leaves is moved to
// memory of its own size.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/compiler.h"
#include "server/transport/transport.h"

struct tls_output;
struct worker;

// Bytes that are put together (for our own records: sealed) before they are sent: 32 frames of
// HTTP/2 with their headers. Measured: with half of it a body of 1 MiB costs a third more in the
// clear, a sixth more over TLS.
#define RECORD_BATCH ((512u << 10) + 2048)
#define RECORD_BATCH_MIN (16u << 10)             // for a reader that takes little
#define RECORD_BUFFER (RECORD_BATCH + (32u << 10)) // with headers and tags
#define RECORD_BUFFERS_KEPT 8                    // by a worker, for its next sends

// For struct tls_output.reserve of a struct tls whose owner is a connection.
bool records_reserve(struct tls_output *out, size_t more);
// Sends what stands in c->tls->out: TRANSPORT_DONE, _AGAIN, _RETRY or _ERROR. An error has no line
// when there is no c->request: errno says what it was.
must_check enum transport_result records_flush(struct conn *c);
// The same, and a client that takes all of it gets a larger batch the next time, one that does not
// a smaller one (conn.batch).
must_check enum transport_result records_flush_batch(struct conn *c);
bool records_waiting(const struct conn *c);
// Gives the memory back, unsent bytes with it.
void records_drop(struct conn *c);

// A buffer of RECORD_BUFFER bytes; NULL when memory is out.
char *record_buffer_take(struct worker *w);
void record_buffer_give(struct worker *w, char *buffer); // NULL is allowed
void record_buffers_free(struct worker *w);
