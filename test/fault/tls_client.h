// SPDX-License-Identifier: Apache-2.0
//
// The client's end of a TLS connection. OpenSSL works on memory here and the test moves the bytes,
// so that it can stop at each of them.
#pragma once

#include <openssl/ssl.h>

#include "test/fault/client.h"

struct tls_client {
    int fd;
    SSL *ssl;
    BIO *in, *out; // the SSL's own
    bool eof, reset;
};

// The version of fixture_start(); nothing is sent yet. `fd` belongs to the client from here on.
void tls_client_begin(struct tls_client *c, int fd);
// Goes on with the handshake as far as the bytes at hand allow; true when it is done.
bool tls_client_step(struct tls_client *c);
// What OpenSSL wants to be sent; the bytes stay until tls_client_push() or tls_client_sent().
size_t tls_client_output(const struct tls_client *c, const char **bytes);
// The bytes were sent by somebody else.
void tls_client_sent(struct tls_client *c);
void tls_client_push(struct tls_client *c);
// Waits for bytes of the server; false when it has closed.
bool tls_client_pull(struct tls_client *c);
// True when it is done; false when the server has ended it.
bool tls_client_handshake(struct tls_client *c);
// Connects and shakes hands, which must succeed.
void tls_client_open(struct tls_client *c, int rcvbuf);

void tls_client_send_n(struct tls_client *c, const char *data, size_t n);
void tls_client_send(struct tls_client *c, const char *text);
// As client_read() and client_read_all(); bytes.unclean is set where it ends without close_notify.
struct bytes tls_client_read(struct tls_client *c, size_t most);
struct bytes tls_client_read_all(struct tls_client *c);
// The alert that the server has sent, or -1.
int tls_client_alert(void);

// Without a word.
void tls_client_close(struct tls_client *c);
void tls_client_leave(struct tls_client *c, unsigned how); // as client_leave()
