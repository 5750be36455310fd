// SPDX-License-Identifier: Apache-2.0
//
// A response as a description: status, headers, and the body as a list of slices. Header filters
// read and change it; only a transport sends it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/sv.h"
#include "lib/file/drop.h"

struct open_file;
struct request;

struct slice {
    struct open_file *file; // NULL: memory. The response holds one reference in all (response.file)
    const char *p;          // memory: request arena or configuration
    uint64_t off;           // file offset
    uint64_t len;           // bytes left to send
    struct slice *next;
};

struct header {
    struct sv name, value;
    struct header *next;
};

struct response {
    unsigned status;
    struct sv status_line;     // "200 OK"; empty: made from status
    struct sv content_type;    // empty: none is sent
    struct sv charset;         // empty: none
    struct sv location;        // Location, as to be sent
    struct sv etag;            // quotes included; empty: none
    char etag_text[40];
    int64_t last_modified;     // seconds; -1: none
    int64_t content_length;    // -1: unknown
    bool no_content_type, accept_ranges, no_body;
    bool header_sent;
    bool chunked;              // the body has the framing of Transfer-Encoding: chunked in it
    struct header *headers;    // further ones in order
    struct header *trailers;   // what goes behind the body, in order
    struct open_file *file;    // held until the response ends; NULL: none
    struct slice *body;        // first not wholly sent
    uint64_t gzip_in, gzip_out; // bytes of the body before and after compression; 0: none
    // File bytes that a fetch has just made resident; sent without asking again, because some file
    // systems never say so.
    uint64_t fetched_from, fetched_to;

    struct drop_behind drop;   // of what the fetches brought in (page_cache drop)
    bool fetched_any, mostly_cold; // at the first fetch, less than half of the rest was resident

    // Accounting, kept by the transport.
    uint64_t header_bytes, sent_bytes; // sent_bytes: header included
};

void response_init(struct response *s);
// Appends a header; name and value must live as long as the request. 0 or -ENOMEM.
must_check int response_add_header(struct request *r, struct sv name, struct sv value);
// The same for a trailer.
must_check int response_add_trailer(struct request *r, struct sv name, struct sv value);
// The first header of that name among `headers`; p == NULL when there is none.
struct sv response_header(const struct response *s, struct sv name);
must_check int response_add_memory(struct request *r, struct sv bytes);
must_check int response_add_extent(struct request *r, uint64_t off, uint64_t len);

// Reason phrase of nginx: "404 Not Found"; empty for unknown codes.
struct sv status_line(unsigned status);
// nginx's built-in body for an error or redirect, in the arena (tail depends on server_tokens).
// Empty: none.
struct sv error_body(struct request *r, unsigned status);
