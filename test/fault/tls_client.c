// SPDX-License-Identifier: Apache-2.0
#include "test/fault/tls_client.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/compiler.h"
#include "test/fault/fixture.h"

// One for the test process. Tickets stay unused: each handshake is to be a full one.
static SSL_CTX *context(void)
{
    static SSL_CTX *ctx;
    int version = fixture_tls() == FIXTURE_TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;

    if (ctx == NULL) {
        ctx = SSL_CTX_new(TLS_client_method());
        cr_assert_not_null(ctx);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        cr_assert_eq(SSL_CTX_set1_groups_list(ctx, "P-256"), 1);
    }
    SSL_CTX_set_min_proto_version(ctx, version);
    SSL_CTX_set_max_proto_version(ctx, version);
    return ctx;
}

void tls_client_begin(struct tls_client *c, int fd)
{
    int on = 1;

    cr_assert_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    *c = (struct tls_client){.fd = fd,
                             .ssl = SSL_new(context()),
                             .in = BIO_new(BIO_s_mem()),
                             .out = BIO_new(BIO_s_mem())};
    cr_assert(c->ssl != NULL && c->in != NULL && c->out != NULL);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
}

bool tls_client_step(struct tls_client *c)
{
    ERR_clear_error();
    return SSL_do_handshake(c->ssl) == 1;
}

size_t tls_client_output(const struct tls_client *c, const char **bytes)
{
    char *p;
    long n = BIO_get_mem_data(c->out, &p);

    *bytes = p;
    return (size_t)n;
}

void tls_client_sent(struct tls_client *c)
{
    (void)BIO_reset(c->out);
}

void tls_client_push(struct tls_client *c)
{
    const char *bytes;
    size_t n = tls_client_output(c, &bytes);

    client_send_n(c->fd, bytes, n);
    tls_client_sent(c);
}

bool tls_client_pull(struct tls_client *c)
{
    char buf[20000];

    client_wait(c->fd);
    ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
    c->reset = n < 0;
    c->eof = n <= 0;
    if (c->eof)
        return false;
    cr_assert_eq(BIO_write(c->in, buf, (int)n), (int)n);
    return true;
}

bool tls_client_handshake(struct tls_client *c)
{
    for (;;) {
        bool done = tls_client_step(c);
        bool waits = !done && SSL_want_read(c->ssl) && ERR_peek_error() == 0;
        tls_client_push(c);
        if (!waits)
            return done;
        if (!tls_client_pull(c))
            return false;
    }
}

void tls_client_open(struct tls_client *c, int rcvbuf)
{
    tls_client_begin(c, client_open_with(rcvbuf));
    cr_assert(tls_client_handshake(c));
}

void tls_client_send_n(struct tls_client *c, const char *data, size_t n)
{
    size_t written;

    if (n == 0)
        return;
    cr_assert_eq(SSL_write_ex(c->ssl, data, n, &written), 1);
    cr_assert_eq(written, n);
    tls_client_push(c);
}

void tls_client_send(struct tls_client *c, const char *text)
{
    tls_client_send_n(c, text, strlen(text));
}

// False: no more will come.
static bool read_some(struct tls_client *c, char *p, size_t room, size_t *got)
{
    for (;;) {
        ERR_clear_error();
        int rc = SSL_read_ex(c->ssl, p, room, got);
        if (rc == 1)
            return true;
        if (SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ || !tls_client_pull(c))
            return false;
    }
}

struct bytes tls_client_read(struct tls_client *c, size_t most)
{
    struct bytes b = {.p = malloc(1)};
    size_t cap = 1, got;

    while (b.n < most) {
        if (b.n == cap) {
            cap = cap < 4096 ? 4096 : cap * 2;
            b.p = realloc(b.p, cap);
        }
        if (!read_some(c, b.p + b.n, min_of(cap - b.n, most - b.n), &got)) {
            b.unclean = !(SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN) ||
                        tls_client_alert() >= 0;
            b.reset = c->reset;
            break;
        }
        b.n += got;
    }
    return b;
}

struct bytes tls_client_read_all(struct tls_client *c)
{
    struct bytes b = tls_client_read(c, (size_t)-1);

    // Behind close_notify nothing may come but the end of the stream.
    while (!c->eof && tls_client_pull(c))
        b.unclean = true;
    b.reset = c->reset;
    return b;
}

int tls_client_alert(void)
{
    unsigned long e = ERR_peek_last_error();
    int reason = ERR_GET_REASON(e);

    return ERR_GET_LIB(e) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET
               ? reason - SSL_AD_REASON_OFFSET
               : -1;
}

void tls_client_close(struct tls_client *c)
{
    tls_client_leave(c, 0);
}

void tls_client_leave(struct tls_client *c, unsigned how)
{
    SSL_free(c->ssl);
    client_leave(c->fd, how);
    ERR_clear_error();
}
