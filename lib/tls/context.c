// SPDX-License-Identifier: Apache-2.0
//
// The order in which a context is put together, and how an SSL and an SSL_CTX find what they belong
// to. The parts are in the files context_*.c.
#include "lib/tls/context.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tls/context_priv.h"
#include "lib/tls/key_schedule.h"
#include "lib/tls/record_layer.h"

// Slots for our pointers in OpenSSL's objects (SSL_get_ex_new_index(3)); for the process's life.
static struct {
    int context; // of an SSL_CTX: struct tls_context
    int tls;     // of an SSL: struct tls
    int first;   // of an SSL: the struct tls_context it was made with
    int chosen;  // of an SSL: not NULL once the server name has been judged
} slots;

static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

static void make_slots(void)
{
    slots.context = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    slots.tls = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    slots.first = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    slots.chosen = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static bool has_slots(void)
{
    pthread_once(&slots_once, make_slots);
    return slots.context >= 0 && slots.tls >= 0 && slots.first >= 0 && slots.chosen >= 0;
}

struct tls *tls_of(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, slots.tls);
}

struct tls_context *tls_context_of(const SSL_CTX *ctx)
{
    return SSL_CTX_get_ex_data(ctx, slots.context);
}

void tls_attach(SSL *ssl, struct tls *t)
{
    // Without memory for both slots there is none: the ClientHello is then refused.
    if (!SSL_set_ex_data(ssl, slots.first, tls_context_of(SSL_get_SSL_CTX(ssl))) ||
        !SSL_set_ex_data(ssl, slots.tls, t))
        ERR_clear_error();
}

const struct tls_context *tls_first_context(const SSL *ssl)
{
    const struct tls_context *c = SSL_get_ex_data(ssl, slots.first);
    return c != NULL ? c : tls_context_of(SSL_get_SSL_CTX(ssl));
}

bool tls_is_chosen(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, slots.chosen) != NULL;
}

bool tls_set_chosen(SSL *ssl)
{
    return SSL_set_ex_data(ssl, slots.chosen, &slots) == 1;
}

static int make_ctx(struct tls_context *c, char *why)
{
    bool ours = tls_key_schedule_init() == 0;

    c->ssl_ctx = SSL_CTX_new_ex(NULL, ours ? TLS_KEY_SCHEDULE : NULL, TLS_server_method());
    if (c->ssl_ctx == NULL)
        return tls_fail(why, "SSL_CTX_new() failed");
    if (!SSL_CTX_set_ex_data(c->ssl_ctx, slots.context, c))
        return tls_fail(why, "SSL_CTX_set_ex_data() failed");
    tls_secrets_watch(c->ssl_ctx);
    return 0;
}

// Sessions come last but one: what they may not cross is made of certificates and authorities. The
// commands come last of all, as with nginx, so that they have the last word.
static int fill(struct tls_context_whole *w, char *why, char *warning)
{
    struct tls_context *c = &w->open;
    int rc;

    if ((rc = make_ctx(c, why)) != 0 || (rc = tls_context_rules(c, why, warning)) != 0 ||
        (rc = tls_context_pairs(c, why)) != 0 || (rc = tls_context_verify(c, why)) != 0 ||
        (rc = tls_context_staples(c, why)) != 0 || (rc = tls_context_sessions(w, why)) != 0)
        return rc;
    tls_context_names(c);
    rc = tls_context_commands(c, why);
    c->kernel = (SSL_CTX_get_options(c->ssl_ctx) & SSL_OP_ENABLE_KTLS) != 0;
    return rc;
}

int tls_context_make(const struct tls_settings *settings, const struct tls_hooks *hooks,
                     struct tls_context **out, char *why, char *warning)
{
    char dropped[TLS_ERROR_MAX];

    *out = NULL;
    why[0] = '\0';
    if (warning == NULL)
        warning = dropped;
    warning[0] = '\0';
    ERR_clear_error();
    struct tls_context_whole *w = has_slots() ? calloc(1, sizeof(*w)) : NULL;
    if (w == NULL) {
        (void)tls_fail(why, "no memory for a TLS context");
        return -ENOMEM;
    }
    w->open.settings = settings;
    w->open.hooks = hooks;
    int rc = fill(w, why, warning);
    ERR_clear_error(); // reading a chain to its end leaves an entry
    if (rc != 0) {
        tls_context_free(&w->open);
        return rc == -ENOMEM ? rc : -EINVAL;
    }
    *out = &w->open;
    return 0;
}

void tls_context_free(struct tls_context *c)
{
    if (c == NULL)
        return;
    struct tls_context_whole *w = container_of(c, struct tls_context_whole, open);
    tls_context_drop_staples(c);
    for (unsigned i = 0; i < c->ncertificates; i++)
        X509_free(c->certificates[i].x509);
    free(c->certificates);
    if (c->ssl_ctx != NULL) {
        // Freeing it would call this for each session of its own, and take them from all silos.
        SSL_CTX_sess_set_remove_cb(c->ssl_ctx, NULL);
        SSL_CTX_free(c->ssl_ctx);
    }
    tls_ticket_keys_free(w->key_files);
    free(w);
}
