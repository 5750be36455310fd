// SPDX-License-Identifier: Apache-2.0
//
// One request, from its first byte to its log line. It knows no socket: it reads a head, walks the
// phases, and describes a response (response.h) that the connection hands to a transport. HTTP/2
// streams will be requests, too. Everything it owns lives in its arena unless said otherwise.
#pragma once

#include "lib/base/arena.h"
#include "lib/base/regex.h"
#include "lib/file/open_file.h"
#include "lib/http/head.h"
#include "lib/http/uri.h"
#include "server/config/location_conf.h"
#include "server/filters/body_memory.h"
#include "server/request/owner.h"
#include "server/request/phase.h"
#include "server/request/response.h"

struct conn;
struct h1_parser;
struct worker;

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OPTIONS, METHOD_OTHER };

#define REQUEST_URI_CHANGES 10 // internal redirects and rewrites before 500, as nginx
#define REQUEST_MAGIC 0x72e90e57u

struct value_slot { // a cached variable
    struct sv value;
    bool known, found;
};

struct request {
    uint32_t magic;
    struct request *next_free;   // in the worker's pool
    struct conn *conn;           // borrowed
    const struct request_owner *owner; // NULL: asks for variables only
    void *stream;                // the owner's own
    struct worker *worker;
    struct arena arena;

    // The head as received; grows while it is read.
    char *head;
    uint32_t head_len, head_cap; // bytes of head so far (may include what follows it), room
    struct http_head parsed;     // what was found in it
    struct h1_parser *h1;        // who parses it; NULL: HTTP/2
    uint64_t request_length;     // bytes of head and body received ($request_length)

    // What was asked.
    enum method method;
    struct sv method_name, request_line, target;
    struct uri uri;              // as sent, normalised
    struct sv path, args;        // current: rewrites and internal redirects change them
    struct sv host;              // lower case, no port; empty when none
    uint16_t host_port;

    // Where it is.
    const struct server_conf *server;
    const struct location_conf *location;
    uint8_t phase;               // index into the phase table
    uint8_t uri_changes;         // left
    bool uri_changed;            // by rewrite
    bool internal;               // after an internal redirect
    bool error_page_seen;        // inside error_page
    bool body_done;              // the request body, if any, has been read and dropped
    bool expect_tested;          // 100 Continue was sent or is out of place
    bool keep_alive;             // connection may go on after this response
    bool header_only;            // HEAD
    bool allow_ranges;
    bool limit_rate_set;
    bool headers_added;          // add_header and expires are in the response already
    bool logged;                 // wrote to the error log
    bool pipelined;              // its first bytes had come before the answer to the one before it
    bool head_excess;            // bytes of a rejected head were thrown away: linger before closing
    unsigned rejected;           // status the head itself has earned; 0 none
    unsigned step;               // a phase's own progress over waits; 0 when it begins
    const struct program *program; // the rewrite phase's
    unsigned error_status;       // status that led to error_page (err_status); 0 none

    struct limit_state limits;   // limit_req, limit_conn

    // Variables.
    struct value_slot *slots;    // http->var_slots of them, made at first use
    struct regex_match captures; // of the last match that set $1..
    struct sv captures_subject;
    struct sv request_id;        // made at first use

    // Asynchronous file look-up; one at a time.
    struct file_lookup lookup;
    bool lookup_in_flight;

    struct op fetch;             // of the part of the body that is sent next
    struct response response;
    uint8_t filter;              // 1 + the filter that waits; 0: none
    struct body_read body_read;

    // Accounting.
    uint64_t start_ms;           // monotonic, first byte
    uint64_t limit_rate, limit_rate_after;
};

// An operation of it is on the ring: it may not end.
bool request_in_flight(const struct request *r);
// From the worker's pool; NULL when memory is out. Counted in conn->requests.
struct request *request_new(struct conn *c, const struct request_owner *owner);
// Logs the request and gives everything back.
void request_end(struct request *r);
// An empty one of the worker's pool, and back there with its arena and no more than that.
struct request *request_take(struct worker *w);
void request_give(struct request *r);

// The head is complete in r->head and r->parsed; keep_alive and body_done are set: finds the server
// and runs the phases.
void request_begin(struct request *r);
// What is known of an incomplete head, for its log line.
void request_note_line(struct request *r);
// The head cannot be read: answers with this status, and with a line that says why.
void request_reject(struct request *r, unsigned status, const char *why);

// Runs phases until the request waits or its response has been handed to the connection.
void request_run(struct request *r);
// After a wait, of a phase or of a filter. From completions only.
void request_resume(struct request *r);
// What a status means: an error_page, else the built-in page. A phase result, never a status. For
// request_run and the filters; a phase returns the status instead.
must_check int request_finish_status(struct request *r, unsigned status);
// Runs the header filters over the described response and hands it to the connection. A phase
// result or a status.
must_check int request_respond(struct request *r);

// Changes path and args and marks the request internal. Returns PHASE_RELOCATE, or 500 after too
// many.
must_check int request_internal_redirect(struct request *r, struct sv path, struct sv args);
// To a named location. Returns PHASE_NEXT-like code to return from a phase, or 500.
must_check int request_named_location(struct request *r, struct sv name);

// Evaluates a template for this request. 0 or -ENOMEM.
must_check int request_eval(struct request *r, const struct template *t, struct sv *out);
// First request header of that name; p == NULL when there is none.
struct sv request_header(const struct request *r, struct sv name);

// How its fields are judged.
struct http_field_rules request_field_rules(const struct server_conf *s);

// Error log line with nginx's suffix: ", client: ..., server: ..., request: \"...\", host: ...".
void request_log(struct request *r, enum log_level level, int err, const char *fmt, ...)
    printf_like(4, 5);
