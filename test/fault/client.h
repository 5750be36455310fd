// SPDX-License-Identifier: Apache-2.0
//
// The client's end: raw sockets, and bytes as they came. Everything is bounded in time. TLS is in
// tls_client.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CLIENT_WAIT_MS 20000

struct bytes {
    char *p; // heap
    size_t n;
    bool reset;   // ended by a reset, not by a FIN
    bool unclean; // TLS: ended without close_notify
};

int client_open(void);
// With a small receive buffer, so that little is under way; 0: the system's.
int client_open_with(int rcvbuf);
void client_send(int fd, const char *text);
void client_send_n(int fd, const char *data, size_t n);
// Exactly n bytes, or fewer when the server closes before.
struct bytes client_read(int fd, size_t n);
// All until the server closes.
struct bytes client_read_all(int fd);
// Waits until the server has closed; how many bytes came.
size_t client_drain(int fd);
// Until there is something to read, or the end.
void client_wait(int fd);
void client_close(int fd);
void client_leave(int fd, unsigned how); // odd: with a RST, whatever is pending

// One connection: sends, reads all, closes. The request says `Connection: close`. It speaks what
// the fixture speaks; a handshake that the server ends is an answer without bytes.
struct bytes client_fetch(const char *request);

// Dates become one fixed date, random multipart boundaries one fixed boundary.
void bytes_normalise(struct bytes *b);
void bytes_free(struct bytes *b);
// Fails, with the place of the first difference, when `got` is not what was expected.
void bytes_expect(const struct bytes *got, const struct bytes *expected, const char *what);
// `got` must be a prefix.
void bytes_expect_prefix(const struct bytes *got, const struct bytes *expected, const char *what);
