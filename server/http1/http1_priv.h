// SPDX-License-Identifier: Apache-2.0
//
// What the files of HTTP/1 share: http1.c (its place among the protocols), input.c (receiving),
// send.c (sending).
#pragma once

#include <stddef.h>
#include <stdint.h>

struct conn;
struct request;
struct request_owner;

void http1_take_in(struct conn *c, const char *data, size_t n);
void http1_end_of_stream(struct conn *c);
// Feeds what is pending, until a request waits or nothing is left.
void http1_pump(struct conn *c);
// Between two parts of a request body that is read to be dropped.
void http1_body_deadline(struct conn *c);
// The response is with the kernel: next request, discard of a body, linger, or close.
void http1_response_sent(struct conn *c);
// Nothing more is answered: the connection ends when all is with TCP.
void http1_end(struct conn *c);
// Logs and frees the request.
void http1_end_request(struct conn *c);
void http1_log_settled(struct conn *c);
void http1_retry_send(struct conn *c);
void http1_timed_out(struct conn *c);
void http1_writable(struct conn *c, int32_t res);

// Of its requests (server/request/owner.h).
extern const struct request_owner http1_owner;
void http1_respond(struct request *r);
void http1_delay(struct request *r, uint64_t delay_ms);
void http1_fetched(struct request *r, int32_t res);
