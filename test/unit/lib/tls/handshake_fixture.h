// SPDX-License-Identifier: Apache-2.0
//
// Handshakes between a context and OpenSSL's own client over memory.
#pragma once

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/tls/context.h"
#include "lib/tls/tls.h"

// Both ends of a connection. Set the client up before handshake().
struct ends {
    struct tls t;
    SSL *client;
};

static inline void ends_open(struct ends *e, const struct tls_context *context, SSL_CTX *client,
                             void *owner)
{
    BIO *ours, *theirs;

    *e = (struct ends){.t = {.owner = owner, .context = context}};
    cr_assert(BIO_new_bio_pair(&ours, 65536, &theirs, 65536));
    e->t.ssl = SSL_new(context->ssl_ctx);
    e->client = SSL_new(client);
    cr_assert(e->t.ssl != NULL && e->client != NULL);
    SSL_set_bio(e->t.ssl, ours, ours);
    SSL_set_bio(e->client, theirs, theirs);
    tls_attach(e->t.ssl, &e->t);
    SSL_set_accept_state(e->t.ssl);
    SSL_set_connect_state(e->client);
}

static inline void ends_close(struct ends *e)
{
    SSL_set_shutdown(e->t.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_shutdown(e->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(e->t.ssl);
    SSL_free(e->client);
    ERR_clear_error();
}

// True when both ends are done. The client also takes in what follows the handshake.
static inline bool handshake(struct ends *e)
{
    char byte;

    for (int turn = 0; turn < 20; turn++) {
        ERR_clear_error();
        int theirs = SSL_do_handshake(e->client);
        if (theirs != 1 && SSL_get_error(e->client, theirs) != SSL_ERROR_WANT_READ)
            return false;
        ERR_clear_error();
        int ours = SSL_do_handshake(e->t.ssl);
        int error = ours == 1 ? SSL_ERROR_NONE : SSL_get_error(e->t.ssl, ours);
        if (ours != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_X509_LOOKUP) {
            (void)SSL_do_handshake(e->client); // takes the alert in
            return false;
        }
        if (theirs == 1 && ours == 1) {
            (void)SSL_read(e->client, &byte, 1);
            ERR_clear_error();
            return true;
        }
    }
    return false;
}

// The alert that ended the client's last handshake, or -1.
static inline int refused_with(void)
{
    unsigned long e = ERR_peek_last_error();
    int reason = ERR_GET_REASON(e);

    return ERR_GET_LIB(e) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET
               ? reason - SSL_AD_REASON_OFFSET
               : -1;
}
