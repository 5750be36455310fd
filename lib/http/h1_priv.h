// SPDX-License-Identifier: Apache-2.0
//
// What the files of the HTTP/1 parser share: its states, the request line, llhttp's callbacks.
#pragma once

#include "lib/http/h1.h"

enum h1_state {
    H1_AT_START,  // before the first byte that is not an empty line
    H1_IN_LINE,   // in the request line
    H1_IN_FIELDS, // in the header fields
    H1_IN_BODY,
    H1_AT_END, // of the message
    H1_FAILED,
};

// Parses the request line, `len` bytes at p->method without their line end. H1_DONE,
// H1_BAD_REQUEST, H1_BAD_VERSION or H1_METHOD_UNKNOWN; the last one leaves a complete description
// too.
enum h1_result h1_parse_line(struct h1_parser *p, const char *buf, uint32_t len);

// Can these first bytes of a request line become one? Lets a TLS ClientHello or other noise
// without a line end be refused at once.
bool h1_line_plausible(const char *line, size_t len);

// Readies llhttp for the bytes after the request line.
void h1_fields_begin(struct h1_parser *p);

// Gives llhttp whole header lines, the bytes `from` up to `to` of `buf`. False when they are wrong:
// p->failure says how.
bool h1_fields_feed(struct h1_parser *p, const char *buf, uint32_t from, uint32_t to);
