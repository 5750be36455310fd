// SPDX-License-Identifier: Apache-2.0
//
// What the two loops of the floor responder share: the table of files opened at start, and the
// cheapest answer to one request. It knows nothing of the server or its libraries on purpose.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FLOOR_MAX_FILES = 16, FLOOR_HEAD = 512, FLOOR_RECV = 4096, FLOOR_QUEUED = 16 * 1024 };

struct floor_file {
    char line[80]; // "GET /name " as the request begins
    size_t line_len;
    int fd;
    off_t size;
    char head[FLOOR_HEAD];
    size_t head_len;
    size_t date_at; // where in the head the 29 bytes of the date are
};

struct floor_options {
    uint16_t port;
    const char *root;
    bool uring;
    bool batch;       // io_uring only: bodies up to FLOOR_QUEUED are queued, not sent inline
    bool more;        // the header before a sendfile is held back by MSG_MORE
    off_t copy_limit; // bodies up to this are copied, above it sendfile is used
    const char *pem;  // certificate and key; NULL: plain
    const char *ciphersuites; // of TLS 1.3; NULL: OpenSSL's own order
};

struct floor_tls;

struct floor_conn {
    int fd;
    const struct floor_file *file; // the rest of this one is still to be sent, or NULL
    off_t sent;                    // bytes of the body that are out
    bool gone;                     // io_uring only: the multishot recv has ended
    char *out;                     // head and body of a queued answer, FLOOR_QUEUED long
    struct floor_tls *tls;         // NULL: plain
};

extern struct floor_options floor_opt;

// Finds the file a request names; NULL for anything the bench did not put there.
const struct floor_file *floor_find(const char *req, size_t len);

// Writes the date into every head when the second has changed; called once per wake-up.
void floor_tick(void);

// Puts head and body of a file into out, which must be large enough for both. Returns the length,
// or -1 if the file cannot be read.
ssize_t floor_compose(char *out, const struct floor_file *f);

// Answers one request. False when the connection is lost.
bool floor_answer(struct floor_conn *c, const struct floor_file *f);

// Goes on with the body after the socket had been full. False when the connection is lost.
bool floor_continue(struct floor_conn *c);

// TLS: what a connection received, which is a part of a handshake or one request that is answered
// at once. False when the connection is lost.
bool floor_tls_received(struct floor_conn *c, const char *bytes, size_t n);
// As floor_continue.
bool floor_tls_continue(struct floor_conn *c);
// False with the reason in OpenSSL's error queue.
bool floor_tls_init(const char *pem, const char *ciphersuites);
struct floor_tls *floor_tls_new(void);
void floor_tls_free(struct floor_tls *t); // NULL is allowed

struct floor_conn *floor_conn_new(int fd);
void floor_conn_free(struct floor_conn *c);

// The loops; they return only when something is wrong, with the errno value.
int floor_epoll(int listener);
int floor_uring(int listener);
