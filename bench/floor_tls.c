// SPDX-License-Identifier: Apache-2.0
//
// The floor's TLS: OpenSSL between memory and memory, the records of up to 256 KiB sealed into one
// buffer that all connections share, and one send for all of them. Nothing less can be done in
// userspace with this library: each byte is read from the file, sealed and sent. Where the socket
// takes no more, the rest of a batch is kept with its connection.
#include "bench/floor_priv.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 256 * 1024,
    // A record of 16 KiB grows by 22 bytes; a handshake's flight is a few KiB.
    SEALED = BATCH + 32 * 1024,
};

struct floor_tls {
    SSL *ssl;
    const char *in; // what was received and OpenSSL has not taken yet
    size_t in_len;
    char *rest;     // what the socket did not take, or NULL
    size_t rest_off, rest_len;
};

static SSL_CTX *ctx;
static BIO_METHOD *method;
static char *plain;  // head and body before they are sealed
static char *sealed; // what goes out at the end of the call under way
static size_t sealed_len;

static int bio_write(BIO *b, const char *data, int n)
{
    BIO_clear_retry_flags(b);
    if (n < 0 || (size_t)n > SEALED - sealed_len)
        return -1;
    memcpy(sealed + sealed_len, data, (size_t)n);
    sealed_len += (size_t)n;
    return n;
}

static int bio_read(BIO *b, char *out, int size)
{
    struct floor_tls *t = BIO_get_data(b);
    size_t n = t->in_len < (size_t)size ? t->in_len : (size_t)size;

    BIO_clear_retry_flags(b);
    if (n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    memcpy(out, t->in, n);
    t->in += n;
    t->in_len -= n;
    return (int)n;
}

static long bio_ctrl(BIO *b, int command, long number, void *pointer)
{
    (void)b;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static bool make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "floor");
    return method && BIO_meth_set_write(method, bio_write) &&
           BIO_meth_set_read(method, bio_read) && BIO_meth_set_ctrl(method, bio_ctrl);
}

bool floor_tls_init(const char *pem, const char *ciphersuites)
{
    ctx = SSL_CTX_new(TLS_server_method());
    plain = malloc(BATCH);
    sealed = malloc(SEALED);
    if (!ctx || !plain || !sealed || !make_method())
        return false;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           (!ciphersuites || SSL_CTX_set_ciphersuites(ctx, ciphersuites) == 1) &&
           SSL_CTX_use_certificate_chain_file(ctx, pem) == 1 &&
           SSL_CTX_use_PrivateKey_file(ctx, pem, SSL_FILETYPE_PEM) == 1;
}

struct floor_tls *floor_tls_new(void)
{
    struct floor_tls *t = calloc(1, sizeof(*t));
    BIO *b = BIO_new(method);

    if (t && b)
        t->ssl = SSL_new(ctx);
    if (!t || !b || !t->ssl) {
        BIO_free(b);
        free(t);
        return NULL;
    }
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    SSL_set_accept_state(t->ssl);
    return t;
}

void floor_tls_free(struct floor_tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t->rest);
    free(t);
}

static bool keep_rest(struct floor_tls *t, size_t sent)
{
    t->rest_off = 0;
    t->rest_len = sealed_len - sent;
    t->rest = malloc(t->rest_len);
    if (t->rest)
        memcpy(t->rest, sealed + sent, t->rest_len);
    sealed_len = 0;
    return t->rest != NULL;
}

static bool send_rest(struct floor_conn *c)
{
    struct floor_tls *t = c->tls;
    ssize_t n = send(c->fd, t->rest + t->rest_off, t->rest_len - t->rest_off, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN;
    t->rest_off += (size_t)n;
    if (t->rest_off == t->rest_len) {
        free(t->rest);
        t->rest = NULL;
    }
    return true;
}

// All that is sealed goes out or is kept. False when the connection is lost.
static bool flush(struct floor_conn *c)
{
    ssize_t n = 0;

    if (c->tls->rest)
        return sealed_len == 0 && send_rest(c);
    if (sealed_len == 0)
        return true;
    n = send(c->fd, sealed, sealed_len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return false;
    if (n == (ssize_t)sealed_len) {
        sealed_len = 0;
        return true;
    }
    return keep_rest(c->tls, n < 0 ? 0 : (size_t)n);
}

// Head and body, as much as a batch holds, in the fewest records.
static bool seal(struct floor_conn *c, size_t head_len)
{
    size_t left = (size_t)(c->file->size - c->sent);
    size_t n = left < BATCH - head_len ? left : BATCH - head_len;

    memcpy(plain, c->file->head, head_len);
    if (pread(c->file->fd, plain + head_len, n, c->sent) != (ssize_t)n)
        return false;
    c->sent += (off_t)n;
    return SSL_write(c->tls->ssl, plain, (int)(head_len + n)) == (int)(head_len + n);
}

bool floor_tls_continue(struct floor_conn *c)
{
    for (;;) {
        if (!flush(c))
            return false;
        if (c->tls->rest)
            return true;
        if (c->sent == c->file->size) {
            c->file = NULL;
            return true;
        }
        if (!seal(c, 0))
            return false;
    }
}

// A request of the client's; with none, the connection waits for one.
static bool read_request(struct floor_conn *c)
{
    char req[FLOOR_RECV];
    int n = SSL_read(c->tls->ssl, req, sizeof(req));
    const struct floor_file *f;

    if (n <= 0)
        return SSL_get_error(c->tls->ssl, n) == SSL_ERROR_WANT_READ;
    f = floor_find(req, (size_t)n);
    if (!f || c->file)
        return false;
    c->file = f;
    c->sent = 0;
    return seal(c, f->head_len);
}

bool floor_tls_received(struct floor_conn *c, const char *bytes, size_t n)
{
    struct floor_tls *t = c->tls;
    bool ok = true;

    t->in = bytes;
    t->in_len = n;
    if (!SSL_is_init_finished(t->ssl)) {
        int rc = SSL_do_handshake(t->ssl);

        ok = rc == 1 || SSL_get_error(t->ssl, rc) == SSL_ERROR_WANT_READ;
    }
    // The tickets after the handshake go out in one send with the answer, if there is a request.
    if (ok && SSL_is_init_finished(t->ssl))
        ok = read_request(c);
    ok = ok && (c->file ? floor_tls_continue(c) : flush(c));
    sealed_len = 0;
    return ok && t->in_len == 0;
}
