// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.x request parsing (RFC 9112): bytes in, a description out, no descriptor in sight. Header
// fields, framing and bodies are llhttp's in strict mode; the request line is ours, because nginx's
// grammar has methods, HTTP/0.9 and answers that llhttp lacks. The head is parsed in place in one
// contiguous buffer that may move while it grows; what is found is kept as offsets into it.
#pragma once

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/compiler.h"
#include "lib/base/sv.h"
#include "lib/http/head.h"

// Limits in nginx's terms; bytes unless said otherwise.
struct h1_limits {
    uint32_t first_buffer;  // client_header_buffer_size
    uint32_t large_size;    // large_client_header_buffers: size of one
    uint32_t large_count;   // large_client_header_buffers: number
    struct http_field_rules fields;
};

enum h1_result {
    H1_MORE,            // needs more bytes
    H1_DONE,            // head (or body) complete
    H1_BAD_REQUEST,     // 400
    H1_METHOD_UNKNOWN,  // as H1_DONE, with a well-formed method (A-Z, _, -) nobody registered: 405
    H1_URI_TOO_LONG,    // 414
    H1_HEADER_TOO_LARGE, // nginx 494, sent as 400
    H1_BAD_VERSION,     // 505
};

struct h1_parser {
    llhttp_t ll;
    struct arena *arena;     // borrowed: the fields array
    struct h1_limits limits;
    size_t parsed;           // bytes of the head given to llhttp so far
    const char *base;        // the head while a call runs

    // Valid after H1_DONE; the parts of the request line also after an error, as far as they came.
    // The request line begins at head->method, whatever it is worth.
    struct http_head *head;  // borrowed
    bool keep_alive;         // by version and Connection
    bool connection_close;   // Connection: close was there
    bool connection_keep_alive; // Connection: keep-alive was there
    bool chunked;
    bool host_missing;       // why it is H1_BAD_REQUEST: HTTP/1.1 wants a Host

    uint64_t body_bytes;     // payload of the body so far

    // private to h1*.c
    uint8_t state, failure;  // enum h1_state; enum h1_result a callback failed with
    uint32_t scanned;        // bytes searched for the end of the line that begins at `parsed`
    uint32_t room, larges;   // of nginx's buffers: bytes left in the newest, large ones taken
    uint64_t body_wire;      // bytes of the body so far, framing included
};

// The parser may be initialised again for the next request of a connection. What is found goes to
// `head`, which is cleared; `a` is that request's arena; the limits are copied. There is nothing to
// free.
void h1_init(struct h1_parser *p, struct http_head *head, struct arena *a,
             const struct h1_limits *limits);

// `buf` holds the head from its first byte, `len` bytes so far (more than the head is allowed: what
// follows is left alone, see
// head->head_len). The same bytes may be at another address than before.
// Empty lines before the request line are passed over (RFC 9112, 2.2) and counted in
// head->head_len.
enum h1_result h1_head(struct h1_parser *p, const char *buf, size_t len);

// After h1_head() gave a complete head, and until this gives something else than H1_MORE; results
// are H1_DONE, H1_MORE and H1_BAD_REQUEST. The request body (RFC 9112, 6 and 7) is read and
// discarded: `*used` of `len` bytes belonged to it. H1_DONE at once for a request without one.
// `body_bytes` in the parser counts payload bytes.
enum h1_result h1_body(struct h1_parser *p, const char *buf, size_t len, size_t *used);
