// SPDX-License-Identifier: Apache-2.0
//
// Certificates with their keys: into a context when it is made, or into one connection when their
// paths have variables.
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tls/context_priv.h"
#include "lib/tls/load_priv.h"

// A pair as it was read. Each is taken over as it is used.
struct pair {
    X509 *x509;
    STACK_OF(X509) *chain; // without x509
    EVP_PKEY *key;
};

static void pair_free(struct pair *p)
{
    X509_free(p->x509);
    sk_X509_pop_free(p->chain, X509_free);
    EVP_PKEY_free(p->key);
    *p = (struct pair){0};
}

static STACK_OF(X509) *read_chain(void *ctx, const char *path, const char **error)
{
    (void)ctx;
    return tls_load_chain(path, error);
}

static EVP_PKEY *read_key(void *ctx, const char *path, const struct tls_passwords *passwords,
                          const char **error)
{
    (void)ctx;
    return tls_load_key(path, passwords, error);
}

static const struct tls_loader from_files = {.chain = read_chain, .key = read_key};

static int read_pair(const struct tls_loader *from, const struct tls_pair *pair,
                     const struct tls_passwords *passwords, struct pair *p, char *why)
{
    const char *error = "";

    *p = (struct pair){.chain = from->chain(from->ctx, pair->certificate, &error)};
    if (p->chain == NULL)
        return tls_fail(why, "cannot load certificate \"%s\": %s",
                        tls_shown_path(pair->certificate), error);
    p->x509 = sk_X509_shift(p->chain);
    p->key = from->key(from->ctx, pair->key, passwords, &error);
    if (p->key != NULL)
        return 0;
    pair_free(p);
    return tls_fail(why, "cannot load certificate key \"%s\": %s", tls_shown_path(pair->key),
                    error);
}

static int use_in_context(SSL_CTX *ctx, const struct tls_pair *pair, struct pair *p, char *why)
{
    const char *certificate = tls_shown_path(pair->certificate);

    if (SSL_CTX_use_certificate(ctx, p->x509) == 0)
        return tls_fail(why, "SSL_CTX_use_certificate(\"%s\") failed", certificate);
    if (SSL_CTX_set0_chain(ctx, p->chain) == 0)
        return tls_fail(why, "SSL_CTX_set0_chain(\"%s\") failed", certificate);
    p->chain = NULL;
    // OpenSSL does not compare a key with a certificate of another type: both would be there, and
    // no handshake would succeed.
    if (!X509_check_private_key(p->x509, p->key) || SSL_CTX_use_PrivateKey(ctx, p->key) == 0)
        return tls_fail(why, "SSL_CTX_use_PrivateKey(\"%s\") failed", tls_shown_path(pair->key));
    return 0;
}

static int use_in_connection(SSL *ssl, const struct tls_pair *pair, struct pair *p, char *why)
{
    const char *certificate = tls_shown_path(pair->certificate);

    if (SSL_use_certificate(ssl, p->x509) == 0)
        return tls_fail(why, "SSL_use_certificate(\"%s\") failed", certificate);
    if (SSL_set0_chain(ssl, p->chain) == 0)
        return tls_fail(why, "SSL_set0_chain(\"%s\") failed", certificate);
    p->chain = NULL;
    if (!X509_check_private_key(p->x509, p->key) || SSL_use_PrivateKey(ssl, p->key) == 0)
        return tls_fail(why, "SSL_use_PrivateKey(\"%s\") failed", tls_shown_path(pair->key));
    return 0;
}

// Keeps a reference to the certificate: OpenSSL drops its own when a later pair is of that type.
static int add_pair(struct tls_context *c, const struct tls_pair *pair,
                    const struct tls_passwords *passwords, char *why)
{
    const struct tls_loader *loader = c->settings->loader;
    struct pair p;
    int rc = read_pair(loader != NULL ? loader : &from_files, pair, passwords, &p, why);

    if (rc != 0)
        return rc;
    rc = use_in_context(c->ssl_ctx, pair, &p, why);
    if (rc == 0) {
        c->certificates[c->ncertificates].path = tls_shown_path(pair->certificate);
        c->certificates[c->ncertificates++].x509 = p.x509;
        p.x509 = NULL;
    }
    pair_free(&p);
    return rc;
}

static bool can_find(const struct tls_context *c)
{
    return c->hooks != NULL && c->hooks->certificate != NULL && !c->settings->reject_handshake;
}

int tls_context_pairs(struct tls_context *c, char *why)
{
    const struct tls_settings *s = c->settings;
    struct tls_passwords passwords;

    c->has_certificate = s->npairs > 0 || can_find(c);
    // Read even when nothing needs it yet: a wrong path is said now and not in a handshake.
    int rc = tls_passwords_read(s->password_file, &passwords, why);
    if (rc != 0)
        return rc;
    if (s->npairs > 0) {
        c->certificates = calloc(s->npairs, sizeof(*c->certificates));
        if (c->certificates == NULL) {
            (void)tls_fail(why, "no memory for certificates");
            rc = -ENOMEM;
        }
    }
    for (unsigned i = 0; rc == 0 && i < s->npairs; i++)
        rc = add_pair(c, &s->pairs[i], &passwords, why);
    tls_passwords_wipe(&passwords);
    return rc;
}

int tls_load_pair(SSL *ssl, const struct tls_pair *pair, const char *password_file, char *why)
{
    struct tls_passwords passwords;
    struct pair p;
    int rc;

    why[0] = '\0';
    if ((rc = tls_passwords_read(password_file, &passwords, why)) != 0)
        return rc;
    rc = read_pair(&from_files, pair, &passwords, &p, why);
    tls_passwords_wipe(&passwords);
    if (rc != 0)
        return rc;
    rc = use_in_connection(ssl, pair, &p, why);
    pair_free(&p);
    ERR_clear_error(); // reading a chain to its end leaves an entry
    return rc;
}
