// SPDX-License-Identifier: Apache-2.0
//
// Two ends of a connection: OpenSSL's own client, and a server whose record layer takes over after
// the handshake. Both over memory.
#pragma once

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tls/record_priv.h"
#include "lib/tls/ticket_keys.h"
#include "test/unit/lib/tls/own_context_fixture.h"

static SSL_SESSION *ticket;
static unsigned tickets_seen;

static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                     "TLS_CHACHA20_POLY1305_SHA256"};

// It gives tickets, and its connections' secrets are watched.
static inline void make_watched_context(void)
{
    settings.session_tickets = true;
    settings.tickets = tls_ticket_keys_new();
    make_context();
    tls_secrets_watch(context->ssl_ctx);
}

static inline bool reserve(struct tls_output *output, size_t more)
{
    output->cap = output->len + more;
    output->p = realloc(output->p, output->cap);
    return output->p != NULL;
}

static inline int keep_ticket(SSL *ssl, SSL_SESSION *s)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = s;
    tickets_seen++;
    return 1;
}

struct ends {
    struct tls *t;
    struct tls_records *r; // once it has taken over
    SSL *client;
    BIO *sent; // by the client
};

static inline struct ends open_ends(const char *suite, SSL_SESSION *session)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct ends e = {.client = SSL_new(ctx)};

    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
    SSL_CTX_free(ctx);
    cr_assert_eq(SSL_set_ciphersuites(e.client, suite), 1);
    e.sent = BIO_new(BIO_s_mem());
    SSL_set_bio(e.client, BIO_new(BIO_s_mem()), e.sent);
    SSL_set_connect_state(e.client);
    if (session != NULL)
        cr_assert_eq(SSL_set_session(e.client, session), 1);
    tickets_seen = 0;
    e.t = tls_open(context, -1, TLS_THROUGH_MEMORY, NULL);
    cr_assert_not_null(e.t);
    e.t->out.reserve = reserve;
    return e;
}

static inline void close_ends(struct ends *e)
{
    // A session whose connection ended without ceremony is not resumed.
    SSL_set_shutdown(e->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    tls_records_free(e->r);
    free(e->t->out.p);
    tls_free(e->t);
    SSL_free(e->client);
}

static inline void to_client(struct ends *e, const char *bytes, size_t n)
{
    if (n != 0)
        cr_assert_eq(BIO_write(SSL_get_rbio(e->client), bytes, (int)n), (int)n);
}

static inline void flush_server(struct ends *e)
{
    to_client(e, e->t->out.p, e->t->out.len);
    e->t->out.len = 0;
}

// What the client has written so far; free(3).
static inline char *take_sent(struct ends *e, size_t *n)
{
    char *bytes, *copy;

    *n = (size_t)BIO_get_mem_data(e->sent, &bytes);
    copy = malloc(*n + 1);
    memcpy(copy, bytes, *n);
    (void)BIO_reset(e->sent);
    return copy;
}

static inline void shake(struct ends *e)
{
    enum tls_result result = TLS_WANT_INPUT;

    for (int i = 0; i < 8 && result == TLS_WANT_INPUT; i++) {
        size_t n;
        (void)SSL_do_handshake(e->client);
        char *bytes = take_sent(e, &n);
        tls_feed(e->t, bytes, n);
        result = tls_handshake(e->t);
        cr_assert_eq(e->t->in_len, 0);
        free(bytes);
        flush_server(e);
    }
    cr_assert_eq(result, TLS_DONE);
    cr_assert_eq(SSL_do_handshake(e->client), 1);
}

static inline void take_over(struct ends *e)
{
    e->r = tls_records_new(e->t->ssl, &e->t->secrets);
    cr_assert_not_null(e->r);
    SSL_free(e->t->ssl);
    e->t->ssl = NULL;
}

static inline struct ends connect_ends(const char *suite, SSL_SESSION *session)
{
    struct ends e = open_ends(suite, session);

    shake(&e);
    take_over(&e);
    return e;
}
