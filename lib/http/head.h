// SPDX-License-Identifier: Apache-2.0
//
// The head of a request as it was understood, whichever version of HTTP brought it: the parts of
// its first line and its fields, as offsets into the bytes of the head. Those lie in one buffer,
// which may move while it grows.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/compiler.h"
#include "lib/base/sv.h"

struct http_field {
    uint32_t name, value; // offsets into the head
    uint32_t name_len, value_len;
    bool ignored; // invalid by nginx's rules (underscore, dot, ...) and to be passed over
};

struct http_head {
    uint32_t line_len;       // request line without its line end; after an error, what came of it
    uint32_t method, method_len;
    uint32_t target, target_len; // request-target as sent
    uint32_t head_len;       // bytes of the head, its last empty line included
    uint8_t http_major, http_minor;
    uint8_t llhttp_method;   // enum llhttp_method; HTTP_METHOD_UNKNOWN for others
    bool http_0_9;           // "GET /path" without a version
    bool has_host;
    bool has_length;
    bool expect_continue;    // Expect: 100-continue
    uint64_t content_length;
    uint32_t nfields, cfields;
    struct http_field *fields;
    uint32_t counted;        // header lines that count against max_headers
    uint32_t seen;           // private: which of the fields that may be there once were, as bits
};

#define HTTP_METHOD_UNKNOWN UINT8_MAX

// What nginx's directives say about fields.
struct http_field_rules {
    uint32_t max_headers;   // max_headers: header lines at most
    bool underscores;       // underscores_in_headers
    bool ignore_invalid;    // ignore_invalid_headers
};

enum http_field_result {
    HTTP_FIELD_OK,
    HTTP_FIELD_BAD,      // a second Host, an unknown Transfer-Encoding, ...: a bad request
    HTTP_FIELD_TOO_MANY, // max_headers, or memory is out
};

// Appends an empty field, memory for it coming from `a`. NULL when that is out.
struct http_field *http_head_grow(struct http_head *h, struct arena *a);
// The last field is complete; `base` is where the bytes of the head are now. Judges it, and takes
// from it what the head itself wants to know (not Content-Length's number).
must_check enum http_field_result http_head_judge(struct http_head *h, const char *base,
                                                  const struct http_field_rules *rules);
// The first field of that name (ASCII case-insensitive) not marked ignored; -1 when there is none.
int http_head_find(const struct http_head *h, const char *base, struct sv name);
// enum llhttp_method, or HTTP_METHOD_UNKNOWN.
uint8_t http_method_number(struct sv method);
